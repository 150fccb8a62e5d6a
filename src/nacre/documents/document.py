"""What a parser gives back, plain text and where everything stands in it, and how it grows so that every span is right.

The text is the document. Blocks and cells are spans into it, so that a citation can always be shown in its place.
Text outside every block (white space, hidden markup, page furniture, navigation) is kept for reading but is not content
to be indexed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Literal, TypeVar, get_args

from nacre.documents.limits import Limits
from nacre.documents.normalise import clean, collapse, unspread
from nacre.documents.wide import PART, WIDE, Rows, bands
from nacre.errors import ParseError
from nacre.text.fields import tidy_fields
from nacre.text.language import tr
from nacre.text.tables import Mark

T = TypeVar("T")
BlockKind = Literal["heading", "paragraph", "list", "table", "code", "quote", "note", "comment", "meta"]


@dataclass(frozen=True, slots=True)
class Block:
    """One piece of content: `text[start:end]` of its document.

    Args:
        kind: "note" is a footnote or a speaker's notes, "comment" a reviewer's, "meta" the headers of a mail or a page.
        level: depth, 1 at the top, of a heading or a list item; `wide.PART` of a part of a wide table; else 0.
        page: 1-based page (PDF) or slide (PPTX).
    """

    kind: BlockKind
    start: int
    end: int
    level: int = 0
    page: int | None = None
    sheet: str = ""


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell of a table: `text` is exactly `document.text[start:end]`, empty for an empty or swallowed cell."""

    text: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Table:
    """A table as data, standing at `text[start:end]` with its header; all rows below that have the same length.

    Args:
        header: empty when the table has none; one that goes on from the page before has its header here all the same.
        page: 1-based page or slide.
        row: 1-based number, in the sheet or the file, of `rows[0]`.
        column: 1-based number of the first column in the sheet.
        mark: what parts the cells of a row in the text.
    """

    start: int
    end: int
    header: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    page: int | None = None
    sheet: str = ""
    row: int = 1
    column: int = 1
    mark: Mark = "\t"


@dataclass(frozen=True, slots=True)
class Hidden:
    """The beginning of text that nobody can see on the page: it is told, with a fixed word of how it is hidden."""

    what: str
    excerpt: str
    page: int | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """Where text stands on the picture of its page: left, top, right and bottom as shares of its width or height."""

    start: int
    end: int
    page: int
    box: tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class ParsedDocument:
    """A document as text with structure; every span counts Unicode code points of `text`, and blocks do not overlap.

    Args:
        places: of text that was read by OCR.
        scans: pages that only OCR can read, and that were not read.
        fields: what the document says of itself, typed: front matter, properties, headers.
    """

    text: str
    title: str
    mime: str
    blocks: tuple[Block, ...]
    tables: tuple[Table, ...] = ()
    warnings: tuple[str, ...] = ()
    pages: int | None = None
    sheets: tuple[str, ...] = ()
    attachments: tuple[str, ...] = ()
    metadata: Mapping[str, str] = field(default_factory=dict)
    encoding: str = ""
    hidden: tuple[Hidden, ...] = ()
    places: tuple[Place, ...] = ()
    scans: tuple[int, ...] = ()
    fields: Mapping[str, Any] = field(default_factory=dict)


def to_data(document: ParsedDocument) -> dict[str, Any]:
    """The document as JSON-ready data; cells shrink to their spans."""
    spans = [[[x for c in row for x in (c.start, c.end)] for row in t.rows] for t in document.tables]
    return {one.name: getattr(document, one.name) for one in fields(document)} | {
        "blocks": [[b.kind, b.start, b.end, b.level, b.page, b.sheet] for b in document.blocks],
        "tables": [
            [t.start, t.end, t.header, cells, t.page, t.sheet, t.row, t.column, t.mark]
            for t, cells in zip(document.tables, spans, strict=True)
        ],
        "hidden": [[h.what, h.excerpt, h.page] for h in document.hidden],
        "places": [[p.start, p.end, p.page, *p.box] for p in document.places],
    }


