"""Tables that remember which of their cells a program read, so that an answer can cite them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

Place = tuple[str, int, int, str]  # name of the input, table, row, column
_MOST = 1000


class Row(dict[Any, Any]):
    """A row of a table: a dict that notes what is read from it."""

    def __init__(self, cells: dict[Any, Any], place: tuple[str, int, int], log: set[Place]) -> None:
        super().__init__(cells)
        self._place, self._log = place, log

    def _note(self, columns: Iterable[Any]) -> None:
        if len(self._log) < _MOST:
            self._log.update((*self._place, column) for column in columns if dict.__contains__(self, column))

    def __getitem__(self, column: Any) -> Any:
        self._note((column,))
        return dict.__getitem__(self, column)

    def get(self, column: Any, default: Any = None) -> Any:
        self._note((column,))
        return dict.get(self, column, default)

    def values(self) -> Any:
        self._note(dict.keys(self))
        return dict.values(self)

    def items(self) -> Any:
        self._note(dict.keys(self))
        return dict.items(self)

    def __iter__(self) -> Iterator[Any]:  # with it, dict(row) reads cell by cell and so is noted too
        return dict.__iter__(self)


def recorded(inputs: dict[str, Any]) -> tuple[dict[str, Any], set[Place]]:
    """Inputs whose tables note what is read; a list of lists of dicts is a list of tables."""
    log: set[Place] = set()
    return {name: _rows(name, value, log) if _holds_tables(value) else value for name, value in inputs.items()}, log


def _holds_tables(value: Any) -> bool:
    tables = value if isinstance(value, list) else []
    return bool(tables) and all(isinstance(t, list) and all(isinstance(row, dict) for row in t) for t in tables)


def _rows(name: str, tables: list[list[dict[Any, Any]]], log: set[Place]) -> list[list[Row]]:
    return [[Row(cells, (name, t, r), log) for r, cells in enumerate(table)] for t, table in enumerate(tables)]
