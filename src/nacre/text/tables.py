"""Tables in a text, where each cell stands and what its column is called, known or looked for."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

Span = tuple[int, int]
Mark = Literal["\t", "|"]

ROW = re.compile(r"\s*\|.*\||[^|\n]*\S \| \S.*|[^\t\n]+\t.*")
"""A line that looks like a row of a table."""
_SEPARATOR = re.compile(r"^\s*+\|?\s*+:?-{2,}+:?\s*+(?:\|\s*+:?-{2,}+:?\s*+)*+\|?\s*+$")
_UNDER_THE_HEADER = re.compile(_SEPARATOR.pattern.replace("{2,}", "+"))  # one hyphen is enough there
_IN_BRACKETS = re.compile(r"[(（\[][^()（）\[\]]*+[)）\]]")
_MARKS: dict[Mark, re.Pattern[str]] = {"|": re.compile(r"(?<!\\)\|"), "\t": re.compile("\t")}
_MOST_TABLES, _MOST_ROWS, _MOST_COLUMNS = 20, 2000, 100
_MOST_CHARACTERS = 200_000  # of one text
_FORM, _MOST_FORM = 5, 60  # rows of a form
_LABEL, _SHORT = 40, 20  # characters of a label, of a value that is no text
_MOST_NAMED = 2000  # characters of all names of columns that go before a text


@dataclass(frozen=True, slots=True)
class Grid:
    """A table, or the part of one that a passage holds, as spans into a text.

    Args:
        head: where the row that names its columns stands; None where the text does not hold that row, or there is none.
        rows: each cell below the header, without white space around it; short rows lack their last cells.
    """

    start: int
    end: int
    mark: Mark
    head: Span | None
    header: tuple[str, ...]
    rows: tuple[tuple[Span, ...], ...]


def is_row(line: str) -> bool:
    """Whether a line looks like a row of a table."""
    return ("|" in line or "\t" in line) and ROW.match(line) is not None


def is_rule(line: str) -> bool:
    """Whether a line is the rule under the head of a Markdown table."""
    return "-" in line and _SEPARATOR.match(line) is not None


def first_cell(row: str) -> str:
    """What a row says first: what it is about."""
    return row[: first_cell_ends(row)].strip("| \t")


def names_columns(line: str) -> bool:
    """Whether a row may name columns: its numbers are those of units, "density (g/cm3)"."""
    return not any(char.isdigit() for char in _IN_BRACKETS.sub("", line))


def goes_on_naming(first: Sequence[str], second: Sequence[str]) -> bool:
    """Whether the first row of a table names groups of columns, by cells merged across, and the second each of them."""
    alike = {n for n, (one, other) in enumerate(itertools.pairwise(first)) if one and one == other}
    groups = alike | {n + 1 for n in alike}
    below = [*second, *[""] * (len(first) - len(second))]
    return (
        bool(groups)
        and len(below) == len(first)
        and all(below[n] != below[n + 1] for n in alike)
        and all((below[n] not in ("", name)) if n in groups else below[n] in ("", name) for n, name in enumerate(first))
        and names_columns(" ".join(below[n] for n in sorted(groups)))
    )


def is_form(rows: Sequence[Sequence[str]]) -> bool:
    """Whether rows are those of a form, a label and what was filled in: things of many kinds under no name."""
    pairs = [[cell.strip() for cell in row] for row in rows if any(row)]
    if len(pairs) < _FORM or any(len(row) != 2 or not row[0] or row[0][0].isdigit() for row in pairs):
        return False
    labels, values = {row[0] for row in pairs}, [row[1] for row in pairs[1:] if row[1]]
    kinds = {_kind(value) for value in values}
    told_apart = len(labels) == len(pairs) and len(set(values)) * 2 > len(values)
    return told_apart and max(map(len, labels)) <= _LABEL and len(kinds) > 2 and "number" in kinds


def _kind(value: str) -> str:
    if len(value) > _SHORT:
        return "text"
    digits = any(map(str.isdigit, value))
    return "number" if digits and not any(map(str.isalpha, value)) else "digits" if digits else "words"


def forms_in(text: str) -> list[Span]:
    """Where the forms of a text stand."""
    return [(grid.start, grid.end) for grid in grids_in(text) if grid.head is None]


def cells_in(line: str) -> list[str]:
    """The cells of a line that looks like a row."""
    mark: Mark = "\t" if "\t" in line else "|"
    return [line[a:b] for a, b in _split(line, 0, len(line), mark)]


def first_cell_ends(line: str) -> int:
    """Where the first cell of a row ends."""
    begins = len(line) - len(line.lstrip("| \t"))
    ends = (at for at in (line.find("|", begins), line.find("\t", begins)) if at >= 0)
    return min(ends, default=len(line))


def continued(grids: Sequence[Grid]) -> tuple[str, ...]:
    """The columns' names of a table in whose middle a text begins, if they are not too long."""
    first = next((grid for grid in grids if grid.start == 0 and grid.head is None), None)
    return first.header if first and sum(map(len, first.header)) <= _MOST_NAMED else ()


def rows_in(text: str, start: int, end: int, mark: Mark) -> list[tuple[Span, ...]]:
    """The cells of each line of a table's body, for which it is known what parts them."""
    lines = (line for line in _lines(text, start, end) if text[slice(*line)].strip() and not _ruled(text, *line, mark))
    return [_split(text, *line, mark) for line in lines]


