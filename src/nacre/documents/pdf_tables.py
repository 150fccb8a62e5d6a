"""Tables of a PDF page: cells from ruling lines where there are some, else from the columns that lines of text keep."""

from __future__ import annotations

import statistics
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

from nacre.documents.grid import REPEATED
from nacre.documents.normalise import join_lines
from nacre.documents.pdf_lines import Glyph, Line, lines_of
from nacre.documents.pdf_objects import Box, middle_of
from nacre.documents.pdf_page import Page

_SNAP = 2.5
_FRAME_LINES = 5
_Ruling = tuple[float, float, float]
_Field = tuple[int, int]


@dataclass(slots=True)
class Grid:
    """A table, the x of its column borders in points; `grouped` where a cell of its first row is over several."""

    box: Box
    rows: list[list[str]]
    edges: list[float]
    first: int
    members: set[int]
    ruled: bool = True
    grouped: bool = False


def ruled_tables(page: Page) -> list[Grid]:
    """Tables drawn with lines."""
    horizontal, vertical = _merge(page.drawn.horizontal), _merge(page.drawn.vertical)
    if len(horizontal) < 2 or len(vertical) < 2 or len(horizontal) * len(vertical) > 400_000:
        return []
    grids = (_grid(page, rows, columns) for rows, columns in _components(horizontal, vertical))
    return sorted((grid for grid in grids if grid is not None), key=lambda grid: grid.first)


def _merge(rulings: Sequence[_Ruling]) -> list[_Ruling]:
    """Pieces of the same line joined, double lines made one."""
    merged: list[_Ruling] = []
    group: list[_Ruling] = []
    for ruling in sorted(rulings):
        if group and ruling[0] - group[0][0] > _SNAP:
            merged += _spans(group)
            group = []
        group.append(ruling)
    return merged + _spans(group)


def _spans(group: Sequence[_Ruling]) -> list[_Ruling]:
    spans: list[_Ruling] = []
    for at, first, last in sorted(group, key=lambda ruling: ruling[1]):
        if spans and first <= spans[-1][2] + _SNAP:
            spans[-1] = (spans[-1][0], spans[-1][1], max(spans[-1][2], last))
        else:
            spans.append((at, first, last))
    return spans


def _components(horizontal: list[_Ruling], vertical: list[_Ruling]) -> list[tuple[list[_Ruling], list[_Ruling]]]:
    """Rulings that touch each other belong to one table."""
    parent = list(range(len(horizontal) + len(vertical)))

    def root(n: int) -> int:
        while parent[n] != n:
            parent[n] = parent[parent[n]]
            n = parent[n]
        return n

    for h, (y, x0, x1) in enumerate(horizontal):
        for v, (x, y0, y1) in enumerate(vertical, start=len(horizontal)):
            if x0 - _SNAP <= x <= x1 + _SNAP and y0 - _SNAP <= y <= y1 + _SNAP:
                parent[root(h)] = root(v)
    groups: dict[int, tuple[list[_Ruling], list[_Ruling]]] = {}
    for n, ruling in enumerate([*horizontal, *vertical]):
        groups.setdefault(root(n), ([], []))[n >= len(horizontal)].append(ruling)
    return [group for group in groups.values() if len(group[0]) >= 2 and len(group[1]) >= 2]


def _edges(rulings: Sequence[_Ruling]) -> list[float]:
    edges: list[float] = []
    for at in sorted(ruling[0] for ruling in rulings):
        if not edges or at - edges[-1] > _SNAP:
            edges.append(at)
    return edges


