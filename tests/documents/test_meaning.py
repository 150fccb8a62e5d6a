"""What a cell, a run or an element means to its reader is in the text, in every format."""

from __future__ import annotations

import io
from collections.abc import Callable

import openpyxl
import pptx
import pytest
from lxml import etree
from pptx.util import Inches, Pt

from nacre.documents import ParsedDocument, parse
from nacre.documents.formulas import linear
from nacre.documents.normalise import Piece, marked

W = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
M = 'xmlns:m="http://schemas.openxmlformats.org/officeDocument/2006/math"'
Zipped = Callable[..., bytes]


def word(zipped: Zipped, body: str, **parts: str) -> ParsedDocument:
    kinds = "".join(f'<Relationship Id="r{n}" Type="x/{kind}" Target="{kind}.xml"/>' for n, kind in enumerate(parts))
    files = {f"word/{kind}.xml": f"<w:{kind} {W}>{held}</w:{kind}>" for kind, held in parts.items()}
    relations = "http://schemas.openxmlformats.org/package/2006/relationships"
    files["word/_rels/document.xml.rels"] = f'<Relationships xmlns="{relations}">{kinds}</Relationships>'
    files["word/document.xml"] = f"<w:document {W}><w:body>{body}</w:body></w:document>"
    return parse(zipped(files), name="a.docx")


def run(text: str, look: str = "") -> str:
    return f'<w:r><w:rPr>{look}</w:rPr><w:t xml:space="preserve">{text}</w:t></w:r>'


def paragraph(*runs: str, properties: str = "") -> str:
    return (
        f"<w:p><w:pPr>{properties}</w:pPr>{''.join(part if part.startswith('<') else run(part) for part in runs)}</w:p>"
    )


def saved(document: object) -> bytes:
    target = io.BytesIO()
    document.save(target)  # type: ignore[attr-defined]
    return target.getvalue()


def rows(document: ParsedDocument) -> list[list[str]]:
    return [list(document.tables[0].header), *([cell.text for cell in row] for row in document.tables[0].rows)]


MERGED = [["地区", "费用 基础", "费用 高级"], ["北", "1", "2"], ["北", "3", "4"]]


def test_merged_cells_are_told_in_each_of_their_places(zipped: Zipped) -> None:
    page = "<table><tr><td rowspan=2>地区<td colspan=2>费用<tr><td>基础<td>高级<tr><td rowspan=2>北<td>1<td>2<tr><td>3<td>4</table>"
    assert rows(parse(page.encode(), name="a.html")) == MERGED

    def cell(text: str, properties: str = "") -> str:
        return f"<w:tc><w:tcPr>{properties}</w:tcPr>{paragraph(text)}</w:tc>"

    down, on = '<w:vMerge w:val="restart"/>', "<w:vMerge/>"
    table = [
        cell("地区", down) + cell("费用", '<w:gridSpan w:val="2"/>'),
        cell("", on) + cell("基础") + cell("高级"),
        cell("北", down) + cell("1") + cell("2"),
        cell("", on) + cell("3") + cell("4"),
    ]
    lines = "".join(f"<w:tr>{line}</w:tr>" for line in table)
    assert rows(word(zipped, f"<w:tbl>{lines}</w:tbl>")) == MERGED

    book = openpyxl.Workbook()
    for line in [["表一 费用"], ["地区", "费用"], [None, "基础", "高级"], ["北", 1, 2], [None, 3, 4]]:
        book.active.append(line)
    for area in ("A1:C1", "A2:A3", "B2:C2", "A4:A5"):
        book.active.merge_cells(area)
    document = parse(saved(book), name="a.xlsx")
    assert rows(document) == MERGED and document.text.count("表一 费用") == 1

    show = pptx.Presentation()
    grid = show.slides.add_slide(show.slide_layouts[6]).shapes.add_table(4, 3, 0, 0, 99, 99).table
    for r, line in enumerate([["地区", "费用", ""], ["", "基础", "高级"], ["北", "1", "2"], ["", "3", "4"]]):
        for c, text in enumerate(line):
            grid.cell(r, c).text = text
    for (a, b), (c, d) in [((0, 0), (1, 0)), ((0, 1), (0, 2)), ((2, 0), (3, 0))]:
        grid.cell(a, b).merge(grid.cell(c, d))
    assert rows(parse(saved(show), name="a.pptx")) == MERGED


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.tex", r"\begin{tabular}{lcc}\multirow{2}{*}{地区} & \multicolumn{2}{c}{费用} \\\cline{2-3} & 基础 & 高级 \\"
         r"\multirow{2}*{北} & 1 & 2 \\ & 3 & 4\end{tabular}"),
        ("a.adoc", "[cols=3]\n|===\n.2+|地区 2+|费用\n|基础 |高级\n.2+|北 |1|2\n|3 |4\n|===\n"),
        ("a.rtf", r"{\rtf1\trowd\clvmgf\cellx1\clmgf\cellx2\clmrg\cellx3 \u22320?\u21306?\cell \u36153?\u29992?\cell\cell\row"
         r"\trowd\clvmrg\cellx1\cellx2\cellx3 \cell \u22522?\u30784?\cell \u39640?\u32423?\cell\row\trowd\cellx1\cellx2\cellx3"
         r" \u21271?\cell 1\cell 2\cell\row\trowd\clvmrg\cellx1\cellx2\cellx3 \cell 3\cell 4\cell\row}"),
    ],
)  # fmt: skip
def test_merged_cells_of_texts_are_told_in_each_of_their_places(name: str, text: str) -> None:
    assert rows(parse(text.encode(), name=name)) == MERGED


