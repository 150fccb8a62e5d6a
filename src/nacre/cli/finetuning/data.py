"""finetune data and encoder: rows from a knowledge base, feedback and question sets; an encoder of its words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from typer import Option

from nacre.cli.evaluation.reports import FileOption, bar
from nacre.cli.knowledge import opened
from nacre.cli.output import JsonFlag, KbOption, OptionalKb, command, folder_to_write, print_json, say, tell, warn
from nacre.errors import UsageError
from nacre.text.language import N_, listed, tr

if TYPE_CHECKING:
    from nacre.eval.datasets import Question
    from nacre.finetuning.rows import Row


ExcludeOption = Annotated[
    list[Path] | None,
    Option("--exclude", help=tr("A question set that is measured on: none of its questions is trained on.")),
]
_Files = Annotated[list[Path] | None, Option("--questions", help=tr("A question set given up for training."))]
_Server = Annotated[
    str | None,
    Option("--server", help=tr("Where a server's feedback and traces are: a data folder, or postgresql://….")),
]
_Imported = Annotated[list[Path] | None, Option("--import", help=tr("Rows of alpaca, sharegpt, OpenAI or TRL."))]


@command("finetune data", N_("Make rows from a knowledge base, feedback and question sets."))
def data(
    out: FileOption,
    kb: OptionalKb = None,
    count: Annotated[int, Option("--count", min=0, help=tr("How many questions to make."))] = 100,
    form: Annotated[str, Option("--form", help="answers, pairs, thumbs")] = "answers",
    refusals: Annotated[float, Option("--refusals", min=0, max=0.9, help=tr("Share of refusals."))] = 0.35,
    follow_ups: Annotated[float, Option("--follow-ups", min=0, max=1, help=tr("Share of follow-ups."))] = 0.1,
    k: Annotated[int | None, Option("-k", "--k", min=1, help=tr("Sources a row."))] = None,
    questions: _Files = None,
    exclude: ExcludeOption = None,
    server: _Server = None,
    imported: _Imported = None,
    model: Annotated[str | None, Option("--model", help=tr("Writes the questions; without it, templates do."))] = None,
    base: Annotated[str | None, Option("--base", help=tr("Count the tokens as this model does."))] = None,
    seed: Annotated[int, Option("--seed")] = 7,
    dry_run: Annotated[bool, Option("--dry-run", help=tr("Show what would be written, and write nothing."))] = False,
    as_json: JsonFlag = False,
) -> None:
    from nacre.connectors.models import load_model
    from nacre.finetuning.building import Built, build_rows
    from nacre.finetuning.exchanges import read_exchanges, rows_of
    from nacre.finetuning.preview import preview
    from nacre.finetuning.rows import FORMS, read_rows, save_rows
    from nacre.finetuning.splitting import leaks, split_rows

    if form not in FORMS:
        raise UsageError(tr("There is no form {form!r}; there are {known}.", form=form, known=listed(FORMS)))
    if kb is None and not imported:
        raise UsageError(tr("Give --kb PLACE, or --import FILE."))
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
        told = tr("What was found is {forms}; rows of one form are needed. Choose it by --form.", forms=forms)
        raise UsageError(told)
    if not dry_run:
        save_rows(rows, out)
    for problem in problems[:20]:
        warn(problem)
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


def _show(figures: dict[str, object], as_json: bool, out: Path) -> None:
    if as_json:
        return print_json(figures)
    sample = figures.pop("sample", None)
    for name, value in figures.items():
        say(f"{name:12} {value}")
    if sample:
        say((str(sample), "dim"))
    elif "file" in figures:
        hint = f"nacre finetune train --base transformers:FOLDER --data {out} --out adapters/house"
        say((tr("Read some of them, then: ") + hint, "dim"))


@command("finetune encoder", N_("Tune the encoder of a knowledge base; kept only where search surely gains."))
def encoder(
    kb: KbOption,
    out: Annotated[Path, Option("--out", callback=folder_to_write, help=tr("Folder of the encoder."))],
    steps: Annotated[int | None, Option("--steps", min=1, help=tr("Without it, one pass."))] = None,
    base: Annotated[str | None, Option("--base", help=tr("Encoder to begin with."))] = None,
    questions: Annotated[
        list[Path] | None, Option("--questions", help=tr("Written questions beside the made ones."))
    ] = None,
    seed: Annotated[int, Option("--seed")] = 7,
    as_json: JsonFlag = False,
) -> None:
    from nacre.finetuning.encoder import pairs_of, tune_encoder

    knowledge = opened(kb)
    pairs = pairs_of(knowledge, given(questions), seed)
    with bar(as_json, tr("Training")) as show:
        done = tune_encoder(
            pairs, out, embedder=base, steps=steps, seed=seed, on_progress=lambda step, all, *_: show(step, all)
        )
    low, high = done.interval
    figures = f"nDCG@10 {done.ndcg_before:.3f} → {done.ndcg_after:.3f} [{low:+.3f}, {high:+.3f}]"
    told = (
        tr("Kept: {out}. Use it: nacre reembed --kb {kb} --embedder {out}", out=out, kb=knowledge.place)
        if done.kept
        else tr("Search does not surely gain on documents held out; nothing is kept.")
    )
    tell(as_json, vars(done), f"{figures} ({done.questions}). {told}")
