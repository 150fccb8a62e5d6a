"""Text and its structure, grown together so that every span is right by construction."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from nacre.documents.document import Block, BlockKind, Cell, Hidden, ParsedDocument, Place, Table
from nacre.documents.limits import Limits
from nacre.documents.normalise import clean, collapse, unspread
from nacre.errors import ParseError
from nacre.text.fields import tidy_fields
from nacre.text.language import tr

Rows = Sequence[Sequence[str]]
_HIDDEN = 100  # places of hidden text that are told of one document
_EXCERPT = 160  # characters told of each


class Builder:
    """Grows one document. A parser sets `page`, `sheet`, `title`, … as it goes and adds blocks in reading order."""

    def __init__(self, limits: Limits | None = None) -> None:
        self.limits = limits or Limits()
        self.title = ""
        self.page: int | None = None
        self.pages: int | None = None
        self.sheet = ""
        self.sheets: list[str] = []
        self.attachments: list[str] = []
        self.metadata: dict[str, str] = {}
        self.fields: dict[str, Any] = {}  # typed, beside the metadata
        self.private: set[str] = {"delimiter"}  # metadata that are no fields
        self.encoding = ""
        self.blocks: list[Block] = []
        self.tables: list[Table] = []
        self.warnings: list[str] = []
        self.hidden: list[Hidden] = []
        self.places: list[Place] = []
        self.scans: list[int] = []
        self.length = 0
        self._parts: list[str] = []
        self._cells = 0

    def add(self, kind: BlockKind, text: str, level: int = 0) -> None:
        """Append one block; its lines stay, its outer white space goes. Nothing happens for empty text."""
        text = unspread(clean(text).strip()) if kind == "heading" else clean(text).strip()
        if text:
            self.gap(close=kind == "list" and bool(self.blocks) and self.blocks[-1].kind == "list")
            start = self.write(text)
            self.mark(kind, start, self.length, level)

    def go_on(self, kind: BlockKind, text: str, level: int = 0) -> None:
        """Append a block that goes on in the middle of the last one's sentence, as over a page break."""
        text = clean(text).rstrip()
        start = self.write(text)
        self.mark(kind, start + len(text) - len(text.lstrip()), self.length, level)

    def aside(self, text: str) -> None:
        """Append text that a reader may want to see but that is no content: page numbers, navigation."""
        text = clean(text).strip()
        if text:
            self.gap()
            self.write(text)

    def table(
        self, rows: Rows, *, header_rows: int = 1, header: Sequence[str] = (), row: int = 1, column: int = 1
    ) -> None:
        """Append a table: cells parted by tabs, rows by newlines; ragged rows are filled up, names joined downwards.

        Args:
            row: 1-based number of `rows[0]` in the sheet or file.
            column: 1-based number of the first column.
        """
        tidy = [[unspread(collapse(clean(cell))) for cell in line] for line in rows]
        while tidy and not any(tidy[-1]):
            tidy.pop()
        while tidy and not any(tidy[0]):
            tidy.pop(0)
            row, header_rows = row + 1, max(header_rows - 1, 1 if header_rows else 0)
        width = max((len(line) for line in tidy), default=0)
        if not tidy:
            return
        self.gap()
        start = self.length
        cells = [self._row(line, width, last=n == len(tidy) - 1) for n, line in enumerate(tidy)]
        self.mark("table", start, self.length)
        self._cells += len(tidy) * width
        if self._cells > self.limits.table_cells:
            self.warn(tr("a table is kept as text only: too many cells"))
            return
        names = [unspread(collapse(clean(name))) for name in header] or joined_down(tidy[:header_rows], width)
        place = self.page, self.sheet, row + header_rows, column
        self.tables.append(Table(start, self.length, tuple(names), tuple(cells[header_rows:]), *place))

    def _row(self, line: Sequence[str], width: int, last: bool) -> tuple[Cell, ...]:
        used = max((n + 1 for n, cell in enumerate(line) if cell), default=0)
        cells, offset = [], self.length
        for cell in line[:used]:
            cells.append(Cell(cell, offset, offset + len(cell)))
            offset += len(cell) + 1
        self.write("\t".join(line[:used]))
        cells += [Cell("", self.length, self.length)] * (width - used)
        if not last:
            self.write("\n")
        return tuple(cells)

    def write(self, text: str) -> int:
        """Append text as it is, outside any block."""
        start = self.length
        self.length += len(text)
        if self.length > self.limits.text_chars:
            most = self.limits.text_chars
            raise ParseError(tr("it has more than {most:,} characters of text; split it", most=most))
        self._parts.append(text)
        return start

    def mark(self, kind: BlockKind, start: int, end: int, level: int = 0) -> None:
        """Declare text that was already written to be a block."""
        self.blocks.append(Block(kind, start, end, level, self.page, self.sheet))

    def warn(self, message: str) -> None:
        """Note, once, what could not be read."""
        if message not in self.warnings:
            self.warnings.append(message)

    def hide(self, what: str, text: str) -> None:
        """Tell, by a fixed word such as "white text", of text that nobody can see on the page, instead of adding it."""
        text = collapse(clean(text)).strip()
        if text and len(self.hidden) < _HIDDEN:
            self.hidden.append(Hidden(what, text[:_EXCERPT], self.page))

    def since(self, start: int) -> str:
        """The last of the text, from an index on, by the pieces that were written."""
        pieces, left = [], self.length - start
        for piece in reversed(self._parts):
            if left <= 0:
                break
            pieces.append(piece[-left:])
            left -= len(piece)
        return "".join(reversed(pieces))

    def place(self, start: int, end: int, box: tuple[float, float, float, float], width: float, height: float) -> None:
        """Note where text stands on the picture of its page: left, bottom, right and top in points."""
        shares = (box[0] / width, 1 - box[1] / height, box[2] / width, 1 - box[3] / height)
        left, bottom, right, top = (min(1.0, max(0.0, side)) for side in shares)
        self.places.append(Place(start, end, self.page or 1, (left, top, right, bottom)))

    def finish(self, mime: str, name: str) -> ParsedDocument:
        """The document."""
        text = "".join(self._parts)
        first = next((text[b.start : b.end] for b in self.blocks if b.kind == "heading"), "")
        stem = name.replace("\\", "/").rstrip("/").rpartition("/")[2].rpartition(".")
        title = collapse(clean(self.title)) or collapse(first) or clean(stem[0] or stem[2]).replace("\n", " ")
        return ParsedDocument(
            text=text,
            title=title[:300],
            mime=mime,
            blocks=tuple(self.blocks),
            tables=tuple(self.tables),
            warnings=tuple(self.warnings),
            pages=self.pages,
            sheets=tuple(self.sheets),
            attachments=tuple(self.attachments),
            metadata={key: clean(value) for key, value in self.metadata.items() if value},
            encoding=self.encoding,
            hidden=tuple(self.hidden),
            places=tuple(self.places),
            scans=tuple(self.scans),
            fields=tidy_fields({k: v for k, v in self.metadata.items() if k not in self.private}, self.fields),
        )

    def gap(self, close: bool = False) -> None:
        """An empty line, or a close one, unless the document is empty."""
        if self.length:
            self.write("\n" if close else "\n\n")


def joined_down(rows: Rows, width: int) -> tuple[str, ...]:
    """What the rows say in each column, each word once."""
    columns = ([row[n] for row in rows if n < len(row)] for n in range(width if rows else 0))
    return tuple(" ".join(dict.fromkeys(filter(None, column))) for column in columns)
