"""Passages of documents that hold at different times: each is told its period, and what holds stands first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from nacre.retrieval.hit import Hit
from nacre.store.protocol import DocumentStore
from nacre.text.validity import FIELDS, asked_for, holds, period_of, today
from nacre.text.words import words

_ALIKE = 0.5  # of the words of two passages that say the same of two times


def dated(hits: Sequence[Hit], query: str, catalog: DocumentStore) -> list[Hit]:
    """Hits with their periods; of those that say the same of different times, those in force come first.

    Args:
        query: of which the time counts that it names, else today.
    """
    if not hits:
        return []
    fields = catalog.fields_of(sorted({hit.document_id for hit in hits}), FIELDS)
    found = [replace(hit, valid=period_of(fields.get(hit.document_id, {}))) for hit in hits] if fields else list(hits)
    day = asked_for(query) or today()
    said = {hit.chunk_id: _said(hit) for hit in found if hit.valid}
    for place, hit in enumerate(found):
        if not hit.valid or holds(hit.valid, day):
            continue
        better = (
            at for at in range(place + 1, len(found))
            if found[at].valid and holds(found[at].valid, day) and _alike(said[hit.chunk_id], said[found[at].chunk_id])
        )  # fmt: skip
        if (at := next(better, None)) is not None:  # they change places, with the scores of the places
            other = found[at]
            found[place], found[at] = replace(other, score=hit.score), replace(hit, score=other.score)
    return found


def _said(hit: Hit) -> frozenset[str]:
    return frozenset(word for word in words(hit.text) if not any(letter.isdigit() for letter in word))


def _alike(one: frozenset[str], other: frozenset[str]) -> bool:
    return len(one & other) >= _ALIKE * len(one | other)
