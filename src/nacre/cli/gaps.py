"""gaps: what a server could not answer, grouped, each with what brings the answer."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nacre.cli.knowledge import answering, opened
from nacre.cli.output import AsOption, JsonFlag, ModelOption, console, print_json, progress
from nacre.cli.serve import ConfigOption, DataOption, OptionalKb, settings_of
from nacre.cli.why import stage_name
from nacre.text.language import language_of, tr
from nacre.text.strict_json import to_json

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
    out: Annotated[Path | None, typer.Option("--out", help=tr("Write the questions as rows of an evaluation."))] = None,
    model: ModelOption = None,
    who: AsOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Show the refused and disliked questions of a server."""
    from nacre.eval.gaps import find_gaps

    settings = settings_of(config, kb, data=data)
    exchanges = list(_exchanges(settings))
    stack, _ = answering(opened(settings.kb), model, who, strict=False)
    with progress(quiet=as_json) as bar:
        task = bar.add_task(tr("Following"), total=None)
        found = find_gaps(exchanges, stack, lambda done, total: bar.update(task, completed=done, total=total))
    told: dict[str, Any] = {"gaps": [gap.data() for gap in found], "traces": settings.server.trace}
    if out:
        told |= {"rows": _write(found, out), "file": str(out)}
    if as_json:
        print_json(told)
    else:
        _show(found, told)


def _exchanges(settings: Settings) -> Iterator[Exchange]:
    """What the server keeps: its traces, and the verdicts."""
    from nacre.server.records import kept_rows

    traces, verdicts = kept_rows(settings.store, "traces", "feedback")
    given, wanted = settings.server.feedback_rows, settings.server.trace_rows
    for row in traces:
        if traced := _traced(json.loads(row["record"])):
            yield replace(traced, exported=wanted)
    for row in verdicts:
        record = json.loads(row["record"])
        agreed = given == "all" or (given == "consent" and record.get("consent") is True)
        yield replace(_judged(record, row["verdict"]), exported=agreed)


def _traced(record: Mapping[str, Any]) -> Exchange | None:
    """An exchange of a trace; one that failed has no answer to speak of."""
    from nacre.eval.gaps import Exchange

    asked = [message["data"]["content"] for message in record["messages"] if message.get("type") == "human"]
    if not asked or not isinstance(asked[-1], str) or record.get("status") != "ok":
        return None
    own = record.get("nacre") or {}
    refused = bool(own.get("abstained") or own.get("closest"))
    # A follow-up says what it asks only once it is made whole.
    return Exchange(own.get("question") or asked[-1], record["answer"], refused, sources=_uris(own.get("citations")))


def _judged(record: Mapping[str, Any], verdict: str) -> Exchange:
    from nacre.eval.gaps import Exchange
    from nacre.grounding.evidence import is_refusal

    refused = bool(record.get("abstained")) or is_refusal(record["answer"], language_of(record["question"]))
    asker = record.get("principals")
    return Exchange(
        record["question"], record["answer"], refused, verdict, record.get("comment", ""),
        _uris(record.get("sources")), None if asker is None else tuple(asker),
    )  # fmt: skip


def _uris(sources: Any) -> tuple[str, ...]:
    return tuple(str(source["uri"]) for source in sources or () if source.get("uri"))


def _write(found: list[Gap], out: Path) -> int:
    from nacre.system.files import atomic_write, private_folder

    rows = [row for gap in found if gap.stage != "none" for row in gap.rows()]
    private_folder(out.parent)
    atomic_write(out, "".join(to_json(row, ensure_ascii=False) + "\n" for row in rows))
    return len(rows)


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
