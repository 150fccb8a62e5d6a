"""eval judge: a model scores the answers of a report, or says which of two answers better."""

# No postponed annotations here: the options of a command are read from them when the file is loaded.

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nacre.cli.evaluation.reports import suite
from nacre.cli.output import ModelOption
from nacre.errors import UsageError
from nacre.text.language import tr

if TYPE_CHECKING:
    from nacre.eval.report import Report


@suite(tr("Judging"), "workers", "price", "prompts")
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
        str | None,
        typer.Option(
            "--criteria", help=tr("Comma separated; else all of ours, with 'correct' where there are gold answers.")
        ),
    ] = None,
    retries: Annotated[int, typer.Option("--retries", min=0, help=tr("Tries again after a 429 and the like."))] = 4,
    **run: Any,
) -> "Report":
    """Judge answers by a model."""
    from nacre.connectors.models import load_model
    from nacre.eval import judge as judging
    from nacre.eval.report import read_report
    from nacre.layers.retry import Retry

    if (report is None) == (labelled is None):
        raise UsageError(tr("Give a report, or --labelled FILE."))
    judging_model = Retry(inner=load_model(model), attempts=retries + 1)
    if report and against:
        return judging.judge_pairs(read_report(report), read_report(against), judging_model, **run)
    items = read_report(report)["items"] if report else judging.load_labelled(_labelled(labelled))
    given = any("gold" in item for item in items)
    names = criteria.split(",") if criteria else [*judging.CRITERIA, *(["correct"] if given else [])]
    return judging.judge_answers(items, judging_model, criteria=names, name=str(report or labelled), **run)


def _labelled(path: Path | None) -> Path:
    import nacre.eval

    return Path(nacre.eval.__file__).parent / "labelled.jsonl" if path is None or str(path) == "builtin" else path
