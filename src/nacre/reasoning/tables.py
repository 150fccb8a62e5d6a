"""Tables that stand in a text, as data for a program: one dict a row, numbers as numbers."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from nacre.reasoning.quantities import Quantity, quantity
from nacre.text.messages import Source
from nacre.text.tables import Grid, grids_in

Value = str | int | float | None
_EMPTY = frozenset({"", "-", "--", "—", "–", "n/a", "na", "none", "null", "无", "/", "…"})
_MOST_TABLES = 20
_MOST_CELLS = 200_000  # of all tables; a short row is as wide as the widest, and each cell takes memory here and inside


@dataclass(frozen=True)
class Table:
    """A table of a source. A column of numbers of one unit holds numbers, any other texts; an empty cell is None."""

    source: int
    title: str
    columns: tuple[str, ...]
    rows: tuple[dict[str, Value], ...]
    texts: tuple[dict[str, str], ...]
    units: dict[str, str]

    def describe(self, name: str) -> str:
        """One line for the model: where the table is from and what its columns hold."""
        columns = [f"{json.dumps(column, ensure_ascii=False)} ({self._kind(column)})" for column in self.columns]
        place = f" [{self.source}]" if self.source else ""
        return f"{name}{place}: {len(self.rows)} × {len(self.columns)}: {', '.join(columns)}"

    def _kind(self, column: str) -> str:
        numeric = any(isinstance(row[column], int | float) for row in self.rows)
        unit = self.units.get(column, "")
        return f"number, {unit}" if numeric and unit else "number" if numeric else "text"


def tables_of(sources: Sequence[Source]) -> list[Table]:
    """All tables of some sources, in order: those that a source tells of, and what looks like one in its text."""
    tables: list[Table] = []
    room = _MOST_CELLS
    for source in sources:
        for grid in grids_in(source.text, source.tables, source.columns):
            room -= len(grid.rows) * max(map(len, (grid.header, *grid.rows)))
            if room < 0 or len(tables) == _MOST_TABLES:
                return tables
            tables.append(_table(grid, source))
    return tables


def tables_in(text: str) -> list[Table]:
    """The tables of a text: Markdown, cells between bars, or cells between tabs.

    Example:
        >>> [table] = tables_in("Town | Sales\\nA | 1,200\\nB | 800")
        >>> table.rows
        ({'Town': 'A', 'Sales': 1200}, {'Town': 'B', 'Sales': 800})
    """
    return tables_of([Source(0, text)])


def _table(grid: Grid, source: Source) -> Table:
    named, *cells = [list(grid.header), *([source.text[a:b] for a, b in row] for row in grid.rows)]
    if grid.mark == "|":
        named, *cells = [[cell.replace("\\|", "|") for cell in row] for row in (named, *cells)]
    width = max(map(len, (named, *cells)))
    columns = _names(named + [""] * (width - len(named)))
    body = [row + [""] * (width - len(row)) for row in cells]
    texts = tuple(dict(zip(columns, row, strict=True)) for row in body)
    values, units = {}, {}
    for index, column in enumerate(columns):
        values[column], unit = _column([row[index] for row in body])
        if unit:
            units[column] = unit
    rows = tuple({column: values[column][r] for column in columns} for r in range(len(body)))
    return Table(source.n, source.title, columns, rows, texts, units)


def _names(header: Sequence[str]) -> tuple[str, ...]:
    names: list[str] = []
    for number, text in enumerate(header, 1):
        name = _unmarked(text) or f"column {number}"
        count = 2
        while name in names:
            name, count = f"{_unmarked(text) or 'column'} ({count})", count + 1
        names.append(name)
    return tuple(names)


def _column(cells: Sequence[str]) -> tuple[list[Value], str]:
    """The values of a column, and the unit that all its numbers share."""
    plain = [_unmarked(cell) for cell in cells]
    read = [None if cell.lower() in _EMPTY else quantity(cell) for cell in plain]
    filled = [number for cell, number in zip(plain, read, strict=True) if cell.lower() not in _EMPTY]
    units = {number.unit for number in filled if isinstance(number, Quantity) and number.unit}
    if filled and None not in filled and len(units) <= 1:
        return [number.value if number else None for number in read], next(iter(units), "")
    return [None if cell.lower() in _EMPTY else cell for cell in plain], ""


def _unmarked(cell: str) -> str:
    """A cell without Markdown's emphasis and code marks around all of it."""
    return cell.strip().strip("*`").strip()
