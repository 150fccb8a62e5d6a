"""eval make: a question set from a knowledge base."""

from __future__ import annotations

from typing import Annotated

import typer

from nacre.cli.evaluation.reports import FileOption, bar
from nacre.cli.knowledge import opened
from nacre.cli.output import JsonFlag, KbOption, console, print_json
from nacre.language import tr


def make(
    kb: KbOption,
    out: FileOption,
    count: Annotated[int, typer.Option("--count", min=1, help=tr("How many questions.", "问题数。"))] = 50,
    unanswerable: Annotated[
        float, typer.Option("--unanswerable", min=0, max=0.9, help=tr("Share without an answer.", "无答案问题的比例。"))
    ] = 0.2,
    model: Annotated[
        str | None,
        typer.Option("--model", help=tr("Writes the questions; without it, templates do.", "出题模型；省略则用模板。")),
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Make questions."""
    from collections import Counter

    from nacre.connectors.models import load_model
    from nacre.eval.making import make_questions, save_questions

    writer = load_model(model) if model else None
    with bar(as_json, tr("Making questions", "出题")) as show:
        made = make_questions(opened(kb), count=count, unanswerable=unanswerable, model=writer, on_progress=show)
    save_questions(made, out)
    kinds = dict(Counter(question.kind for question in made))
    if as_json:
        languages = dict(Counter(question.lang for question in made))
        print_json({"questions": len(made), "kinds": kinds, "languages": languages, "file": str(out)})
        return
    said = ", ".join(f"{number} {kind}" for kind, number in kinds.items())
    console().print(
        tr(f"{len(made)} questions ({said}) in {out}.", f"{len(made)} 个问题（{said}），已写入 {out}。"), markup=False
    )
    hint = f"nacre eval answers --data {out} --kb {kb}"
    console().print(tr("Read them through, then: ", "请先人工检查，然后运行：") + hint, style="dim", markup=False)
