"""Fuse the two arms: a convex combination (Bruch et al., 2023, arXiv:2210.11934) of standardised scores.

Each arm's scores are divided by their standard deviation over the whole base for this very query, that of cosines
within each writing, so one unit means the same in all: how far a chunk stands out from chance. The weight of the
vectors then shrinks with the share of the query that the embedder understands; an English encoder asked in Chinese
keeps almost none of it, and the words decide. Equal weights, ranks or a min-max of each list would blow such an arm's
noise up to full size.

Where even the chunk that says most of the query's words says few, they met by chance and count less.

A chunk in another writing than the query cannot say its words. What words would have said of it is then taken from what
its vector says, as it is with chunks in the query's own; the more of its words one of those says, the less.
"""

from __future__ import annotations

from collections.abc import Mapping

from nacre.store.arm import Arm

# Chosen on every second question of eight data sets and of a base in two languages (docs/knowledge-base.md).
VECTOR_WEIGHT = 0.817
# Chosen likewise, with the first half of the paraphrases in view: up to .3 no set in one language loses by it.
_SAID = 0.3  # of what the words of a query could score, from which they count whole
CANDIDATES = 100  # of each arm
_NONE: Mapping[int, float] = {}


def fuse(
    words: Arm,
    vectors: Arm,
    coverage: float = 1.0,
    weight: float = VECTOR_WEIGHT,
    foreign: Mapping[int, float] = _NONE,
    reach: float = 0.0,
    usual: float = 0.5,
) -> dict[int, float]:
    """Score the candidates of both arms together.

    Args:
        vectors: cosines; empty where there are no vectors.
        coverage: share of the query that the embedder understands, 0 to 1.
        weight: of the vectors where it understands all of it, 0 to 1.
        foreign: chunks in another writing than the query that the embedder reads, and what is added to their vector's
            score for the words that they cannot say.
        reach: what a chunk would score that says all words of the query; 0 where that is not known.
        usual: the share of that which the chunk usually scores that says most of them.

    Returns:
        Score by chunk number.

    Example:
        >>> fuse(Arm({1: 8.0, 2: 2.0}), Arm({1: 0.1, 2: 0.7}, deviation=0.1), coverage=0.0)
        {1: 8.0, 2: 2.0}
    """
    weight = weight * coverage if words.scores else 1.0
    if not vectors.scores:
        weight = 0.0
    share = min(1.0, weight / VECTOR_WEIGHT)
    best = max(words.scores.values()) / reach if reach and words.scores else None
    by_chance = 0.0 if best is None else max(0.0, 1 - best / _SAID)
    spoken = (1 - weight) * (1 - share * by_chance)
    scores = {
        number: weight * vectors.standard(number) + spoken * words.standard(number)
        for number in sorted({*words.scores, *vectors.scores})
    }
    told_elsewhere = 0.0 if best is None else best - usual
    for number, more in foreign.items():
        scores[number] = max(scores[number], share * (vectors.standard(number) + more - told_elsewhere))
    return scores


def ranked(scores: Mapping[int, float]) -> list[tuple[int, float]]:
    """(chunk number, score) with the best first; equal scores in the order of the numbers."""
    return sorted(scores.items(), key=lambda item: (-item[1], item[0]))