def _grid(page: Page, horizontal: list[_Ruling], vertical: list[_Ruling]) -> Grid | None:
    xs, ys = _edges(vertical), _edges(horizontal)
    # The rules of many tables run past the outermost uprights: the columns there have no border of their own.
    left, right = min(x0 for _, x0, _ in horizontal), max(x1 for _, _, x1 in horizontal)
    xs = [left] * (left < xs[0] - 4 * _SNAP) + xs + [right] * (right > xs[-1] + 4 * _SNAP)
    if len(xs) < 2 or len(ys) < 2 or (len(xs) - 1) * (len(ys) - 1) < 2 or len(xs) * len(ys) > 40_000:
        return None
    box = (xs[0], ys[0], xs[-1], ys[-1])
    owner = _owners(xs, ys, (horizontal, vertical))
    cells: dict[tuple[int, int], list[Glyph]] = {}
    members: set[int] = set()
    place: tuple[int, int] | None = None
    for glyph in page.glyphs:
        if glyph.box is None:
            # An inferred blank belongs to the cell of the glyph before it.
            if place is not None:
                cells[place].append(glyph)
            continue
        x, y = (glyph.box[0] + glyph.box[2]) / 2, (glyph.box[1] + glyph.box[3]) / 2
        inside = box[0] <= x < box[2] and box[1] <= y < box[3]
        place = owner[bisect_right(xs, x) - 1, bisect_right(ys, y) - 1] if inside else None
        if place is not None:
            cells.setdefault(place, []).append(glyph)
            members.add(glyph.index)
    if len([cell for cell in cells.values() if cell]) < 2:
        return None
    lines = {place: lines_of(glyphs) for place, glyphs in cells.items()}
    grouped = _spread(lines, owner, ys)
    rows: list[list[str]] = []
    for row in range(len(ys) - 2, -1, -1):
        places = [(column, row) for column in range(len(xs) - 1) if lines.get((column, row))]
        if len(places) == 1 and len(lines[places[0]]) >= _FRAME_LINES:
            # One cell full of lines is a frame around running text, which goes its own way.
            members.difference_update(glyph.index for glyph in cells.get(places[0], ()))
            continue
        rows += _split([lines.get((column, row), []) for column in range(len(xs) - 1)])
    rows = _without_empty(rows)
    if len(rows) < 1 or max(map(len, rows)) < 2 or sum(bool(cell) for row in rows for cell in row) < 3:
        return None
    return Grid(box, rows, xs, min(members), members, grouped=grouped)


def _spread(lines: dict[_Field, list[Line]], owner: dict[_Field, _Field], ys: Sequence[float]) -> bool:
    """Put what a merged cell says into each of its places; tell whether one is over some columns of the first row."""
    top, widest = len(ys) - 2, max(column for column, _ in owner)
    spans: dict[_Field, list[_Field]] = {}
    for place, first in owner.items():
        if first in lines:
            spans.setdefault(first, []).append(place)
    across = [first for first, places in spans.items() if {row for _, row in places} == {first[1]}]
    some = [first for first in across if 1 < len(spans[first]) <= widest]
    wide = [first for first in some if _is_one(lines[first], first[1] == top)]
    heads = [first for first in wide if first[1] == top]
    valued = {first[0] for first in lines if first not in wide and any(map(_says, lines[first]))}
    for first in wide:
        # An amount over the column of its currency's sign is said once, in the column of the other amounts.
        of_values = [place for place in spans[first] if place[0] in valued]
        said = lines.pop(first)
        lines.update(dict.fromkeys(spans[first] if first in heads or not of_values else of_values, said))
    for first, places in spans.items():
        # A name beside such heads belongs to the rows of names, which are joined downwards anyway.
        if {column for column, _ in places} == {first[0]} and not (heads and first[1] == top):
            _spread_down(lines, first, [row for _, row in places], ys)
    return bool(heads)


def _is_one(said: Sequence[Line], head: bool) -> bool:
    """Whether what a field over several columns says is one value; without rules between them there may be several."""
    return head or (len(said) == 1 and len(said[0].parts) == 1 and len(said[0].text) <= REPEATED)


def _says(line: Line) -> bool:
    return any(map(str.isalnum, line.text))


