"""Replay of published programs: the scoring rules, and the published figures where the data is at hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from nacre.connectors.models.scripted import ScriptedChatModel
from nacre.errors import EvaluationError
from nacre.eval.pal import evaluate_pal, is_correct, number, replay, replay_report, rule_of, runnable, single
from nacre.reasoning.sandbox import PythonInterpreter

POT = rule_of({"id": "gsm8k-pot-5"})
SVAMP = rule_of({"id": "svamp-pot-1"})
ZERO_SHOT = rule_of({"id": "gsm8k-pot-zs-1"})
OTHER = rule_of({"id": "palweb-gsm-0"})


def test_the_rule_is_told_by_the_id_or_the_file() -> None:
    assert (POT.rounding, POT.zero_is_none, POT.absolute) == (True, False, False)
    assert SVAMP.absolute and SVAMP.rounding
    assert ZERO_SHOT.zero_is_none and rule_of({"id": "1"}, "gsm8k_pot_zs_codex").zero_is_none
    assert not (OTHER.rounding or OTHER.zero_is_none or OTHER.absolute)


@pytest.mark.parametrize(
    ("found", "gold", "rule", "right"),
    [
        (3.25, 3.2, POT, True), (3.26, 3.2, POT, False), (64, 64.0, POT, True), (None, 0.0, POT, False), ("surplus", "surplus", POT, True),
        ("Surplus", "surplus", POT, False), (True, "yes", POT, True), (False, "no", POT, True), ([12.0], 12.0, POT, True), ({"x": 7}, 7.0, POT, True),
        (-3, 3.0, SVAMP, True), (-3, 3.0, POT, False), (0, 0.0, ZERO_SHOT, False), (0, 0.0, POT, True), ("", 0.0, ZERO_SHOT, False),
        ("64.0", 64.0, OTHER, True), (64.0005, 64.0, OTHER, True), (64.002, 64.0, OTHER, False), ("09/08/2021", "09/08/2021", OTHER, True),
        ("6", 6, OTHER, True), (float("nan"), 1.0, POT, False), (float("inf"), 1.0, POT, False), ([], 1.0, POT, False), ("5/2", 2.5, OTHER, True),
    ],
)  # fmt: skip
def test_a_value_is_right_by_the_rule_of_its_paper(found: Any, gold: Any, rule: Any, right: bool) -> None:
    assert is_correct(found, gold, rule) is right


def test_values_are_read_as_the_published_scorers_read_them() -> None:
    assert [single(v) for v in ([[3]], {"a": (4, 5)}, [], "x")] == [3, 4, None, "x"]
    assert [number(v) for v in ("$1,200", "12%", "1e3", "5 / 2", "five", "1/0", None, 10**400)] == [
        1200.0,
        12.0,
        1000.0,
        2.5,
        None,
        None,
        None,
        None,
    ]


def test_the_entry_says_where_the_answer_is() -> None:
    assert runnable("ans = 1", "ans") == ("ans = 1\nans", False)
    assert runnable("def solver():\n    return 1", "solver()") == ("def solver():\n    return 1\nsolver()", False)
    assert runnable("def solution(): return 1", "solution()")[0] == "def solution(): return 1"
    assert runnable("text\n```python\nprint(1)\n```\n```output\n1\n```", "first ```python block, printed stdout") == (
        "print(1)",
        True,
    )


def rows(folder: Path, *given: dict[str, Any]) -> Path:
    file = folder / "set_pot.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in given), "utf-8")
    return file


def test_a_replay_counts_accuracy_agreement_and_each_way_to_end(tmp_path: Path, python: PythonInterpreter) -> None:
    file = rows(
        tmp_path,
        {"id": "a", "program": "ans = 2", "entry": "ans", "answer": 2.0, "published_correct": True},
        {"id": "b", "program": "ans = 3", "entry": "ans", "answer": 2.0, "published_correct": True},
        {"id": "b", "program": "ans = x", "entry": "ans", "answer": 2.0, "published_correct": False},
        {"program": "print(1)\nprint('2')", "entry": "printed stdout", "answer": 2},
    )
    report = replay(file, interpreter=python)
    assert (report["accuracy"], report["agreement"], report["rows"]) == (0.5, 2 / 3, 4)
    assert report["disagreements"] == ["b"] and report["statuses"] == {"ok": 3, "error": 1}
    assert [item["id"] for item in replay_report(file, interpreter=python).items] == ["a", "b", "b (2)", "row 4"]


def test_a_missing_or_broken_file_is_said(tmp_path: Path) -> None:
    for content in (None, "", "{}\n", "no json\n"):
        file = tmp_path / "x.jsonl"
        if content is not None:
            file.write_text(content)
        with pytest.raises(EvaluationError, match="jsonl"):
            replay(file)


def test_a_model_is_asked_for_programs_and_scored(tmp_path: Path, python: PythonInterpreter) -> None:
    file = rows(
        tmp_path, {"id": "a", "question": "2 + 2?", "answer": 4}, {"id": "b", "question": "3 + 3?", "answer": 7}
    )
    model = ScriptedChatModel(["```python\n2 + 2\n```", "```python\n3 + 3\n```"])
    report = evaluate_pal(file, model, interpreter=python)
    assert [(item["accuracy"], item["ran"], item["attempts"]) for item in report.items] == [(1, 1, 1), (0, 1, 1)]
    assert report.summary()["accuracy"] == 0.5


PUBLISHED = {
    "gsm8k_pot_codex": (0.745, 0.995), "svamp_pot_codex": (0.84, 0.995), "tabmwp_pot_codex": (0.7425, 0.995), "pal_web_samples": (1.0, 1.0),
    "gsm8k_tora70b": (0.855, 0.985),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("name", PUBLISHED)
def test_published_programs_give_what_was_published(name: str, shared_data: Path, python: PythonInterpreter) -> None:
    accuracy, agreement = PUBLISHED[name]
    report = replay(shared_data / "pal" / f"{name}.jsonl", interpreter=python)
    assert report["accuracy"] == pytest.approx(accuracy, abs=0.006)
    assert report["agreement"] >= agreement
