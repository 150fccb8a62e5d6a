"""eval check: what is wrong with a question file; eval history: what the last runs reached."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nacre.cli.knowledge import opened
from nacre.cli.output import JsonFlag, console, file_to_write, kb_place, print_json
from nacre.text.language import tr


def check(
    file: Annotated[Path, typer.Argument(help=tr("A file of questions."))],
    kb: Annotated[
        str | None,
        typer.Option("--kb", parser=kb_place, metavar="<place>", help=tr("Also look the documents up here.")),
    ] = None,
    as_json: JsonFlag = False,
) -> int:
    """Check a file of questions; exit 2 when anything is wrong with it."""
    from nacre.eval.questions import faults, load_questions, strange_uris

    questions, problems = load_questions(file)
    if kb:
        problems += [
            f"{file.name}: {told}" for told in strange_uris(questions, (d["uri"] for d in opened(kb).documents()))
        ]
    wrong = faults(problems)
    unanswerable = sum(not question.answers for question in questions)
    if as_json:
        counts = {"questions": len(questions), "unanswerable": unanswerable}
        print_json({**counts, "problems": list(wrong), "notes": [p for p in problems if p not in wrong]})
        return 2 if wrong else 0
    err = console(stderr=True)
    for problem in problems:
        err.print(problem, style="red" if problem in wrong else "dim", markup=False)
    told = tr(
        "{count} questions, {unanswerable} without an answer; {wrong} mistakes.",
        count=len(questions),
        unanswerable=unanswerable,
        wrong=len(wrong),
    )
    console().print(told, markup=False)
    return 2 if wrong else 0


def history(
    folders: Annotated[list[Path], typer.Argument(help=tr("Folders of --out, in any number."))],
    last: Annotated[int, typer.Option("--last", min=1, help=tr("How many runs."))] = 20,
    out: Annotated[
        Path | None,
        typer.Option("--out", callback=file_to_write, help=tr("Write a page with a line for each figure (.html).")),
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Show the last runs."""
    from rich.table import Table

    from nacre.eval import history as runs

    rows = runs.history(folders, last)
    if out:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(runs.page(rows), "utf-8")
    if as_json:
        print_json({"runs": rows})
        return
    names = list(runs.trend(rows))[:6]
    table = Table(tr("when"), tr("run"), tr("questions"), tr("errors"), *names, box=None, pad_edge=False)
    for row in rows:
        means = [f"{row['means'][name]:.3f}" if name in row["means"] else "" for name in names]
        table.add_row(row["at"], row["run"], str(row.get("items", "")), str(row.get("errors", "")), *means)
    console().print(table)