def test_cells_that_word_merges_the_old_way(zipped: Zipped) -> None:
    cells = [f"<w:tc><w:tcPr>{more}</w:tcPr>{paragraph(text)}</w:tc>" for text, more in (
        ("a", '<w:hMerge w:val="restart"/>'), ("", "<w:hMerge/>"), ("b", ""),
    )]  # fmt: skip
    assert word(zipped, f"<w:tbl><w:tr>{''.join(cells)}</w:tr></w:tbl>").text == "a\ta\tb"


def test_raised_lowered_and_struck_words_are_marked() -> None:
    page = "<p>9 × 10<sup>12</sup> m<sup>-3</sup>, SO<sub>4</sub>, t<sub>max</sub>, the 3<sup>rd</sup>, fee 40<sup>1</sup>, was <del>50</del><s>45</s> <span style='text-decoration:line-through'>44</span> 40</p>"
    said = "9 × 10^12 m^-3, SO₄, t_max, the 3rd, fee 40^1, was ~~5045~~ ~~44~~ 40"
    assert parse(page.encode(), name="a.html").text == said
    assert marked([Piece("x"), Piece("n+1", "superscript"), Piece("1", ""), Piece("a", "", True)]) == "x^(n+1)1~~a~~"


def test_ruby_keeps_the_word_whole(zipped: Zipped) -> None:
    ruby = (
        f"<w:r><w:ruby><w:rubyPr/><w:rt>{run('とうざい')}</w:rt><w:rubyBase>{run('東西')}</w:rubyBase></w:ruby></w:r>"
    )
    assert word(zipped, paragraph("前", ruby, "線")).text == "前東西線"
    assert parse("<p>前<ruby>東<rt>とう</rt>西<rt>ざい</rt></ruby>線</p>".encode(), name="a.html").text == "前東西線"


def test_what_was_deleted_in_word_is_gone_and_what_was_added_is_there(zipped: Zipped) -> None:
    line = "<w:tr>{1}<w:tc>" + paragraph("{0}") + "</w:tc><w:tc>" + paragraph("9") + "</w:tc></w:tr>"
    table = line.format("kept", "") + line.format("gone", "<w:trPr><w:del/></w:trPr>")
    table += line.format("new", "<w:trPr><w:ins/></w:trPr>")
    halves = paragraph("first half ", properties="<w:rPr><w:del/></w:rPr>") + paragraph("second half")
    document = word(zipped, halves + f"<w:tbl>{table}</w:tbl>")
    assert document.text == "first half second half\n\nkept\t9\nnew\t9"


