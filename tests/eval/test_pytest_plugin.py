"""The plugin in a project of somebody's: one test a question, and a failure that says which."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

TEST = """
import pytest


def application(question):
    return "At nine." if "open" in question else "No idea."


@pytest.mark.nacre_questions("questions.jsonl")
def test_answers(question, nacre_eval):
    nacre_eval(application, [question], contains=1)
"""


def test_each_question_is_a_test(tmp_path: Path) -> None:
    (tmp_path / "questions.jsonl").write_text(
        '{"id": "first", "question": "When does it open?", "answers": ["nine"]}\n'
        '{"id": "second", "question": "When does it close?", "answers": ["ten"]}\n',
        "utf-8",
    )
    (tmp_path / "test_app.py").write_text(TEST, "utf-8")
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-p",
        "nacre.eval.pytest_plugin",
        "-p",
        "no:cacheprovider",
        "-rA",
        str(tmp_path),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert "PASSED test_app.py::test_answers[first]" in done.stdout, done.stdout + done.stderr
    assert "FAILED test_app.py::test_answers[second]" in done.stdout and "When does it close?" in done.stdout
    assert done.returncode == 1
