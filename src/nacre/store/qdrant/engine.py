"""What the arms ask of Qdrant, and where it is: a server, or its engine in this process."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, Protocol
from urllib.parse import urlsplit

from nacre.errors import UsageError
from nacre.text.language import tr

MEANING, WORDS = "meaning", "words"
"""Names of the dense and of the sparse vector of a point."""
FIELDS = ("audience", "document", "writing")
"""The whole numbers that a point carries, each indexed: a search is limited by them before it ranks."""
MARK = 0
"""The point, without vectors, that says what the others are; chunks count from 1."""
_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")


class Point(NamedTuple):
    """A chunk as Qdrant keeps it."""

    number: int
    meaning: Sequence[float] | None
    words: Mapping[int, float]
    facts: Mapping[str, int]


class Engine(Protocol):
    """One collection."""

    def version(self) -> str:
        """Of Qdrant; raises where it is away."""

    def check(self) -> bool:
        """Whether the collection is there; raises where it holds something else."""

    def make(self, dim: int | None) -> None:
        """Make an empty collection in the place of whatever is there."""

    def drop(self) -> None:
        """Delete the collection, if it is there."""

    def mark(self) -> dict[str, Any] | None:
        """What was said last; None where nothing was."""

    def set_mark(self, said: Mapping[str, Any]) -> None:
        """Say something, durably."""

    def put(self, points: Sequence[Point]) -> None:
        """Store points, in the place of those with the same numbers, durably."""

    def delete(self, numbers: Sequence[int]) -> None:
        """Take points out; unknown ones are ignored."""

    def rank(
        self, asked: Sequence[float] | Mapping[int, float], k: int, limits: Mapping[str, Sequence[int]], looked: int = 0
    ) -> list[tuple[int, float]]:
        """The points with the greatest inner product: of the dense vector, or, asked by a mapping, of the sparse one.

        Args:
            limits: values that a field must have, by its name; tested before anything is ranked.
            looked: how many the graph looks at; 0 looks at all.
        """

    def rows(self) -> dict[int, int]:
        """All points and their audiences."""

    def close(self) -> None:
        """Let go of it."""


@dataclass(frozen=True)
class ArmsAddress:
    """Where the arms are.

    Args:
        url: of a server, or `file://` and the folder of an engine in this process.
        collection: its name there.
    """

    url: str
    collection: str

    def of_turn(self, turn: int) -> ArmsAddress:
        """Where the arms are after so many changes of embedder."""
        return replace(self, collection=f"{self.collection}_{turn}") if turn else self

    @property
    def shown(self) -> str:
        """The place as people may see it."""
        return f"qdrant+{self.url}/{self.collection}"


def parse_arms(text: str, base: str) -> ArmsAddress:
    """Read `qdrant+http://host:6333[/collection]` or `qdrant+file:///folder[/collection]`; raises `UsageError`.

    Args:
        base: of the address that it is part of: the collection is called after it unless it has a name.
    """
    url = text.replace("qdrant ", "qdrant+", 1).removeprefix("qdrant+")  # a query reads + as a space
    try:
        parts = urlsplit(url)
        port = parts.port
        known = url != text and parts.scheme in ("http", "https", "file") and not parts.query
    except ValueError:
        known = False
    if not known or bool(parts.hostname) == (parts.scheme == "file"):
        raise UsageError(tr("arms is not an address. Write arms=qdrant+http://HOST:6333 or leave it out."))
    if parts.username or parts.password:
        raise UsageError(tr("Write no key into arms: set QDRANT_API_KEY."))
    path, name = parts.path.rstrip("/"), f"nacre_{base}"
    if parts.scheme == "file":
        return ArmsAddress(f"file://{path}", name)
    if path and not _NAME.fullmatch(path[1:]):
        raise UsageError(
            tr("{name!r} is no name of a collection: write letters, digits, - or _, 64 in all.", name=path[1:][:80])
        )
    return ArmsAddress(f"{parts.scheme}://{parts.netloc}{'' if port else ':6333'}", path[1:] or name)
