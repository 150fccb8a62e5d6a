"""What a parser gives back: plain text, and where everything stands in it.

The text is the document. Blocks and cells are spans into it, so that a citation can always be shown in its place.
Text outside every block (white space, hidden markup, page furniture, navigation) is kept for reading but is not content
to be indexed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Literal, TypeVar, get_args

from nacre.text.fields import tidy_fields
from nacre.text.tables import Mark

T = TypeVar("T")
BlockKind = Literal["heading", "paragraph", "list", "table", "code", "quote", "note", "comment", "meta"]


@dataclass(frozen=True, slots=True)
class Block:
    """One piece of content: `text[start:end]` of its document.

    Args:
        kind: "note" is a footnote or a speaker's notes, "comment" a reviewer's, "meta" the headers of a mail or a page.
        level: depth, 1 at the top, of a heading or a list item; 0 for anything else.
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
    return ParsedDocument(
        text=text,
        title=_typed(data["title"], str),
        mime=_typed(data["mime"], str),
        blocks=blocks,
        tables=tuple(_table(text, row) for row in data["tables"]),
        warnings=_texts(data["warnings"]),
        pages=data["pages"] if data["pages"] is None else _typed(data["pages"], int),
        sheets=_texts(data["sheets"]),
        attachments=_texts(data["attachments"]),
        metadata={_typed(k, str): _typed(v, str) for k, v in data["metadata"].items()},
        encoding=_typed(data["encoding"], str),
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
