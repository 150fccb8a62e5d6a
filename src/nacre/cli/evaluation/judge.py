"""eval judge: a model scores the answers of a report, or says which of two answers better."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from nacre.cli.evaluation.reports import Asked, OutOption, WorkersOption, bar, finish
from nacre.cli.output import JsonFlag, ModelOption
from nacre.errors import UsageError
from nacre.text.language import tr


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
        run: Any = {"workers": workers, "out": out, "on_progress": show}
        if report and against:
            found = judging.judge_pairs(read_report(report), read_report(against), judging_model, **run)
        else:
            items = read_report(report)["items"] if report else judging.load_labelled(_labelled(labelled))
            name = str(report or labelled)
            found = judging.judge_answers(items, judging_model, criteria=criteria.split(","), name=name, **run)
    return finish(found, as_json, out, Asked())


def _labelled(path: Path | None) -> Path:
    import nacre.eval

    return Path(nacre.eval.__file__).parent / "labelled.jsonl" if path is None or str(path) == "builtin" else path
