"""What is asked of a knowledge base, checked at its door."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Sequence
from numbers import Integral

from nacre.errors import UsageError
from nacre.retrieval.hit import Hit
from nacre.store.filters import Condition, Filter
from nacre.store.protocol import DocumentStore
from nacre.text.hygiene import clean_text, searched
from nacre.text.language import listed, tr
from nacre.validation import expect

_ARMS = ("words", "vectors")
_TOLD = 20  # fields that are told


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


def check_fields(where: Filter, catalog: DocumentStore, principals: Sequence[str] | None) -> None:
    """Tell of a name that is no field of any document that the asker may see, where it looks like a slip.

    One that resembles none may be a field that no document has yet: that finds nothing.
    """
    asked = sorted({name for one in where.conditions() for name in _names(one)})
    mine = set(principals or ())
    known = sorted(
        {
            name.lower()
            for row in (catalog.documents() if asked else ())
            if not row["principals"] or mine & set(row["principals"])
            for name in row["fields"]
        }
    )
    for name in asked:
        near = difflib.get_close_matches(name[:80], [] if name in known else known, n=1)
        if near:
            raise UsageError(
                tr(
                    "No document has a field {name!r}. Did you mean {near!r}? There are: {known}.",
                    name=name,
                    near=near[0],
                    known=listed(known[:_TOLD]),
                )
            )


def _names(condition: Condition) -> Iterator[str]:
    for part in condition.parts:
        yield from _names(part)
    if condition.operator:
        yield condition.name


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
