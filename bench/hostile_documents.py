"""Documents made to hurt a parser: bombs, entities, endless nests, quadratic traps, lies. Each is built here, a few MiB
at most.
"""

from __future__ import annotations

import io
import json
import random
import zipfile
import zlib

W = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
S = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
PACKAGE = "http://schemas.openxmlformats.org/package/2006"
XXE = '<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]>'
LAUGHS = (
    '<!DOCTYPE x [<!ENTITY a "haha">'
    + "".join(f'<!ENTITY {c} "{("&" + p + ";") * 10}">' for p, c in zip("abcdefgh", "bcdefghi", strict=True))
    + "]>"
)


def documents() -> dict[str, bytes]:
    """All of them.

    Returns:
        File name → content.
    """
    noise = random.Random(7)
    return common(noise) | other_formats()


def common(noise: random.Random) -> dict[str, bytes]:
    """Those of the formats that most people have."""
    return {
        "entity.docx": word("<w:p><w:r><w:t>&a;</w:t></w:r></w:p>", XXE),
        "laughs.docx": word("<w:p><w:r><w:t>&i;</w:t></w:r></w:p>", LAUGHS),
        "entity.xlsx": excel(
            f'<worksheet {S}><sheetData><row r="1"><c t="str"><v>&a;</v></c></row></sheetData></worksheet>', XXE
        ),
        "bomb.docx": word("<w:p><w:r><w:t>" + "a" * (300 << 20) + "</w:t></w:r></w:p>"),
        "many_bombs.docx": zipped(
            {f"word/{n}.xml": "a" * (7 << 20) for n in range(60)}
            | {"word/document.xml": f"<w:document {W}><w:body/></w:document>"}
        ),
        "nested.docx": word("<w:tbl><w:tr><w:tc>" * 3000 + "</w:tc></w:tr></w:tbl>" * 3000),
        "far_cells.xlsx": excel(
            f"<worksheet {S}><sheetData>"
            + "".join(f'<row r="{n}"><c r="XFD{n}"><v>1</v></c></row>' for n in range(1, 20_001))
            + "</sheetData></worksheet>"
        ),
        "no_document.docx": zipped({"word/x.xml": "<a/>"}),
        "cut.docx": word("<w:p/>")[:-40],
        "nested.html": b"<html><body>" + b"<div>" * 200_000 + b"x",
        "attributes.html": b"<html><body><p " + b" ".join(b"a%d=1" % n for n in range(200_000)) + b">x",
        "spans.html": b"<html><body><table>" + b"<tr><td colspan=1000 rowspan=1000>a<td>b</tr>" * 3000 + b"</table>",
        "nested_tables.html": b"<html><body>" + b"<table><tr><td>" * 3000 + b"x",
        "nested.json": b"[" * 100_000 + b"]" * 100_000,
        "digits.json": b"[" + b"9" * 2_000_000 + b"]",
        "quotes.md": b"> " * 5000 + b"x",
        "stars.md": b"*a_ " * 50_000,
        "brackets.md": b"[" * 50_000,
        "links.md": b"[a](" * 30_000,
        "quote.csv": b'"' + b"a," * 3_000_000,
        "wide.csv": b",".join([b"x"] * 200_000) + b"\n" + b",".join([b"1"] * 200_000),
        "noise.txt": noise.randbytes(200_000),
        "noise.pdf": b"%PDF-1.7\n" + noise.randbytes(200_000),
        "path_bomb.pdf": pdf(b"0 0 m 10 10 l S\n" * 20_000_000),
        "text_bomb.pdf": pdf(
            b"BT /F 10 Tf 10 10 Td " + b"(aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa) Tj " * 500_000 + b"ET"
        ),
        "loop.pdf": pdf(b"", b"<</Type/Pages/Kids[2 0 R 2 0 R]/Count 100000000>>"),
        "pages.pdf": pdf(b"", b"<</Type/Pages/Kids[" + b"3 0 R " * 50_000 + b"]/Count 50000>>"),
        "nested_200.eml": nested_mail(200),
        "nested_5000.eml": nested_mail(5000),
        "parts.eml": many_parts(20_000),
        "image.pdf": b"\x89PNG\r\n\x1a\n" + b"0" * 100,
        "nested.ipynb": b'{"nbformat":4,"cells":' + b"[" * 5000 + b"]" * 5000 + b"}",
        "wrong_types.ipynb": json.dumps(
            {"nbformat": 4, "cells": [1, None, {"cell_type": "code", "source": 5, "outputs": [None, {"data": []}]}]}
        ).encode(),
    }


