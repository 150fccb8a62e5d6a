"""why: the stage where an expected passage was lost."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nacre.cli.knowledge import StrictFlag, answering, opened
from nacre.cli.output import AsOption, JsonFlag, KbOption, ModelOption, asked, bar, console, principals, print_json
from nacre.errors import UsageError
from nacre.text.addresses import readable
from nacre.text.language import tr

if TYPE_CHECKING:
    from nacre.layers.rag import RetrievalAugmented


def register(app: typer.Typer) -> None:
    """Add the command of this file."""
    app.command(help=tr("Say where an expected passage was lost, and what brings it back."))(why)


def why(
    kb: KbOption,
    question: Annotated[str | None, typer.Argument(help=tr("The question."))] = None,
    expect: Annotated[
        str | None,
        typer.Option(
            "--expect", help=tr("The text that should have been found, or the address or name of its document.")
        ),
    ] = None,
    report: Annotated[
        Path | None, typer.Option("--report", help=tr("All failures of this report instead, grouped by their stage."))
    ] = None,
    model: ModelOption = None,
    who: AsOption = None,
    strict: StrictFlag = False,
    as_json: JsonFlag = False,
) -> None:
    """Follow a passage through the stack."""
    from nacre.eval.why import diagnose

    if (report is None) == (question is None or expect is None):
        raise UsageError(tr("Give a question with --expect, or --report."))
    stack, _ = answering(opened(kb), model, who, strict)
    if report:
        _failures(report, stack, who, as_json)
        return
    assert question is not None and expect is not None
    found = diagnose(stack, asked(question), expect, principals=principals(who))
    if as_json:
        print_json(vars(found))
        return
    out = console()
    out.print(tr("[bold]Lost at:[/] ") + stage_name(found.stage))
    out.print(readable(found.reason), markup=False)
    out.print(tr("[bold]Cure:[/] "), end="")
    out.print(found.cure, markup=False)
    if found.ranks:
        ranks = "  ".join(f"{_NAMES[arm]()} {rank or '–'}" for arm, rank in found.ranks.items() if arm in _NAMES)
        out.print(tr("Ranks: ") + ranks, style="dim", markup=False)
    if found.uri:
        out.print(readable(found.uri), style="dim", markup=False)


def _failures(report: Path, stack: RetrievalAugmented, who: str | None, as_json: bool) -> None:
    from nacre.eval.failures import failures_of
    from nacre.eval.report import read_report

    with bar(as_json, tr("Following")) as show:
        found = failures_of(read_report(report), stack, principals=principals(who), on_progress=show)
    if as_json:
        print_json({"failures": found, "questions": sum(len(group.questions) for group in found)})
        return
    out = console()
    if not found:
        out.print(tr("No question went wrong."))
    for group in found:
        out.print(f"[bold]{len(group.questions)} × {stage_name(group.stage)}[/]")
        out.print(tr("[bold]Cure:[/] "), end="")
        out.print(group.cure, markup=False)
        for id, question, reason in group.questions[:20]:
            out.print(f"  {id}  {question}\n      {readable(reason)}", style="dim", markup=False)


def stage_name(stage: str) -> str:
    """A stage for people."""
    return _NAMES[stage]() if stage in _NAMES else stage


_NAMES = {
    "answered": lambda: tr("answered, though no document says it"),
    "error": lambda: tr("failed with an error"),
    "gold": lambda: tr("nothing to look for"),
    "source": lambda: tr("the source"),
    "parse": lambda: tr("parsing"),
    "permission": lambda: tr("permissions"),
    "words": lambda: tr("words"),
    "vectors": lambda: tr("vectors"),
    "fusion": lambda: tr("fusion"),
    "fused": lambda: tr("fused"),
    "distinct": lambda: tr("near-duplicates"),
    "rerank": lambda: tr("reranking"),
    "relevance": lambda: tr("the relevance check"),
    "chunk": lambda: tr("chunking"),
    "packing": lambda: tr("packing"),
    "model": lambda: tr("the model"),
    "citation": lambda: tr("the citation check"),
    "none": lambda: tr("nowhere, it was used"),
}
