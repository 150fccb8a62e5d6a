"""Fuse the two arms: a convex combination (Bruch et al., 2023, arXiv:2210.11934) of standardised scores.

Each arm's scores are divided by their standard deviation over the whole base for this very query, so one unit means
the same in both: how far a chunk stands out from chance. The weight of the vectors then shrinks with the share of the
query that the embedder understands; an English encoder asked in Chinese keeps almost none of it, and the words decide.
Equal weights, ranks or a min-max of each list would blow such an arm's noise up to full size.
"""

from __future__ import annotations

from nacre.store.arm import Arm

VECTOR_WEIGHT = 0.72  # flat between 0.65 and 0.75 on five data sets (docs/knowledge-base.md)
CANDIDATES = 100  # of each arm


def fuse(words: Arm, vectors: Arm, coverage: float = 1.0, weight: float = VECTOR_WEIGHT) -> list[tuple[int, float]]:
    """Rank the candidates of both arms together.

    Args:
        vectors: cosines; empty where there are no vectors.
        coverage: share of the query that the embedder understands, 0 to 1.
        weight: of the vectors where it understands all of it, 0 to 1.

    Returns:
        (chunk number, score) with the best first; equal scores in the order of the numbers.

    Example:
        >>> fuse(Arm({1: 8.0, 2: 2.0}), Arm({1: 0.1, 2: 0.7}, deviation=0.1), coverage=0.0)
        [(1, 8.0), (2, 2.0)]
    """
    weight = weight * coverage if words.scores else 1.0
    if not vectors.scores:
        weight = 0.0
    scores = {
        number: weight * vectors.standard(number) + (1 - weight) * words.standard(number)
        for number in {*words.scores, *vectors.scores}
    }
    return sorted(scores.items(), key=lambda item: (-item[1], item[0]))
