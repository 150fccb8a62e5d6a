"""The pages of a PDF or a scan written as one document: items in the order in which they are read, then paragraphs.

A file's own order is mostly right and is kept; a page is put in order by place only where the file jumps upwards inside
a column, or draws columns of prose line by line across all of them.
"""

from __future__ import annotations

import re
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import groupby, pairwise

from nacre.documents import pdf_layout
from nacre.documents.document import BlockKind, Builder, joined_down
from nacre.documents.grid import is_header
from nacre.documents.normalise import is_cjk
from nacre.documents.pdf_layout import Paragraph, Sheet, joined, paragraphs
from nacre.documents.pdf_lines import Line, lines_of, place_values, upright
from nacre.documents.pdf_objects import around, middle_of
from nacre.documents.pdf_page import Page
from nacre.documents.pdf_tables import Grid, aligned_table, columns_of, ruled_tables

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
    return all(_flows([row[n] for row in rows]) for n in range(len(spans)))


def _flows(cells: Sequence[str]) -> bool:
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


def items_of(seen: Page, sheet: Sheet) -> list[Line | Grid]:
    """The lines and tables of a page as they are read."""
    tables = ruled_tables(seen)
    taken = {index for table in tables for index in table.members}
    free = [glyph for glyph in seen.glyphs if glyph.index not in taken] if taken else seen.glyphs
    turned = [glyph for glyph in free if glyph.look == "turned"]
    if turned:
        free = [glyph for glyph in free if glyph.look != "turned"]
    lines = upright(lines_of(free, seen.style))
    for glyph in turned:
        if box := glyph.box:
            line = Line(glyph.text, box, min(box[2] - box[0], box[3] - box[1]), glyph.index, turned=True)
            line.parts = [(glyph.text, box[0], box[2])]
            lines.append(line)
            if box[2] - box[0] > seen.width / 4 and box[3] - box[1] > seen.height / 6:
                sheet.furniture.add(id(line))  # a watermark
    place_values(lines, seen.extras.values)
    placed = [(line.index, line) for line in lines] + [(table.first, table) for table in tables]
    return in_order([item for _, item in sorted(placed, key=lambda pair: pair[0])], seen.height)


def write_sheets(sheets: list[Sheet], outline: dict[str, int], out: Builder) -> None:
    """Write all pages."""
    body = pdf_layout.body_size(sheets)
    pdf_layout.find_furniture(sheets)
    words = pdf_layout.vocabulary(sheets)
    pages = [_pieces(sheet, body) for sheet in sheets]
    pdf_layout.headings([piece for pieces in pages for piece in pieces if not isinstance(piece, Line)], body, outline)
    follows = pdf_layout.over_page_breaks(pages, body)
    last: Grid | None = None
    header: list[str] = []
    for sheet, pieces in zip(sheets, pages, strict=True):
        out.page = sheet.number
        for number, piece in enumerate(pieces):
            start = out.length
            if isinstance(piece, Grid):
                begins = not any(isinstance(one, Paragraph | Grid) for one in pieces[:number])
                goes_on = begins and last is not None and _same_columns(last, piece)
                header = _table(piece, header if goes_on else [], out)
                last = piece
            elif isinstance(piece, Line):
                out.aside(piece.text)
            else:
                _paragraph(piece, words, out, follows)
                last = None
            if sheet.scanned:
                _place(piece, start, sheet, out)
        out.page = sheet.number
        for note in sheet.notes:
            out.add("comment", note)
    out.page = None


def _place(piece: Paragraph | Grid | Line, start: int, sheet: Sheet, out: Builder) -> None:
    """Note where the lines of a scan stand, so that a citation can show them on the picture."""
    written = out.since(start)
    at = len(written) - len(written.lstrip())
    if isinstance(piece, Grid):
        out.place(start + at, out.length, piece.box, sheet.width, sheet.height)
        return
    for line in piece.lines if isinstance(piece, Paragraph) else [piece]:
        found = written.find(line.text.replace("\t", " "), at)
        if found < 0:
            found = written.find(line.text, at)
        if found >= 0:
            at = found + len(line.text)
            out.place(start + found, start + at, line.box, sheet.width, sheet.height)


