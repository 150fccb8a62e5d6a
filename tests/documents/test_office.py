"""Word, PowerPoint and Excel, written by the usual libraries, and packages that are broken on purpose."""

from __future__ import annotations

import datetime
import io
import zipfile
from collections.abc import Callable
from typing import Any

import openpyxl
import pytest

from nacre.documents import Limits, ParsedDocument, parse
from nacre.documents.ooxml import descend, local, number, parse_xml
from nacre.errors import ParseError

docx = pytest.importorskip("docx")
pptx = pytest.importorskip("pptx")
W = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'


def saved(document: Any) -> bytes:
    target = io.BytesIO()
    document.save(target)
    return target.getvalue()


def texts(document: ParsedDocument, kind: str) -> list[str]:
    return [document.text[block.start : block.end] for block in document.blocks if block.kind == kind]


def word(body: str, before: str = "") -> dict[str, str]:
    return {"word/document.xml": f'<?xml version="1.0"?>{before}<w:document {W}><w:body>{body}</w:body></w:document>'}


def test_word_keeps_the_order_of_headings_tables_and_lists(holds_together: Callable[[ParsedDocument], None]) -> None:
    made = docx.Document()
    made.core_properties.title = "差旅制度"
    made.add_heading("总  则", 1)
    made.add_paragraph("第一条 为了规范差旅。")
    table = made.add_table(3, 3)
    for row, cells in enumerate([["城市", "标准", "备注"], ["北京", "600", "旺 季"], ["上海", "", ""]]):
        for column, cell in enumerate(cells):
            table.cell(row, column).text = cell
    table.cell(2, 1).merge(table.cell(2, 2)).text = "面议"
    made.add_heading("Scope", 2)
    made.add_paragraph("item", style="List Bullet")
    made.sections[0].header.paragraphs[0].text = "内部资料"
    document = parse(saved(made), name="a.docx")
    holds_together(document)
    assert document.title == "差旅制度"
    assert [(b.kind, b.level) for b in document.blocks] == [
        ("heading", 1),
        ("paragraph", 0),
        ("table", 0),
        ("heading", 2),
        ("list", 1),
        ("meta", 0),
    ]
    assert texts(document, "heading") == ["总  则", "Scope"] or texts(document, "heading") == ["总则", "Scope"]
    assert document.tables[0].header == ("城市", "标准", "备注")
    assert [[cell.text for cell in row] for row in document.tables[0].rows] == [
        ["北京", "600", "旺季"],
        ["上海", "面议", "面议"],
    ]
    assert texts(document, "meta") == ["内部资料"]


def test_word_reads_boxes_notes_comments_and_skips_what_was_deleted(zipped: Callable[..., bytes]) -> None:
    run = "<w:r><w:t>{}</w:t></w:r>"
    box = f'<w:r><mc:AlternateContent xmlns:mc="m"><mc:Choice><w:txbxContent><w:p>{run.format("in a box")}</w:p></w:txbxContent></mc:Choice><mc:Fallback><w:txbxContent><w:p>{run.format("in a box")}</w:p></w:txbxContent></mc:Fallback></mc:AlternateContent></w:r>'
    body = f"<w:p>{run.format('before')}<w:del><w:r><w:delText>gone</w:delText></w:r></w:del><w:ins>{run.format(' added')}</w:ins>{box}</w:p><w:sdt><w:sdtContent><w:p>{run.format('controlled')}</w:p></w:sdtContent></w:sdt>"
    relation = '<Relationship Id="r{0}" Type="x/{1}" Target="{1}.xml"/>'
    parts = word(body) | {
        "word/_rels/document.xml.rels": f'<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">{relation.format(1, "footnotes")}{relation.format(2, "comments")}</Relationships>',
        "word/footnotes.xml": f'<w:footnotes {W}><w:footnote w:type="separator"><w:p/></w:footnote><w:footnote><w:p>{run.format("see annex")}</w:p></w:footnote></w:footnotes>',
        "word/comments.xml": f'<w:comments {W}><w:comment w:author="李雷"><w:p>{run.format("核对")}</w:p></w:comment></w:comments>',
    }
    document = parse(zipped(parts), name="a.docx")
    assert texts(document, "paragraph") == ["before added", "in a box", "controlled"]
    assert texts(document, "note") == ["see annex"]
    assert texts(document, "comment") == ["李雷: 核对"]


