"""The order in which a page is read: down each column, left before right.

A file's own order is mostly right and is kept; a page is put in order by place only where the file jumps upwards inside
a column, or draws columns of prose line by line across all of them.
"""

from __future__ import annotations

import re
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import groupby, pairwise

from nacre.documents.normalise import is_cjk
from nacre.documents.pdf_lines import Line
from nacre.documents.pdf_objects import middle_of
from nacre.documents.pdf_tables import Grid, columns_of

_SENTENCE_END = re.compile(r"[.!?:。！？：;；][\"'”’)）]*$")
_WIDE = 0.6  # part of a region's width that a heading above its columns fills
_FEW = 3  # lines of a column
_DEEPEST = 12

Item = Line | Grid


def in_order(items: list[Item], height: float) -> list[Item]:
    """The items of a page as they are read."""
    parted = _part_columns(items)
    if len(parted) > len(items) or _jumps(parted, height):
        return list(_cut(parted, 0))
    return items


def by_place(lines: Sequence[Line]) -> list[Item]:
    """Lines that come in no order, as they are read."""
    return list(_cut(lines, 0))


def _part_columns(items: Sequence[Item]) -> list[Item]:
    """Lines that run over several columns of prose, cut into the lines of each."""
    parted: list[Item] = []
    run: list[Line] = []
    for item in [*items, None]:
        level = bool(run) and item is not None and abs(run[-1].box[1] - item.box[1]) < 2
        if isinstance(item, Line) and (len(item.parts) > 1 or item.hyphen or level):
            run.append(item)
            continue
        parted += _part_run(run)
        run = []
        if item is not None:
            parted.append(item)
    return parted


def _part_run(run: list[Line]) -> list[Line]:
    wide = [line for line in run if len(line.parts) > 1]
    if len(wide) < _FEW or not _prose(wide):
        return run
    return [_piece(line, n) for line in run for n in range(len(line.parts))]


def _piece(line: Line, number: int) -> Line:
    words, x0, x1 = line.parts[number]
    last = number == len(line.parts) - 1
    box = (x0, line.box[1], x1, line.box[3])
    return replace(line, text=words, box=box, parts=[(words, x0, x1)], hyphen=line.hyphen and last)


def _prose(lines: Sequence[Line]) -> bool:
    """Whether each column, read by itself, goes on from line to line as sentences do."""
    spans, rows = columns_of(lines)
    if rows is None or not 2 <= len(spans) <= 4 or sum(map(bool, (c for row in rows for c in row))) < 1.6 * len(rows):
        return False
    return all(_flows([row[n] for row in rows], span) for n, span in enumerate(spans))


def _flows(cells: Sequence[str], span: tuple[float, float]) -> bool:
    cells = [cell for cell in cells if cell]
    if len(cells) < _FEW:
        return False
    words = statistics.mean(len(cell.split()) for cell in cells)
    if is_cjk("".join(cells)[0]) or words < 2:
        return _flows_chinese(cells)
    on = sum(not _SENTENCE_END.search(a) and b[0].islower() for a, b in pairwise(cells))
    return words >= 3 and on >= 0.35 * (len(cells) - 1)


def _flows_chinese(cells: Sequence[str]) -> bool:
    """Lines of one length, and the stops of sentences inside them."""
    longest = max(map(len, cells))
    full = sum(len(cell) >= 0.85 * longest for cell in cells[:-1])
    inside = sum(any(mark in cell[:-1] for mark in "，。、；") for cell in cells)
    return longest >= 8 and full >= 0.6 * (len(cells) - 1) and inside >= 0.3 * len(cells)


def _jumps(items: Sequence[Item], height: float) -> bool:
    """Whether the file goes back up inside one column, running heads aside."""
    for above, item in pairwise(items):
        a, b = above.box, item.box
        if a[1] > 0.93 * height or b[1] > 0.93 * height or a[3] < 0.07 * height or b[3] < 0.07 * height:
            continue
        shared = min(a[2], b[2]) - max(a[0], b[0])
        up = b[1] - a[3]
        if shared > 0.5 * min(a[2] - a[0], b[2] - b[0]) and up > 0 and min(_letters(above), _letters(item)) >= 8:
            return True
    return False


def _letters(item: Item) -> int:
    return len(item.text) if isinstance(item, Line) else 99


def _cut(items: Sequence[Item], depth: int) -> Iterator[Item]:
    """Columns side by side; else what spans them parts the bands above and below it; else rows."""
    if len(items) < 2 or depth > _DEEPEST:
        yield from _rows(items)
        return
    sides = _sides(items)
    if sides:
        for side in sides:
            yield from _cut(side, depth + 1)
        return
    left, right = min(item.box[0] for item in items), max(item.box[2] for item in items)
    wide = [item.box[2] - item.box[0] > _WIDE * (right - left) for item in items]
    if all(wide) or not any(wide):
        yield from _rows(items)
        return
    ordered = sorted(zip(items, wide, strict=True), key=lambda pair: -pair[0].box[3])
    for spans, group in groupby(ordered, key=lambda pair: pair[1]):
        band = [item for item, _ in group]
        yield from _rows(band) if spans else _cut(band, depth + 1)


def _sides(items: Sequence[Item]) -> list[list[Item]]:
    """The columns that an empty strip parts, each with lines of text enough; nothing where there are none."""
    columns: list[list[Item]] = []
    edge = 0.0
    for item in sorted(items, key=lambda item: item.box[0]):
        if not columns or item.box[0] > edge + 4:
            columns.append([])
        columns[-1].append(item)
        edge = max(edge, item.box[2]) if len(columns[-1]) > 1 or len(columns) > 1 else item.box[2]
    text = all(_column_of_text(column) for column in columns)
    return columns if len(columns) > 1 and text else []


def _column_of_text(column: Sequence[Item]) -> bool:
    lines = [item for item in column if isinstance(item, Line)]
    if len(lines) < len(column):
        return True
    least = 8 if is_cjk(lines[0].text[0]) else 15
    return len(lines) >= _FEW and statistics.mean(len(line.text) for line in lines) >= least


def _rows(items: Sequence[Item]) -> list[Item]:
    """From the top down; what stands at one height from left to right."""
    rows: list[list[Item]] = []
    for item in sorted(items, key=lambda item: -middle_of(item.box)):
        if rows and middle_of(item.box) > rows[-1][0].box[1] + 0.25 * (rows[-1][0].box[3] - rows[-1][0].box[1]):
            rows[-1].append(item)
        else:
            rows.append([item])
    return [item for row in rows for item in sorted(row, key=lambda item: item.box[0])]
