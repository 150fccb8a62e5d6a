"""Evaluation: data sets, metrics, suites, reports and the gate that refuses a change for the worse."""

from __future__ import annotations

import sys
from importlib import import_module


def command_line(suite: str) -> None:
    """What `python -m nacre.eval.SUITE …` does: the same as `nacre eval SUITE …`; ends the process."""
    # By name: the command line stands above the suites, which know nothing of it otherwise.
    sys.exit(import_module("nacre.cli").run(["eval", suite, *sys.argv[1:]]))
