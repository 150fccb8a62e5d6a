"""why and gaps: the stage where a passage was lost, and what a server could not answer, each with its cure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from typer import Argument, Option

from nacre.cli.knowledge import StrictFlag, answering, opened
from nacre.cli.output import (
    AsOption,
    JsonFlag,
    KbOption,
    ModelOption,
    OptionalKb,
    asked,
    bar,
    command,
    file_to_write,
    principals,
    print_json,
    say,
)
from nacre.cli.serve import ConfigOption, DataOption, kept, settings_of
from nacre.errors import UsageError
from nacre.text.addresses import readable
from nacre.text.language import N_, language_of, tr

if TYPE_CHECKING:
    from nacre.eval.gaps import Exchange, Gap
    from nacre.layers.rag import RetrievalAugmented
    from nacre.server.settings import Settings

_SHOWN = 200  # characters of a question
_NAMES = {
    "answered": N_("answered, though no document says it"),
    "error": N_("failed with an error"),
    "gold": N_("nothing to look for"),
    "source": N_("the source"),
    "parse": N_("parsing"),
    "permission": N_("permissions"),
    "words": N_("words"),
    "vectors": N_("vectors"),
    "fusion": N_("fusion"),
    "fused": N_("fused"),
    "distinct": N_("near-duplicates"),
    "rerank": N_("reranking"),
    "relevance": N_("the relevance check"),
    "chunk": N_("chunking"),
    "packing": N_("packing"),
    "model": N_("the model"),
    "citation": N_("the citation check"),
    "none": N_("nowhere, it was used"),
}


@command("why", N_("Say where an expected passage was lost, and what brings it back."))
def why(
    kb: KbOption,
    question: Annotated[str | None, Argument(help=tr("The question."))] = None,
    expect: Annotated[
        str | None,
        Option("--expect", help=tr("The text that should have been found, or the address or name of its document.")),
    ] = None,
    report: Annotated[
        Path | None, Option("--report", help=tr("All failures of this report instead, grouped by their stage."))
    ] = None,
    model: ModelOption = None,
    who: AsOption = None,
    strict: StrictFlag = False,
    as_json: JsonFlag = False,
) -> None:
    from nacre.eval.why import diagnose

    if (report is None) == (question is None or expect is None):
        raise UsageError(tr("Give a question with --expect, or --report."))
    stack, _ = answering(opened(kb), model, who, strict)
    if report:
        return _failures(report, stack, who, as_json)
    assert question is not None and expect is not None
    found = diagnose(stack, asked(question), expect, principals=principals(who))
    if as_json:
        return print_json(vars(found))
    say((tr("Lost at: "), "bold"), _stage(found.stage))
    say(readable(found.reason))
    say((tr("Cure: "), "bold"), found.cure)
    if found.ranks:
        ranks = "  ".join(f"{_stage(arm)} {rank or '–'}" for arm, rank in found.ranks.items() if arm in _NAMES)
        say((tr("Ranks: ") + ranks, "dim"))
    if found.uri:
        say((readable(found.uri), "dim"))


def _failures(report: Path, stack: RetrievalAugmented, who: str | None, as_json: bool) -> None:
    from nacre.eval.failures import failures_of
    from nacre.eval.report import read_report

    with bar(as_json, tr("Following")) as show:
        found = failures_of(read_report(report), stack, principals=principals(who), on_progress=show)
    if as_json:
        return print_json({"failures": found, "questions": sum(len(group.questions) for group in found)})
    if not found:
        say(tr("No question went wrong."))
    for group in found:
        say((f"{len(group.questions)} × {_stage(group.stage)}", "bold"))
        say((tr("Cure: "), "bold"), group.cure)
        for id, question, reason in group.questions[:20]:
            say((f"  {id}  {question}\n      {readable(reason)}", "dim"))


def _stage(stage: str) -> str:
    return tr(_NAMES.get(stage, stage))


@command("gaps", N_("Group what a server could not answer, and say what brings each answer."))
def gaps(
    kb: OptionalKb = None,
    config: ConfigOption = None,
    data: DataOption = None,
    out: Annotated[
        Path | None, Option("--out", callback=file_to_write, help=tr("Write the questions as rows of an evaluation."))
    ] = None,
    model: ModelOption = None,
    who: AsOption = None,
    as_json: JsonFlag = False,
) -> None:
    from nacre.eval.gaps import find_gaps
    from nacre.eval.items import write_rows

    settings = settings_of(config, kb, data=data)
    exchanges = list(_exchanges(settings))
    stack, _ = answering(opened(settings.kb), model, who, strict=False)
    with bar(as_json, tr("Following")) as show:
        found = find_gaps(exchanges, stack, show)
    told: dict[str, Any] = {
        "gaps": [gap.data() for gap in found],
        "traces": settings.server.trace or any(kept(settings, "traces")),
    }
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
    if not found:
        say(tr("No question was refused or disliked."))
    for gap in found:
        say((f"{gap.count} × ", "bold"), (" | ".join(question[:_SHOWN] for question in gap.questions[:5]), "cyan"))
        say((tr("Lost at: "), "bold"), f"{_stage(gap.stage)}  ", (gap.reason, "dim"))
        say((tr("Cure: "), "bold"), gap.cure)
    if not told["traces"]:
        say(tr("Refused questions are kept only with --trace; without it these are the disliked ones."))
    if "file" in told:
        say(tr("{rows} questions in {file}; each still needs its answer.", **told))
