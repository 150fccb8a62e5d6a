"""The gate closes on a significant loss, and on nothing else."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

from nacre.errors import EvaluationError
from nacre.eval.gate import compare, same_corpus
from nacre.eval.report import Report, fingerprint, read_report


def report(values: list[float], metric: str = "contains", suite: str = "answers") -> dict[str, Any]:
    return {"suite": suite, "metrics": [metric], "items": [{"id": str(n), metric: v} for n, v in enumerate(values)]}


def test_a_large_loss_is_significant_and_names_the_questions() -> None:
    change, answered = compare(report([1.0] * 60), report([0.0] * 12 + [1.0] * 48))
    assert answered.metric == "answered" and not answered.loss
    assert change.loss and change.worse == tuple(str(n) for n in sorted(range(12), key=str))
    assert change.before == 1.0 and change.after == pytest.approx(0.8)


def test_a_gain_a_single_flip_and_an_equal_run_pass() -> None:
    assert not compare(report([0.0] * 12 + [1.0] * 48), report([1.0] * 60))[0].loss
    assert not compare(report([1.0] * 60), report([0.0] + [1.0] * 59))[0].loss
    assert not compare(report([1.0] * 60), report([1.0] * 60))[0].loss


def test_noise_around_the_same_mean_passes_twenty_times() -> None:
    for seed in range(20):
        dice = random.Random(seed)
        before = [float(dice.random() < 0.8) for _ in range(200)]
        flipped = list(before)
        wrong, right = [i for i, v in enumerate(before) if not v], [i for i, v in enumerate(before) if v]
        for i in [*dice.sample(wrong, 4), *dice.sample(right, 4)]:
            flipped[i] = 1 - flipped[i]
        assert not compare(report(before), report(flipped))[0].loss


def test_less_is_better_for_false_refusals() -> None:
    assert compare(report([0.0] * 60, "false_refusals"), report([1.0] * 15 + [0.0] * 45, "false_refusals"))[0].loss
    assert not compare(report([1.0] * 15 + [0.0] * 45, "false_refusals"), report([0.0] * 60, "false_refusals"))[0].loss


def test_only_shared_questions_are_compared_and_none_is_an_error() -> None:
    before, after = report([1.0] * 30), report([1.0] * 30)
    after["items"] += [{"id": f"new{n}", "contains": 0.0} for n in range(100)]
    assert not compare(before, after)[0].loss
    after["items"] = after["items"][30:]
    with pytest.raises(EvaluationError, match="share no question"):
        compare(before, after)
    with pytest.raises(EvaluationError, match="different suites"):
        compare(before, report([1.0], suite="retrieval"))


def test_a_corpus_has_the_same_fingerprint_however_it_is_ordered() -> None:
    assert fingerprint(["a", "b"]) == fingerprint(["b", "a"]) != fingerprint(["a", "c"])
    assert same_corpus({"settings": {"corpus": "1"}}, {"settings": {}})
    assert not same_corpus({"settings": {"corpus": "1"}}, {"settings": {"corpus": "2"}})


def test_a_report_is_written_whole_read_back_and_escaped(tmp_path: Path) -> None:
    made = Report(
        "answers",
        ("contains",),
        [{"id": "1", "contains": 1.0, "question": "<script>alert(1)</script>"}, {"id": "2", "error": "x"}],
        {"queries": 2},
    )
    made.write(tmp_path)
    again = read_report(tmp_path)
    assert again["contains"] == 1.0 and again["queries"] == 2 and len(again["items"]) == 2
    page = (tmp_path / "report.html").read_text("utf-8")
    assert "<script>" not in page and "&lt;script&gt;" in page and "http" not in page
    assert "contains" in (tmp_path / "report.md").read_text("utf-8")
    (tmp_path / "report.json").write_text('{"suite": "answers", "it', "utf-8")
    with pytest.raises(EvaluationError, match="is no report"):
        read_report(tmp_path)


def test_items_without_a_figure_weigh_nothing() -> None:
    def run(value: float) -> dict[str, object]:
        rows = [{"id": f"q{n}", "refusal_recall": value if n < 9 else None, "contains": 1.0} for n in range(40)]
        return {"suite": "answers", "metrics": ["refusal_recall", "contains"], "items": rows}

    lost, kept, _ = compare(run(1.0), run(0.0))
    assert (lost.metric, lost.loss, lost.items, len(lost.worse)) == ("refusal_recall", True, 9, 9)
    assert not kept.loss and kept.items == 40
