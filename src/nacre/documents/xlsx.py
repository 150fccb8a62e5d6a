"""Excel: each sheet is a heading and its tables; numbers as the sheet shows them, formulas by their last result, merged
cells in each of their places, text boxes, charts and comments.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from typing import Any

from nacre.documents.builder import Builder
from nacre.documents.drawings import add_drawing
from nacre.documents.grid import REPEATED, add_grid
from nacre.documents.limits import Task
from nacre.documents.ooxml import Package, attribute, child, descend, local, relation_id
from nacre.documents.xlsx_cells import COLUMNS, Book, Merge, Row, Sheet, merges, read_book, rich_text
from nacre.errors import ParseError
from nacre.text.language import tr

_THREADED = "[Threaded comment]"  # what stands in an old comment for readers without the new ones


def parse(data: bytes, out: Builder, task: Task) -> None:
    """Read a workbook."""
    package = Package(data, task.limits)
    package.refuse_dtds()
    package.properties(out)
    main = package.main("xl/workbook.xml")
    root = package.xml(main)
    listed = None if root is None else child(root, "sheets")
    if listed is None:
        raise ParseError(tr("the workbook is damaged") + f" ({main})")
    relations = package.relations(main)
    book = read_book(package, dict(relations.values()), out)
    book.since_1904 = attribute(child(root, "workbookPr"), "date1904") in {"1", "true"}
    for node in listed:
        _, part = relations.get(relation_id(node), ("", ""))
        _page(book, attribute(node, "name"), part, attribute(node, "state"), out, task)
    out.sheet = ""


def _page(book: Book, name: str, part: str, state: str, out: Builder, task: Task) -> None:
    """One sheet of the workbook, as it stands in its list."""
    raw = book.package.read(part) or b""
    chart = b"<sheetData" not in raw and b":sheetData" not in raw
    if state in {"hidden", "veryHidden"} and not task.options.include_hidden:
        sheet = Sheet(book, part, raw)
        out.hide("hidden sheet", f"{name}: {_words(row.cells for row in sheet.rows())}" if raw and not chart else name)
        return
    out.sheet = name
    out.sheets.append(name)
    if chart:
        _extras(book.package, part, out)
        return
    out.add("heading", name, 1)
    sheet = Sheet(book, part, raw)
    _Grid(sheet, out, task.options.include_hidden).add()
    for what, texts in sheet.unseen.items():
        out.hide(what, f"{name}: {' '.join(texts)}")
    _warn(sheet, out)
    _extras(book.package, part, out)


def _words(rows: Any, most: int = 400) -> str:
    """The first words of some rows, for a report."""
    said = ""
    for cells in rows:
        said += " ".join(cells.values()) + "\n"
        if len(said) > most:
            break
    return said


@dataclass
class _Region:
    """Rows without an empty one between them."""

    first: int = 0
    last: int = 0
    rows: list[list[str]] = field(default_factory=list)
    grouped: set[int] = field(default_factory=set)


class _Grid:
    """The tables of one sheet."""

    def __init__(self, sheet: Sheet, out: Builder, hidden: bool) -> None:
        self.sheet, self.out, self.all = sheet, out, hidden
        self.columns: Collection[int] = () if hidden else sheet.layout.hidden_columns
        self.gone: dict[str, list[dict[int, str]]] = {"hidden row": [], "hidden column": []}

    def add(self) -> None:
        names: dict[int, tuple[str, ...]] = {}
        for region in self._regions():
            for left, right in self._side_by_side(region.rows):
                for first, rows in _runs(region, left, right):
                    groups = {at - first for at in region.grouped if first <= at < first + len(rows)}
                    names[left] = add_grid(
                        self.out,
                        rows,
                        row=region.first + first,
                        column=left + 1,
                        header=names.get(left, ()),
                        grouped=groups,
                    )
        for what, lost in self.gone.items():
            if lost:
                self.out.hide(what, f"{self.out.sheet}: {_words(lost)}")

    def _regions(self) -> Iterator[_Region]:
        region = _Region()
        for row, grouped in _spread(self.sheet.rows(), merges(self.sheet.raw)):
            if region.rows and row.number > region.last + 1:
                yield region
                region = _Region()
            region.last = row.number
            if row.hidden and not self.all:
                self.gone["hidden row"].append(row.cells)
                continue
            if covered := {at: row.cells.pop(at) for at in self.columns if at in row.cells}:
                self.gone["hidden column"].append(covered)
            if row.cells:
                region.first = region.first if region.rows else row.number
                region.grouped.update({len(region.rows)} if grouped else ())
                width = max(row.cells) + 1
                region.rows.append([row.cells.get(at, "") for at in range(width)])
        if region.rows:
            yield region

    def _side_by_side(self, rows: list[list[str]]) -> list[list[int]]:
        """First and last column of tables beside each other, two empty columns or more apart; one is a spacer."""
        groups: list[list[int]] = []
        for column in sorted({n for row in rows for n, cell in enumerate(row) if cell}):
            gap = 9 if not groups else sum(at not in self.columns for at in range(groups[-1][1] + 1, column))
            if gap <= 1:
                groups[-1][1] = column
            else:
                groups.append([column, column])
        return groups


def _runs(region: _Region, left: int, right: int) -> Iterator[tuple[int, list[list[str]]]]:
    """The rows of one table of a region, and the index of the first."""
    part: list[list[str]] = []
    for at, row in enumerate([*region.rows, []]):
        cells = row[left : right + 1]
        if any(cells):
            part.append(cells)
        elif part:
            yield at - len(part), part
            part = []


def _spread(rows: Iterator[Row], ranges: list[Merge]) -> Iterator[tuple[Row, bool]]:
    """The rows with merged values in each of their cells, and whether a row has cells that are merged across.

    A range that has its rows to itself is a title or a note; it is told once.
    """
    waiting = ranges[::-1]
    active: list[tuple[Merge, str]] = []
    for row in rows:
        active = [(merge, value) for merge, value in active if merge.bottom >= row.number]
        while waiting and waiting[-1].top <= row.number:
            merge = waiting.pop()
            value = row.cells.get(merge.left - 1, "") if merge.top == row.number else ""
            if value and len(value) <= REPEATED:
                active.append((merge, value))
        grouped = False
        own = set(row.cells)
        for merge, value in active:
            inside = range(merge.left - 1, merge.right)
            if any(at not in inside for at in own):
                row.cells |= {at: value for at in inside if at not in own}
                grouped = grouped or len(inside) > 1
        yield row, grouped


def _warn(sheet: Sheet, out: Builder) -> None:
    """Formulas whose result was never stored, and columns too far out."""
    if sheet.missing:
        out.warn(
            tr(
                "sheet {sheet}: {missing} formulas have no stored result; open and save it in a spreadsheet program",
                sheet=out.sheet,
                missing=sheet.missing,
            )
        )
    if sheet.too_far:
        out.warn(tr("sheet {sheet}: columns beyond {columns} are left out", sheet=out.sheet, columns=COLUMNS))


def _extras(package: Package, part: str, out: Builder) -> None:
    """Text boxes, charts and pictures of a sheet, and its comments."""
    relations = package.relations(part)
    threaded = any(kind == "threadedComment" for kind, _ in relations.values())
    for kind, target in relations.values():
        if kind == "drawing":
            add_drawing(package, target, out)
        elif kind == "comments":
            _comments(package.xml(target), threaded, out)
        elif kind == "threadedComment":
            for comment in descend(package.xml(target)):
                if local(comment) == "threadedComment":
                    words = child(comment, "text")
                    text = "" if words is None else words.text or ""
                    out.add("comment", f"{attribute(comment, 'ref')}: {text}" if text.strip() else "")


def _comments(root: Any | None, threaded: bool, out: Builder) -> None:
    listed = None if root is None else child(root, "commentList")
    for comment in [] if listed is None else listed:
        words = child(comment, "text")
        text = "" if words is None else rich_text(words)
        if text.strip() and not (threaded and text.startswith(_THREADED)):
            out.add("comment", f"{attribute(comment, 'ref')}: {text}")
