"""A sheet of any spreadsheet, once its cells are read: merged cells filled, hidden parts told, tables with headers."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from nacre.documents.builder import Builder
from nacre.documents.grid import REPEATED, add_grid
from nacre.documents.limits import Options

_COLUMNS, _ROWS = 2048, 1 << 20
_TOLD = 400  # characters of each hidden part


class Merge(NamedTuple):
    """A merged range, all four included, 1-based."""

    top: int
    left: int
    bottom: int
    right: int


@dataclass
class Row:
    """A row of a sheet: its 1-based number, its cells by 0-based column, and whether it is hidden."""

    number: int
    cells: dict[int, str]
    hidden: bool = False

    def texts(self) -> list[str]:
        """All cells up to the last one that says something."""
        return [self.cells.get(at, "") for at in range(max(self.cells, default=-1) + 1)]


@dataclass
class Sheet:
    """What a reader of old formats found on one sheet; rows and columns count from 0."""

    name: str
    hidden: bool = False
    cells: dict[int, dict[int, str]] = field(default_factory=dict)
    merged: list[Merge] = field(default_factory=list)
    hidden_rows: set[int] = field(default_factory=set)
    hidden_columns: set[int] = field(default_factory=set)
    notes: list[str] = field(default_factory=list)

    def put(self, row: int, column: int, text: str) -> None:
        """Set one cell, unless it lies where no sheet reaches or says nothing."""
        if text and 0 <= row < _ROWS and 0 <= column < _COLUMNS:
            self.cells.setdefault(row, {})[column] = text


def add_sheet(out: Builder, sheet: Sheet, options: Options) -> None:
    """Append a sheet: its name as a heading, then its tables and notes."""
    if sheet.hidden and not options.include_hidden:
        out.hide("hidden sheet", f"{sheet.name}: {words(sheet.cells.values())}")
        return
    out.sheet = sheet.name
    out.sheets.append(sheet.name)
    out.add("heading", sheet.name, 1)
    rows = (Row(at + 1, cells, at in sheet.hidden_rows) for at, cells in sorted(sheet.cells.items()))
    add_cells(out, rows, deque(sorted(sheet.merged)), sheet.hidden_columns, all=options.include_hidden)
    for note in sheet.notes:
        out.add("comment", note)
    out.sheet = ""


def words(rows: Iterable[dict[int, str]]) -> str:
    """The first words of some rows, for a report."""
    said = ""
    for cells in rows:
        said += " ".join(cells.values()) + "\n"
        if len(said) > _TOLD:
            break
    return said


def add_cells(
    out: Builder, rows: Iterator[Row], ranges: deque[Merge], hidden: Collection[int], *, all: bool = False
) -> None:
    """Append the tables of a sheet: empty rows, or two empty columns, part them."""
    gone: dict[str, list[dict[int, str]]] = {"hidden row": [], "hidden column": []}
    names: dict[int, tuple[str, ...]] = {}
    hidden = () if all else hidden
    for region in _regions(spread(rows, ranges), hidden, gone, all):
        for left, right in _side_by_side(region.rows, hidden):
            for first, cells in _runs(region, left, right):
                groups = {at - first for at in region.grouped if first <= at < first + len(cells)}
                head = names.get(left, ())
                row = region.first + first
                names[left] = add_grid(out, cells, row=row, column=left + 1, header=head, grouped=groups)
    for what, lost in gone.items():
        if lost:
            out.hide(what, f"{out.sheet}: {words(lost)}")


@dataclass
class _Region:
    """Rows without an empty one between them."""

    first: int = 0
    last: int = 0
    rows: list[list[str]] = field(default_factory=list)
    grouped: set[int] = field(default_factory=set)


def _regions(
    rows: Iterator[tuple[Row, bool]], hidden: Collection[int], gone: dict[str, list[dict[int, str]]], all: bool
) -> Iterator[_Region]:
    region = _Region()
    for row, grouped in rows:
        if region.rows and row.number > region.last + 1:
            yield region
            region = _Region()
        region.last = row.number
        if row.hidden and not all:
            gone["hidden row"].append(row.cells)
            continue
        if covered := {at: row.cells.pop(at) for at in hidden if at in row.cells}:
            gone["hidden column"].append(covered)
        if row.cells:
            region.first = region.first if region.rows else row.number
            region.grouped.update({len(region.rows)} if grouped else ())
            region.rows.append(row.texts())
    if region.rows:
        yield region


def _side_by_side(rows: list[list[str]], hidden: Collection[int]) -> list[list[int]]:
    """First and last column of tables beside each other, two empty columns or more apart; one is a spacer."""
    groups: list[list[int]] = []
    for column in sorted({n for row in rows for n, cell in enumerate(row) if cell}):
        gap = 9 if not groups else sum(at not in hidden for at in range(groups[-1][1] + 1, column))
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


def spread(rows: Iterator[Row], ranges: deque[Merge]) -> Iterator[tuple[Row, bool]]:
    """The rows, merged values in each of their cells, and whether one is across; a row for itself is told once."""
    active: list[tuple[Merge, str]] = []
    for row in rows:
        active = [(merge, value) for merge, value in active if merge.bottom >= row.number]
        while ranges and ranges[0].top <= row.number:
            merge = ranges.popleft()
            value = row.cells.get(merge.left - 1, "") if merge.top == row.number else ""
            if value and len(value) <= REPEATED:
                active.append((merge, value))
        grouped = False
        own = set(row.cells)
        for merge, value in active:
            inside = range(merge.left - 1, min(merge.right, _COLUMNS))
            if any(at not in inside for at in own):
                row.cells |= {at: value for at in inside if at not in own}
                grouped = grouped or len(inside) > 1
        yield row, grouped
