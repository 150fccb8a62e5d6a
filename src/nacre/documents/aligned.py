"""Tables that a plain text sets with spaces: its lines, as far as their gaps keep columns apart all the way down."""

from __future__ import annotations

import itertools
import re
import unicodedata
from collections.abc import Iterator, Sequence

from nacre.documents.grid import is_header
from nacre.text.tables import Span, names_columns

_GAP = re.compile(r"\S {2,}\S")
_RULE = re.compile(r"[ \t]*(?:[-=_]{2,}[ \t]*)+")
_LEAST = 3  # rows, the first of which names the columns
_MOST = 2000
_WIDEST = 400  # characters of a line
_LONG = 45  # characters of a cell that is prose


def tables_in(text: str) -> Iterator[tuple[Span, list[list[str]]]]:
    """Where the tables of a text stand, whole lines, and their rows: the first names the columns."""
    at, run = 0, list[tuple[int, str]]()
    for line in [*text.splitlines(keepends=True), ""]:
        bare = line.rstrip()
        gap = len(bare) <= _WIDEST and bool(_GAP.search(bare) or (run and _RULE.fullmatch(bare)))
        if gap and len(run) < _MOST:
            run.append((at, bare))
        elif run:
            rows = _rows([bare for _, bare in run])
            if rows:
                last, bare_last = run[-1]
                yield (run[0][0], last + len(bare_last)), rows
            run = [(at, bare)] if gap else []
        at += len(line)


def _rows(lines: Sequence[str]) -> list[list[str]]:
    """The cells; none where the columns are not kept apart, or nothing tells that the first row names them."""
    ruled = len(lines) > 1 and _RULE.fullmatch(lines[1]) is not None
    wide = [_widened(line) for line in lines if not _RULE.fullmatch(line)]
    if len(wide) < _LEAST:
        return []
    width = max(map(len, wide))
    taken = [any(line[n : n + 1].strip() for line in wide) for n in range(width)]
    columns = [
        (at[0], at[-1] + 1)
        for used, found in itertools.groupby(
            range(width), lambda n: taken[n] or taken[n - 1 : n + 2] == [True, False, True]
        )
        if used and (at := list(found))
    ]
    rows = [[line[a:b].replace("\0", "").strip() for a, b in columns] for line in wide]
    first, rest = rows[0], rows[1:]
    prose = sum(len(cell) > _LONG for row in rows for cell in row) * 3 > len(rows) * len(columns)
    filled = all(sum(map(bool, row)) > 1 for row in rows)
    if (
        len(columns) < 2
        or prose
        or not filled
        or not is_header(first, len(columns))
        or not names_columns(" ".join(first))
    ):
        return []
    # Under a name stand numbers, or a rule: otherwise the first row may be one like the others.
    typed = any(name and all(row[n][:1].isdigit() for row in rest if row[n]) for n, name in enumerate(first))
    return rows if ruled or typed else []


def _widened(line: str) -> str:
    """A line with a filler behind each character that is two columns wide."""
    return "".join(f"{c}\0" if unicodedata.east_asian_width(c) in "WF" else c for c in line)
