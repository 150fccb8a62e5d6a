"""A query of many sentences, or of several questions, searched by its parts as well: one search for the caller."""

from __future__ import annotations

import functools
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace

from nacre.grounding.parts import is_long, searches_in
from nacre.grounding.stopwords import stopwords
from nacre.retrieval.fusion import CANDIDATES
from nacre.retrieval.hit import Hit
from nacre.retrieval.overviews import is_overview, subject
from nacre.text.words import words

# Chosen on the cases of tau_knowledge: what a case needs is spread over many documents, of which it names some.
_NAMED = 0.8  # of the best score, for a document of whose title the text says every word
_AGAIN = 0.5  # of its score, for each better passage of the same document, or of its page
_STANDING_OUT = 4  # power: what answers one part well comes before what suits all parts a little
# Who must compare things reads their overviews, which tell of none of them what the text asks. Chosen on every second
# case; .2 to .3 differ little. Of one document counts one passage, since a whole book may be called a guide.
_OVERVIEW = 0.25  # of its score, for an overview
_FIRST = 10  # best passages, before which nothing comes for that


@dataclass(frozen=True)
class Finding:
    """What one search finds.

    Args:
        judged: some of the hits with their relevance, which only those need that are shown.
    """

    hits: list[Hit]
    judged: Callable[[Sequence[Hit]], list[Hit]] = list


Search = Callable[[Sequence[str], int], list[Finding]]


def search_in_parts(search: Search, query: str, k: int) -> list[Hit]:
    """Find passages for a query and for each of its parts.

    Args:
        search: finds so many passages for each of some texts.
        query: as it was asked.
    """
    parts = searches_in(query)
    if not parts:
        found = search([query], k)[0]
        return found.judged(found.hits)
    most = max(2 * k, CANDIDATES) if is_long(query) else 2 * k
    findings = search(parts if is_long(query) else [query, *parts], most)
    lists = [found.hits for found in findings]
    hits = {hit.chunk_id: hit for found in lists for hit in found}
    ranks = (_spread(_agreed(lists), hits, query) if is_long(query) else _in_turn(lists))[:k]
    shown = {number for number, _ in ranks}
    best: dict[int, Hit] = {}
    for found in findings:
        for hit in found.judged([hit for hit in found.hits if hit.chunk_id in shown]):
            known = best.get(hit.chunk_id, hit)
            best[hit.chunk_id] = hit if (hit.relevance or 0.0) > (known.relevance or 0.0) else known
    return [replace(best[number], score=score) for number, score in ranks]


def _agreed(lists: Sequence[list[Hit]]) -> dict[int, float]:
    """Of a long text: what stands out for some of its parts."""
    scores: defaultdict[int, float] = defaultdict(float)
    for hit in (hit for found in lists for hit in found):
        scores[hit.chunk_id] += max(0.0, hit.score) ** _STANDING_OUT
    return {number: score ** (1 / _STANDING_OUT) for number, score in scores.items()}


def _spread(scores: dict[int, float], hits: dict[int, Hit], query: str) -> list[tuple[int, float]]:
    """With the documents that the text names moved up, and none crowding out the others."""
    said, most = set(words(query)), max(scores.values(), default=0.0)
    named = {title: _named(title, said) for title in {hit.title for hit in hits.values()}}
    scores = {number: score + _NAMED * most * named[hits[number].title] for number, score in scores.items()}
    seen: Counter[tuple[int, int | None]] = Counter()
    found = []
    for number in sorted(scores, key=lambda number: (-scores[number], number)):
        place = (hits[number].document_id, hits[number].page)  # the pages of a report are as documents
        found.append((number, scores[number] * _AGAIN ** seen[place]))
        seen[place] += 1
    return _broadened(sorted(found, key=lambda item: (-item[1], item[0])), hits)


def _broadened(found: list[tuple[int, float]], hits: dict[int, Hit]) -> list[tuple[int, float]]:
    """With the overviews after the first ones moved up."""
    first, broadened = found[:_FIRST], list[tuple[int, float]]()
    seen = {hits[number].document_id for number, _ in first}
    for number, score in found[_FIRST:]:
        hit = hits[number]
        if hit.document_id not in seen and is_overview(hit.title):
            score = min(first[-1][1], score * (1 + _OVERVIEW))
        seen.add(hit.document_id)
        broadened.append((number, score))
    return first + sorted(broadened, key=lambda item: -item[1])


def _named(title: str, said: Collection[str]) -> float:
    """The share of a title's telling words that a text says; one word alone names nothing.

    Example:
        >>> _named("Blue Account: the fees", {"i", "have", "a", "blue", "account"})
        0.6666666666666666
    """
    telling = _telling(title)
    found = len(telling.intersection(said))
    return found / len(telling) if found > 1 else 0.0


@functools.lru_cache(maxsize=4096)
def _telling(title: str) -> frozenset[str]:
    return frozenset(words(subject(title))) - stopwords()


def _in_turn(lists: Sequence[list[Hit]]) -> list[tuple[int, float]]:
    """Of several questions: the best of each, then the second of each, so that none is crowded out."""
    ranks: dict[int, tuple[int, int]] = {}
    for at, found in enumerate([*lists[1:], lists[0]]):
        for rank, hit in enumerate(found):
            ranks[hit.chunk_id] = min(ranks.get(hit.chunk_id, (rank, at)), (rank, at))
    ordered = sorted(ranks, key=lambda number: ranks[number])
    return [(number, 1 / (1 + place)) for place, number in enumerate(ordered)]
