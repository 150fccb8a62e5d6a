"""Tables that stand in a text, as data for a program: one dict a row, numbers as numbers."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass

from nacre.reasoning.quantities import Quantity, quantity
from nacre.text.messages import Source

Value = str | int | float | None
_SEPARATOR = re.compile(r"^\s*+\|?\s*+:?-{2,}+:?\s*+(?:\|\s*+:?-{2,}+:?\s*+)*+\|?\s*+$")
_UNDER_THE_HEADER = re.compile(_SEPARATOR.pattern.replace("{2,}", "+"))  # one hyphen is enough there
_PIPE = re.compile(r"(?<!\\)\|")
_EMPTY = frozenset({"", "-", "--", "—", "–", "n/a", "na", "none", "null", "无", "/", "…"})
_MOST_TABLES, _MOST_ROWS, _MOST_COLUMNS = 20, 2000, 100
_MOST_CHARACTERS = 200_000  # of one text
_MOST_CELLS = 200_000  # of all tables; a short row is as wide as the widest, and each cell takes memory here and inside


@dataclass(frozen=True)
class Table:
    """A table of a source.

    Attributes:
        rows: one dict a row. A column in which every cell is a number of the same unit holds numbers, any other holds texts;
            an empty cell is None.
    """

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
    """All tables of some sources, in order."""
    tables: list[Table] = []
    for source in sources:
        tables += _tables(source.text, source.n, source.title, tables)
    return tables


def tables_in(text: str, source: int = 0, title: str = "") -> list[Table]:
    """The tables of a text: Markdown, cells between bars, or cells between tabs.

    Args:
        text: any text; of a very long one only the first 200,000 characters are read.

    Example:
        >>> [table] = tables_in("Town | Sales\\nA | 1,200\\nB | 800")
        >>> table.rows
        ({'Town': 'A', 'Sales': 1200}, {'Town': 'B', 'Sales': 800})
    """
    return _tables(text, source, title, ())


def _tables(text: str, source: int, title: str, before: Sequence[Table]) -> list[Table]:
    """The tables of a text, as far as those before it leave room for them."""
    lines = text[:_MOST_CHARACTERS].splitlines()
    if len(text) > _MOST_CHARACTERS:
        lines.pop()  # half a line is half a number
    room = _MOST_CELLS - sum(len(table.rows) * len(table.columns) for table in before)
    tables: list[Table] = []
    at = 0
    while at < len(lines) and len(before) + len(tables) < _MOST_TABLES:
        grid, after = _grid(lines, at)
        if len(grid) > 1 and len(grid[0]) > 1:
            room -= (len(grid) - 1) * max(map(len, grid))
            if room < 0:
                break
            tables.append(_table(grid, source, title))
        at = max(after, at + 1)
    return tables


def _grid(lines: Sequence[str], at: int) -> tuple[list[list[str]], int]:
    """The cells of the table that begins at a line, and the line after it."""
    for split in (_bars, _tabs):
        if len(cells := split(lines[at])) < 2:
            continue
        grid, end = [cells], at + 1
        marked = end < len(lines) and bool(_UNDER_THE_HEADER.match(lines[end])) and split is _bars
        end += marked
        while end < len(lines) and len(grid) <= _MOST_ROWS:
            cells = split(lines[end])
            if split is _tabs and not cells and lines[end].strip() and end + 1 < len(lines) and "\t" in lines[end + 1]:
                cells = [lines[end].strip()]  # a row of which only the first cell is filled
            if not cells or (split is _bars and len(cells) < 2):
                break
            grid.append(cells)
            end += 1
        return grid, end
    return [], at + 1


def _bars(line: str) -> list[str]:
    stripped = line.strip()
    if "|" not in stripped or _SEPARATOR.match(stripped):
        return []
    stripped = stripped.removeprefix("|")
    stripped = stripped[:-1] if stripped.endswith("|") and not stripped.endswith("\\|") else stripped
    return [cell.replace("\\|", "|").strip() for cell in _PIPE.split(stripped)][:_MOST_COLUMNS]


def _tabs(line: str) -> list[str]:
    return [cell.strip() for cell in line.split("\t")][:_MOST_COLUMNS] if "\t" in line else []


def _table(grid: list[list[str]], source: int, title: str) -> Table:
    width = max(len(cells) for cells in grid)
    padded = [cells + [""] * (width - len(cells)) for cells in grid]
    columns = _names(padded[0])
    body = padded[1:]
    texts = tuple(dict(zip(columns, cells, strict=True)) for cells in body)
    values, units = {}, {}
    for index, column in enumerate(columns):
        values[column], unit = _column([cells[index] for cells in body])
        if unit:
            units[column] = unit
    rows = tuple({column: values[column][r] for column in columns} for r in range(len(body)))
    return Table(source, title, columns, rows, texts, units)


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
