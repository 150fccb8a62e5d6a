"""eval retrieval, answers, refusal, pal, react, sample, robustness and chat: a question set is asked and reported on."""

# No postponed annotations here: the options of a command are read from them when the file is loaded.

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nacre.cli.evaluation.reports import suite
from nacre.cli.output import KbOption, ModelOption, folder
from nacre.errors import UsageError
from nacre.language import tr

if TYPE_CHECKING:
    from nacre.eval.report import Report

Data = Annotated[
    Path,
    typer.Option(
        "--data", help=tr("Data set: a folder in BEIR layout, or a file.", "数据集：BEIR 布局的文件夹，或文件。")
    ),
]
ModelData = Annotated[
    Path | None, typer.Option("--data", help=tr("Data set for a model of your own.", "供自有模型使用的数据集。"))
]
Replay = Annotated[
    Path | None, typer.Option("--replay", help=tr("Published model outputs to replay.", "要回放的已发布模型输出。"))
]
K = Annotated[
    int | None,
    typer.Option(
        "-k",
        min=1,
        help=tr(
            "Passages the model sees; else as the knowledge base is set, else 6.",
            "模型看到的段落数；默认取知识库设置，否则为 6。",
        ),
    ),
]
OptionalKb = Annotated[
    Path | None,
    typer.Option(
        "--kb",
        parser=folder,
        metavar="<path>",
        help=tr("Ask this knowledge base instead of indexing the corpus.", "对该知识库提问，不另建索引。"),
    ),
]
Embedder = Annotated[str | None, typer.Option("--embedder", help=tr("Embedder.", "向量模型。"))]
Passages = Annotated[int, typer.Option("-k", min=1, help=tr("Passages a search gives.", "每次检索的段落数。"))]
Arms = Annotated[
    str, typer.Option("--arms", help=tr("Indexes: words, vectors or both.", "所用索引：words、vectors 或两者。"))
]


def register(group: typer.Typer) -> None:
    """Add the commands of this file."""
    group.command(
        help=tr("Retrieval over a BEIR set: nDCG, recall, MRR, MAP.", "BEIR 检索评测：nDCG、召回率、MRR、MAP。")
    )(retrieval)
    group.command(help=tr("Answers over a corpus: EM, F1, contains, citations.", "回答评测：EM、F1、包含、引用。"))(
        answers
    )
    group.command(help=tr("Refusal with and without an answer in the passages (RGB).", "拒答评测（RGB）。"))(refusal)
    group.command(help=tr("Programs: replay published ones, or ask a model.", "程序评测：回放或实测。"))(pal)
    group.command(help=tr("Agents: replay published trajectories.", "智能体评测：回放已发布的轨迹。"))(react)
    group.command(help=tr("The questions of the sample knowledge base.", "示例知识库评测。"))(sample)
    group.command(help=tr("Noise and false facts in the passages (RGB).", "噪声与错误事实评测（RGB）。"))(robustness)
    group.command(help=tr("Conversations with follow-up questions.", "多轮对话评测。"))(chat)


def _model(name: str | None) -> Any:
    from nacre.connectors.models import load_model

    return load_model(name)


@suite(tr("Searching", "检索"))
def retrieval(
    data: Data, embedder: Embedder = None, k: Passages = 40, arms: Arms = "words,vectors", **run: Any
) -> "Report":
    """Evaluate retrieval."""
    from nacre.eval.retrieval import evaluate_retrieval

    return evaluate_retrieval(data, embedder=embedder, k=k, arms=arms.split(","), **run)


@suite(tr("Asking", "提问"), "workers", "price")
def answers(data: Data, model: ModelOption = None, kb: OptionalKb = None, k: K = None, **run: Any) -> "Report":
    """Evaluate answers."""
    from nacre.eval.answers import evaluate_answers

    return evaluate_answers(data, _model(model), kb=kb, k=k, **run)


@suite(tr("Asking", "提问"), "workers")
def refusal(data: Data, model: ModelOption = None, **run: Any) -> "Report":
    """Evaluate refusals."""
    from nacre.eval.refusal import evaluate_refusal

    return evaluate_refusal(data, _model(model), **run)


@suite(tr("Running", "运行"), "workers")
def pal(replay: Replay = None, data: ModelData = None, model: ModelOption = None, **run: Any) -> "Report":
    """Replay published programs in the sandbox, or let a model write them."""
    from nacre.eval.pal import evaluate_pal, replay_report

    given = _one_of(replay, data)
    return replay_report(given, **run) if replay else evaluate_pal(given, _model(model), **run)


@suite(tr("Reading", "读取"), "workers")
def react(replay: Replay = None, data: ModelData = None, model: ModelOption = None, **run: Any) -> "Report":
    """Replay published trajectories through the parser, or let an agent answer over a local corpus."""
    from nacre.eval.react import evaluate_react, replay_report

    given = _one_of(replay, data)
    return replay_report(given, **run) if replay else evaluate_react(given, _model(model), **run)


@suite(tr("Asking", "提问"), "workers", "price")
def sample(model: ModelOption = None, **run: Any) -> "Report":
    """Ask the questions of the sample knowledge base."""
    from nacre.eval.sample import evaluate_sample

    return evaluate_sample(_model(model), **run)


@suite(tr("Asking", "提问"), "workers")
def robustness(data: Data, model: ModelOption = None, **run: Any) -> "Report":
    """Evaluate answers among noise, and with false facts."""
    from nacre.eval.robustness import evaluate_robustness

    return evaluate_robustness(data, _model(model), **run)


@suite(tr("Talking", "对话"), "workers", "price")
def chat(data: Data, kb: KbOption, model: ModelOption = None, **run: Any) -> "Report":
    """Evaluate conversations."""
    from nacre.eval.chat import evaluate_chat

    return evaluate_chat(data, _model(model), kb, **run)


def _one_of(replay: Path | None, data: Path | None) -> Path:
    given = replay or data
    if given is None:
        raise UsageError(
            tr("Give --replay FILE, or --data PATH with --model.", "请给出 --replay 文件，或 --data 路径与 --model。")
        )
    return given
