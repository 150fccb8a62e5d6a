"""The command line. Exit 0: done; 1: a gate or a check failed; 2: wrong usage or bad input, in one line on stderr."""

from __future__ import annotations

import errno
import gc
import os
import sys
from importlib import import_module
from types import ModuleType
from typing import Annotated

import typer
from typer import Option

from nacre import __version__
from nacre.cli import usage
from nacre.errors import NacreError
from nacre.text.language import N_, os_reason, tr

# Objects before Python looks for cycles among all there are: what a command loads stays, and looking costs a tenth of
# its start.
_GARBAGE = 50_000
_INTERRUPTED = 130  # by convention 128 + SIGINT; typer turns Ctrl-C into it

# Which file has which commands, in the order of the help page.
_PARTS = {
    "documents": ("sync", "ls", "rm", "verify", "copy", "reembed"),
    "knowledge": ("search", "ask"),
    "chat": ("chat", "demo"),
    "why": ("why", "gaps"),
    "reason": ("pal", "agent", "facts", "run"),
    "tokens": ("tokens", "next"),
    "evaluation.suites": ("eval",),
    "evaluation.commands": ("eval",),
    "finetuning.data": ("finetune",),
    "finetuning.adapters": ("finetune",),
    "serve": ("serve", "mcp", "init", "trace", "keys"),
    "doctor": ("doctor",),
}
_GROUPS = {
    "eval": N_("Measure retrieval, answers, refusals, programs and agents."),
    "finetune": N_(
        "Teach a small model manner (citations, refusals, house style), or an encoder words. "
        "Facts stay in the knowledge base."
    ),
    "keys": N_("API keys of the server."),
}


def application(first: str = "") -> typer.Typer:
    """The commands: those of the file that has the first word, or all: to load them takes a while."""
    app = typer.Typer(
        name="nacre",
        help=tr("Ask questions over a knowledge base, run programs and agents, and measure the answers."),
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(_options)
    groups: dict[str, typer.Typer] = {}
    for part in [part for part, commands in _PARTS.items() if first in commands] or _PARTS:
        _add_commands(app, import_module(f"nacre.cli.{part}"), groups)
    return app


def _add_commands(app: typer.Typer, module: ModuleType, groups: dict[str, typer.Typer]) -> None:
    """Add what is marked as a command in a file; "keys add" is a command `add` of the group `keys`."""
    for function in vars(module).values():
        if getattr(function, "__module__", "") == module.__name__ and hasattr(function, "command"):
            name, told = function.command
            group, _, name = name.rpartition(" ")
            if group and group not in groups:
                groups[group] = typer.Typer(help=tr(_GROUPS[group]), no_args_is_help=True)
                app.add_typer(groups[group], name=group)
            (groups[group] if group else app).command(name, help=tr(told))(function)


def _version(wanted: bool) -> None:
    if wanted:
        print(f"nacre {__version__}")
        raise typer.Exit


def _options(
    version: Annotated[
        bool, Option("--version", callback=_version, is_eager=True, help=tr("Print the version and exit."))
    ] = False,
) -> None:
    """Options of the command itself; its help stands above."""


def main() -> None:
    """Run the command line and end the process with the exit status described above."""
    gc.set_threshold(_GARBAGE)
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:  # closed by the shell: `nacre … >&-`
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115, PTH123
        elif hasattr(stream, "reconfigure"):  # a terminal without UTF-8 shows escapes instead of failing
            stream.reconfigure(errors="backslashreplace")
    sys.exit(run())


def run(arguments: list[str] | None = None) -> int:
    """Run one command, of the process where none is given."""
    arguments = sys.argv[1:] if arguments is None else arguments
    command = typer.main.get_command(application(next(iter(arguments), "")))
    usage.translate_help(command)
    try:
        status = command.main(args=arguments, prog_name="nacre", standalone_mode=False)
        sys.stdout.flush()  # a full disk is met here, not after the exit status is known
    except NacreError as error:
        return _fail(error.message)
    except usage.ClickError as error:
        return _fail(usage.message(error)) if error.format_message() else 2
    except BrokenPipeError:
        # The reader has gone (`nacre … | head`); keep Python from complaining at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        if error.errno == errno.ENOSPC:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what is still to be written has no place
        return _fail(": ".join(str(part) for part in (error.filename, os_reason(error)) if part))
    if status == _INTERRUPTED:
        print(tr("Stopped."), file=sys.stderr)
    return status if isinstance(status, int) else 0


def _fail(message: str) -> int:
    print("nacre: " + " ".join(message.split()), file=sys.stderr)
    return 2
