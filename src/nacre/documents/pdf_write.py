"""The pages of a PDF or a scan written as one document: paragraphs, headings, tables, and what goes on over a page."""

from __future__ import annotations

from nacre.documents import pdf_layout
from nacre.documents.builder import Builder, joined_down
from nacre.documents.document import BlockKind
from nacre.documents.grid import is_header
from nacre.documents.pdf_fields import place_values
from nacre.documents.pdf_layout import Paragraph, Sheet, joined, paragraphs
from nacre.documents.pdf_lines import Line, Turned, lines_of, upright
from nacre.documents.pdf_objects import around
from nacre.documents.pdf_order import in_order
from nacre.documents.pdf_page import Page
from nacre.documents.pdf_tables import Grid, aligned_table, ruled_tables


def items_of(seen: Page, sheet: Sheet) -> list[Line | Grid]:
    """The lines and tables of a page as they are read."""
    tables = ruled_tables(seen)
    taken = {index for table in tables for index in table.members}
    free = [glyph for glyph in seen.glyphs if glyph.index not in taken] if taken else seen.glyphs
    turned = [glyph for glyph in free if type(glyph) is Turned]
    if turned:
        free = [glyph for glyph in free if type(glyph) is not Turned]
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
