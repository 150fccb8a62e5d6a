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
