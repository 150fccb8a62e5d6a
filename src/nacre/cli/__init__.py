"""The command line. Exit 0: done; 1: a gate or a check failed; 2: wrong usage or bad input, in one line on stderr."""

from __future__ import annotations

import os
import sys
from typing import Any

import typer

from nacre.cli import demo, doctor, evaluate, knowledge, reason, serve, why
from nacre.errors import NacreError
from nacre.language import tr

app = typer.Typer(
    name="nacre",
    help=tr(
        "Ask questions over a knowledge base, run programs and agents, and measure the answers.",
        "对知识库提问，运行程序与智能体，并评测回答。",
    ),
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for part in (knowledge, why, reason, evaluate, serve, doctor, demo):
    part.register(app)


def main() -> None:
    """Run the command line and end the process with the exit status described above."""
    sys.exit(run())


def run(arguments: list[str] | None = None) -> int:
    """Run one command.

    Args:
        arguments: the words after `nacre`; None takes them from the process.

    Returns:
        The exit status.
    """
    command = typer.main.get_command(app)
    click_error = _click_errors()
    try:
        status = command.main(args=arguments, prog_name="nacre", standalone_mode=False)
    except NacreError as error:
        return _fail(error.message)
    except click_error as error:
        return _fail(error.format_message()) if error.format_message() else 2
    except KeyboardInterrupt:
        print(tr("\nStopped.", "\n已停止。"), file=sys.stderr)
        return 130
    except BrokenPipeError:
        # The reader has gone (`nacre … | head`); keep Python from complaining at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return status if isinstance(status, int) else 0


def _click_errors() -> Any:
    # typer carries its own click; the root of its errors is found above one that typer exports.
    return next(kind for kind in typer.BadParameter.__mro__ if kind.__name__ == "ClickException")


def _fail(message: str) -> int:
    print("nacre: " + " ".join(message.split()), file=sys.stderr)
    return 2
