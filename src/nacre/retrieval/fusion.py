"""Fuse the two arms: a convex combination (Bruch et al., 2023, arXiv:2210.11934) of scores that keep their meaning.

Cosines are taken as they are and BM25 scores as shares of the query's best. An embedder that cannot tell the passages
of a language apart gives them all nearly the same cosine, so it moves the order little: the spread of the cosines *is*
the arm's confidence. Ranks or a min-max of each list would blow that noise up to full size.
"""

from __future__ import annotations

from collections.abc import Mapping

VECTOR_WEIGHT = 0.6
CANDIDATES = 100  # of each arm


def fuse(words: Mapping[int, float], vectors: Mapping[int, float], weight: float = VECTOR_WEIGHT) -> list[tuple[int, float]]:
    """Rank the candidates of both arms together.

    Args:
        words: BM25 score by chunk number; a chunk that is missing has none of the query's words, or few.
        vectors: cosine by chunk number, for every chunk in `words` too.
        weight: share of the vectors, 0 to 1.

    Returns:
        (chunk number, score) with the best first; equal scores in the order of the numbers.

    Example:
        >>> fuse({1: 8.0, 2: 2.0}, {1: 0.1, 2: 0.7, 3: 0.6}, weight=0.5)
        [(1, 0.55), (2, 0.475), (3, 0.3)]
    """
    if not vectors:
        weight = 0.0
    best = max(words.values(), default=0.0)
    scores = {
        number: weight * vectors.get(number, 0.0) + (1 - weight) * (words.get(number, 0.0) / best if best > 0 else 0.0)
        for number in {*words, *vectors}
    }
    return sorted(scores.items(), key=lambda item: (-item[1], item[0]))
