"""What is asked of a knowledge base, checked at its door."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from numbers import Integral

from nacre.errors import UsageError
from nacre.expect import expect
from nacre.hygiene import clean_text, searched
from nacre.language import tr
from nacre.retrieval.filters import Filter

_ARMS = ("words", "vectors")


def question(query: str) -> str:
    """A query, made fit to be searched.

    Args:
        query: as given.

    Returns:
        The cleaned text; of a long one what `searched` leaves.

    Raises:
        UsageError: it is no text, or nothing is left of it.
    """
    expect(query, "query", str)
    cleaned = clean_text(searched(query))
    if not cleaned.strip():
        raise UsageError(tr("The query is empty: say what to look for.", "查询为空：请说明要查找什么。"))
    return cleaned


def count(k: int) -> int:
    """How many passages are wanted.

    Args:
        k: as given.

    Returns:
        The number.

    Raises:
        UsageError: it is no whole number, or below 1.
    """
    expect(k, "k", Integral)
    if k < 1:
        raise UsageError(tr(f"k is {k}; it must be 1 or more.", f"k 为 {k}；必须大于等于 1。"))
    return int(k)


def limits(where: Filter | None, arms: Sequence[str]) -> Filter:
    """Where to search, and in which indexes.

    Args:
        where: limits, or None.
        arms: names of indexes.

    Returns:
        The limits.

    Raises:
        UsageError: no `Filter`, or an unknown index.
    """
    expect(where, "where", Filter, type(None))
    if not isinstance(arms, Iterable) or not arms or not all(arm in _ARMS for arm in arms):
        raise UsageError(
            tr(f"arms is {arms!r}; choose from words and vectors.", f"arms 为 {arms!r}；只能选 words 和 vectors。")
        )
    return where or Filter()


def named(principals: Iterable[str] | None) -> tuple[str, ...] | None:
    """Principals as they were given, checked.

    Args:
        principals: names, or None.

    Returns:
        The names, or None.

    Raises:
        UsageError: no list, an empty one, or an empty name.
    """
    if principals is None:
        return None
    expect(principals, "principals", Iterable)
    names = (principals,) if isinstance(principals, str) else tuple(principals)
    if not names or not all(isinstance(name, str) and name.strip() for name in names):
        raise UsageError(
            tr(
                'An empty list of principals, or an empty name in it. Leave principals out, or write ["*"] for documents that everyone may see.',
                'principals 为空，或其中含有空名称。请省略 principals；若文档对所有人可见，请写 ["*"]。',
            )
        )
    return names
