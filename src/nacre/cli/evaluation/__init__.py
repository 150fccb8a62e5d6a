"""eval: suites over question sets, and what is done with their reports; one file a command, the suites in one."""

from __future__ import annotations

import typer

from nacre.cli.evaluation import suites
from nacre.cli.evaluation.compare import compare
from nacre.cli.evaluation.export import export
from nacre.cli.evaluation.judge import judge
from nacre.cli.evaluation.make import make
from nacre.cli.evaluation.tune import tune
from nacre.language import tr


def register(app: typer.Typer) -> None:
    """Add the group `nacre eval`."""
    group = typer.Typer(
        help=tr("Measure retrieval, answers, refusals, programs and agents.", "评测检索、回答、拒答、程序与智能体。"),
        no_args_is_help=True,
    )
    suites.register(group)
    group.command(
        help=tr("Two reports side by side; exit 1 on a significant loss.", "比较两份报告；显著变差时以 1 退出。")
    )(compare)
    group.command(help=tr("Let a model judge the answers of a report.", "由模型评审报告中的回答。"))(judge)
    group.command(help=tr("Make a question set from a knowledge base.", "从知识库生成问题集。"))(make)
    group.command(
        help=tr(
            "Choose settings on half of a question set, judge them by the other half.",
            "用一半问题选择设置，用另一半评判。",
        )
    )(tune)
    group.command(help=tr("Answers in the columns of RAGAS or DeepEval.", "按 RAGAS 或 DeepEval 的列名导出。"))(export)
    app.add_typer(group, name="eval")
