"""A grid of cells, from a sheet or a delimited file, split into titles and tables with headers."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from typing import Any

from nacre.documents.builder import Builder, Rows, joined_down

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
