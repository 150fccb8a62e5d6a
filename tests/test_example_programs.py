"""The programs under examples/ run as they are, and do what their line in the README says."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import nacre.stack

ROOT = Path(__file__).parents[1]
EXAMPLES = ROOT / "examples"


def ran(*command: str | Path, cwd: Path, status: int = 0, **environment: str) -> str:
    """What a program printed, started in a folder of its own as a reader would start it."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env={**os.environ, "PATH": path, "NACRE_LANG": "en", **environment},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == status, done.stderr
    return done.stdout


def test_rag_answers_in_both_languages_with_citations(tmp_path: Path) -> None:
    program = EXAMPLES / "rag.py"
    assert len([line for line in program.read_text("utf-8").splitlines() if line]) <= 15
    folder = shutil.copytree(ROOT / "eval/sample_kb/documents", tmp_path / "documents")
    for question, said in (("How long does the trial period last?", "four months"), ("试用期有多长？", "试用期")):
        shown = ran(sys.executable, program, folder, question, cwd=tmp_path)
        assert said in shown and re.search(r"^\[1\] .+: .+", shown, re.MULTILINE)


@pytest.mark.usefixtures("python")
def test_pal_computes(tmp_path: Path) -> None:
    assert "= 10\n" in ran(sys.executable, EXAMPLES / "pal.py", cwd=tmp_path)


def test_the_agent_asks_the_server_beside_it(tmp_path: Path) -> None:
    pytest.importorskip("mcp")
    shown = ran(sys.executable, EXAMPLES / "mcp_agent/agent.py", cwd=tmp_path)
    assert "high_tide {'harbour': 'Lantern Bay'} -> 14:20\n" in shown


def test_the_gate_holds_what_makes_answers_worse_and_lets_the_rest_pass(tmp_path: Path) -> None:
    gate, worse = EXAMPLES / "evaluation_in_ci/gate.sh", tmp_path / "worse"
    worse.mkdir()
    (worse / "harbour.md").write_text("# Harbour rules\n\nThe harbour is closed. 港口关闭。\n", "utf-8")
    assert "contains            1.000" in ran("sh", gate, "before", cwd=tmp_path)
    assert "No significant loss" in ran("sh", gate, "same", "before/report.json", cwd=tmp_path)
    told = ran("sh", gate, "after", "before/report.json", cwd=tmp_path, status=1, DOCUMENTS=str(worse))
    assert "Worse: contains" in told
    workflow = (EXAMPLES / "evaluation_in_ci/workflow.yml").read_text("utf-8")
    for file in re.findall(r"examples/\S+", workflow):
        assert (ROOT / file).exists(), file
    for name in re.findall(r"after/(\w+\.md)", workflow):
        assert (tmp_path / "after" / name).exists()


def test_a_layer_of_ones_own_from_python(tmp_path: Path) -> None:
    shown = ran(sys.executable, EXAMPLES / "custom_layer/use.py", cwd=tmp_path)
    assert shown == "At noon.\nCan I help with anything else?\n"


@pytest.mark.skipif(not hasattr(nacre.stack, "ENTRY_POINTS"), reason="stacks name their own layers only")
def test_a_layer_of_ones_own_by_name_in_yaml(tmp_path: Path) -> None:
    shown = ran(sys.executable, EXAMPLES / "custom_layer/use.py", "--yaml", cwd=tmp_path)
    assert shown.splitlines()[-1] == "还有什么可以帮您？"


def test_the_readme_names_every_example_in_both_languages() -> None:
    readme = (EXAMPLES / "README.md").read_text("utf-8")
    rows = [line for line in readme.splitlines() if line.startswith("| [")]
    named = {re.split(r"[/)]", row.split("](")[1])[0] for row in rows}
    assert named == {path.name for path in EXAMPLES.iterdir()} - {"README.md", "__pycache__"}
    assert all(re.search(r"[a-z]{4}.*[\u4e00-\u9fff]{4}", row) for row in rows)
    for link in re.findall(r"\]\(([^)]+)\)", readme):
        assert (EXAMPLES / link).exists(), link
