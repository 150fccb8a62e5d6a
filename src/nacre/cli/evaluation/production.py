"""eval from-feedback, from-traces, drift: what a server was asked becomes questions, and shows what changed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from nacre.cli.evaluation.reports import FileOption
from nacre.cli.output import JsonFlag, console, print_json
from nacre.cli.records import kept
from nacre.errors import UsageError
from nacre.text.language import tr

Config = Annotated[Path, typer.Option("--config", help=tr("The server's nacre.yaml."))]
Count = Annotated[int | None, typer.Option("--count", min=1, help=tr("How many at most, drawn by chance."))]


def from_feedback(
    config: Config,
    out: FileOption,
    verdict: Annotated[str, typer.Option("--verdict", help="up, down, all")] = "all",
    count: Count = None,
    as_json: JsonFlag = False,
) -> None:
    """Make questions of feedback."""
    from nacre.server.settings import read_settings

    if verdict not in ("up", "down", "all"):
        raise UsageError(tr("--verdict is {verdict!r}; write up, down or all.", verdict=verdict))
    settings = read_settings(config)
    rows = kept(settings, "feedback")
    allowed = settings.server.feedback_rows
    if allowed == "none":
        raise UsageError(tr("feedback_rows is none in {config}: verdicts may not become questions.", config=config))
    given = [
        row for row in rows if verdict in ("all", row["verdict"]) and (allowed == "all" or row.get("consent") is True)
    ]
    _write(given, count, out, as_json)


def from_traces(config: Config, out: FileOption, count: Count = None, as_json: JsonFlag = False) -> None:
    """Make questions of traces."""
    from nacre.server.settings import read_settings

    settings = read_settings(config)
    if not settings.server.trace_rows:
        raise UsageError(
            tr(
                "Traces may not become questions. Where those who asked agree, set trace_rows: true in {config}.",
                config=config,
            )
        )
    _write(list(kept(settings, "traces")), count, out, as_json)


def drift(config: Config, as_json: JsonFlag = False) -> None:
    """Show what changed in what a server is asked."""
    from nacre.eval import production
    from nacre.server.settings import read_settings

    found = production.drift(list(kept(read_settings(config), "traces")))
    if as_json:
        print_json(found)
        return
    out = console()
    for month in found["months"]:
        told = tr(
            "{month}: {questions} questions, {refused} refused", **{**month, "refused": f"{month['refused']:.0%}"}
        )
        out.print(told, markup=False)
    out.print(tr("New words: ") + ", ".join(found["new_words"][:20]), markup=False)
    out.print(tr("No longer cited: ") + ", ".join(found["no_longer_cited"][:20]), markup=False)


def _write(exchanges: list[dict[str, Any]], count: int | None, out: Path, as_json: bool) -> None:
    from nacre.eval.items import write_rows
    from nacre.eval.production import rows_of

    rows = rows_of(exchanges, count=count)
    write_rows(out, rows)
    open_rows = sum(row["answers"] is None for row in rows)
    if as_json:
        print_json({"rows": len(rows), "open": open_rows, "file": str(out)})
        return
    told = tr("{rows} questions in {out}; {open} still need their answer.", rows=len(rows), out=out, open=open_rows)
    console().print(told, markup=False)
