"""eval: suites, reports, comparison and the gate."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nacre.cli.output import JsonFlag, ModelOption, console, print_json, progress
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
Replay = Annotated[
    Path | None, typer.Option("--replay", help=tr("Published model outputs to replay.", "要回放的已发布模型输出。"))
]
Out = Annotated[
    Path | None,
    typer.Option(
        "--out",
        help=tr(
            "Folder for report.json, report.md and report.html.", "report.json、report.md、report.html 的输出文件夹。"
        ),
    ),
]
Gate = Annotated[
    Path | None,
    typer.Option(
        "--gate",
        help=tr("A baseline report.json; exit 1 on a significant loss.", "基线 report.json；显著变差时以 1 退出。"),
    ),
]
Limit = Annotated[
    int | None, typer.Option("--limit", min=1, help=tr("Only the first N questions.", "只取前 N 个问题。"))
]
Workers = Annotated[int, typer.Option("--workers", min=1, help=tr("Questions at a time.", "并行问题数。"))]


def register(app: typer.Typer) -> None:
    """Add the commands of this file.

    Args:
        app: the command line.
    """
    suites = typer.Typer(
        help=tr("Measure retrieval, answers, refusals, programs and agents.", "评测检索、回答、拒答、程序与智能体。"),
        no_args_is_help=True,
    )
    suites.command(
        help=tr("Retrieval over a BEIR set: nDCG, recall, MRR, MAP.", "BEIR 检索评测：nDCG、召回率、MRR、MAP。")
    )(retrieval)
    suites.command(help=tr("Answers over a corpus: EM, F1, contains, citations.", "回答评测：EM、F1、包含、引用。"))(
        answers
    )
    suites.command(help=tr("Refusal with and without an answer in the passages (RGB).", "拒答评测（RGB）。"))(refusal)
    suites.command(help=tr("Programs: replay published ones, or ask a model.", "程序评测：回放或实测。"))(pal)
    suites.command(help=tr("Agents: replay published trajectories.", "智能体评测：回放已发布的轨迹。"))(react)
    suites.command(help=tr("The questions of the sample knowledge base.", "示例知识库评测。"))(sample)
    suites.command(help=tr("Two reports side by side.", "比较两份报告。"))(compare)
    app.add_typer(suites, name="eval")


def retrieval(
    data: Data,
    as_json: JsonFlag = False,
    out: Out = None,
    gate: Gate = None,
    limit: Limit = None,
    embedder: str | None = None,
) -> int:
    """Evaluate retrieval."""
    from nacre.eval.retrieval import evaluate_retrieval

    with _bar(as_json, tr("Searching", "检索")) as show:
        report = evaluate_retrieval(data, embedder=embedder, limit=limit, on_progress=show)
    return _finish(report, as_json, out, gate)


def answers(
    data: Data,
    model: ModelOption = None,
    kb: Annotated[
        Path | None,
        typer.Option(
            "--kb", help=tr("Ask this knowledge base instead of indexing the corpus.", "对该知识库提问，不另建索引。")
        ),
    ] = None,
    as_json: JsonFlag = False,
    out: Out = None,
    gate: Gate = None,
    limit: Limit = None,
    workers: Workers = 1,
) -> int:
    """Evaluate answers."""
    from nacre.connectors.models import load_model
    from nacre.eval.answers import evaluate_answers

    with _bar(as_json, tr("Asking", "提问")) as show:
        report = evaluate_answers(
            data, load_model(model), kb=kb, limit=limit, workers=workers, out=out, on_progress=show
        )
    return _finish(report, as_json, out, gate)


def refusal(
    data: Data,
    model: ModelOption = None,
    as_json: JsonFlag = False,
    out: Out = None,
    gate: Gate = None,
    limit: Limit = None,
    workers: Workers = 1,
) -> int:
    """Evaluate refusals."""
    from nacre.connectors.models import load_model
    from nacre.eval.refusal import evaluate_refusal

    with _bar(as_json, tr("Asking", "提问")) as show:
        report = evaluate_refusal(data, load_model(model), limit=limit, workers=workers, on_progress=show)
    return _finish(report, as_json, out, gate)


def pal(
    replay: Replay = None,
    data: Annotated[Path | None, typer.Option("--data")] = None,
    model: ModelOption = None,
    as_json: JsonFlag = False,
    out: Out = None,
    gate: Gate = None,
    limit: Limit = None,
) -> int:
    """Replay published programs in the sandbox, or let a model write them."""
    from nacre.eval.pal import evaluate_pal, replay_report

    if replay is None and data is None:
        raise UsageError(
            tr("Give --replay FILE, or --data FILE with --model.", "请给出 --replay 文件，或 --data 文件与 --model。")
        )
    with _bar(as_json, tr("Running", "运行")) as show:
        if replay is not None:
            report = replay_report(replay, limit=limit, on_progress=show)
        else:
            from nacre.connectors.models import load_model

            assert data is not None
            report = evaluate_pal(data, load_model(model), limit=limit, on_progress=show)
    return _finish(report, as_json, out, gate)


def react(
    replay: Replay = None,
    data: Annotated[Path | None, typer.Option("--data")] = None,
    model: ModelOption = None,
    as_json: JsonFlag = False,
    out: Out = None,
    gate: Gate = None,
    limit: Limit = None,
) -> int:
    """Replay published trajectories through the parser, or let an agent answer over a local corpus."""
    from nacre.eval.react import evaluate_react, replay_report

    if replay is None and data is None:
        raise UsageError(
            tr(
                "Give --replay FILE, or --data FOLDER with --model.",
                "请给出 --replay 文件，或 --data 文件夹与 --model。",
            )
        )
    with _bar(as_json, tr("Reading", "读取")) as show:
        if replay is not None:
            report = replay_report(replay, limit=limit, on_progress=show)
        else:
            from nacre.connectors.models import load_model

            assert data is not None
            report = evaluate_react(data, load_model(model), limit=limit, on_progress=show)
    return _finish(report, as_json, out, gate)


def sample(
    model: ModelOption = None, as_json: JsonFlag = False, out: Out = None, gate: Gate = None, limit: Limit = None
) -> int:
    """Ask the questions of the sample knowledge base."""
    from nacre.connectors.models import load_model
    from nacre.eval.sample import evaluate_sample

    with _bar(as_json, tr("Asking", "提问")) as show:
        report = evaluate_sample(load_model(model), limit=limit, out=out, on_progress=show)
    return _finish(report, as_json, out, gate)


def compare(before: Path, after: Path, as_json: JsonFlag = False) -> int:
    """Compare two reports; exit 1 on a significant loss."""
    from nacre.eval.report import read_report

    return _compare(read_report(before), read_report(after), as_json)


def _finish(report: Report, as_json: bool, out: Path | None, gate: Path | None) -> int:
    """Write, print and judge a report; the exit status."""
    from nacre.eval.report import read_report

    baseline = read_report(gate) if gate else None
    if out:
        report.write(out)
    summary = report.summary()
    if as_json:
        print_json(summary)
    else:
        _print_figures(summary)
        if out:
            console().print(tr(f"[dim]Report: {out / 'report.html'}[/]", f"[dim]报告：{out / 'report.html'}[/]"))
    if baseline is None:
        return 0
    return _compare(
        baseline, {**summary, "metrics": list(report.metrics), "items": list(report.items)}, as_json, quiet=as_json
    )


def _print_figures(summary: dict[str, Any]) -> None:
    from rich.table import Table

    table = Table(box=None, pad_edge=False, show_header=False)
    for name, value in summary.items():
        if name in {"suite", "intervals", "settings", "problems"}:
            continue
        low, high = summary["intervals"].get(name, ("", ""))
        table.add_row(
            name,
            f"[bold]{value:.3f}[/]" if isinstance(value, float) else f"[bold]{value}[/]",
            f"[dim]{low:.3f} – {high:.3f}[/]" if low != "" else "",
        )
    console().print(table)
    for problem in summary["problems"][:20]:
        console(stderr=True).print(f"! {problem}", style="yellow", markup=False)


def _compare(before: dict[str, Any], after: dict[str, Any], as_json: bool, *, quiet: bool = False) -> int:
    from nacre.eval import gate

    changes = gate.compare(before, after)
    lost = [change for change in changes if change.loss]
    if as_json and not quiet:
        print_json({"changes": changes, "same_corpus": gate.same_corpus(before, after), "passed": not lost})
    err = console(stderr=True)
    if not gate.same_corpus(before, after):
        err.print(
            tr(
                "The corpus has changed since the baseline; only questions in both runs are compared.",
                "语料自基线后已改变；只比较两次都有的问题。",
            ),
            style="yellow",
        )
    if not as_json:
        from rich.table import Table

        table = Table(
            "",
            tr("before", "之前"),
            tr("after", "之后"),
            "p",
            tr("worse / better", "变差 / 变好"),
            box=None,
            pad_edge=False,
        )
        for change in changes:
            mark = tr(" LOSS", " 变差") if change.loss else ""
            table.add_row(
                change.metric + mark,
                f"{change.before:.3f}",
                f"{change.after:.3f}",
                f"{change.p:.3f}",
                f"{len(change.worse)} / {len(change.better)}",
                style="red" if change.loss else "",
            )
        console().print(table)
    for change in lost:
        err.print(
            tr(f"{change.metric} got significantly worse; questions: ", f"{change.metric} 显著变差；问题：")
            + ", ".join(change.worse[:20]),
            style="red",
            markup=False,
        )
    return 1 if lost else 0


@contextmanager
def _bar(quiet: bool, label: str) -> Iterator[Callable[[int, int], None]]:
    with progress(quiet=quiet) as bar:
        task = bar.add_task(label, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
