"""Tables too wide for a passage: narrow ones below each other, of which only words are embedded."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

Rows = Sequence[Sequence[str]]
WIDE = 100
"""Columns of the widest table that stays one: of a longer row, no passage holds a name together with its value."""
PART = 1
"""Level of a table's block that is one of the narrow ones."""
MARK = "\t"
"""Ends the context of a passage with such a part: no other context holds it."""
_BAND = 9  # columns beside the first in each part of a wider one
_KEY = 100  # characters of a row's first cell that are repeated in each part
_CELL = re.compile(r"[^\t|]+")


def bands(rows: Rows, header_rows: int) -> Iterator[tuple[int, list[list[str]]]]:
    """A wide table as narrow ones below each other, each row with its first cell, where it says anything else.

    Returns:
        The columns that are left out after the first, and the rows, those that name the columns always.
    """
    head, body = [line for line in rows[:header_rows] if line], [line for line in rows[header_rows:] if line]
    for first in range(1, max(map(len, rows)), _BAND):
        if first > 1:
            body = [line for line in body if len(line) > first]
        parts = [
            [line[0] if first == 1 or len(line[0]) <= _KEY else "", *line[first : first + _BAND]]
            for line in (*head, *body)
        ]
        yield first - 1, [part for at, part in enumerate(parts) if at < len(head) or any(part[1:]) or first == 1]


def embedded_text(context: str, text: str) -> str:
    """What is embedded of a passage; of wide tables the names, and each cell of words once: thousands of numbers take
    minutes to embed, mean nothing to an embedder, and are found by the names of their row and column.
    """
    if context.endswith(MARK):
        context, text = context.removesuffix(MARK), "\n\n".join(map(_words, text.split("\n\n")))
    return f"{context}\n{text}" if context else text


def _words(block: str) -> str:
    names, *lines = block.split("\n")
    cells = (cell.strip() for line in lines for cell in _CELL.findall(line))
    said = dict.fromkeys(cell for cell in cells if sum(map(str.isalpha, cell)) > sum(map(str.isdigit, cell)))
    return "\n".join((names, *said))