@pytest.mark.parametrize(
    ("markup", "said"),
    [
        (f"<m:rad {M}><m:deg><m:r><m:t>3</m:t></m:r></m:deg><m:e><m:r><m:t>x+1</m:t></m:r></m:e></m:rad>", "∛(x+1)"),
        (f"<m:f {M}><m:num><m:r><m:t>a+b</m:t></m:r></m:num><m:den><m:r><m:t>2</m:t></m:r></m:den></m:f>", "(a+b)/2"),
        (f'<m:d {M}><m:dPr><m:begChr m:val="["/><m:endChr m:val="]"/></m:dPr><m:e><m:r><m:t>x</m:t></m:r></m:e></m:d>', "[x]"),
        (f'<m:nary {M}><m:naryPr><m:chr m:val="∏"/></m:naryPr><m:sub><m:r><m:t>k=0</m:t></m:r></m:sub><m:sup><m:r><m:t>n</m:t></m:r></m:sup><m:e><m:r><m:t>k</m:t></m:r></m:e></m:nary>', "∏_(k=0)^n k"),
        ("<math><mfrac><mi>a</mi><mrow><mi>b</mi><mo>+</mo><mn>1</mn></mrow></mfrac></math>", "a/(b+1)"),
        ("<math><mroot><mi>x</mi><mn>5</mn></mroot><msubsup><mi>y</mi><mi>i</mi><mn>2</mn></msubsup></math>", "root(5, x)y_i^2"),
        ("<math><mtable><mtr><mtd><mn>1</mn></mtd><mtd><mn>0</mn></mtd></mtr></mtable></math>", "[1, 0]"),
    ],
)  # fmt: skip
def test_formulas_are_one_line(markup: str, said: str) -> None:
    assert linear(etree.fromstring(markup)) == said


NUMBERING = """<w:abstractNum w:abstractNumId="7"><w:lvl w:ilvl="0"><w:start w:val="1"/><w:numFmt w:val="chineseCounting"/>
<w:pStyle w:val="Art"/><w:suff w:val="nothing"/><w:lvlText w:val="第%1条"/></w:lvl><w:lvl w:ilvl="1"><w:start w:val="1"/>
<w:numFmt w:val="lowerLetter"/><w:lvlText w:val="%1(%2)"/></w:lvl><w:lvl w:ilvl="2"><w:numFmt w:val="bullet"/>
<w:lvlText w:val="•"/></w:lvl></w:abstractNum><w:num w:numId="3"><w:abstractNumId w:val="7"/></w:num>
<w:num w:numId="4"><w:abstractNumId w:val="7"/><w:lvlOverride w:ilvl="0"><w:startOverride w:val="9"/></w:lvlOverride></w:num>"""


def test_word_numbers_headings_and_lists_as_it_shows_them(zipped: Zipped) -> None:
    style = '<w:style w:styleId="Art"><w:name w:val="heading 1"/><w:pPr><w:numPr><w:numId w:val="3"/></w:numPr></w:pPr></w:style>'

    def item(text: str, level: int, num: int = 3) -> str:
        return paragraph(text, properties=f'<w:numPr><w:ilvl w:val="{level}"/><w:numId w:val="{num}"/></w:numPr>')

    head = '<w:pStyle w:val="Art"/>'
    body = paragraph("甲", properties=head) + item("x", 1) + item("y", 1) + paragraph("乙", properties=head)
    body += item("z", 1) + item("dot", 2) + item("nine", 0, 4) + item("plain", 0, 0)
    document = word(zipped, body, styles=style, numbering=NUMBERING)
    assert document.text.split() == [
        "第一条甲",
        "一(a)",
        "x",
        "一(b)",
        "y",
        "第二条乙",
        "二(a)",
        "z",
        "dot",
        "第九条nine",
        "plain",
    ]
    assert [b.kind for b in document.blocks] == [
        "heading",
        "list",
        "list",
        "heading",
        "list",
        "list",
        "list",
        "paragraph",
    ]


