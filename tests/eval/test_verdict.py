"""What a gate says beside the test: rules, must-pass questions, and words that fit."""

from __future__ import annotations

from typing import Any

import pytest

from nacre.errors import EvaluationError
from nacre.eval.gate import compare, what_changed
from nacre.eval.statistics import bootstrap, grouped, interval, smallest_drop
from nacre.eval.verdict import Rules, gated


def data(values: list[float], metric: str = "contains", **more: Any) -> dict[str, Any]:
    items = [{"id": str(n), "question": f"q {n}", metric: v, **more} for n, v in enumerate(values)]
    return {"suite": "answers", "metrics": [metric], "items": items, metric: sum(values) / len(values)}


def test_floors_and_ceilings_need_no_baseline() -> None:
    run = {**data([1.0] * 8 + [0.0] * 2), "seconds_p95": 3.0}
    assert gated(run).state == "green" and gated(run).told == ""
    assert gated(run, rules=Rules(least={"contains": 0.8}, most={"seconds_p95": 3})).passed
    told = gated(run, rules=Rules(least={"contains": 0.81}, most={"seconds_p95": 2.9}))
    assert told.reasons == ["contains is 0.800; --min asks for 0.81.", "seconds_p95 is 3.000; --max asks for 2.9."]
    with pytest.raises(EvaluationError, match=r"no figure 'contain'; there are .*contains"):
        gated(run, rules=Rules(least={"contain": 0.8}))


def test_a_must_pass_question_closes_the_gate_by_itself() -> None:
    run = data([1.0] * 50)
    run["items"][7] |= {"contains": 0.0, "must": True}
    assert "Must-pass questions went wrong: 7." in gated(run, data([1.0] * 50)).told and not gated(run).passed
    run["items"][7] = {"id": "7", "question": "q 7", "must": True, "error": "down"}
    assert not gated(run).passed
    run["items"][7] = {"id": "7", "question": "q 7", "must": True, "refusal_recall": 1.0}
    assert gated(run).passed


def test_words_fit_the_direction() -> None:
    fewer = gated(data([0.0] * 60, "false_refusals"), data([1.0] * 20 + [0.0] * 40, "false_refusals"))
    assert fewer.told == "No significant loss over 60 questions; better: false_refusals." and fewer.state == "green"
    more = gated(data([1.0] * 20 + [0.0] * 40, "false_refusals"), data([0.0] * 60, "false_refusals"))
    assert more.state == "red" and "Worse: false_refusals 0.000 → 0.333 (20 questions worse, 0 better" in more.told
    neither = gated(data([1.0] * 60, "abstained"), data([0.0] * 60, "abstained"))
    assert neither.state == "green" and "better" not in neither.told


def test_em_is_not_judged_beside_contains_and_is_alone() -> None:
    def both(em: float) -> dict[str, Any]:
        return {**data([1.0] * 40, em=em), "metrics": ["contains", "em"]}

    assert gated(both(0.0), both(1.0)).passed
    assert not gated(data([0.0] * 40, "em"), data([1.0] * 40, "em")).passed


def test_an_earlier_answer_is_scored_by_the_gold_answer_of_today() -> None:
    before, after = (data([1.0] * 20, answer="At nine.", gold=["nine"]) for _ in range(2))
    for item in after["items"]:
        item |= {"gold": ["ten"], "contains": 0.0}
    change = compare(before, after)[0]
    assert (change.before, change.after, change.worse) == (0.0, 0.0, ())
    for item in after["items"][:5]:
        item |= {"gold": [], "refusal_recall": 0.0}
        del item["contains"]
    verdict = gated(after, before)
    assert len(verdict.paired.changed) == 5 and verdict.state == "red"


def test_each_prompt_that_differs_is_named() -> None:
    old = {"settings": {"prompts": {"rag/answer": "v1 aa", "rag/refusal": "v1 bb"}, "k": 6}}
    new = {"settings": {"prompts": {"rag/answer": "v1 cc", "rag/refusal": "v1 bb"}, "k": 6}}
    assert what_changed(old, new)[0] == "prompts rag/answer: v1 aa → v1 cc"


