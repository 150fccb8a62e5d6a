"""eval make: a question set from a knowledge base."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nacre.cli.evaluation.reports import FileOption
from nacre.cli.knowledge import opened
from nacre.cli.output import JsonFlag, KbOption, bar, console, print_json
from nacre.errors import UsageError
from nacre.text.language import tr

if TYPE_CHECKING:
    from nacre.eval.making import Made, Talk


def make(
    kb: KbOption,
    out: FileOption,
    count: Annotated[int, typer.Option("--count", min=1, help=tr("How many questions."))] = 50,
    unanswerable: Annotated[
        float, typer.Option("--unanswerable", min=0, max=0.9, help=tr("Share without an answer."))
    ] = 0.2,
    two_documents: Annotated[
        bool, typer.Option("--two-documents", help=tr("Also questions that need two documents, up to a third."))
    ] = False,
    follow_ups: Annotated[
        bool, typer.Option("--follow-ups", help=tr("Conversations with a follow-up question, for eval chat, instead."))
    ] = False,
    paraphrases: Annotated[
        int, typer.Option("--paraphrases", min=0, max=20, help=tr("Each question so often in other words, too."))
    ] = 0,
    model: Annotated[
        str | None, typer.Option("--model", help=tr("Writes the questions; without it, templates do."))
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Make questions."""
    from collections import Counter

    from nacre.connectors.models import load_model
    from nacre.eval.making import make_conversations, make_questions, save_questions

    if follow_ups and (two_documents or paraphrases):
        raise UsageError(tr("--follow-ups writes conversations; --two-documents and --paraphrases do not go with it."))
    common: Any = {"count": count, "model": load_model(model) if model else None}
    made: Sequence[Made | Talk]
    with bar(as_json, tr("Making questions")) as show:
        if follow_ups:
            made = make_conversations(opened(kb), **common, on_progress=show)
        else:
            more: Any = {"unanswerable": unanswerable, "two_documents": two_documents, "paraphrases": paraphrases}
            made = make_questions(opened(kb), **common, **more, on_progress=show)
    save_questions(made, out)
    kinds = dict(Counter(question.kind for question in made))
    if as_json:
        languages = dict(Counter(question.lang for question in made))
        print_json({"questions": len(made), "kinds": kinds, "languages": languages, "file": str(out)})
        return
    said = ", ".join(f"{number} {kind}" for kind, number in kinds.items())
    console().print(tr("{count} questions ({said}) in {out}.", count=len(made), said=said, out=out), markup=False)
    hint = f"nacre eval {'chat' if follow_ups else 'answers'} --data {out} --kb {kb}"
    console().print(tr("Read them through, then: ") + hint, style="dim", markup=False)