def zipped(parts: dict[str, str]) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as package:
        for name, content in parts.items():
            package.writestr(name, content)
    return target.getvalue()


def word(body: str, before: str = "") -> bytes:
    return zipped(
        {"word/document.xml": f'<?xml version="1.0"?>{before}<w:document {W}><w:body>{body}</w:body></w:document>'}
    )


def excel(sheet: str, before: str = "") -> bytes:
    kind = "application/vnd.openxmlformats-officedocument.spreadsheetml"
    overrides = "".join(
        f'<Override PartName="/xl/{part}.xml" ContentType="{kind}.{what}+xml"/>'
        for part, what in (("workbook", "sheet.main"), ("worksheets/sheet1", "worksheet"))
    )
    relation = (
        '<Relationships xmlns="{0}/relationships"><Relationship Id="rId1" Type="{1}/{2}" Target="{3}"/></Relationships>'
    )
    return zipped(
        {
            "[Content_Types].xml": f'<Types xmlns="{PACKAGE}/content-types"><Default Extension="rels"'
            f' ContentType="application/vnd.openxmlformats-package.relationships+xml"/>{overrides}</Types>',
            "_rels/.rels": relation.format(PACKAGE, OFFICE, "officeDocument", "xl/workbook.xml"),
            "xl/workbook.xml": f'<workbook {S} xmlns:r="{OFFICE}"><sheets>'
            '<sheet name="a" sheetId="1" r:id="rId1"/></sheets></workbook>',
            "xl/_rels/workbook.xml.rels": relation.format(PACKAGE, OFFICE, "worksheet", "worksheets/sheet1.xml"),
            "xl/worksheets/sheet1.xml": before + sheet,
        }
    )