def test_powerpoint_has_slides_titles_tables_notes_and_nested_groups() -> None:
    made = pptx.Presentation()
    first = made.slides.add_slide(made.slide_layouts[1])
    first.shapes.title.text = "季度回顾"
    first.placeholders[1].text = "增长\n风险"
    first.notes_slide.notes_text_frame.text = "讲两分钟"
    second = made.slides.add_slide(made.slide_layouts[6])
    group = second.shapes.add_group_shape().shapes.add_group_shape()
    group.shapes.add_textbox(0, 0, 100, 100).text_frame.text = "deep inside"
    cells = second.shapes.add_table(2, 2, 0, 0, 100, 100).table
    for place, value in {(0, 0): "地区", (0, 1): "收入", (1, 0): "华东", (1, 1): "12"}.items():
        cells.cell(*place).text = value
    document = parse(saved(made), name="a.pptx")
    assert (document.title, document.pages) == (
        "季度回顾" if not document.metadata.get("title") else document.metadata["title"],
        2,
    )
    assert [
        (document.text[b.start : b.end], b.page)
        for b in document.blocks
        if b.kind in {"heading", "list", "note", "paragraph"}
    ] == [("季度回顾", 1), ("增长", 1), ("风险", 1), ("讲两分钟", 1), ("deep inside", 2)]
    assert document.tables[0].header == ("地区", "收入") and document.tables[0].page == 2


def test_excel_keeps_sheets_addresses_types_and_comments(holds_together: Callable[[ParsedDocument], None]) -> None:
    book = openpyxl.Workbook()
    sheet = book.active
    sheet.title = "预算"
    rows = [
        ["2024 预算"],
        ["部门", "金额", "日期"],
        ["研发", 128000, datetime.date(2024, 5, 1)],
        ["市场", 0.5, True],
        [],
        ["说明", "x", "y"],
        ["a", 1, 2],
    ]
    for line, row in enumerate(rows, start=3):
        for column, value in enumerate(row, start=2):
            sheet.cell(line, column, value)
    sheet["C5"].comment = openpyxl.comments.Comment("待批", "王伟")
    book.create_sheet("空表")
    document = parse(saved(book), name="a.xlsx")
    holds_together(document)
    assert document.sheets == ("预算", "空表")
    assert texts(document, "paragraph") == ["2024 预算"]
    first, second = document.tables
    assert (first.header, first.row, first.column, first.sheet) == (("部门", "金额", "日期"), 5, 2, "预算")
    assert [[cell.text for cell in row] for row in first.rows] == [
        ["研发", "128000", "2024-05-01"],
        ["市场", "0.5", "TRUE"],
    ]
    assert (second.header, second.row) == (("说明", "x", "y"), 9)
    assert any("C5" in text and "待批" in text for text in texts(document, "comment"))


def test_excel_says_when_formulas_have_no_result() -> None:
    book = openpyxl.Workbook()
    book.active.append(["a", "b"])
    book.active.append([1, "=A2*2"])
    assert "formulas have no stored result" in parse(saved(book), name="a.xlsx").warnings[0]


def test_excel_with_a_broken_style_sheet_is_still_read(zipped: Callable[..., bytes]) -> None:
    book = openpyxl.Workbook()
    book.active.append(["a", "b"])
    book.active.append([1, 2])
    parts = {
        name: zipfile.ZipFile(io.BytesIO(saved(book))).read(name)
        for name in zipfile.ZipFile(io.BytesIO(saved(book))).namelist()
    }
    parts["xl/styles.xml"] = parts["xl/styles.xml"][:200]
    document = parse(zipped(parts), name="a.xlsx")
    assert document.tables[0].header == ("a", "b") and "style sheet" in document.warnings[0]


def test_two_header_rows_are_joined_downwards() -> None:
    book = openpyxl.Workbook()
    for row in [["", "2023", "", "2024", ""], ["", "Q1 收入", "Q2 收入", "Q1 成本", "Q2 成本"], ["华东", 1, 2, 3, 4]]:
        book.active.append([value or None for value in row])
    book.active["B1"], book.active["D1"] = "去年", "今年"
    header = parse(saved(book), name="a.xlsx").tables[0].header
    assert header == ("", "去年 Q1 收入", "Q2 收入", "今年 Q1 成本", "Q2 成本")


ENTITIES = '<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]>'
LAUGHS = (
    '<!DOCTYPE x [<!ENTITY a "ha">'
    + "".join(f'<!ENTITY {c} "{("&" + p + ";") * 10}">' for p, c in zip("abcdefgh", "bcdefghi", strict=True))
    + "]>"
)


@pytest.mark.parametrize(
    ("parts", "reason"),
    [
        (word("<w:p><w:r><w:t>&a;</w:t></w:r></w:p>", ENTITIES), "DTD"),
        (word("<w:p><w:r><w:t>&i;</w:t></w:r></w:p>", LAUGHS), "DTD|amplification"),
        (word("<w:p><w:r><w:t>" + "a" * (20 << 20) + "</w:t></w:r></w:p>"), "bomb"),
        (word("<w:tbl><w:tr><w:tc>" * 2000 + "</w:tc></w:tr></w:tbl>" * 2000), "deep|depth|damaged"),
        (word("<w:p><w:r><w:t>cut off"), "damaged"),
        ({"word/other.xml": "<a/>"}, "no document inside"),
        ({"xl/workbook.xml": ENTITIES + "<workbook>&a;</workbook>"}, "DTD"),
        ({"mimetype": "application/epub+zip"}, "chapters"),
    ],
    ids=["xxe", "laughs", "bomb", "deep", "cut", "empty", "xlsx-xxe", "epub"],
)
def test_hostile_packages_get_a_reason(parts: dict[str, str], reason: str, zipped: Callable[..., bytes]) -> None:
    with pytest.raises(ParseError, match=reason):
        parse(zipped(parts), name="a.docx")


