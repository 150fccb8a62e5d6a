"""eval make: a question set from a knowledge base."""

from __future__ import annotations

from typing import Annotated

import typer

from nacre.cli.evaluation.reports import FileOption, bar
from nacre.cli.knowledge import opened
from nacre.cli.output import JsonFlag, KbOption, console, print_json
from nacre.text.language import tr


def make(
    kb: KbOption,
    out: FileOption,
    count: Annotated[int, typer.Option("--count", min=1, help=tr("How many questions."))] = 50,
    unanswerable: Annotated[
        float, typer.Option("--unanswerable", min=0, max=0.9, help=tr("Share without an answer."))
    ] = 0.2,
    model: Annotated[
        str | None, typer.Option("--model", help=tr("Writes the questions; without it, templates do."))
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Make questions."""
    from collections import Counter

    from nacre.connectors.models import load_model
    from nacre.eval.making import make_questions, save_questions

    writer = load_model(model) if model else None
    with bar(as_json, tr("Making questions")) as show:
        made = make_questions(opened(kb), count=count, unanswerable=unanswerable, model=writer, on_progress=show)
    save_questions(made, out)
    kinds = dict(Counter(question.kind for question in made))
    if as_json:
        languages = dict(Counter(question.lang for question in made))
        print_json({"questions": len(made), "kinds": kinds, "languages": languages, "file": str(out)})
        return
    said = ", ".join(f"{number} {kind}" for kind, number in kinds.items())
    console().print(tr("{count} questions ({said}) in {out}.", count=len(made), said=said, out=out), markup=False)
    hint = f"nacre eval answers --data {out} --kb {kb}"
    console().print(tr("Read them through, then: ") + hint, style="dim", markup=False)
