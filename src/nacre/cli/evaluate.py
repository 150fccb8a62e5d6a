"""eval: suites, reports, comparison and the gate."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nacre.cli import improve
from nacre.cli.output import JsonFlag, KbOption, ModelOption, folder
from nacre.cli.reports import OutOption, WorkersOption, bar, baseline, finish
from nacre.errors import UsageError
from nacre.text.language import tr

Data = Annotated[Path, typer.Option("--data", help=tr("Data set: a folder in BEIR layout, or a file."))]
ModelData = Annotated[Path | None, typer.Option("--data", help=tr("Data set for a model of your own."))]
Replay = Annotated[Path | None, typer.Option("--replay", help=tr("Published model outputs to replay."))]
Gate = Annotated[Path | None, typer.Option("--gate", help=tr("A baseline report.json; exit 1 on a significant loss."))]
Limit = Annotated[int | None, typer.Option("--limit", min=1, help=tr("Only the first N questions."))]
K = Annotated[
    int | None,
    typer.Option("-k", min=1, help=tr("Passages the model sees; else as the knowledge base is set, else 6.")),
]
Price = Annotated[str | None, typer.Option("--price", help=tr("Price of a million tokens read and written: 0.25,2"))]


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    suites = typer.Typer(help=tr("Measure retrieval, answers, refusals, programs and agents."), no_args_is_help=True)
    suites.command(help=tr("Retrieval over a BEIR set: nDCG, recall, MRR, MAP."))(retrieval)
    suites.command(help=tr("Answers over a corpus: EM, F1, contains, citations."))(answers)
    suites.command(help=tr("Refusal with and without an answer in the passages (RGB)."))(refusal)
    suites.command(help=tr("Programs: replay published ones, or ask a model."))(pal)
    suites.command(help=tr("Agents: replay published trajectories."))(react)
    suites.command(help=tr("The questions of the sample knowledge base."))(sample)
    suites.command(help=tr("Noise and false facts in the passages (RGB)."))(robustness)
    suites.command(help=tr("Conversations with follow-up questions."))(chat)
    improve.register(suites)
    app.add_typer(suites, name="eval")


def retrieval(
    data: Data,
    as_json: JsonFlag = False,
    out: OutOption = None,
    gate: Gate = None,
    limit: Limit = None,
    embedder: Annotated[str | None, typer.Option("--embedder", help=tr("Embedder."))] = None,
    k: Annotated[int, typer.Option("-k", min=1, help=tr("Passages a search gives."))] = 40,
    arms: Annotated[str, typer.Option("--arms", help=tr("Indexes: words, vectors or both."))] = "words,vectors",
) -> int:
    """Evaluate retrieval."""
    from nacre.eval.retrieval import evaluate_retrieval

    before = baseline(gate)
    with bar(as_json, tr("Searching")) as show:
        report = evaluate_retrieval(data, embedder=embedder, k=k, arms=arms.split(","), limit=limit, on_progress=show)
    return finish(report, as_json, out, before)


def answers(
    data: Data,
    model: ModelOption = None,
    kb: Annotated[
        Path | None,
        typer.Option(
            "--kb", parser=folder, metavar="<path>", help=tr("Ask this knowledge base instead of indexing the corpus.")
        ),
    ] = None,
    as_json: JsonFlag = False,
    out: OutOption = None,
    gate: Gate = None,
    limit: Limit = None,
    workers: WorkersOption = 1,
    k: K = None,
    price: Price = None,
) -> int:
    """Evaluate answers."""
    from nacre.connectors.models import load_model
    from nacre.eval.answers import evaluate_answers

    before = baseline(gate)
    with bar(as_json, tr("Asking")) as show:
        report = evaluate_answers(
            data,
            load_model(model),
            kb=kb,
            k=k,
            limit=limit,
            workers=workers,
            out=out,
            price=_price(price),
            on_progress=show,
        )
    return finish(report, as_json, out, before)


def refusal(
    data: Data,
    model: ModelOption = None,
    as_json: JsonFlag = False,
    out: OutOption = None,
    gate: Gate = None,
    limit: Limit = None,
    workers: WorkersOption = 1,
) -> int:
    """Evaluate refusals."""
    from nacre.connectors.models import load_model
    from nacre.eval.refusal import evaluate_refusal

    before = baseline(gate)
    with bar(as_json, tr("Asking")) as show:
        report = evaluate_refusal(data, load_model(model), limit=limit, workers=workers, on_progress=show)
    return finish(report, as_json, out, before)


def _one_of(replay: Path | None, data: Path | None, model: str | None) -> None:
    """A replay reads what a model has written; nothing else is to be asked."""
    if replay is None and data is None:
        raise UsageError(tr("Give --replay FILE, or --data PATH with --model."))
    if replay is not None and (data is not None or model is not None):
        raise UsageError(
            tr(
                "--replay reads answers that are written already: --data and --model do not go with it. "
                "Leave out one or the other."
            )
        )


def pal(
    replay: Replay = None,
    data: ModelData = None,
    model: ModelOption = None,
    as_json: JsonFlag = False,
    out: OutOption = None,
    gate: Gate = None,
    limit: Limit = None,
) -> int:
    """Replay published programs in the sandbox, or let a model write them."""
    from nacre.eval.pal import evaluate_pal, replay_report

    _one_of(replay, data, model)
    before = baseline(gate)
    with bar(as_json, tr("Running")) as show:
        if replay is not None:
            report = replay_report(replay, limit=limit, on_progress=show)
        else:
            from nacre.connectors.models import load_model

            assert data is not None
            report = evaluate_pal(data, load_model(model), limit=limit, on_progress=show)
    return finish(report, as_json, out, before)


def react(
    replay: Replay = None,
    data: ModelData = None,
    model: ModelOption = None,
    as_json: JsonFlag = False,
    out: OutOption = None,
    gate: Gate = None,
    limit: Limit = None,
) -> int:
    """Replay published trajectories through the parser, or let an agent answer over a local corpus."""
    from nacre.eval.react import evaluate_react, replay_report

    _one_of(replay, data, model)
    before = baseline(gate)
    with bar(as_json, tr("Reading")) as show:
        if replay is not None:
            report = replay_report(replay, limit=limit, on_progress=show)
        else:
            from nacre.connectors.models import load_model

            assert data is not None
            report = evaluate_react(data, load_model(model), limit=limit, on_progress=show)
    return finish(report, as_json, out, before)


def sample(
    model: ModelOption = None, as_json: JsonFlag = False, out: OutOption = None, gate: Gate = None, limit: Limit = None
) -> int:
    """Ask the questions of the sample knowledge base."""
    from nacre.connectors.models import load_model
    from nacre.eval.sample import evaluate_sample

    before = baseline(gate)
    with bar(as_json, tr("Asking")) as show:
        report = evaluate_sample(load_model(model), limit=limit, out=out, on_progress=show)
    return finish(report, as_json, out, before)


def robustness(
    data: Data,
    model: ModelOption = None,
    as_json: JsonFlag = False,
    out: OutOption = None,
    gate: Gate = None,
    limit: Limit = None,
    workers: WorkersOption = 1,
) -> int:
    """Evaluate answers among noise, and with false facts."""
    from nacre.connectors.models import load_model
    from nacre.eval.robustness import evaluate_robustness

    before = baseline(gate)
    with bar(as_json, tr("Asking")) as show:
        report = evaluate_robustness(data, load_model(model), limit=limit, workers=workers, on_progress=show)
    return finish(report, as_json, out, before)


def chat(
    data: Data,
    kb: KbOption,
    model: ModelOption = None,
    as_json: JsonFlag = False,
    out: OutOption = None,
    gate: Gate = None,
    limit: Limit = None,
    workers: WorkersOption = 1,
) -> int:
    """Evaluate conversations."""
    from nacre.connectors.models import load_model
    from nacre.eval.chat import evaluate_chat

    before = baseline(gate)
    with bar(as_json, tr("Talking")) as show:
        report = evaluate_chat(data, load_model(model), kb, limit=limit, workers=workers, out=out, on_progress=show)
    return finish(report, as_json, out, before)


def _price(text: str | None) -> tuple[float, float] | None:
    if text is None:
        return None
    try:
        read, written = (float(part) for part in text.split(","))
    except ValueError:
        raise UsageError(tr("--price is {text!r}; write two numbers: 0.25,2", text=text)) from None
    return read, written
