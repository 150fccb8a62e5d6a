"""A sentence of a passage as it is weighed: its terms, and those around it."""

from __future__ import annotations

import functools
from dataclasses import dataclass


@dataclass
class Sentence:
    """A sentence and what stands around it.

    Args:
        row: in a table the number of its first sentence in the passage, from 1; else 0.
    """

    passage: int
    start: int
    end: int
    text: str
    located: list[tuple[str, int]]
    before: frozenset[str]
    above: frozenset[str]
    header: tuple[int, int] | None
    row: int = 0
    key: frozenset[str] = frozenset()
    heads: bool = False
    after: frozenset[str] = frozenset()

    @functools.cached_property
    def terms(self) -> set[str]:
        return {term for term, _ in self.located}
