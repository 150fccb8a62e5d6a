"""Our metrics equal the standard scorer's, and compare answers in both languages."""

from __future__ import annotations

import pytest
import pytrec_eval
from hypothesis import given
from hypothesis import strategies as st

from nacre.eval.metrics import (
    average_precision,
    contains,
    exact_match,
    ndcg,
    normalise,
    recall,
    reciprocal_rank,
    token_f1,
)

rankings = st.lists(st.sampled_from([f"d{n}" for n in range(12)]), unique=True, min_size=1)
judgements = st.dictionaries(st.sampled_from([f"d{n}" for n in range(16)]), st.integers(1, 4), min_size=1)


@given(rankings, judgements)
def test_rankings_are_scored_as_trec_eval_scores_them(ranking: list[str], relevant: dict[str, int]) -> None:
    run = {"q": {document: float(len(ranking) - n) for n, document in enumerate(ranking)}}
    theirs = pytrec_eval.RelevanceEvaluator(
        {"q": relevant}, {"ndcg_cut.10", "recall.10", "map", "recip_rank"}
    ).evaluate(run)["q"]
    assert ndcg(ranking, relevant) == pytest.approx(theirs["ndcg_cut_10"], abs=1e-9)
    assert recall(ranking, relevant) == pytest.approx(theirs["recall_10"], abs=1e-9)
    assert average_precision(ranking, relevant) == pytest.approx(theirs["map"], abs=1e-9)
    assert reciprocal_rank(ranking, relevant, k=1000) == pytest.approx(theirs["recip_rank"], abs=1e-9)


@pytest.mark.parametrize(
    ("answer", "gold", "em", "has"),
    [
        ("The 1,200 RMB.", ["1200 RMB"], 1.0, 1.0),
        ("They paid 1,200 RMB a night.", ["1200 rmb"], 0.0, 1.0),
        ("每晚最多１２００元。", ["1200元"], 0.0, 1.0),
        ("卡万·肖特", ["卡万·肖特。"], 1.0, 1.0),
        ("112", ["12"], 0.0, 0.0),
        ("", ["x"], 0.0, 0.0),
        ("3.5 km", ["3.5 km", "4"], 1.0, 1.0),
        ("on 3 September 2026", ["September 3, 2026"], 0.0, 1.0),
        ("Sept. 3rd", ["3 September"], 0.0, 0.0),  # no month is written so
        ("2026-09-03", ["2026年9月3日"], 1.0, 1.0),
        ("２０２６年０９月０３日", ["二〇二六年九月三日"], 1.0, 1.0),
        ("一共二十天", ["20天"], 0.0, 1.0),
        ("3,000.50 euros", ["3000.5 euros"], 1.0, 1.0),
        ("may 5 people come?", ["5 people"], 0.0, 0.0),
        ("100", ["10"], 0.0, 0.0),
        ("约3.50元", ["3.5元"], 0.0, 1.0),
        ("v1.20", ["v1.2"], 0.0, 0.0),
        ("第二十三条", ["三条"], 0.0, 0.0),
        ("见第二十三条", ["第23条"], 0.0, 1.0),
    ],
)
def test_answers_are_compared_in_both_languages(answer: str, gold: list[str], em: float, has: float) -> None:
    assert (exact_match(answer, gold), contains(answer, gold)) == (em, has)


def test_f1_counts_shared_tokens_and_takes_the_best_gold() -> None:
    assert token_f1("二月五日", ["二月七日"]) == pytest.approx(0.75)
    assert token_f1("a red fox", ["blue", "red fox"]) == 1.0
    assert token_f1("", []) == 0.0


@given(st.text(), st.text())
def test_an_answer_contains_itself_and_f1_is_symmetric(a: str, b: str) -> None:
    assert contains(a, [a]) == float(bool(normalise(a)))
    assert token_f1(a, [b]) == pytest.approx(token_f1(b, [a]))


@pytest.mark.parametrize(
    "text", ["1" * 50_000, "0" * 50_000, "十" * 50_000, "1.0" * 20_000, "1 may " * 10_000, "1,000" * 10_000]
)
@pytest.mark.timeout(30)  # in quadratic time it would take many minutes
def test_monotonous_answers_are_read_in_linear_time(text: str) -> None:
    assert normalise(text)
