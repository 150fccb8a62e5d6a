"""What a moderator is, and what it says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a moderator says about a text.

    Args:
        categories: what was found in it; there may be some in a text that passes.
    """

    flagged: bool
    categories: tuple[str, ...] = ()


@runtime_checkable
class Moderator(Protocol):
    """Judges texts. It may do I/O: `Moderation` calls it off the event loop."""

    def check(self, text: str) -> Verdict:
        """Judge a text."""
