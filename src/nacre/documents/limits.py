"""How much a document may cost, and what a parser is told about it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, field

from nacre.errors import ParseError
from nacre.text.language import tr

OnPage = Callable[[int, int], None] | None
"""Called with (pages read by OCR, pages in all)."""
_PACKED = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0", b"{\\rtf")  # much to read in few bytes


@dataclass(frozen=True, slots=True)
class Limits:
    """What one document may cost. A bigger file earns more time, for a long book is no attack.

    Args:
        seconds: processor time for a small document; the clock ends only a worker that does nothing.
        seconds_per_mib: time added for each MiB of an office file or RTF over half a MiB; text earns an eighth of it
            for each over four.
        pdf_seconds_per_mib: time added for each MiB of a PDF: a hundred pages, and twice as long where another program
            shares the processor's core.
        unpacked_ratio: unpacked bytes for one packed byte, looked at above 8 MiB.
        table_cells: cells kept as data; what is beyond stays in the text only.
        ocr_seconds: processor time added for each page that is read by OCR.
    """

    seconds: float = 4.0
    seconds_per_mib: float = 4.0
    pdf_seconds_per_mib: float = 24.0
    seconds_at_most: float = 300.0
    memory_bytes: int = 1 << 30
    unpacked_bytes: int = 256 << 20
    unpacked_ratio: int = 200
    text_chars: int = 40_000_000
    table_cells: int = 400_000
    depth: int = 12
    ocr_seconds: float = 60.0
    ocr_memory_bytes: int = 3 << 30
    ocr_pixels: int = 80_000_000
    ocr_pages: int = 2_000

    def deadline(self, data: bytes) -> float:
        """Seconds of processor time that a file may take."""
        size = len(data) / (1 << 20)
        if b"%PDF-" in data[:1024]:
            earned = self.pdf_seconds_per_mib * max(0.0, size - 1 / 64)
        elif data.startswith(_PACKED):
            earned = self.seconds_per_mib * max(0.0, size - 0.5)
        else:
            earned = self.seconds_per_mib / 8 * max(0.0, size - 4.0)
        return min(self.seconds_at_most, self.seconds + earned)


@dataclass(frozen=True, slots=True)
class Options:
    """What is read besides what a reader sees: hidden parts, and the writing in pictures inside office files by OCR."""

    include_hidden: bool = False
    pictures: bool = False

    @property
    def mark(self) -> str:
        """What tells text that was read with these options from what was read without; empty for the usual ones."""
        changed = {name: value for name, value in asdict(self).items() if value != getattr(Options(), name)}
        return "".join(f"+{name}={value}" for name, value in sorted(changed.items()))


@dataclass(frozen=True, slots=True)
class Task:
    """What a parser is told besides the bytes; the name is never opened, the media type only a hint."""

    name: str
    mime: str = ""
    password: str = ""
    limits: Limits = field(default_factory=Limits)
    depth: int = 0
    options: Options = field(default_factory=Options)
    ocr: bool = False
    on_page: OnPage = None

    def check_depth(self) -> None:
        """Mails in mails, and attachments in attachments, end somewhere."""
        if self.depth > self.limits.depth:
            most = self.limits.depth
            raise ParseError(tr("mails or attachments are nested more than {most} levels deep", most=most))
