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

    def sql(self) -> tuple[str, list[object]]:
        """The filter as a condition on the table of documents."""
        conditions: list[str] = []
        values: list[object] = []
        if self.uri_prefix:
            conditions.append("substr(uri, 1, ?) = ?")
            values += [len(self.uri_prefix), self.uri_prefix]
        if self.mime:
            conditions.append("mime = ?")
            values.append(self.mime)
        if self.modified_after:
            conditions.append("modified >= ?")
            values.append(self.modified_after.timestamp())
        if self.modified_before:
            conditions.append("modified < ?")
            values.append(self.modified_before.timestamp())
        return " AND ".join(conditions) or "1", values