def pdf(content: bytes, pages: bytes = b"<</Type/Pages/Kids[3 0 R]/Count 1>>") -> bytes:
    packed = zlib.compress(content, 9)
    page = b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 600 800]/Contents 4 0 R/Resources<</Font<</F 5 0 R>>>>>>"
    stream = b"<</Length %d/Filter/FlateDecode>>stream\n" % len(packed) + packed + b"\nendstream"
    out, places = b"%PDF-1.4\n", []
    for number, body in enumerate(
        [b"<</Type/Catalog/Pages 2 0 R>>", pages, page, stream, b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>"], 1
    ):
        places.append(len(out))
        out += b"%d 0 obj\n" % number + body + b"\nendobj\n"
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    return (
        out
        + b"xref\n0 6\n0000000000 65535 f \n"
        + table
        + b"trailer<</Root 1 0 R/Size 6>>\nstartxref\n%d\n%%%%EOF" % len(out)
    )


def nested_mail(levels: int) -> bytes:
    body = b"Subject: core\nFrom: a@b.c\nTo: a@b\n\nsecret\n"
    for _ in range(levels):
        body = b"Subject: l\nFrom: a@b.c\nTo: a@b\nMIME-Version: 1.0\nContent-Type: message/rfc822\n\n" + body
    return body


def many_parts(count: int) -> bytes:
    head = b"From: a@b\nTo: c@d\nSubject: s\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=x\n\n"
    return (
        head
        + b"".join(b"--x\nContent-Disposition: attachment; filename=b%d.zip\n\nPK\n" % n for n in range(count))
        + b"--x--"
    )


def other_formats() -> dict[str, bytes]:
    """Those of OpenDocument, books, RTF, compound files, archives, XML and light markup."""
    odf = 'xmlns:office="o" xmlns:text="t" xmlns:table="b"'
    mime = "application/vnd.oasis.opendocument."

    def document(kind: str, body: str, head: str = "") -> bytes:
        inner = f"<office:body><office:{kind}>{body}</office:{kind}></office:body>"
        content = f"{head}<office:document {odf}>{inner}</office:document>"
        return zipped({"mimetype": mime + kind, "content.xml": content})

    cells = '<table:table-cell table:number-columns-repeated="16384"><text:p>x</text:p></table:table-cell>'
    rows = f'<table:table-row table:number-rows-repeated="1048576">{cells}</table:table-row>'
    far = 'table:number-columns-spanned="999999" table:number-rows-spanned="999999"'
    cell = f"<table:table-cell {far}><text:p>x</text:p></table:table-cell>"
    spans = f"<table:table><table:table-row>{cell * 300}</table:table-row></table:table>"
    nest = zipped({"x.txt": "x"})
    for _ in range(200):
        nest = zipped({"n.zip": nest})
    compound = (
        bytes.fromhex("d0cf11e0a1b11ae1") + b"\0" * 16 + bytes.fromhex("3e000300feff0900060000000000000000000000")
    )
    return {
        "entity.odt": document("text", "<text:p>&a;</text:p>", XXE),
        "laughs.ods": document("spreadsheet", "<text:p>&i;</text:p>", LAUGHS),
        "bomb.odt": document("text", "<text:p>" + "a" * (300 << 20) + "</text:p>"),
        "nested.odt": document("text", "<text:list><text:list-item>" * 3000 + "</text:list-item></text:list>" * 3000),
        "spans.odt": document("text", "<text:p>" + "<text:span>" * 200 + "x" + "</text:span>" * 200 + "</text:p>" * 1),
        "cells.ods": document("spreadsheet", f"<table:table>{rows * 200}</table:table>"),
        "merged.ods": document("spreadsheet", spans * 50),
        "loop.epub": zipped(
            {
                "META-INF/container.xml": '<c><rootfile full-path="c.opf"/></c>',
                "c.opf": '<p><item id="a" href="c.opf" media-type="x/html"/>'
                + '<itemref idref="a"/>' * 100_000
                + "</p>",
            }
        ),
        "entity.epub": zipped({"META-INF/container.xml": XXE + '<c><rootfile full-path="&a;"/></c>'}),
        "loop.ofd": zipped(
            {
                "OFD.xml": "<O><DocBody><DocRoot>D.xml</DocRoot></DocBody></O>",
                "D.xml": "<D><Pages>" + '<Page BaseLoc="D.xml"/>' * 100_000 + "</Pages></D>",
            }
        ),
        "deep.rtf": b"{\\rtf1" + b"{\\b " * 300_000,
        "cells.rtf": b"{\\rtf1\\trowd" + b"\\clvmrg\\cellx1" * 100_000 + b"\\intbl x\\cell\\row" * 100_000,
        "binary.rtf": b"{\\rtf1 \\bin9999999999 x\\bin-5 y\\u99999999 z}",
        "numbers.rtf": b"{\\rtf1 " + b"\\u65?" * 1_000_000 + b"}",
        "loop.msg": compound + b"\0" * 488 + b"\0" * 4096,
        "loop.xls": compound + (b"\0\0\0\0" * 200_000),
        "nested.zip": nest,
        "bomb.zip": zipped({"a.txt": "0" * (300 << 20)}),
        "many.zip": zipped({f"{n}": "" for n in range(20_000)}),
        "deep.xml": b"<a>" * 200_000 + b"x" + b"</a>" * 200_000,
        "laughs.xml": LAUGHS.encode() + b"<a>&i;&i;</a>",
        "wide.xml": b"<a>" + b"<b>x</b>" * 400_000 + b"</a>",
        "braces.tex": b"\\section" + b"{\\footnote" * 200_000,
        "verbatim.tex": b"\\begin{verbatim}" * 50_000,
        "dollars.tex": b"$$ a " * 200_000,
        "stars.org": b"*a" * 500_000 + b"\n" + b"[[" * 500_000,
        "cells.adoc": b"|===\n" + b"|a" * 500_000,
        "cues.srt": b"1\n00:00:01,000 --> 00:00:02,000\nx\n\n" * 100_000,
        "folded.ics": b"BEGIN:VCALENDAR\nBEGIN:VEVENT\nSUMMARY:" + b"x\n " * 1_000_000,
        "alias.md": b"---\na: &a [x]\n" + b"b: [*a, *a]\n" * 1000 + b"---\nText.",
    }
