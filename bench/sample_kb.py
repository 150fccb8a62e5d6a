"""Write the binary documents of the sample knowledge base: DOCX, XLSX and PDF, the same bytes every time.

They are made from the Markdown in `bench/sample_kb`; the Markdown, HTML and text documents are edited as they are.
After a change here: `pip install reportlab`, then `python bench/sample_kb.py`, and commit what it wrote.
Nacre itself does not need reportlab.
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Callable
from datetime import datetime
from io import BytesIO
from itertools import groupby
from pathlib import Path
from typing import Any

SOURCES = Path(__file__).with_suffix("")
DOCUMENTS = Path(__file__).parent.parent / "eval" / "sample_kb" / "documents"
STAMP = datetime(2026, 5, 4, 9, 0, 0)

Table = list[list[str]]
Part = str | Table  # "# " opens a heading, "## " one below it, "- " a list item; anything else is a paragraph


def read(name: str) -> list[Part]:
    """The parts of the source of a document: a table for the rows that stand together, a text for any other line."""
    lines = (SOURCES / f"{name}.md").read_text("utf-8").splitlines()
    parts: list[Part] = []
    for is_table, group in groupby(filter(None, lines), key=lambda line: line.startswith("|")):
        texts = list(group)
        parts += [[row[2:-2].split(" | ") for row in texts if not row.startswith("|---")]] if is_table else texts
    return parts


def write_docx(name: str, east_asian_font: str | None = None) -> None:
    """Write headings, paragraphs, lists and tables as a Word document."""
    from docx import Document
    from docx.oxml.ns import qn

    parts, document = read(name), Document()
    if east_asian_font:
        document.styles["Normal"].font.name = "Calibri"  # makes the element that holds the fonts
        document.styles["Normal"].element.rPr.rFonts.set(qn("w:eastAsia"), east_asian_font)
    for part in parts:
        if isinstance(part, list):
            table = document.add_table(rows=0, cols=len(part[0]), style="Table Grid")
            for line in part:
                for cell, text in zip(table.add_row().cells, line, strict=True):
                    cell.text = text
        elif part.startswith("#"):
            marks, text = part.split(" ", 1)
            document.add_heading(text, level=len(marks))
        elif part.startswith("- "):
            document.add_paragraph(part[2:], style="List Bullet")
        else:
            document.add_paragraph(part)
    document.core_properties.title = str(parts[0]).lstrip("# ")
    document.core_properties.author = "Lantern Bay Instruments"
    buffer = BytesIO()
    document.save(buffer)
    (DOCUMENTS / name).write_bytes(_same_bytes(buffer))


def write_xlsx(name: str, title: str) -> None:
    """Write sheets, a heading and a table each, with a bold first row; whole numbers become numbers."""
    from openpyxl import Workbook
    from openpyxl.styles import Font

    book = Workbook()
    book.remove(book.active)
    parts = read(name)
    for heading, table in zip(parts[::2], parts[1::2], strict=True):
        sheet = book.create_sheet(str(heading).lstrip("# "))
        for line in table:
            sheet.append([int(cell) if re.fullmatch(r"\d+", cell) else cell for cell in line])
        for cell in sheet[1]:
            cell.font = Font(bold=True)
        for column in sheet.columns:
            sheet.column_dimensions[column[0].column_letter].width = 4 + 1.3 * max(len(str(c.value)) for c in column)
    book.properties.title = title
    book.properties.creator = "Lantern Bay Instruments"
    buffer = BytesIO()
    book.save(buffer)
    (DOCUMENTS / name).write_bytes(_same_bytes(buffer))


def _same_bytes(buffer: BytesIO) -> bytes:
    """The archive with all its dates set to one date."""
    out = BytesIO()
    stamp = STAMP.strftime("%Y-%m-%dT%H:%M:%SZ")
    with zipfile.ZipFile(buffer) as source, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as target:
        for name in source.namelist():
            data = source.read(name)
            if name == "docProps/core.xml":
                data = re.sub(rb"(<dcterms:(?:created|modified)[^>]*>)[^<]*", rb"\g<1>" + stamp.encode(), data)
            target.writestr(zipfile.ZipInfo(name, STAMP.timetuple()[:6]), data, zipfile.ZIP_DEFLATED)
    return out.getvalue()


def write_pdf(name: str, font: str, bold: str) -> None:
    """Write headings, paragraphs and tables as a PDF with page numbers."""
    from reportlab.lib import colors
    from reportlab.lib.pagesizes import A4
    from reportlab.lib.styles import ParagraphStyle
    from reportlab.platypus import Paragraph, SimpleDocTemplate, Spacer
    from reportlab.platypus import Table as Grid

    wrap = "CJK" if font == "STSong-Light" else None
    body = ParagraphStyle("body", fontName=font, fontSize=10.5, leading=16, spaceAfter=6, wordWrap=wrap)
    heads = {1: ParagraphStyle("h1", body, fontName=bold, fontSize=19, leading=26, spaceAfter=10)}
    heads[2] = ParagraphStyle("h2", body, fontName=bold, fontSize=13, leading=20, spaceBefore=8)
    parts, flow = read(name), list[Any]()
    for part in parts:
        if isinstance(part, list):
            lines = [("GRID", (0, 0), (-1, -1), 0.5, colors.grey), ("BACKGROUND", (0, 0), (-1, 0), colors.whitesmoke)]
            grid = Grid(
                part,
                hAlign="LEFT",
                style=[*lines, ("FONTNAME", (0, 0), (-1, -1), font), ("FONTSIZE", (0, 0), (-1, -1), 9.5)],
            )
            flow += [grid, Spacer(1, 8)]
        elif part.startswith("#"):
            marks, text = part.split(" ", 1)
            flow.append(Paragraph(text, heads[len(marks)]))
        else:
            flow.append(Paragraph(part, body))
    title = str(parts[0]).lstrip("# ")
    document = SimpleDocTemplate(
        str(DOCUMENTS / name), pagesize=A4, title=title, author="Lantern Bay Instruments", invariant=1
    )
    document.build(flow, onFirstPage=_page_number(font), onLaterPages=_page_number(font))


def _page_number(font: str) -> Callable[[Any, Any], None]:
    def draw(canvas: Any, document: Any) -> None:
        canvas.setFont(font, 8)
        canvas.drawCentredString(297, 30, str(document.page))

    return draw


def main() -> None:
    """Write all eight."""
    from reportlab.pdfbase.cidfonts import UnicodeCIDFont
    from reportlab.pdfbase.pdfmetrics import registerFont

    registerFont(UnicodeCIDFont("STSong-Light"))
    write_docx("en/expense-policy-2026.docx")
    write_docx("en/security-policy.docx")
    write_docx("zh/leave-rules.docx", "SimSun")
    write_docx("zh/travel-rules-2026.docx", "SimSun")
    write_pdf("en/heron-h2-manual.pdf", "Helvetica", "Helvetica-Bold")
    write_pdf("zh/tern-t4-manual.pdf", "STSong-Light", "STSong-Light")
    write_xlsx("en/price-list-2026.xlsx", "Price list 2026")
    write_xlsx("zh/organisation.xlsx", "灯湾仪器组织架构（2026年）")


if __name__ == "__main__":
    main()
