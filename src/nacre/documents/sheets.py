"""A sheet of any spreadsheet, once its cells are read: merged cells filled, hidden parts told, tables with headers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from nacre.documents.builder import Builder
from nacre.documents.grid import add_regions
from nacre.documents.limits import Options

_COLUMNS, _ROWS = 2048, 1 << 20
_FILLED = 1 << 20  # cells that merged ranges may fill
_TOLD = 400  # characters of each hidden part


@dataclass
class Sheet:
    """What a reader found on one sheet; rows and columns count from 0.

    Args:
        cells: what is shown, by row and column.
        merged: ranges as (first row, last row, first column, last column).
        notes: remarks on cells.
    """

    name: str
    hidden: bool = False
    cells: dict[int, dict[int, str]] = field(default_factory=dict)
    merged: list[tuple[int, int, int, int]] = field(default_factory=list)
    hidden_rows: set[int] = field(default_factory=set)
    hidden_columns: set[int] = field(default_factory=set)
    notes: list[str] = field(default_factory=list)

    def put(self, row: int, column: int, text: str) -> None:
        """Set one cell, unless it lies where no sheet reaches or says nothing."""
        if text and 0 <= row < _ROWS and 0 <= column < _COLUMNS:
            self.cells.setdefault(row, {})[column] = text


def add_sheet(out: Builder, sheet: Sheet, options: Options) -> None:
    """Append a sheet: its name as a heading, then its tables and notes."""
    if options.include_hidden:
        sheet.hidden, sheet.hidden_rows, sheet.hidden_columns = False, set(), set()
    if sheet.hidden:
        out.hide("hidden sheet", f"{sheet.name}: {_words(list(sheet.cells.values()))}")
        return
    _fill(sheet)
    out.sheet = sheet.name
    out.sheets.append(sheet.name)
    out.add("heading", sheet.name, 1)
    gone = [sheet.cells.pop(row) for row in sorted(sheet.hidden_rows & set(sheet.cells))]
    out.hide("hidden row", f"{sheet.name}: {_words(gone)}" if gone else "")
    covered = [{at: row.pop(at) for at in sheet.hidden_columns & set(row)} for _, row in sorted(sheet.cells.items())]
    out.hide("hidden column", f"{sheet.name}: {_words(covered)}" if any(covered) else "")
    rows: list[list[str]] = []
    for number, row in sorted(sheet.cells.items()):
        # Of many empty rows one is enough to part tables, and the first row keeps its number.
        empty = number - len(rows)
        rows += [[] for _ in range(empty if empty < 1 << 16 else 0)]
        rows.append([row.get(at, "") for at in range(max(row, default=-1) + 1)])
    add_regions(out, rows)
    for note in sheet.notes:
        out.add("comment", note)
    out.sheet = ""


def _fill(sheet: Sheet) -> None:
    """A merged cell's value stands in each row and column that it covers."""
    left = _FILLED
    for first, last, start, end in sheet.merged:
        value = sheet.cells.get(first, {}).get(start, "")
        left -= (last - first + 1) * (end - start + 1)
        if left < 0:
            return
        for row in range(first, last + 1) if value else ():
            for column in range(start, end + 1):
                sheet.put(row, column, value)


def _words(rows: Sequence[dict[int, str]]) -> str:
    said = ""
    for row in rows:
        said += " ".join(text for _, text in sorted(row.items())) + " "
        if len(said) > _TOLD:
            break
    return said
