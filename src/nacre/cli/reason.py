"""pal, agent, facts and run: programs and agents from the command line."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

from typer import Argument, Option

from nacre.cli.output import (
    AsOption,
    JsonFlag,
    ModelOption,
    OptionalKb,
    asked,
    command,
    console,
    principals,
    print_json,
    say,
)
from nacre.errors import UsageError
from nacre.text.language import N_, os_reason, tr

ToolOption = Annotated[list[str] | None, Option("--tool", help=tr("A tool by name; may be repeated."))]
_LONGEST_SHOWN = 1 << 20  # characters


@command("pal", N_("Answer by writing a program and running it in the sandbox."))
def pal(question: str, model: ModelOption = None, as_json: JsonFlag = False) -> None:
    from nacre.connectors.models import default_spec
    from nacre.stack import build
    from nacre.text.messages import nacre_of, text_of

    chosen = model or default_spec()
    question, aided = asked(question), build({"model": chosen, "layers": ["pal"]})
    _warn_of_quote(chosen)
    message = aided.invoke(question)
    own = nacre_of(message)
    if as_json:
        told = {name: own.get(name) for name in ("value", "program", "attempts")}
        return print_json({"answer": text_of(message), **told})
    from rich.syntax import Syntax

    if own.get("program"):
        console().print(Syntax(own["program"], "python", background_color="default"))
    return say((text_of(message), "bold"))


@command("agent", N_("Let an agent reason, act and observe."))
def agent(
    question: str,
    model: ModelOption = None,
    kb: OptionalKb = None,
    tool: ToolOption = None,
    who: AsOption = None,
    max_steps: Annotated[int, Option("--max-steps", min=1, help=tr("Most steps."))] = 8,
    as_json: JsonFlag = False,
) -> None:
    from nacre.cli.agent_display import show_agent, trajectory_data
    from nacre.connectors.models import default_spec
    from nacre.stack import build
    from nacre.text.messages import text_of

    chosen, question = model or default_spec(), asked(question)
    tools = [*(["kb"] if kb else []), *(tool if tool is not None else ["python"])]
    layer = {"use": "react", "tools": tools, "max_steps": max_steps}
    react: Any = build({"model": chosen, "layers": [layer]}, kb=kb, principals=principals(who))
    _warn_of_quote(chosen)
    if as_json:
        message = react.invoke(question)
        print_json({"answer": text_of(message), "trajectory": trajectory_data(message)})
        return
    show_agent(react, question, console())


@command("facts", N_("Show, and delete, what agents remember (--tool facts:FILE)."))
def facts(
    file: Annotated[Path, Argument(help=tr("The file of the tool facts:FILE."))],
    who: AsOption = None,
    delete: Annotated[list[str] | None, Option("--delete", help=tr("Id of a fact; may be repeated."))] = None,
    as_json: JsonFlag = False,
) -> None:
    from nacre.agents.fact_store import FactStore, owner_of

    if not file.exists():
        raise UsageError(tr("There is no file {file}.", file=file))
    store, owner = FactStore(file), owner_of(principals(who))
    for number in delete or ():
        if not store.delete(owner, number):
            raise UsageError(tr("There is no fact {number!r}. `nacre facts FILE` shows them.", number=number))
    kept = store.all(owner)
    store.close()
    if as_json:
        return print_json({"facts": kept})
    for fact in kept:
        say(f"{fact['id']}  {fact['text']}")


@command("run", N_("Run a Python file in the sandbox."))
def run_file(
    file: Path,
    timeout: Annotated[float, Option("--timeout", min=0.1, help=tr("Seconds."))] = 5.0,
    as_json: JsonFlag = False,
) -> int:
    from nacre.reasoning.results import plain
    from nacre.reasoning.sandbox import PythonInterpreter

    done = PythonInterpreter().run(_program(file), timeout_s=timeout)
    if as_json:
        told = {"status": done.status, "value": plain(done.value), "stdout": done.stdout, "error": done.error}
        print_json({**told, "seconds": done.seconds, **({"charts": done.chart_urls} if done.charts else {})})
    else:
        _show_execution(done)
    return 0 if done.status == "ok" else 1


def _warn_of_quote(model: str) -> None:
    if model == "quote":
        told = tr("quote only quotes; it neither writes programs nor uses tools. Name a language model with --model.")
        say((told, "yellow"), err=True)


def _show_execution(done: Any) -> None:
    from nacre.reasoning.wording import brief

    out = console()
    out.print(done.stdout, end="", markup=False)
    if done.value is not None:
        say((brief(done.value, _LONGEST_SHOWN), "bold"))
    for path in _saved(done.charts):
        out.print(tr("Chart: {path}", path=path), markup=False, soft_wrap=True)
    if done.status != "ok":
        say((f"{done.status}: {done.error}", "red"), err=True)


def _saved(charts: Sequence[bytes]) -> list[Path]:
    """Charts as files that an image viewer opens."""
    if not charts:
        return []
    folder = Path(tempfile.mkdtemp(prefix="nacre-charts-"))
    files = [folder / f"chart-{number}.png" for number in range(1, len(charts) + 1)]
    for file, chart in zip(files, charts, strict=True):
        file.write_bytes(chart)
    return files


def _program(file: Path) -> str:
    try:
        return file.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        why = os_reason(error) if isinstance(error, OSError) else tr("it is not UTF-8 text")
        raise UsageError(tr("{file} cannot be read as a Python file: {why}.", file=file, why=why)) from error
