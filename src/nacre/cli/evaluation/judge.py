"""eval judge: a model scores the answers of a report, or says which of two answers better."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from nacre.cli.evaluation.reports import (
    MAX_FAILED,
    AllowMissing,
    Asked,
    Gate,
    Least,
    Limit,
    MaxFailed,
    OutOption,
    Price,
    PromptsFolder,
    WorkersOption,
    bar,
    finish,
    own_prompts,
    price_of,
)
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
        str | None,
        typer.Option(
            "--criteria", help=tr("Comma separated; else all of ours, with 'correct' where there are gold answers.")
        ),
    ] = None,
    as_json: JsonFlag = False,
    out: OutOption = None,
    gate: Gate = None,
    allow_missing: AllowMissing = False,
    least: Least = None,
    max_failed: MaxFailed = MAX_FAILED,
    limit: Limit = None,
    workers: WorkersOption = 1,
    retries: Annotated[int, typer.Option("--retries", min=0, help=tr("Tries again after a 429 and the like."))] = 4,
    price: Price = None,
    prompts: PromptsFolder = None,
) -> int:
    """Judge answers by a model."""
    from nacre.connectors.models import load_model
    from nacre.eval import judge as judging
    from nacre.eval.report import read_report
    from nacre.layers.retry import Retry

    if (report is None) == (labelled is None):
        raise UsageError(tr("Give a report, or --labelled FILE."))
    own_prompts(prompts)
    options = {"gate": gate, "allow_missing": allow_missing, "least": least, "max_failed": max_failed}
    asked = Asked.read(dict(options))
    judging_model = Retry(inner=load_model(model), attempts=retries + 1)
    with bar(as_json, tr("Judging")) as show:
        run: Any = {"workers": workers, "out": out, "on_progress": show, "price": price_of(price), "limit": limit}
        if report and against:
            found = judging.judge_pairs(read_report(report), read_report(against), judging_model, **run)
        else:
            items = read_report(report)["items"] if report else judging.load_labelled(_labelled(labelled))
            given = any("gold" in item for item in items)
            names = criteria.split(",") if criteria else [*judging.CRITERIA, *(["correct"] if given else [])]
            found = judging.judge_answers(items, judging_model, criteria=names, name=str(report or labelled), **run)
    return finish(found, as_json, out, asked)


def _labelled(path: Path | None) -> Path:
    import nacre.eval

    return Path(nacre.eval.__file__).parent / "labelled.jsonl" if path is None or str(path) == "builtin" else path