def read(data: Any, text: str) -> tuple[Grid, ...]:
    """Tables from metadata that anybody's retriever may have made: all of them or, where one is wrong, none."""
    try:
        grids = tuple(_read(**given) for given in data or ())
    except (TypeError, ValueError):
        return ()
    rows = (row for grid in grids for row in ([(grid.start, grid.end), grid.head or (0, 0)], *grid.rows))
    spans = [span for row in rows for span in row]
    return grids if all(0 <= start <= end <= len(text) for start, end in spans) else ()


def _read(*, start: Any, end: Any, mark: Any, head: Any, header: Any, rows: Any) -> Grid:
    cells = tuple(tuple(map(_span, row)) for row in rows)
    if mark not in _MARKS or not all(cells):
        raise ValueError(mark)
    return Grid(int(start), int(end), mark, head and _span(head), tuple(map(str, header)), cells)


def _span(data: Any) -> Span:
    start, end = data
    return int(start), int(end)


def grids_in(text: str, known: Sequence[Grid] = (), columns: Sequence[str] = ()) -> list[Grid]:
    """The known tables of a text and what looks like one; `columns` are the names of one in whose middle it begins."""
    lines = list(_lines(text, 0, min(len(text), _MOST_CHARACTERS)))
    if len(text) > _MOST_CHARACTERS:
        lines.pop()  # half a line is half a number
    found: list[Grid] = []
    at = 0
    while at < len(lines) and len(found) < _MOST_TABLES:
        grid = next((grid for grid in known if grid.start < lines[at][1] and lines[at][0] < grid.end), None)
        if grid is None:
            grid, after = _looked_for(text, lines, at, columns if at == 0 else ())
        else:
            after = next((n for n in range(at, len(lines)) if lines[n][0] >= grid.end), len(lines))
        found += [grid] if grid else []
        at = max(after, at + 1)
    return found


def _looked_for(text: str, lines: Sequence[Span], at: int, columns: Sequence[str]) -> tuple[Grid | None, int]:
    """The table that seems to begin at a line, and the line after it."""
    for mark in _MARKS:
        if len(first := _cells(text, *lines[at], mark)) < 2:
            continue
        rows, end = [first], at + 1
        end += mark == "|" and end < len(lines) and bool(_UNDER_THE_HEADER.match(text[slice(*lines[end])]))
        while end < len(lines) and len(rows) <= _MOST_ROWS and (row := _goes_on(text, lines, end, mark)):
            rows.append(row)
            end += 1
        if mark == "\t" and not columns and is_form([[text[a:b] for a, b in row] for row in rows[:_MOST_FORM]]):
            return Grid(lines[at][0], lines[end - 1][1], mark, None, ("", ""), tuple(rows)), end
        names, *below = [[text[a:b] for a, b in row] for row in rows[:2]]
        both = not columns and len(rows) > 2 and goes_on_naming(names, below[0])
        header = tuple(columns) or tuple(
            f"{name} {own}" if both and name != own else name
            for name, own in itertools.zip_longest(names, below[0] if both else (), fillvalue="")
        )
        body = rows if columns else rows[1 + both :]
        head = None if columns else lines[at]
        return (Grid(lines[at][0], lines[end - 1][1], mark, head, header, tuple(body)) if body else None), end
    return None, at + 1


def _goes_on(text: str, lines: Sequence[Span], at: int, mark: Mark) -> tuple[Span, ...]:
    """The cells of one more row; none where the table has ended."""
    start, end = lines[at]
    row = _cells(text, start, end, mark)
    lone = mark == "\t" and not row and text[start:end].strip()  # only its first cell may be filled
    if lone and at + 1 < len(lines) and mark in text[slice(*lines[at + 1])]:
        return (bare(text, start, end),)
    return row if len(row) > 1 else ()


def _cells(text: str, start: int, end: int, mark: Mark) -> tuple[Span, ...]:
    return () if mark not in text[start:end] or _ruled(text, start, end, mark) else _split(text, start, end, mark)


def _split(text: str, start: int, end: int, mark: Mark) -> tuple[Span, ...]:
    if mark == "|":
        start, end = bare(text, start, end)
        start += text.startswith("|", start, end)
        end -= text.endswith("|", start, end) and not text.endswith("\\|", start, end)
    cuts = [found.start() for found in _MARKS[mark].finditer(text, start, end)]
    edges = itertools.pairwise([start - 1, *cuts, end])
    return tuple(bare(text, before + 1, after) for before, after in itertools.islice(edges, _MOST_COLUMNS))


def _lines(text: str, start: int, end: int) -> Iterator[Span]:
    for line in text[start:end].splitlines(keepends=True):
        yield start, start + len(line.rstrip("\r\n"))
        start += len(line)


def _ruled(text: str, start: int, end: int, mark: Mark) -> bool:
    return mark == "|" and _SEPARATOR.match(text[start:end]) is not None


def bare(text: str, start: int, end: int) -> Span:
    """A span without the white space at its ends."""
    piece = text[start:end]
    start += len(piece) - len(piece.lstrip())
    return start, start + len(piece.strip())