def from_data(data: Mapping[str, Any]) -> ParsedDocument:
    """The document again, checked: what comes from a worker that read a hostile file is not trusted."""
    text = _typed(data["text"], str)
    blocks = tuple(Block(*row) for row in data["blocks"])
    for block in blocks:
        if block.kind not in get_args(BlockKind) or not 0 <= block.start <= block.end <= len(text):
            raise ValueError(f"block {block}")
    words: dict[str, Any] = {name: _typed(data[name], str) for name in ("title", "mime", "encoding")}
    words |= {name: _texts(data[name]) for name in ("warnings", "sheets", "attachments")}
    return ParsedDocument(
        **words,
        text=text,
        blocks=blocks,
        tables=tuple(_table(text, row) for row in data["tables"]),
        pages=data["pages"] if data["pages"] is None else _typed(data["pages"], int),
        metadata={_typed(k, str): _typed(v, str) for k, v in data["metadata"].items()},
        hidden=tuple(Hidden(_typed(what, str), _typed(text, str), page) for what, text, page in data["hidden"]),
        places=tuple(_place(text, *row) for row in data["places"]),
        scans=tuple(_typed(number, int) for number in data["scans"]),
        fields=tidy_fields(_typed(data["fields"], dict)),
    )


def _table(text: str, data: list[Any]) -> Table:
    start, end, header, rows, page, sheet, row, column, mark = data
    if mark not in get_args(Mark) or not 0 <= start <= end <= len(text):
        raise ValueError(f"table {start}:{end}")
    cells = tuple(tuple(Cell(text[a:b], a, b) for a, b in zip(r[::2], r[1::2], strict=True)) for r in rows)
    return Table(start, end, _texts(header), cells, page, sheet, row, column, mark)


def _place(text: str, start: int, end: int, page: int, *box: float) -> Place:
    x0, y0, x1, y1 = (float(side) for side in box)
    if not 0 <= start <= end <= len(text) or not (0 <= x0 <= x1 <= 1 and 0 <= y0 <= y1 <= 1):
        raise ValueError(f"place {start}:{end} {box}")
    return Place(start, end, _typed(page, int), (x0, y0, x1, y1))


def _texts(values: Any) -> tuple[str, ...]:
    return tuple(_typed(value, str) for value in values)


def _typed(value: object, kind: type[T]) -> T:
    if not isinstance(value, kind):
        raise ValueError(f"{type(value).__name__} instead of {kind.__name__}")
    return value


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
        self,
        rows: Rows,
        *,
        header_rows: int = 1,
        header: Sequence[str] = (),
        row: int = 1,
        column: int = 1,
        level: int = 0,
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
        if width > WIDE:
            for first, part in bands([*([list(header)] if header else []), *tidy], int(bool(header)) or header_rows):
                names: Sequence[str] = part[0] if header else ()
                rest = part[1:] if header else part
                self.table(rest, header_rows=header_rows, header=names, row=row, column=column + first, level=PART)
            return
        self.gap()
        start = self.length
        cells = [self._row(line, width, last=n == len(tidy) - 1) for n, line in enumerate(tidy)]
        self.mark("table", start, self.length, level)
        self._cells += len(tidy) * width
        if self._cells > self.limits.table_cells:
            self.warn(tr("a table is kept as text only: too many cells"))
            return
        titles = [unspread(collapse(clean(name))) for name in header] or joined_down(tidy[:header_rows], width)
        place = self.page, self.sheet, row + header_rows, column
        self.tables.append(Table(start, self.length, tuple(titles), tuple(cells[header_rows:]), *place))

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
        own = {key: value for key, value in self.metadata.items() if key not in self.private}
        names = {one.name for one in fields(ParsedDocument)}
        kept: dict[str, Any] = {name: value for name, value in vars(self).items() if name in names}
        kept |= {name: tuple(value) for name, value in kept.items() if isinstance(value, list)}
        kept["metadata"] = {key: clean(value) for key, value in self.metadata.items() if value}
        kept["fields"] = tidy_fields(own, self.fields)
        return ParsedDocument(**kept | {"text": text, "title": title[:300], "mime": mime})

    def gap(self, close: bool = False) -> None:
        """An empty line, or a close one, unless the document is empty."""
        if self.length:
            self.write("\n" if close else "\n\n")


def joined_down(rows: Rows, width: int) -> tuple[str, ...]:
    """What the rows say in each column, each word once."""
    columns = ([row[n] for row in rows if n < len(row)] for n in range(width if rows else 0))
    return tuple(" ".join(dict.fromkeys(filter(None, column))) for column in columns)