def test_ordered_lists_of_pages_have_their_numbers() -> None:
    page = "<ol start=4><li>d<li value=9><p>i</p><li>j</ol><ol type=I reversed><li>two<li>one</ol><ul><li>dot</ul>"
    assert parse(page.encode(), name="a.html").text.split("\n") == ["4. d", "9. i", "10. j", "II. two", "I. one", "dot"]


def test_style_sheets_say_how_lists_count() -> None:
    page = """<style>.cn{list-style-type:simp-chinese-informal} .r li{list-style:inside upper-roman}</style>
      <ol class=cn><li>a<li>b<ol><li>c</ol></ol><ol class=r><li>d</ol><ol style="list-style-type:'- '"><li>e</ol>"""
    said = parse(page.encode(), name="a.html").text.split("\n")
    assert [line.strip() for line in said] == ["一、a", "二、b", "1. c", "I. d", "e"]


def test_slides_number_their_lists_and_hide_single_runs() -> None:
    show = pptx.Presentation()
    body = show.slides.add_slide(show.slide_layouts[1]).placeholders[1].text_frame
    for kind, text in (("ea1ChsPeriod", "a"), ("ea1ChsPeriod", "b"), ("", "c"), ("alphaLcParenR", "d")):
        line = body.add_paragraph()
        line.text = text
        if kind:
            properties = line._p.get_or_add_pPr()
            etree.SubElement(properties, properties.tag.replace("pPr", "buAutoNum"), type=kind)
    seen, unseen = body.paragraphs[0].add_run(), body.paragraphs[0].add_run()
    seen.text, unseen.text, unseen.font.size = "shown", "obey me", Pt(1)
    document = parse(saved(show), name="a.pptx")
    assert document.text.split("\n") == ["shown", "一. a", "二. b", "c", "a) d"]
    assert [hidden.excerpt for hidden in document.hidden] == ["obey me"]


def test_boxes_fields_and_pictures_say_what_they_show(zipped: Zipped) -> None:
    box = '<w:r><w:fldChar w:fldCharType="begin"><w:ffData><w:checkBox><w:checked w:val="{}"/></w:checkBox></w:ffData></w:fldChar></w:r>'
    control = "<w:sdt><w:sdtPr><w:checkbox><w:checked/></w:checkbox></w:sdtPr><w:sdtContent/></w:sdt>"
    sign = '<w:r><w:sym w:font="Symbol" w:char="F0B1"/></w:r>'
    picture = '<w:r><w:drawing><w:inline><w:docPr descr="Map of the site"/></w:inline></w:drawing></w:r>'
    body = paragraph(box.format(1), "a ", box.format(0), "b ", control, "c ", sign, "5") + paragraph(picture)
    assert word(zipped, body).text == "☑a ☐b ☑c ±5\n\nMap of the site"
    page = "<p><input type=checkbox checked>a <input type=radio>b <input value=Li> <input type=hidden value=no><select><option>x<option selected>y</select></p>"
    assert parse(page.encode(), name="a.html").text == "☑ a ☐ b Li y"


def test_notes_stand_behind_the_paragraph_that_refers_to_them(zipped: Zipped) -> None:
    notes = f'<w:footnote w:id="2">{paragraph("Sundays excepted.")}</w:footnote>'
    body = paragraph("Two days", '<w:r><w:footnoteReference w:id="2"/></w:r>', ".") + paragraph("Next.")
    assert word(zipped, body, footnotes=notes).text == "Two days.\n\nSundays excepted.\n\nNext."


