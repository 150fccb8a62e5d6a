"""Documents as an office would make them, one or more of each format, whose every word and their order are known."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping
from email.message import EmailMessage
from itertools import chain
from typing import NamedTuple

HEADING = ("Reisekosten und Gebühren 2026", "差旅费用与收费标准")
PARAGRAPHS = (
    "The basic plan costs ten euros a month and may be ended with six weeks of notice.",
    "专业版每月二十元，提前六周书面通知即可终止，已付费用按日退还。",
    "Travel within the city is paid by receipt; hotels up to 120 euros a night.",
    "出差住宿标准为每晚四百元，超出部分由部门负责人审批。",
)
ROWS = (
    ("Plan", "Fee", "Notice"),
    ("Basic", "10", "six weeks"),
    ("Plus 专业版", "20", "一个月"),
    ("Team", "55.5", "none"),
)


class Made(NamedTuple):
    """A file, and the words that stand in it, in order."""

    name: str
    data: bytes
    words: str


def zipped(parts: Mapping[str, str | bytes]) -> bytes:
    """A ZIP of parts."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as package:
        for name, content in parts.items():
            package.writestr(name, content)
    return target.getvalue()


def made() -> list[Made]:
    """All of them."""
    cells = " ".join(chain.from_iterable(ROWS))
    whole = " ".join((*HEADING, *PARAGRAPHS, cells))
    table = " ".join((HEADING[0], cells))
    prose = " ".join((*HEADING, *PARAGRAPHS))
    event = f"{HEADING[0]} {PARAGRAPHS[0]}"
    files = [
        ("a.docx", word(), whole), ("a.pptx", slides(), whole), ("a.xlsx", workbook(), table),
        ("a.xls", old_workbook(), table), ("a.odt", open_text(), whole), ("a.ods", open_sheet(), table),
        ("a.epub", book(), whole), ("a.html", page().encode(), whole), ("a.rtf", rtf(), whole),
        ("a.eml", mail(), f"{HEADING[0]} {' '.join(PARAGRAPHS)}"), ("a.csv", sheet_text().encode(), cells),
        ("cp932.csv", "名前,住所\n山田,東京\n佐藤,大阪\n".encode("cp932"), "名前 住所 山田 東京 佐藤 大阪"),
        ("gb.csv", sheet_text().encode("gb18030"), cells), ("a.ipynb", notebook(), prose), ("a.xml", xml(), prose),
        ("a.srt", subtitles().encode(), " ".join(PARAGRAPHS)), ("a.tex", tex().encode(), whole),
        ("a.org", org().encode(), whole), ("a.ics", calendar().encode(), event),
        ("a.pdf", pdf(), whole), ("a.zip", zipped({"in.md": f"# {HEADING[0]}\n\n{PARAGRAPHS[0]}"}), event),
    ]  # fmt: skip
    return [Made(*one) for one in files]


def word() -> bytes:
    """Written by python-docx."""
    from docx import Document

    document = Document()
    for heading in HEADING:
        document.add_heading(heading)
    for paragraph in PARAGRAPHS:
        document.add_paragraph(paragraph)
    table = document.add_table(0, len(ROWS[0]))
    for row in ROWS:
        for cell, text in zip(table.add_row().cells, row, strict=True):
            cell.text = text
    target = io.BytesIO()
    document.save(target)
    return target.getvalue()


