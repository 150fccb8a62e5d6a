"""PDF by pdfium: text in the order of the file, tables, headings, pages. Not thread-safe: one process, one document."""

from __future__ import annotations

import re
from typing import Any

from nacre.documents.builder import Builder
from nacre.documents.document import BlockKind
from nacre.documents.grid import is_header
from nacre.documents.limits import Task
from nacre.documents.pdf_fields import place_values
from nacre.documents.pdf_layout import (
    Paragraph,
    Sheet,
    body_size,
    find_furniture,
    headings,
    joined,
    over_page_breaks,
    paragraphs,
    title_key,
    vocabulary,
)
from nacre.documents.pdf_lines import Line, Turned, lines_of, upright
from nacre.documents.pdf_order import in_order
from nacre.documents.pdf_page import Page, read_page
from nacre.documents.pdf_tables import Grid, aligned_table, ruled_tables
from nacre.errors import ParseError
from nacre.text.language import tr


def parse(data: bytes, out: Builder, task: Task) -> None:
    """Read a PDF.

    Args:
        out: grows by its text; `page` of every block is set.
    """
    import pypdfium2

    try:
        document = pypdfium2.PdfDocument(data, password=task.password or None)
    except pypdfium2.PdfiumError as error:
        raise ParseError(_reason(str(error), data, task)) from error
    try:
        _metadata(document, out)
        document.init_forms()
        out.pages = len(document)
        if not out.pages:
            raise ParseError(tr("the PDF has no pages"))
        sheets = [_sheet(document, number, out) for number in range(out.pages)]
        outline = _outline(document)
    finally:
        document.close()
    _write(sheets, outline, out)


def _reason(error: str, data: bytes, task: Task) -> str:
    if "assword" in error:
        if task.password:
            return tr("the password of the encrypted PDF is wrong")
        return tr("the PDF is encrypted; give its password or save it without")
    if "ecurity" in error:
        return tr("the PDF is encrypted in a way that is not supported")
    if b"%%EOF" not in data[-2048:]:
        return tr("the PDF is cut off: its end is missing")
    return tr("the PDF is damaged") + f" ({error})"


def _metadata(document: Any, out: Builder) -> None:
    for key, value in document.get_metadata_dict(skip_empty=True).items():
        out.metadata.setdefault(key.lower(), value)
    title = out.metadata.get("title", "")
    # Word writes the name of the file it came from.
    if not re.search(
        r"\.(docx?|pptx?|xlsx?|pdf|tex|indd|rtf)$|^\S+\.\w{2,4}$"
        r"|^(microsoft word|untitled|\(anonymous\)|\(unspecified\)|无标题)",
        title,
        re.I,
    ):
        out.title = out.title or title


def _sheet(document: Any, number: int, out: Builder) -> Sheet:
    import pypdfium2

    try:
        page = document[number]
        text = page.get_textpage()
    except pypdfium2.PdfiumError:
        out.warn(tr("page {number} is damaged", number=number + 1))
        return Sheet(number + 1, 0.0)
    try:
        seen = read_page(page, text, document.formenv and document.formenv.raw)
        sheet = Sheet(number + 1, seen.height, notes=seen.extras.notes)
        _tell_hidden(seen, sheet.number, out)
        sheet.items = _items(seen, sheet)
        if not sheet.items and seen.drawn.count:
            out.warn(tr("page {number} has no text layer: needs OCR", number=number + 1))
        elif seen.unmapped * 10 > len(seen.glyphs):
            out.warn(tr("page {number}: its fonts do not say what their characters are: needs OCR", number=number + 1))
        return sheet
    finally:
        text.close()
        page.close()


def _tell_hidden(seen: Page, number: int, out: Builder) -> None:
    out.page = number
    for why, glyphs in seen.hidden.items():
        for line in lines_of(glyphs):
            out.hide(why, line.text)
    for value in seen.extras.hidden:
        out.hide("hidden field", value)
    out.page = None


def _items(seen: Page, sheet: Sheet) -> list[Line | Grid]:
    """The lines and tables of a page as they are read."""
    tables = ruled_tables(seen)
    taken = {index for table in tables for index in table.members}
    free = [glyph for glyph in seen.glyphs if glyph.index not in taken] if taken else seen.glyphs
    lines = upright(lines_of((glyph for glyph in free if not isinstance(glyph, Turned)), seen.style))
    for glyph in free:
        if isinstance(glyph, Turned) and glyph.box:
            box = glyph.box
            line = Line(glyph.text, box, min(box[2] - box[0], box[3] - box[1]), glyph.index, turned=True)
            line.parts = [(glyph.text, box[0], box[2])]
            lines.append(line)
            if box[2] - box[0] > seen.width / 4 and box[3] - box[1] > seen.height / 6:
                sheet.furniture.add(id(line))  # a watermark
    place_values(lines, seen.extras.values)
    placed = [(line.index, line) for line in lines] + [(table.first, table) for table in tables]
    return in_order([item for _, item in sorted(placed, key=lambda pair: pair[0])], seen.height)


def _outline(document: Any) -> dict[str, int]:
    levels: dict[str, int] = {}
    for count, mark in enumerate(document.get_toc(max_depth=6)):
        title = mark.get_title() or ""
        for key in {title_key(title), title_key(title, numbered=False)} - {""}:
            levels.setdefault(key, min(6, mark.level + 1))
        if count > 5000:
            break
    return levels


def _write(sheets: list[Sheet], outline: dict[str, int], out: Builder) -> None:
    body = body_size(sheets)
    find_furniture(sheets)
    words = vocabulary(sheets)
    pages = [_pieces(sheet, body) for sheet in sheets]
    headings([piece for pieces in pages for piece in pieces if not isinstance(piece, Line)], body, outline)
    follows = over_page_breaks(pages, body)
    last: Grid | None = None
    header: list[str] = []
    for sheet, pieces in zip(sheets, pages, strict=True):
        out.page = sheet.number
        for number, piece in enumerate(pieces):
            if isinstance(piece, Grid):
                goes_on = (
                    last is not None
                    and not any(isinstance(one, Paragraph | Grid) for one in pieces[:number])
                    and _same_columns(last, piece)
                )
                header = _table(piece, header if goes_on else [], out)
                last = piece
            elif isinstance(piece, Line):
                out.aside(piece.text)
            else:
                _paragraph(piece, words, out, follows)
                last = None
        out.page = sheet.number
        for note in sheet.notes:
            out.add("comment", note)
    out.page = None


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
            box = (
                min(x.box[0] for x in run),
                min(x.box[1] for x in run),
                max(x.box[2] for x in run),
                max(x.box[3] for x in run),
            )
            pieces.append(Grid(box, rows, [], 0, set(), ruled=False))
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
    named = len(grid.rows) > 1 and is_header(grid.rows[0], len(grid.rows[0]))
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
