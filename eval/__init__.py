"""Evaluation: data sets, metrics, suites, reports and the gate that refuses a change for the worse.

The names below are loaded when they are first used.
"""

from __future__ import annotations

import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

_NAMES = {
    "answers": "ask_all assert_answers evaluate_answers evaluate_target",
    "chat": "evaluate_chat",
    "failures": "failures_of",
    "gaps": "find_gaps",
    "gate": "Change compare",
    "judge": "judge_answers judge_pairs",
    "making": "make_conversations make_questions save_questions",
    "pal": "evaluate_pal",
    "questions": "Question load_questions",
    "react": "evaluate_react",
    "refusal": "evaluate_refusal",
    "report": "Report read_report",
    "retrieval": "evaluate_retrieval",
    "robustness": "evaluate_robustness",
    "running": "Run",
    "sample": "evaluate_sample",
    "stages": "Diagnosis",
    "tuning": "tune",
    "verdict": "Rules Verdict gated",
    "why": "diagnose",
    "yardsticks": "evaluate_filings evaluate_turns",
}
_WHERE = {name: f"nacre.eval.{module}" for module, names in _NAMES.items() for name in names.split()}

__all__ = [*_WHERE]  # noqa: PLE0604

if TYPE_CHECKING:
    from nacre.eval.answers import ask_all as ask_all
    from nacre.eval.answers import assert_answers as assert_answers
    from nacre.eval.answers import evaluate_answers as evaluate_answers
    from nacre.eval.answers import evaluate_target as evaluate_target
    from nacre.eval.chat import evaluate_chat as evaluate_chat
    from nacre.eval.failures import failures_of as failures_of
    from nacre.eval.gaps import find_gaps as find_gaps
    from nacre.eval.gate import Change as Change
    from nacre.eval.gate import compare as compare
    from nacre.eval.judge import judge_answers as judge_answers
    from nacre.eval.judge import judge_pairs as judge_pairs
    from nacre.eval.making import make_conversations as make_conversations
    from nacre.eval.making import make_questions as make_questions
    from nacre.eval.making import save_questions as save_questions
    from nacre.eval.pal import evaluate_pal as evaluate_pal
    from nacre.eval.questions import Question as Question
    from nacre.eval.questions import load_questions as load_questions
    from nacre.eval.react import evaluate_react as evaluate_react
    from nacre.eval.refusal import evaluate_refusal as evaluate_refusal
    from nacre.eval.report import Report as Report
    from nacre.eval.report import read_report as read_report
    from nacre.eval.retrieval import evaluate_retrieval as evaluate_retrieval
    from nacre.eval.robustness import evaluate_robustness as evaluate_robustness
    from nacre.eval.running import Run as Run
    from nacre.eval.sample import evaluate_sample as evaluate_sample
    from nacre.eval.stages import Diagnosis as Diagnosis
    from nacre.eval.tuning import tune as tune
    from nacre.eval.verdict import Rules as Rules
    from nacre.eval.verdict import Verdict as Verdict
    from nacre.eval.verdict import gated as gated
    from nacre.eval.why import diagnose as diagnose
    from nacre.eval.yardsticks import evaluate_filings as evaluate_filings
    from nacre.eval.yardsticks import evaluate_turns as evaluate_turns


def __getattr__(name: str) -> Any:
    if name in _WHERE:
        globals()[name] = value = getattr(import_module(_WHERE[name]), name)
        return value
    raise AttributeError(f"module 'nacre.eval' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__


def command_line(suite: str) -> None:
    """What `python -m nacre.eval.SUITE …` does: the same as `nacre eval SUITE …`; ends the process."""
    # By name: the command line stands above the suites, which know nothing of it otherwise.
    sys.exit(import_module("nacre.cli").run(["eval", suite, *sys.argv[1:]]))