def test_groups_are_drawn_and_flipped_together() -> None:
    values, groups = [1.0] * 10 + [0.0] * 10 + [1.0] * 10, [f"g{n // 10}" for n in range(30)]
    alone, together = bootstrap(values), bootstrap(values, groups=groups)
    assert together[1] - together[0] > 2 * (alone[1] - alone[0])
    assert interval([1.0] * 30, groups=groups)[0] < interval([1.0] * 30)[0]
    assert bootstrap(values, groups=[str(n) for n in range(30)]) == alone
    assert grouped([[1, 2, 3], [0, 0, 1]], ["a", "b", "a"]).tolist() == [[4, 2], [1, 0]]


def test_the_smallest_drop_falls_with_questions_and_rises_with_noise() -> None:
    drops = [smallest_drop(n, 0.0, 0.005) for n in (50, 100, 400)]
    assert drops == [pytest.approx(v, rel=0.02) for v in (0.198, 0.101, 0.0259)]
    noisy = smallest_drop(400, 0.1, 0.005)
    assert noisy is not None and noisy > 0.06 and smallest_drop(7, 0.0, 0.005) is None
    strict = smallest_drop(100, 0.0, 0.0005)
    assert strict is not None and strict > 0.13


def test_slower_answers_are_a_doubt_before_they_are_a_loss() -> None:
    fast = data([1.0] * 40, seconds=1.0)
    assert gated(data([1.0] * 40, seconds=1.5), fast).state == "yellow"
    assert gated(data([1.0] * 40, seconds=1.2), fast).state == "green"
    assert gated(data([1.0] * 40, seconds=2.5), fast).state == "red"
    assert gated(data([1.0] * 5, seconds=9.0), data([1.0] * 5, seconds=1.0)).state == "green"  # five prove nothing
    assert gated(data([1.0] * 40, seconds=0.09), data([1.0] * 40, seconds=0.01)).state == "green"


def test_an_interval_of_mixed_values_is_drawn_and_of_equal_ones_is_wilsons() -> None:
    mixed = [1.0, 0.0, 1.0, 1.0, 0.0, 1.0]
    assert interval(mixed) == bootstrap(mixed) and interval([0.5] * 4) == (0.5, 0.5)
    assert interval([0.0] * 20)[1] == pytest.approx(0.161, abs=0.001)
    assert interval([1.0] * 20, 0.9)[0] > interval([1.0] * 20)[0]


def test_a_doubt_goes_by_the_direction_of_its_figure() -> None:
    none, some = data([0.0] * 60, "false_refusals"), data([1.0] * 6 + [0.0] * 54, "false_refusals")
    assert gated(some, none).state == "yellow" and gated(none, some).state == "green"
    kept = data([1.0] * 60)
    assert gated(kept, data([0.0] * 6 + [1.0] * 54)).state == "green"


def test_how_many_questions_would_do_is_told() -> None:
    assert " About 390 would be needed to see 3." in gated(data([1.0] * 60), data([1.0] * 60)).power
    assert "needed" not in gated(data([1.0] * 600), data([1.0] * 600)).power
    noisy = data([float(n % 10 > 0) for n in range(100)]), data([float(n % 10 > 1 or n % 10 == 0) for n in range(100)])
    assert "With 100 questions a drop of contains below" in gated(*noisy).power
    assert (gated(*noisy).smallest_drop or 0) > (gated(noisy[0], noisy[0]).smallest_drop or 0) + 0.05


def test_one_flip_is_neither_better_nor_worse() -> None:
    one, none = data([1.0] + [0.0] * 59, "false_refusals"), data([0.0] * 60, "false_refusals")
    assert "better" not in gated(none, one).told and gated(one, none).state == "green"
    more = data([0.0] + [1.0] * 59)
    assert "better" not in gated(data([1.0] * 60), more).told


def test_documents_that_were_cut_anew_are_told_and_others_not() -> None:
    old, new = ({"settings": {"corpus": "1", "chunks": chunks}} for chunks in ("a", "b"))
    assert "the same documents, cut anew" in what_changed(old, new) and what_changed(old, old) == []
    other = {"settings": {"corpus": "2", "chunks": "b"}}
    assert "the same documents, cut anew" not in what_changed(old, other)