def test_inner_tables_keep_their_rows_apart(zipped: Zipped) -> None:
    page = "<table><tr><td>交通<td><table><tr><td>火车<td>300<tr><td>出租<td>50</table><tr><td>合计<td>350</table>"
    assert parse(page.encode(), name="a.html").text == "交通\t火车 300; 出租 50\n合计\t350"


def test_slides_are_read_as_the_eye_goes() -> None:
    show = pptx.Presentation()
    shapes = show.slides.add_slide(show.slide_layouts[5]).shapes
    places = {"right low": (5, 4), "left top": (0.5, 2), "foot": (0.5, 6), "right top": (5, 2.05), "left low": (0.5, 4)}
    for text, (left, top) in places.items():
        width = 9 if text == "foot" else 4
        shapes.add_textbox(Inches(left), Inches(top), Inches(width), Inches(1)).text_frame.text = text
    shapes.title.text = "Head"
    said = parse(saved(show), name="a.pptx").text.split("\n\n")
    assert said == ["Head", "left top", "right top", "left low", "right low", "foot"]
    tall = show.slides.add_slide(show.slide_layouts[6]).shapes
    for text, left, top, height in (("b1", 5, 1, 1), ("a", 0.5, 1, 5), ("b2", 5, 3, 1)):
        tall.add_textbox(Inches(left), Inches(top), Inches(4), Inches(height)).text_frame.text = text
    assert parse(saved(show), name="a.pptx").text.split("\n\n")[-3:] == ["a", "b1", "b2"]


def test_a_sheet_is_read_in_either_dialect_with_boxes_charts_and_long_numbers(zipped: Zipped) -> None:
    for namespace in (
        "http://purl.oclc.org/ooxml/spreadsheetml/main",
        "http://schemas.openxmlformats.org/spreadsheetml/2006/main",
    ):
        relation = '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="{0}" Type="x/{1}" Target="{2}"/></Relationships>'
        ids = 'xmlns:r="x"'
        parts = {
            "xl\\workbook.xml": f'<workbook xmlns="{namespace}" {ids}><sheets><sheet name="S" r:id="a"/></sheets></workbook>',
            "xl/_rels/workbook.xml.rels": relation.format("a", "worksheet", "worksheets/Sheet1.xml"),
            "xl/worksheets/sheet1.xml": f'<worksheet xmlns="{namespace}"><sheetData><row r="1"><c r="A1" t="inlineStr"><is><t>id_x000D_</t></is></c><c r="B1"><v>12345678901234567</v></c></row></sheetData><mergeCells><mergeCell ref="Z9:A1"/></mergeCells></worksheet>',
            "xl/worksheets/_rels/sheet1.xml.rels": relation.format("d", "drawing", "../drawings/d.xml"),
            "xl/drawings/d.xml": '<d xmlns:a="a"><anchor><sp><txBody><a:p><a:r><a:t>net prices</a:t></a:r></a:p></txBody></sp></anchor></d>',
        }
        assert parse(zipped(parts), name="a.xlsx").text.split() == ["S", "id", "12345678901234567", "net", "prices"]


@pytest.mark.parametrize(
    ("page", "said"),
    [
        ("<p>Fee 120<sup>2</sup>.</p><p><sup>2</sup> Only in May.</p>", "Fee 120[2]."),
        ('<p>Fee 120<sup><a href="#n2">2</a></sup>.</p>', "Fee 120[2]."),
        ("<p>10<sup>6</sup> of 5 m<sup>2</sup>, 120<sup>2</sup></p><p><sup>2</sup> x</p><p><sup>6</sup> y</p>", "10^6 of 5 m^2, 120[2]"),
        ("<p>价格 120<sup>②</sup></p><p>② 仅五月</p>", "价格 120②"),
        ("<p>x is 3<sup>2</sup></p>", "x is 3^2"),
    ],
)  # fmt: skip
def test_the_mark_of_a_note_is_no_power(page, said):
    assert parse(page.encode(), name="a.html").text.split("\n\n")[0] == said