def _spread_down(lines: dict[_Field, list[Line]], first: _Field, rows: Sequence[int], ys: Sequence[float]) -> None:
    said = lines[first]
    if len(rows) > 1 and len(said) <= _FRAME_LINES:
        by_row = {row: [line for line in said if ys[row] <= middle_of(line.box) < ys[row + 1]] for row in rows}
        apart = all(len(found) == 1 for found in by_row.values())
        lines.update({(first[0], row): by_row[row] if apart else said for row in rows})


def _owners(xs: list[float], ys: list[float], rules: tuple[list[_Ruling], list[_Ruling]]) -> dict[_Field, _Field]:
    """The field that owns each field: where no line parts two they are one cell, owned from the top left."""
    horizontal, vertical = rules
    owner = {(c, r): (c, r) for c in range(len(xs) - 1) for r in range(len(ys) - 1)}
    for r in range(len(ys) - 2, -1, -1):
        middle = (ys[r] + ys[r + 1]) / 2
        walls = [x for x, y0, y1 in vertical if y0 - _SNAP <= middle <= y1 + _SNAP]
        for c in range(len(xs) - 1):
            centre = (xs[c] + xs[c + 1]) / 2
            if c and not any(abs(x - xs[c]) <= _SNAP for x in walls):
                owner[c, r] = owner[c - 1, r]
            elif r + 1 < len(ys) - 1 and not any(
                abs(y - ys[r + 1]) <= _SNAP and x0 - _SNAP <= centre <= x1 + _SNAP for y, x0, x1 in horizontal
            ):
                owner[c, r] = owner[c, r + 1]
    return owner


def _split(cells: list[list[Line]]) -> list[list[str]]:
    """One row, or several where rules stand only between groups of rows: all cells then keep the same baselines."""
    filled = [cell for cell in cells if cell]
    count = max((len(cell) for cell in filled), default=0)
    tall = [cell for cell in filled if len(cell) == count]
    aligned = count > 1 and len(tall) > 2 and all(len(cell) in {1, count} for cell in filled)
    numeric = sum(any(c.isdigit() for c in cell[-1].text) for cell in tall) * 2 >= len(tall)
    if aligned and numeric and all(abs(cell[n].box[1] - tall[0][n].box[1]) < 3 for cell in tall for n in range(count)):
        return [[cell[n].text.replace("\t", " ") if len(cell) > n else "" for cell in cells] for n in range(count)]
    return [[join_lines(line.text for line in cell) for cell in cells]]


def _without_empty(rows: list[list[str]]) -> list[list[str]]:
    rows = [row for row in rows if any(row)]
    kept = [n for n in range(len(rows[0]) if rows else 0) if any(row[n] for row in rows)]
    return [[row[n] for n in kept] for row in rows]


def columns_of(lines: Sequence[Line]) -> tuple[list[tuple[float, float]], list[list[str]] | None]:
    """The columns that the parts of lines keep, and each line by them; None where two parts share a column."""
    size = statistics.median(line.size for line in lines)
    columns: list[list[float]] = []
    for x0, x1 in sorted((x0, x1) for line in lines for _, x0, x1 in line.parts):
        if columns and x0 < columns[-1][1] + 0.3 * size:
            columns[-1][1] = max(columns[-1][1], x1)
        else:
            columns.append([x0, x1])
    starts = [column[0] for column in columns]
    spans = [(x0, x1) for x0, x1 in columns]
    rows = []
    for line in lines:
        row = [""] * len(columns)
        for text, x0, _ in line.parts:
            place = bisect_right(starts, x0 + 0.1) - 1
            if place < 0 or row[place]:
                return spans, None
            row[place] = text
        rows.append(row)
    return spans, rows


def aligned_table(lines: Sequence[Line]) -> list[list[str]] | None:
    """Neighbouring lines with wide gaps as a table, if the gaps keep columns apart all the way down."""
    columns, rows = columns_of(lines)
    if rows is None:
        return None
    cells = [cell for row in rows for cell in row if cell]
    prose = sum(len(cell) > 45 for cell in cells) * 3 > len(cells)
    if len(columns) < 2 or prose or len(cells) < 1.5 * len(rows):
        return None
    return rows
