"""A query of many sentences, or of several questions, searched by its parts as well: one search for the caller."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import replace

from nacre.grounding.parts import is_long, searches_in
from nacre.retrieval.hit import Hit

Search = Callable[[str, int], list[Hit]]


def search_in_parts(search: Search, query: str, k: int) -> list[Hit]:
    """Find passages for a query and for each of its parts.

    Args:
        search: finds so many passages for a text.
        query: as it was asked.
    """
    parts = searches_in(query)
    if not parts:
        return search(query, k)
    lists = [search(text, 2 * k) for text in (query, *parts)]
    best: dict[int, Hit] = {}
    for hit in (hit for found in lists for hit in found):
        known = best.get(hit.chunk_id, hit)
        best[hit.chunk_id] = hit if (hit.relevance or 0.0) > (known.relevance or 0.0) else known
    ranks = _agreed(lists) if is_long(query) else _in_turn(lists)
    return [replace(best[number], score=score) for number, score in ranks[:k]]


def _agreed(lists: Sequence[list[Hit]]) -> list[tuple[int, float]]:
    """Of a long text: what stands out for many parts; the square, since a mean match of every part says little."""
    scores: defaultdict[int, float] = defaultdict(float)
    for hit in (hit for found in lists for hit in found):
        scores[hit.chunk_id] += max(0.0, hit.score) ** 2
    return sorted(scores.items(), key=lambda item: (-item[1], item[0]))


def _in_turn(lists: Sequence[list[Hit]]) -> list[tuple[int, float]]:
    """Of several questions: the best of each, then the second of each, so that none is crowded out."""
    ranks: dict[int, tuple[int, int]] = {}
    for at, found in enumerate([*lists[1:], lists[0]]):
        for rank, hit in enumerate(found):
            ranks[hit.chunk_id] = min(ranks.get(hit.chunk_id, (rank, at)), (rank, at))
    ordered = sorted(ranks, key=lambda number: ranks[number])
    return [(number, 1 / (1 + place)) for place, number in enumerate(ordered)]
