"""why: the stage where an expected passage was lost."""

from __future__ import annotations

from typing import Annotated

import typer

from nacre.cli.knowledge import StrictFlag, answering, opened
from nacre.cli.output import AsOption, JsonFlag, KbOption, ModelOption, asked, console, principals, print_json
from nacre.text.addresses import readable
from nacre.text.language import tr


def register(app: typer.Typer) -> None:
    """Add the command of this file."""
    app.command(help=tr("Say where an expected passage was lost, and what brings it back."))(why)


def why(
    question: Annotated[str, typer.Argument(help=tr("The question."))],
    expect: Annotated[
        str,
        typer.Option(
            "--expect", help=tr("The text that should have been found, or the address or name of its document.")
        ),
    ],
    kb: KbOption,
    model: ModelOption = None,
    who: AsOption = None,
    strict: StrictFlag = False,
    as_json: JsonFlag = False,
) -> None:
    """Follow a passage through the stack."""
    from nacre.eval.why import diagnose

    stack, _ = answering(opened(kb), model, who, strict)
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


def stage_name(stage: str) -> str:
    """A stage for people."""
    return _NAMES[stage]()


_NAMES = {
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
