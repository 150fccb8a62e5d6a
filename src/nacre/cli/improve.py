"""eval compare, judge, make, tune and export: what is done with reports and question sets."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from nacre.cli.knowledge import opened
from nacre.cli.output import JsonFlag, KbOption, ModelOption, console, folder, print_json
from nacre.cli.reports import OutOption, WorkersOption, bar, finish, judged
from nacre.errors import UsageError
from nacre.text.language import tr
from nacre.text.strict_json import to_json

ReportFile = Annotated[Path, typer.Argument(help=tr("A report.json, or its folder."))]
File = Annotated[Path, typer.Option("--out", help=tr("The file to write (.jsonl)."))]


def register(suites: typer.Typer) -> None:
    """Add the commands of this file."""
    suites.command(help=tr("Two reports side by side; exit 1 on a significant loss."))(compare)
    suites.command(help=tr("Let a model judge the answers of a report."))(judge)
    suites.command(help=tr("Make a question set from a knowledge base."))(make)
    suites.command(help=tr("Choose settings on half of a question set, judge them by the other half."))(tune)
    suites.command(help=tr("Answers in the columns of RAGAS or DeepEval."))(export)


def compare(before: ReportFile, after: ReportFile, as_json: JsonFlag = False, out: OutOption = None) -> int:
    """Compare two reports; exit 1 on a significant loss."""
    from nacre.eval import gate
    from nacre.eval.report import read_report

    old, new = read_report(before), read_report(after)
    changes = gate.compare(old, new)
    status = judged(old, new, changes, out=out, quiet=as_json)
    if as_json:
        same = gate.same_corpus(old, new)
        differs = gate.what_changed(old, new)
        print_json({"changes": changes, "same_corpus": same, "what_changed": differs, "passed": status == 0})
    return status


def judge(
    report: Annotated[Path | None, typer.Argument(help=tr("A report with answers."))] = None,
    against: Annotated[
        Path | None, typer.Option("--against", help=tr("A later report: which one answers better?"))
    ] = None,
    labelled: Annotated[
        Path | None,
        typer.Option(
            "--labelled",
            help=tr("Answers judged by people instead of a report; 'builtin' takes the set that comes along."),
        ),
    ] = None,
    model: ModelOption = None,
    criteria: Annotated[
        str, typer.Option("--criteria", help=tr("Comma separated."))
    ] = "helpful,honest,harmless,faithful",
    as_json: JsonFlag = False,
    out: OutOption = None,
    workers: WorkersOption = 1,
) -> int:
    """Judge answers by a model."""
    from nacre.connectors.models import load_model
    from nacre.eval import judge as judging
    from nacre.eval.report import read_report

    if (report is None) == (labelled is None):
        raise UsageError(tr("Give a report, or --labelled FILE."))
    judging_model = load_model(model)
    with bar(as_json, tr("Judging")) as show:
        if report and against:
            found = judging.judge_pairs(
                read_report(report), read_report(against), judging_model, workers=workers, on_progress=show
            )
        else:
            items = read_report(report)["items"] if report else judging.load_labelled(_labelled(labelled))
            found = judging.judge_answers(
                items, judging_model, criteria=criteria.split(","), name=str(report or labelled),
                workers=workers, out=out, on_progress=show,
            )  # fmt: skip
    return finish(found, as_json, out, None)


def _labelled(path: Path | None) -> Path:
    import nacre.eval

    return Path(nacre.eval.__file__).parent / "labelled.jsonl" if path is None or str(path) == "builtin" else path


def make(
    kb: KbOption,
    out: File,
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


def tune(
    kb: KbOption,
    data: Annotated[Path, typer.Option("--data", help=tr("Questions with answers."))],
    model: ModelOption = None,
    grid: Annotated[
        str | None, typer.Option("--grid", help=tr('What to try: {"k": [4, 8], "chunk_size": [100, "auto"]}'))
    ] = None,
    write: Annotated[
        bool, typer.Option("--write", help=tr("Keep the choice in the knowledge base, if it is surely better."))
    ] = False,
    as_json: JsonFlag = False,
    out: OutOption = None,
) -> int:
    """Tune retrieval settings."""
    from nacre.connectors.models import load_model
    from nacre.eval.datasets import load_questions
    from nacre.eval.tuning import read_grid
    from nacre.eval.tuning import tune as tuned

    questions, _ = load_questions(data)
    wanted = read_grid(grid) if grid else None
    with bar(as_json, tr("Trying")) as show:
        report = tuned(opened(kb), questions, load_model(model), grid=wanted, write=write, on_progress=show)
    status = finish(report, as_json, out, None)
    if not as_json:
        _show_tried(report.figures)
    return status


def _show_tried(figures: Mapping[str, Any]) -> None:
    """The best settings of the first half, today's among them, and what the second half says of them."""
    from rich.table import Table

    names = list(figures["present"])
    table = Table(*names, tr("right"), tr("evidence"), tr("tokens"), box=None, pad_edge=False)
    ranked = sorted(figures["tried"], key=lambda row: (-row["success"], row["tokens_in"]))
    for place, row in enumerate(ranked):
        today = all(row[name] == figures["present"][name] for name in names)
        if place < 5 or today:
            cells = [
                *(str(row[name]) for name in names),
                f"{row['success']:.3f}",
                f"{row['evidence']:.3f}",
                f"{row['tokens_in']:.0f}",
            ]
            table.add_row(*cells, style="bold" if today else "")
    out = console()
    out.print(tr("\nOn the half that was tried on (today's settings in bold):"))
    out.print(table)
    out.print(figures["verdict"], markup=False)
    if figures["written"]:
        out.print(tr("Written to settings.json."))
    elif figures["chosen"] != figures["present"]:
        out.print(tr("Add --write to keep it."), style="dim")


def export(
    report: ReportFile,
    out: File,
    to: Annotated[str, typer.Option("--to", help="ragas, deepeval")] = "ragas",
    kb: Annotated[
        Path | None, typer.Option("--kb", parser=folder, metavar="<path>", help=tr("Take whole passages from it."))
    ] = None,
) -> None:
    """Export answers."""
    from nacre.eval.exports import exported
    from nacre.eval.report import read_report
    from nacre.system.files import atomic_write, private_folder

    rows = exported(read_report(report), to, opened(kb) if kb else None)
    private_folder(out.parent)
    atomic_write(out, "".join(to_json(row, ensure_ascii=False) + "\n" for row in rows))
    console().print(tr("{count} rows in {out}.", count=len(rows), out=out), markup=False)