def _pieces(sheet: Sheet, body: float) -> list[Paragraph | Grid | Line]:
    """The items of a page, lines joined; running heads stay lines."""
    pieces: list[Paragraph | Grid | Line] = []
    run: list[Line] = []
    for item in [*sheet.items, None]:
        if isinstance(item, Line) and id(item) not in sheet.furniture:
            run.append(item)
            continue
        pieces += _text_or_tables(run, body)
        run = []
        if item is not None:
            pieces.append(item)
    return pieces


def _text_or_tables(lines: list[Line], body: float) -> list[Paragraph | Grid]:
    """Runs of lines with wide gaps may be tables without rules."""
    pieces: list[Paragraph | Grid] = []
    plain: list[Line] = []
    start = 0
    while start < len(lines):
        end = start
        while end < len(lines) and len(lines[end].parts) > 1 and not lines[end].hyphen:
            end += 1
        rows = aligned_table(lines[start:end]) if end - start >= 3 else None
        if rows is None and end - start >= 4 and (rows := aligned_table(lines[start + 1 : end])):
            # A header that fills its columns leaves no gaps; the rows below do.
            plain.append(lines[start])
            start += 1
        if rows is None:
            plain += lines[start : max(end, start + 1)]
        else:
            pieces += paragraphs(plain, body)
            plain = []
            run = lines[start:end]
            pieces.append(Grid(around(line.box for line in run), rows, [], 0, set(), ruled=False))
        start = max(end, start + 1)
    return pieces + paragraphs(plain, body)


def _same_columns(last: Grid, here: Grid) -> bool:
    if not last.ruled or not here.ruled or len(last.edges) != len(here.edges) or len(last.rows[0]) != len(here.rows[0]):
        return False
    return all(abs(a - b) < 6 for a, b in zip(last.edges, here.edges, strict=True))


def _table(grid: Grid, header: list[str], out: Builder) -> list[str]:
    """Append a table; the header of the page before names its columns unless it is repeated here."""
    repeated = header == grid.rows[0]
    if header and not repeated:
        out.table(grid.rows, header_rows=0, header=header)
        return header
    width = len(grid.rows[0])
    if grid.grouped and len(grid.rows) > 2 and is_header(grid.rows[1], width):
        out.table(grid.rows, header_rows=2)
        return list(joined_down(grid.rows[:2], width))
    named = len(grid.rows) > 1 and is_header(grid.rows[0], width)
    out.table(grid.rows, header_rows=int(named))
    return grid.rows[0] if named else []


def _paragraph(piece: Paragraph, words: set[str], out: Builder, follows: dict[int, Paragraph]) -> None:
    if piece.code:
        out.add("code", "\n".join(line.text.replace("\t", " ") for line in piece.lines))
    elif piece.level:
        out.add("heading", joined(piece.lines, words).replace("\t", " "), piece.level)
    elif len(piece.lines) == 1 and len(piece.lines[0].parts) > 1:
        out.add("paragraph", piece.lines[0].text)
    else:
        kind: BlockKind = "list" if piece.listed else "paragraph"
        out.add(kind, joined(piece.lines, words), int(piece.listed))
        lines = piece.lines
        while (piece := follows.get(id(piece), piece)).lines is not lines and out.page is not None:
            # Two blocks, each with its page, and no empty line between them: one sentence.
            out.page += 1
            before, whole = joined(lines, words), joined([*lines, *piece.lines], words)
            rest = whole[len(before) if whole.startswith(before) else len(before) - 1 :]
            out.go_on(kind, rest, int(kind == "list"))
            lines = piece.lines
