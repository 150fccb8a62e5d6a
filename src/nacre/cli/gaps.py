"""gaps: what a server could not answer, grouped, each with what brings the answer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nacre.cli.knowledge import answering, opened
from nacre.cli.output import AsOption, JsonFlag, ModelOption, bar, console, file_to_write, print_json
from nacre.cli.records import kept
from nacre.cli.serve import ConfigOption, DataOption, OptionalKb, settings_of
from nacre.cli.why import stage_name
from nacre.text.language import language_of, tr

if TYPE_CHECKING:
    from nacre.eval.gaps import Exchange, Gap
    from nacre.server.settings import Settings


def register(app: typer.Typer) -> None:
    """Add the command of this file."""
    app.command(help=tr("Group what a server could not answer, and say what brings each answer."))(gaps)


def gaps(
    kb: OptionalKb = None,
    config: ConfigOption = None,
    data: DataOption = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", callback=file_to_write, help=tr("Write the questions as rows of an evaluation.")),
    ] = None,
    model: ModelOption = None,
    who: AsOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Show the refused and disliked questions of a server."""
    from nacre.eval.gaps import find_gaps
    from nacre.eval.items import write_rows

    settings = settings_of(config, kb, data=data)
    exchanges = list(_exchanges(settings))
    stack, _ = answering(opened(settings.kb), model, who, strict=False)
    with bar(as_json, tr("Following")) as show:
        found = find_gaps(exchanges, stack, show)
    told: dict[str, Any] = {"gaps": [gap.data() for gap in found], "traces": settings.server.trace}
    if out:
        rows = [row for gap in found if gap.stage != "none" for row in gap.rows()]
        write_rows(out, rows)
        told |= {"rows": len(rows), "file": str(out)}
    if as_json:
        print_json(told)
    else:
        _show(found, told)


def _exchanges(settings: Settings) -> Iterator[Exchange]:
    """What the server keeps: its traces, and the verdicts; a trace that failed has no answer to speak of."""
    from nacre.eval.gaps import Exchange
    from nacre.grounding.evidence import is_refusal

    given, wanted = settings.server.feedback_rows, settings.server.trace_rows
    for row in kept(settings, "traces"):
        if row.get("status") == "ok":
            own = row.get("nacre") or {}
            # A follow-up says what it asks only once it is made whole.
            question, refused = own.get("question") or row["question"], bool(row["abstained"] or own.get("closest"))
            yield Exchange(question, row["answer"], refused, sources=_uris(row), exported=wanted)
    for row in kept(settings, "feedback"):
        refused = bool(row.get("abstained")) or is_refusal(row["answer"], language_of(row["question"]))
        asker = None if row["asker"] is None else tuple(row["asker"])
        agreed = given == "all" or (given == "consent" and row.get("consent") is True)
        said = row["verdict"], row.get("comment", "")
        yield Exchange(row["question"], row["answer"], refused, *said, _uris(row), asker, agreed)


def _uris(row: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(str(source["uri"]) for source in row.get("sources") or () if source.get("uri"))


def _show(found: list[Gap], told: Mapping[str, Any]) -> None:
    out = console()
    if not found:
        out.print(tr("No question was refused or disliked."))
    for gap in found:
        out.print(f"[bold]{gap.count} ×[/] ", end="")
        out.print(" | ".join(gap.questions[:5]), style="cyan", markup=False)
        out.print(tr("[bold]Lost at:[/] ") + stage_name(gap.stage), end="  ")
        out.print(gap.reason, style="dim", markup=False)
        out.print(tr("[bold]Cure:[/] "), end="")
        out.print(gap.cure, markup=False)
    if not told["traces"]:
        out.print(tr("Refused questions are kept only with --trace; without it these are the disliked ones."))
    if "file" in told:
        out.print(tr("{rows} questions in {file}; each still needs its answer.", **told), markup=False)