def test_a_package_that_lies_about_its_size_is_a_bomb(zipped: Callable[..., bytes]) -> None:
    data = bytearray(zipped(word("<w:p><w:r><w:t>" + "a" * 5000 + "</w:t></w:r></w:p>")))
    place = data.rfind(b"PK\x01\x02")
    data[place + 24 : place + 28] = (100).to_bytes(4, "little")
    with pytest.raises(ParseError, match=r"bomb|damaged|cut off"):
        parse(bytes(data), name="a.docx")


def test_all_parts_together_are_limited(zipped: Callable[..., bytes]) -> None:
    with pytest.raises(ParseError, match="bomb"):
        parse(zipped(word("<w:p/>" * 2000)), name="a.docx", limits=Limits(unpacked_bytes=1000))


def test_truncated_packages_are_told(zipped: Callable[..., bytes]) -> None:
    data = saved(docx.Document())
    with pytest.raises(ParseError, match="damaged or cut off"):
        parse(data[: len(data) * 6 // 10], name="a.docx")


def test_tables_beside_each_other_are_two_and_a_spacer_column_is_none() -> None:
    book = openpyxl.Workbook()
    for row in [
        ["a", "b", None, None, "x", "y"],
        [1, 2, None, None, None, None],
        [3, 4, None, None, 5, 6],
        [],
        ["k", None, "v"],
        ["q", None, 7],
    ]:
        book.active.append(row)
    document = parse(saved(book), name="a.xlsx")
    found = [
        (table.header, table.row, table.column, [[cell.text for cell in row] for row in table.rows])
        for table in document.tables
    ]
    assert found == [
        (("a", "b"), 2, 1, [["1", "2"], ["3", "4"]]),
        ((), 1, 5, [["x", "y"]]),
        (("x", "y"), 3, 5, [["5", "6"]]),
        (("k", "", "v"), 6, 1, [["q", "", "7"]]),
    ]


def test_formulas_are_read_in_one_line(zipped: Callable[..., bytes]) -> None:
    m = 'xmlns:m="http://schemas.openxmlformats.org/officeDocument/2006/math"'
    formula = f"<m:oMath {m}><m:r><m:t>E=m</m:t></m:r><m:sSup><m:e><m:r><m:t>c</m:t></m:r></m:e><m:sup><m:r><m:t>2</m:t></m:r></m:sup></m:sSup></m:oMath>"
    assert parse(zipped(word(f"<w:p>{formula}</w:p>")), name="a.docx").text == "E=mc^2"


def test_a_far_last_row_costs_nothing_and_keeps_its_address() -> None:
    book = openpyxl.Workbook()
    book.active.append(["a", "b"])
    book.active.append([1, 2])
    book.active.cell(1_048_000, 1, "x")
    book.active.cell(1_048_000, 2, "y")
    book.active.cell(1_048_001, 3000, "too far")
    document = parse(saved(book), name="a.xlsx")
    assert [table.row for table in document.tables] == [2, 1_048_000]
    assert "too far" not in document.text and "columns beyond" in document.warnings[0]


def test_full_rows_are_read_to_the_last_column() -> None:
    book = openpyxl.Workbook(write_only=True)
    sheet = book.create_sheet("Towns")
    sheet.append(["Town", *(f"index {n}" for n in range(1, 5000))])
    sheet.append(["Arles", *range(10_001, 15_000)])
    sheet.append(["Basel", 7])
    document = parse(saved(book), name="a.xlsx")
    part = next(table for table in document.tables if "index 4321" in table.header)
    assert [[part.header[0], *(row[0].text for row in part.rows)]] == [["Town", "Arles"]]
    assert part.rows[0][part.header.index("index 4321")].text == "14321"
    assert not document.warnings and "Basel\t7" in document.text


def test_a_tree_is_walked_in_the_order_of_the_text_without_what_is_left_out() -> None:
    tree = parse_xml(b'<w><a><b i="2"/><c><d/></c></a><del><b/></del><e><b i="x"/></e></w>', "part.xml")
    assert [local(node) for node in descend(tree)] == ["a", "b", "c", "d", "del", "b", "e", "b"]
    assert [local(node) for node in descend(tree, skip={"del"}, stop={"c"})] == ["a", "b", "c", "e", "b"]
    assert list(descend(None)) == list(descend(None, skip={"a"})) == []
    assert [number(node, "i", default=7) for node in descend(tree) if local(node) == "b"] == [2, 7, 7]
    assert number(None) == 0