def pdf() -> bytes:
    """One page in a font that readers have by its name, headings larger and the table with its rules."""

    def line(x: int, y: int, size: int, text: str) -> str:
        return f"BT /F {size} Tf {x} {y} Td <{text.encode('utf-16-be').hex()}> Tj ET"

    drawn = [line(60, 780 - 28 * at, 18, text) for at, text in enumerate(HEADING)]
    drawn += [line(60, 710 - 24 * at, 10, text) for at, text in enumerate(PARAGRAPHS)]
    for y, row in enumerate(ROWS):
        for x, text in enumerate(row):
            left, low = 60 + 120 * x, 580 - 20 * y
            drawn += [line(left + 4, low + 6, 10, text), f"{left} {low} 120 20 re S"]
    page = "\n".join(drawn)
    base = "/Type /Font /BaseFont /STSong-Light"
    parts = [
        "<< /Type /Catalog /Pages 2 0 R >>",
        "<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 5 0 R /Resources << /Font << /F 4 0 R >> >> >>",
        f"<< {base} /Subtype /Type0 /Encoding /UniGB-UTF16-H /DescendantFonts [6 0 R] >>",
        f"<< /Length {len(page)} >>\nstream\n{page}\nendstream",
        f"<< {base} /Subtype /CIDFontType0 /CIDSystemInfo << /Registry (Adobe) /Ordering (GB1) /Supplement 5 >>"
        " /FontDescriptor 7 0 R /DW 1000 /W [1 95 500] >>",
        "<< /Type /FontDescriptor /FontName /STSong-Light /Flags 6 /FontBBox [0 -250 1000 880] /Ascent 880"
        " /Descent -250 /CapHeight 700 /ItalicAngle 0 /StemV 80 >>",
    ]
    made = "%PDF-1.4\n"
    places = []
    for number, part in enumerate(parts, start=1):
        places.append(len(made))
        made += f"{number} 0 obj\n{part}\nendobj\n"
    table = "".join(f"{place:010} 00000 n \n" for place in places)
    end = f"trailer << /Size {len(parts) + 1} /Root 1 0 R >>\nstartxref\n{len(made)}\n%%EOF"
    return f"{made}xref\n0 {len(parts) + 1}\n0000000000 65535 f \n{table}{end}".encode()


def slides() -> bytes:
    """Written by python-pptx."""
    from pptx import Presentation
    from pptx.util import Inches

    presentation = Presentation()
    slide = presentation.slides.add_slide(presentation.slide_layouts[1])
    slide.shapes.title.text = HEADING[0]
    slide.placeholders[1].text = "\n".join((HEADING[1], *PARAGRAPHS))
    grid = slide.shapes.add_table(len(ROWS), len(ROWS[0]), Inches(1), Inches(5), Inches(6), Inches(2)).table
    for y, row in enumerate(ROWS):
        for x, text in enumerate(row):
            grid.cell(y, x).text = text
    target = io.BytesIO()
    presentation.save(target)
    return target.getvalue()


def workbook() -> bytes:
    """Written by openpyxl."""
    from openpyxl import Workbook

    book = Workbook()
    book.active.title = HEADING[0]
    for row in ROWS:
        book.active.append(row)
    target = io.BytesIO()
    book.save(target)
    return target.getvalue()


def old_workbook() -> bytes:
    """Written by xlwt."""
    import xlwt

    book = xlwt.Workbook()
    sheet = book.add_sheet(HEADING[0])
    for y, row in enumerate(ROWS):
        for x, text in enumerate(row):
            sheet.write(y, x, text)
    target = io.BytesIO()
    book.save(target)
    return target.getvalue()


def _open(kind: str, body: str) -> bytes:
    parts = ("office", "text", "table")
    names = "".join(f' xmlns:{name}="urn:oasis:names:tc:opendocument:xmlns:{name}:1.0"' for name in parts)
    inner = f"<office:body><office:{kind}>{body}</office:{kind}></office:body>"
    content = f"<office:document-content{names}>{inner}</office:document-content>"
    return zipped({"mimetype": f"application/vnd.oasis.opendocument.{kind}", "content.xml": content})


def _open_table(name: str) -> str:
    def cells(row: tuple[str, ...]) -> str:
        return "".join(f"<table:table-cell><text:p>{text}</text:p></table:table-cell>" for text in row)

    rows = "".join(f"<table:table-row>{cells(row)}</table:table-row>" for row in ROWS)
    return f'<table:table table:name="{name}">{rows}</table:table>'


def open_text() -> bytes:
    """Written by hand, as are the following."""
    heads = "".join(f'<text:h text:outline-level="1">{text}</text:h>' for text in HEADING)
    return _open("text", heads + "".join(f"<text:p>{text}</text:p>" for text in PARAGRAPHS) + _open_table("t"))


