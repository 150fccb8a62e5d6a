"""What is asked of a knowledge base, checked at its door."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from numbers import Integral

from nacre.errors import UsageError
from nacre.retrieval.hit import Hit
from nacre.store.filters import Filter
from nacre.text.hygiene import clean_text, searched
from nacre.text.language import tr
from nacre.validation import expect

_ARMS = ("words", "vectors")


def clean_query(query: str) -> str:
    """A query, made fit to be searched; of a long one what `searched` leaves."""
    expect(query, "query", str)
    cleaned = clean_text(searched(query))
    if not cleaned.strip():
        raise UsageError(tr("The query is empty: say what to look for."))
    return cleaned


def check_count(k: int) -> int:
    """How many passages are wanted."""
    expect(k, "k", Integral)
    if k < 1:
        raise UsageError(tr("k is {k}; it must be 1 or more.", k=k))
    return int(k)


def check_filter(where: Filter | None, arms: Sequence[str]) -> Filter:
    """Where to search, and in which indexes."""
    expect(where, "where", Filter, type(None))
    if not isinstance(arms, Iterable) or not arms or not all(arm in _ARMS for arm in arms):
        raise UsageError(tr("arms is {arms!r}; choose from words and vectors.", arms=arms))
    return where or Filter()


def check_hits(hits: Sequence[Hit]) -> Sequence[Hit]:
    """Hits as `search` gave them."""
    expect(hits, "hits", Sequence)
    for hit in hits:
        expect(hit, "hit", Hit)
    return hits


def check_principals(principals: Iterable[str] | None) -> tuple[str, ...] | None:
    """Principals as they were given, checked."""
    if principals is None:
        return None
    expect(principals, "principals", Iterable)
    names = (principals,) if isinstance(principals, str) else tuple(principals)
    if not names or not all(isinstance(name, str) and name.strip() for name in names):
        raise UsageError(
            tr(
                "An empty list of principals, or an empty name in it. Leave principals out, or write "
                '["*"] for documents that everyone may see.'
            )
        )
    return names
