"""What a sync tells: while it runs, and at its end."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class Progress:
    """How far a sync has come: documents, their rate a second, the seconds left at it (None while it cannot be told),
    and the share of this document (0 to 1) that is read by OCR or embedded.
    """

    done: int
    total: int
    uri: str
    embedded: int
    seconds: float
    rate: float
    eta_s: float | None
    share: float = 1.0


@dataclass
class SyncReport:
    """What a sync did.

    Args:
        embedded: chunks embedded; the others' vectors were there already.
        hidden_text: {"uri", "page", "what", "excerpt"} of text that nobody can see on the page.
        languages: which ones the base holds, and whether its embedder reads them: {"writing", "name", "share", "read"}.
        recut: documents cut anew because another chunk size is set; their content may be unchanged.
    """

    added: int = 0
    updated: int = 0
    deleted: int = 0
    unchanged: int = 0
    failed: list[tuple[str, str]] = field(default_factory=list)
    embedded: int = 0
    moved: int = 0
    recut: int = 0
    seconds: float = 0.0
    warnings: list[tuple[str, str]] = field(default_factory=list)
    hidden_text: list[dict[str, Any]] = field(default_factory=list)
    languages: list[dict[str, Any]] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """The report as JSON-ready data; `failed` is a list of {"uri", "reason"}."""
        return {
            **asdict(self),
            "failed": [{"uri": uri, "reason": reason} for uri, reason in self.failed],
            "seconds": round(self.seconds, 3),
            "warnings": [{"uri": uri, "warning": warning} for uri, warning in self.warnings],
            "hidden_text": self.hidden_text,
        }