def open_sheet() -> bytes:
    """A sheet."""
    return _open("spreadsheet", _open_table(HEADING[0]))


def page() -> str:
    """A page."""
    rows = "".join("<tr>" + "".join(f"<td>{text}</td>" for text in row) + "</tr>" for row in ROWS)
    heads = "".join(f"<h1>{text}</h1>" for text in HEADING)
    paragraphs = "".join(f"<p>{text}</p>" for text in PARAGRAPHS)
    return f"<html><body>{heads}{paragraphs}<table>{rows}</table></body></html>"


def book() -> bytes:
    """A book of one chapter."""
    names = 'xmlns="urn:oasis:names:tc:opendocument:xmlns:container"'
    container = f'<container {names}><rootfiles><rootfile full-path="c.opf"/></rootfiles></container>'
    item = '<item id="a" href="a.xhtml" media-type="application/xhtml+xml"/>'
    inner = f'<metadata/><manifest>{item}</manifest><spine><itemref idref="a"/></spine>'
    package = f'<package xmlns="http://www.idpf.org/2007/opf">{inner}</package>'
    return zipped({"META-INF/container.xml": container, "c.opf": package, "a.xhtml": page()})


def rtf() -> bytes:
    """Words in numbers of Unicode."""

    def coded(text: str) -> str:
        return "".join(char if char.isascii() else f"\\u{ord(char)}?" for char in text)

    frame = "\\trowd\\cellx1\\cellx2\\cellx3\\intbl "
    rows = "".join(frame + "".join(f"{coded(text)}\\cell " for text in row) + "\\row\n" for row in ROWS)
    text = "".join(f"{coded(text)}\\par\n" for text in (*HEADING, *PARAGRAPHS))
    return ("{\\rtf1\\ansi " + text + rows + "}").encode()


def mail() -> bytes:
    """A mail in two forms."""
    message = EmailMessage()
    message["Subject"] = HEADING[0]
    message.set_content("\n\n".join(PARAGRAPHS))
    message.add_alternative(f"<p>{'</p><p>'.join(PARAGRAPHS)}</p>", subtype="html")
    return message.as_bytes()


def sheet_text() -> str:
    """A delimited table."""
    return "".join(",".join(row) + "\n" for row in ROWS)


def notebook() -> bytes:
    """Cells of text."""
    texts = (*(f"# {head}" for head in HEADING), *PARAGRAPHS)
    cells = [{"cell_type": "markdown", "metadata": {}, "source": text} for text in texts]
    return json.dumps({"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": cells}).encode()


def xml() -> bytes:
    """Elements with text."""
    heads = "".join(f"<title>{text}</title>" for text in HEADING)
    paragraphs = "".join(f"<para>{text}</para>" for text in PARAGRAPHS)
    return f"<?xml version='1.0'?><doc>{heads}{paragraphs}</doc>".encode()


def subtitles() -> str:
    """One cue a sentence."""
    cues = enumerate(PARAGRAPHS, start=1)
    return "".join(f"{n}\n00:00:{10 + n},000 --> 00:00:{11 + n},000\n{text}\n\n" for n, text in cues)


def tex() -> str:
    """An article."""
    rows = " \\\\\n".join(" & ".join(row) for row in ROWS)
    text = "\n\n".join((*(f"\\section{{{head}}}" for head in HEADING), *PARAGRAPHS))
    table = f"\\begin{{tabular}}{{lll}}\n{rows}\n\\end{{tabular}}"
    return f"\\documentclass{{article}}\n\\begin{{document}}\n{text}\n\n{table}\n\\end{{document}}\n"


def org() -> str:
    """An outline."""
    rows = "\n".join(f"| {' | '.join(row)} |" for row in ROWS)
    return "\n".join((*(f"* {head}" for head in HEADING), *PARAGRAPHS, rows)) + "\n"


def calendar() -> str:
    """One event."""
    event = f"BEGIN:VEVENT\nSUMMARY:{HEADING[0]}\nDESCRIPTION:{PARAGRAPHS[0]}\nEND:VEVENT"
    return f"BEGIN:VCALENDAR\n{event}\nEND:VCALENDAR\n"
