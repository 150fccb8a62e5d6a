"""finetune data: rows from a knowledge base, feedback, question sets and other tools' files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nacre.cli.evaluation.reports import FileOption, bar
from nacre.cli.knowledge import opened
from nacre.cli.output import JsonFlag, console, folder, print_json
from nacre.errors import UsageError
from nacre.text.language import listed, tr

if TYPE_CHECKING:
    from nacre.eval.datasets import Question
    from nacre.finetuning.rows import Row

ExcludeOption = Annotated[
    list[Path] | None,
    typer.Option("--exclude", help=tr("A question set that is measured on: none of its questions is trained on.")),
]
_Files = Annotated[list[Path] | None, typer.Option("--questions", help=tr("A question set given up for training."))]
_Kb = Annotated[
    Path | None, typer.Option("--kb", parser=folder, metavar="<path>", help=tr("Folder of the knowledge base."))
]
_Server = Annotated[
    str | None,
    typer.Option("--server", help=tr("Where a server's feedback and traces are: a data folder, or postgresql://….")),
]
_Imported = Annotated[list[Path] | None, typer.Option("--import", help=tr("Rows of alpaca, sharegpt, OpenAI or TRL."))]


def data(
    out: FileOption,
    kb: _Kb = None,
    count: Annotated[int, typer.Option("--count", min=0, help=tr("How many questions to make."))] = 100,
    form: Annotated[str, typer.Option("--form", help="answers, pairs, thumbs")] = "answers",
    refusals: Annotated[float, typer.Option("--refusals", min=0, max=0.9, help=tr("Share of refusals."))] = 0.35,
    follow_ups: Annotated[float, typer.Option("--follow-ups", min=0, max=1, help=tr("Share of follow-ups."))] = 0.1,
    k: Annotated[int | None, typer.Option("-k", "--k", min=1, help=tr("Sources a row."))] = None,
    questions: _Files = None,
    exclude: ExcludeOption = None,
    server: _Server = None,
    imported: _Imported = None,
    model: Annotated[
        str | None, typer.Option("--model", help=tr("Writes the questions; without it, templates do."))
    ] = None,
    base: Annotated[str | None, typer.Option("--base", help=tr("Count the tokens as this model does."))] = None,
    seed: Annotated[int, typer.Option("--seed")] = 7,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help=tr("Show what would be written, and write nothing."))
    ] = False,
    as_json: JsonFlag = False,
) -> None:
    """Make rows."""
    from nacre.connectors.models import load_model
    from nacre.finetuning.building import Built, build_rows
    from nacre.finetuning.exchanges import read_exchanges, rows_of
    from nacre.finetuning.preview import preview
    from nacre.finetuning.rows import FORMS, read_rows, save_rows
    from nacre.finetuning.splitting import leaks, split_rows

    if form not in FORMS:
        raise UsageError(tr("There is no form {form!r}; there are {known}.", form=form, known=listed(FORMS)))
    if kb is None and not imported:
        raise UsageError(tr("Give --kb FOLDER, or --import FILE."))
    measured, built, problems, knowledge = asked_in(exclude), Built(), list[str](), opened(kb) if kb else None
    if knowledge and form != "thumbs" and (count or questions):
        with bar(as_json, tr("Making questions")) as show:
            built = build_rows(
                knowledge, count=count, questions=given(questions), refusals=refusals, follow_ups=follow_ups,
                pairs=form == "pairs", model=load_model(model) if model else None, k=k, exclude=measured, seed=seed,
                on_progress=show,
            )  # fmt: skip
    rows = list(built.rows)
    if knowledge and server:
        rows += rows_of(read_exchanges(server), knowledge, form, k)
    for file in imported or ():
        more, faults = read_rows(file)
        rows, problems = [*rows, *more], [*problems, *faults]
    found = leaks(rows, measured)
    rows = split_rows([row for row in rows if row not in found], seed)
    if not rows or len({row.form for row in rows}) > 1:
        forms = listed(sorted({row.form for row in rows})) or tr("nothing")
        raise UsageError(
            tr("What was found is {forms}; rows of one form are needed. Choose it by --form.", forms=forms)
        )
    if not dry_run:
        save_rows(rows, out)
    _say(problems)
    figures = _figures(rows, [*built.leaks, *(row.asked for row in found)], built.left_out)
    figures |= preview(rows, base) if dry_run else {"file": str(out)}
    _show(figures, as_json, out)


def given(files: Sequence[Path] | None) -> list[Question]:
    """The questions of question sets."""
    from nacre.eval.datasets import load_questions

    return [question for file in files or () for question in load_questions(file)[0]]


def asked_in(files: Sequence[Path] | None) -> list[str]:
    """The texts of the questions of question sets."""
    return [question.text for question in given(files)]


def _figures(rows: Sequence[Row], leaks: Sequence[str], left_out: Counter[str]) -> dict[str, object]:
    splits = Counter(row.split for row in rows)
    return {
        "rows": len(rows),
        **{name: splits[name] for name in ("train", "valid", "test")},
        "refusals": sum(row.kind == "refusal" for row in rows),
        "kinds": dict(Counter(row.kind or row.form for row in rows)),
        "leaks": len(leaks),
        "left_out": dict(left_out),
    }


def _say(problems: Sequence[str]) -> None:
    for problem in problems[:20]:
        console(stderr=True).print(f"! {problem}", style="yellow", markup=False)


def _show(figures: dict[str, object], as_json: bool, out: Path) -> None:
    if as_json:
        print_json(figures)
        return
    sample = figures.pop("sample", None)
    for name, value in figures.items():
        console().print(f"{name:12} {value}", markup=False)
    if sample:
        console().print(str(sample), markup=False, style="dim")
    elif "file" in figures:
        hint = f"nacre finetune train --base transformers:FOLDER --data {out} --out adapters/house"
        console().print(tr("Read some of them, then: ") + hint, style="dim", markup=False)
