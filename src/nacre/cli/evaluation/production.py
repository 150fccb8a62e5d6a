"""eval from-feedback, from-traces, drift: what a server was asked becomes questions, and shows what changed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from nacre.cli.evaluation.reports import FileOption
from nacre.cli.output import JsonFlag, console, print_json
from nacre.errors import UsageError
from nacre.text.language import tr
from nacre.text.strict_json import to_json

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
    if verdict not in ("up", "down", "all"):
        raise UsageError(tr("--verdict is {verdict!r}; write up, down or all.", verdict=verdict))
    settings, rows = _kept(config, "feedback")
    allowed = settings.server.feedback_rows
    if allowed == "none":
        raise UsageError(tr("feedback_rows is none in {config}: verdicts may not become questions.", config=config))
    given = [
        row for row in rows if verdict in ("all", row["verdict"]) and (allowed == "all" or row.get("consent") is True)
    ]
    _write(given, count, out, as_json)


def from_traces(config: Config, out: FileOption, count: Count = None, as_json: JsonFlag = False) -> None:
    """Make questions of traces."""
    settings, rows = _kept(config, "traces")
    if not settings.server.trace_rows:
        raise UsageError(
            tr(
                "Traces may not become questions. Where those who asked agree, set trace_rows: true in {config}.",
                config=config,
            )
        )
    _write(list(rows), count, out, as_json)


def drift(config: Config, as_json: JsonFlag = False) -> None:
    """Show what changed in what a server is asked."""
    from nacre.eval import production

    found = production.drift(_kept(config, "traces")[1])
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


def _kept(config: Path, table: str) -> tuple[Any, list[dict[str, Any]]]:
    """The server's settings, and what it keeps, as exchanges."""
    from nacre.server.records import kept_rows
    from nacre.server.settings import read_settings

    settings = read_settings(config)
    (rows,) = kept_rows(settings.store, table)
    read = _verdicts if table == "feedback" else _exchanges
    return settings, list(read(rows))


def _verdicts(rows: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for row in rows:
        record = json.loads(row["record"])
        yield {**record, "verdict": row["verdict"], "at": row["at"], "asker": record.get("principals")}


def _exchanges(rows: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for row in rows:
        record = json.loads(row["record"])
        asked = [m["data"]["content"] for m in record["messages"] if m.get("type") == "human"]
        if asked and isinstance(asked[-1], str):
            own = record.get("nacre") or {}
            yield {
                "question": asked[-1],
                "answer": record["answer"],
                "abstained": bool(own.get("abstained")),
                "sources": own.get("citations") or [],
                "request": row["request"],
                "versions": {"model": row["model"]},
                "at": row["at"],
            }


def _write(exchanges: list[dict[str, Any]], count: int | None, out: Path, as_json: bool) -> None:
    from nacre.eval.production import rows_of
    from nacre.system.files import atomic_write, private_folder

    rows = rows_of(exchanges, count=count)
    private_folder(out.parent)
    atomic_write(out, "".join(to_json(row, ensure_ascii=False, default=str) + "\n" for row in rows))
    open_rows = sum(row["answers"] is None for row in rows)
    if as_json:
        print_json({"rows": len(rows), "open": open_rows, "file": str(out)})
        return
    told = tr("{rows} questions in {out}; {open} still need their answer.", rows=len(rows), out=out, open=open_rows)
    console().print(told, markup=False)
