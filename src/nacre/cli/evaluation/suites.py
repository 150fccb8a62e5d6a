"""eval retrieval, answers, refusal, pal, react, sample, robustness, chat: questions are asked and reported on."""

# No postponed annotations here: the options of a command are read from them when the file is loaded.

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nacre.cli.evaluation.reports import suite
from nacre.cli.output import KbOption, ModelOption, folder
from nacre.errors import UsageError
from nacre.text.language import tr

if TYPE_CHECKING:
    from nacre.eval.report import Report

Data = Annotated[Path, typer.Option("--data", help=tr("Data set: a folder in BEIR layout, or a file."))]
ModelData = Annotated[Path | None, typer.Option("--data", help=tr("Data set for a model of your own."))]
Replay = Annotated[Path | None, typer.Option("--replay", help=tr("Published model outputs to replay."))]
K = Annotated[
    int | None,
    typer.Option("-k", min=1, help=tr("Passages the model sees; else as the knowledge base is set, else 6.")),
]
OptionalKb = Annotated[
    Path | None,
    typer.Option(
        "--kb", parser=folder, metavar="<path>", help=tr("Ask this knowledge base instead of indexing the corpus.")
    ),
]
Embedder = Annotated[str | None, typer.Option("--embedder", help=tr("Embedder."))]
Judge = Annotated[Path | None, typer.Option("--judge", help=tr("A reward model that scores each answer too."))]
Passages = Annotated[int, typer.Option("-k", min=1, help=tr("Passages a search gives."))]
Arms = Annotated[str, typer.Option("--arms", help=tr("Indexes: words, vectors or both."))]


def register(group: typer.Typer) -> None:
    """Add the commands of this file."""
    group.command(help=tr("Retrieval over a BEIR set: nDCG, recall, MRR, MAP."))(retrieval)
    group.command(help=tr("Answers over a corpus: EM, F1, contains, citations."))(answers)
    group.command(help=tr("Refusal with and without an answer in the passages (RGB)."))(refusal)
    group.command(help=tr("Programs: replay published ones, or ask a model."))(pal)
    group.command(help=tr("Agents: replay published trajectories."))(react)
    group.command(help=tr("The questions of the sample knowledge base."))(sample)
    group.command(help=tr("Noise and false facts in the passages (RGB)."))(robustness)
    group.command(help=tr("Conversations with follow-up questions."))(chat)


def _model(name: str | None) -> Any:
    from nacre.connectors.models import load_model

    return load_model(name)


@suite(tr("Searching"))
def retrieval(
    data: Data, embedder: Embedder = None, k: Passages = 40, arms: Arms = "words,vectors", **run: Any
) -> "Report":
    """Evaluate retrieval."""
    from nacre.eval.retrieval import evaluate_retrieval

    return evaluate_retrieval(data, embedder=embedder, k=k, arms=arms.split(","), **run)


@suite(tr("Asking"), "workers", "price")
def answers(
    data: Data, model: ModelOption = None, kb: OptionalKb = None, k: K = None, judge: Judge = None, **run: Any
) -> "Report":
    """Evaluate answers."""
    from nacre.connectors.models.reward import RewardModel
    from nacre.eval.answers import evaluate_answers

    return evaluate_answers(data, _model(model), kb=kb, k=k, judge=RewardModel(judge) if judge else None, **run)


@suite(tr("Asking"), "workers")
def refusal(data: Data, model: ModelOption = None, **run: Any) -> "Report":
    """Evaluate refusals."""
    from nacre.eval.refusal import evaluate_refusal

    return evaluate_refusal(data, _model(model), **run)


@suite(tr("Running"), "workers")
def pal(replay: Replay = None, data: ModelData = None, model: ModelOption = None, **run: Any) -> "Report":
    """Replay published programs in the sandbox, or let a model write them."""
    from nacre.eval.pal import evaluate_pal, replay_report

    given = _one_of(replay, data, model)
    return replay_report(given, **run) if replay else evaluate_pal(given, _model(model), **run)


@suite(tr("Reading"), "workers")
def react(replay: Replay = None, data: ModelData = None, model: ModelOption = None, **run: Any) -> "Report":
    """Replay published trajectories through the parser, or let an agent answer over a local corpus."""
    from nacre.eval.react import evaluate_react, replay_report

    given = _one_of(replay, data, model)
    return replay_report(given, **run) if replay else evaluate_react(given, _model(model), **run)


@suite(tr("Asking"), "workers", "price")
def sample(model: ModelOption = None, **run: Any) -> "Report":
    """Ask the questions of the sample knowledge base."""
    from nacre.eval.sample import evaluate_sample

    return evaluate_sample(_model(model), **run)


@suite(tr("Asking"), "workers")
def robustness(data: Data, model: ModelOption = None, **run: Any) -> "Report":
    """Evaluate answers among noise, and with false facts."""
    from nacre.eval.robustness import evaluate_robustness

    return evaluate_robustness(data, _model(model), **run)


@suite(tr("Talking"), "workers", "price")
def chat(data: Data, kb: KbOption, model: ModelOption = None, **run: Any) -> "Report":
    """Evaluate conversations."""
    from nacre.eval.chat import evaluate_chat

    return evaluate_chat(data, _model(model), kb, **run)


def _one_of(replay: Path | None, data: Path | None, model: str | None) -> Path:
    """A replay reads what a model has written; nothing else is to be asked."""
    given = replay or data
    if given is None:
        raise UsageError(tr("Give --replay FILE, or --data PATH with --model."))
    if replay and (data or model is not None):
        raise UsageError(
            tr(
                "--replay reads answers that are written already: --data and --model do not go with it. "
                "Leave out one or the other."
            )
        )
    return given
