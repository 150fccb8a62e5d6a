"""Grids of cells, of tables, delimited files and sheets of spreadsheets: titles, headers, merged and hidden cells."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from nacre.documents.document import Builder, joined_down
from nacre.documents.limits import Options
from nacre.documents.wide import Rows
from nacre.text.language import tr

_NUMBER = re.compile(r"[-+(]?[$€£¥￥]?\s*[-+]?\d[\d,.\s]*%?\)?([eE][-+]?\d+)?|\d{4}[-/.]\d{1,2}[-/.]\d{1,2}.*")

TableRow = tuple[list[str], bool]  # its cells, and whether some are merged across
REPEATED = 300
"""Characters of a merged cell that are repeated in each of its places; a longer text is told once."""


def add_grid(
    out: Builder,
    rows: Rows,
    header: Sequence[str] = (),
    grouped: Collection[int] = (),
    *,
    row: int = 1,
    column: int = 1,
) -> tuple[str, ...]:
    """Append a region without an empty row: a title, then rows; where none names the columns, the names above hold."""
    width = max((len(line) for line in rows), default=0)
    titles = 0
    while titles < min(len(rows) - 1, 5) and width > 1 and sum(map(bool, rows[titles])) == 1:
        out.add("paragraph", next(filter(None, rows[titles])))
        titles += 1
    rows = rows[titles:]
    named = header_depth(rows, width, {at - titles for at in grouped}) or _header_rows(rows, width)
    names = () if named or len(header) != width else tuple(header)
    out.table(rows, header_rows=named, header=names, row=row + titles, column=column)
    # A short region without numbers above a region with numbers is a header that an empty row cuts off.
    lone = width > 1 and len(rows) <= 3 and not any(_NUMBER.fullmatch(cell.strip()) for line in rows for cell in line)
    return joined_down(rows if lone else rows[:named], width) if lone or named else names


def _header_rows(rows: Rows, width: int) -> int:
    """How many rows name the columns: two where the first names groups of columns."""
    if width < 2 or len(rows) < 2 or not is_header(rows[0], width):
        return int(width > 1 and len(rows) > 2 and _groups(rows[0], rows[1], width)) * 2
    return 2 if len(rows) > 2 and _groups(rows[0], rows[1], width) else 1


def rows_of(lines: Iterable[Any], read: Callable[[Any, list[str]], TableRow]) -> Iterator[TableRow]:
    """Rows that are read each with the one above it, of which a cell may be a part."""
    row: list[str] = []
    for line in lines:
        row, across = read(line, row)
        yield row, across


def add_rows(out: Builder, rows: Iterable[TableRow], *, marked: int = 0, usual: int | None = None) -> None:
    """Append a table of rows, each with whether it has cells merged across.

    Args:
        marked: how many rows the file says name the columns.
        usual: how many do where nothing tells; None is the first of several.
    """
    table: list[list[str]] = []
    grouped: set[int] = set()
    for row, across in rows:
        grouped.update({len(table)} if across else ())
        table.append(row)
    depth = min(marked, 4) or header_depth(table, max(map(len, table), default=0), grouped)
    out.table(table, header_rows=depth or (int(len(table) > 1) if usual is None else usual))


def header_depth(rows: Rows, width: int, grouped: Collection[int]) -> int:
    """How many rows name the columns where the first has cells merged across, which name groups of columns; else 0."""
    depth = 0
    while depth in grouped and depth < min(4, len(rows) - 2) and is_header(rows[depth], width):
        below = rows[depth + 1]
        # The third row and those below it name columns only where they do not begin with a name of their own.
        if not is_header(below, width) or (depth and below[0] and below[0] != rows[depth][0]):
            break
        depth += 1
    return depth + 1 if depth else 0


def _groups(above: Sequence[str], below: Sequence[str], width: int) -> bool:
    filled = sum(map(bool, above))
    words = all(not _NUMBER.fullmatch(cell.strip()) for cell in above)
    return words and 1 < filled < sum(map(bool, below)) and is_header(below, width)


def is_header(cells: Sequence[str], width: int) -> bool:
    """Whether a row names columns: words only, in at least half of the columns, and none too long for a name."""
    filled = [cell for cell in cells if cell.strip()]
    words = all(not _NUMBER.fullmatch(cell.strip()) and len(cell) <= 120 for cell in filled)
    return words and len(filled) * 2 >= width and bool(filled)


COLUMNS, LAST = 2048, 1 << 14
"""Columns that are read, and of a row that is half full all: a cell in the last would make every row that long."""
_ROWS = 1 << 20
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
    too_far: bool = False

    def put(self, row: int, column: int, text: str) -> None:
        """Set one cell, unless it lies where no sheet reaches or says nothing."""
        if text and 0 <= row < _ROWS and column >= 0:
            if is_far(column, self.cells.get(row, {})):
                self.too_far = True
            else:
                self.cells.setdefault(row, {})[column] = text


def is_far(column: int, cells: dict[int, str]) -> bool:
    """Whether a cell, counted from 0, lies too far behind those of its row that came before."""
    return column >= LAST or (column >= COLUMNS and len(cells) * 2 < column)


def warn_far(out: Builder) -> None:
    """Tell that cells lay too far."""
    out.warn(tr("sheet {sheet}: columns beyond {columns} are left out", sheet=out.sheet, columns=COLUMNS))


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
    if sheet.too_far:
        warn_far(out)
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
            inside = range(merge.left - 1, min(merge.right, COLUMNS))
            if any(at not in inside for at in own):
                row.cells |= {at: value for at in inside if at not in own}
                grouped = grouped or len(inside) > 1
        yield row, grouped
