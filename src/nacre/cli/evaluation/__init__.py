"""eval: suites over question sets, and what is done with their reports; one file a command, the suites in one."""

from __future__ import annotations

import typer

from nacre.cli.evaluation import suites
from nacre.cli.evaluation.check import check, history
from nacre.cli.evaluation.compare import compare
from nacre.cli.evaluation.export import export
from nacre.cli.evaluation.judge import judge
from nacre.cli.evaluation.make import make
from nacre.cli.evaluation.production import drift, from_feedback, from_traces
from nacre.cli.evaluation.tune import tune
from nacre.text.language import tr


def register(app: typer.Typer) -> None:
    """Add the group `nacre eval`."""
    group = typer.Typer(help=tr("Measure retrieval, answers, refusals, programs and agents."), no_args_is_help=True)
    suites.register(group)
    group.command(help=tr("Two reports side by side; exit 1 on a significant loss."))(compare)
    group.command(help=tr("Let a model judge the answers of a report."))(judge)
    group.command(help=tr("Make a question set from a knowledge base."))(make)
    group.command(help=tr("Choose settings on half of a question set, judge them by the other half."))(tune)
    group.command(help=tr("Answers in the columns of RAGAS or DeepEval."))(export)
    group.command(help=tr("What is wrong with a question file; asks nothing."))(check)
    group.command(help=tr("What the last runs reached."))(history)
    group.command("from-feedback", help=tr("Make questions of the verdicts that a server was given."))(from_feedback)
    group.command("from-traces", help=tr("Make questions of what a server was asked."))(from_traces)
    group.command(help=tr("What is different in what a server is asked and answers, month by month."))(drift)
    app.add_typer(group, name="eval")
