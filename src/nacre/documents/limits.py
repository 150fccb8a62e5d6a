"""How much a document may cost, and what a parser is told about it."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

_PACKED = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0", b"{\\rtf")  # much to read in few bytes


@dataclass(frozen=True, slots=True)
class Limits:
    """What one document may cost. A bigger file earns more time, for a long book is no attack.

    Args:
        seconds: processor time for a small document; a busy machine may take 2.25 times as long by the clock.
        seconds_per_mib: time added for each MiB of a PDF, an office file or RTF over half a MiB; text earns an eighth
            of it for each over four.
        unpacked_ratio: unpacked bytes for one packed byte, looked at above 8 MiB.
        text_chars: characters of text.
        table_cells: cells kept as data; what is beyond stays in the text only.
    """

    seconds: float = 4.0
    seconds_per_mib: float = 4.0
    seconds_at_most: float = 180.0
    memory_bytes: int = 1 << 30
    unpacked_bytes: int = 256 << 20
    unpacked_ratio: int = 200
    text_chars: int = 40_000_000
    table_cells: int = 400_000
    depth: int = 12

    def deadline(self, data: bytes) -> float:
        """Seconds of processor time that a file may take.

        Args:
            data: the file; its size and its first bytes count.

        Returns:
            Seconds.
        """
        packed = data.startswith(_PACKED) or b"%PDF-" in data[:1024]
        rate, free = (self.seconds_per_mib, 0.5) if packed else (self.seconds_per_mib / 8, 4.0)
        return min(self.seconds_at_most, self.seconds + rate * max(0.0, len(data) / (1 << 20) - free))

    def data(self) -> dict[str, Any]:
        """The limits as JSON-ready data, for a worker."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Options:
    """What of a document is read besides what its reader sees.

    Args:
        include_hidden: hidden sheets, rows, columns, slides and shapes too.
    """

    include_hidden: bool = False

    def data(self) -> dict[str, Any]:
        """The options as JSON-ready data, for a worker."""
        return asdict(self)

    @property
    def mark(self) -> str:
        """What tells text that was read with these options from what was read without; empty for the usual ones."""
        changed = {name: value for name, value in asdict(self).items() if value != getattr(Options(), name)}
        return "".join(f"+{name}={value}" for name, value in sorted(changed.items()))


@dataclass(frozen=True, slots=True)
class Task:
    """What a parser is told besides the bytes.

    Args:
        name: file name, for its ending and for messages; never opened.
        mime: media type if the source knows it; content has the last word.
    """

    name: str
    mime: str = ""
    password: str = ""
    limits: Limits = field(default_factory=Limits)
    depth: int = 0
    options: Options = field(default_factory=Options)
