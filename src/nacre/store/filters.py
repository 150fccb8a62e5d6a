"""What a search may look at, applied in both indexes before ranking."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class Filter:
    """Limits a search to some documents. All conditions given must hold.

    Example:
        >>> Filter(uri_prefix="file:///handbook/", mime="text/markdown").is_empty
        False
    """

    uri_prefix: str = ""
    mime: str = ""
    modified_after: datetime | None = None
    modified_before: datetime | None = None

    @property
    def is_empty(self) -> bool:
        """Whether every document passes."""
        return self == Filter()
