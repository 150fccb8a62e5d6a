"""The formats that people have beside the common ones, in files that are written here."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable, Mapping

import pytest

from nacre.documents import Options, ParsedDocument, parse
from nacre.documents.document import Builder
from nacre.documents.grid import Sheet, add_sheet
from nacre.errors import ParseError

Zip = Callable[[Mapping[str, str | bytes]], bytes]
NAMES = ("office", "text", "table", "style", "presentation", "meta")
ODF = " ".join(f'xmlns:{name}="urn:oasis:names:tc:opendocument:xmlns:{name}:1.0"' for name in NAMES)
ODF += ' xmlns:fo="urn:oasis:names:tc:opendocument:xmlns:xsl-fo-compatible:1.0" xmlns:dc="http://purl.org/dc/elements/1.1/"'
ODF += ' xmlns:draw="urn:oasis:names:tc:opendocument:xmlns:drawing:1.0"'
ODF += ' xmlns:svg="urn:oasis:names:tc:opendocument:xmlns:svg-compatible:1.0"'
STYLES = """<style:style style:name="gone"><style:text-properties text:display="none"/></style:style>
<style:style style:name="old"><style:text-properties style:text-line-through-style="solid"/></style:style>
<style:style style:name="up"><style:text-properties style:text-position="super 58%"/></style:style>
<style:style style:name="white"><style:text-properties fo:color="#FFFFFF"/></style:style>
<text:list-style style:name="count"><text:list-level-style-number text:level="1" style:num-format="1"/></text:list-style>
<style:style style:name="navy"><style:table-cell-properties fo:background-color="#1f3864"/></style:style>
<style:style style:name="sheet"><style:table-properties table:display="false"/></style:style>"""


def odf(zipped: Zip, kind: str, body: str) -> bytes:
    content = f"<office:automatic-styles>{STYLES}</office:automatic-styles><office:body><office:{kind}>{body}</office:{kind}></office:body>"
    about = '<office:meta><dc:title>Terms</dc:title><meta:user-defined meta:name="product">PX-200</meta:user-defined></office:meta>'
    return zipped(
        {
            "mimetype": f"application/vnd.oasis.opendocument.{kind}",
            "content.xml": f"<office:document-content {ODF}>{content}</office:document-content>",
            "meta.xml": f"<office:document-meta {ODF}>{about}</office:document-meta>",
        }
    )


def cell(text: str, more: str = "") -> str:
    return f"<table:table-cell {more}><text:p>{text}</text:p></table:table-cell>"


def blocks(document: ParsedDocument) -> list[tuple[str, str]]:
    return [(block.kind, document.text[block.start : block.end]) for block in document.blocks]


def test_opendocument_text_says_what_its_reader_sees(
    zipped: Zip, holds_together: Callable[[ParsedDocument], None]
) -> None:
    body = f"""<text:tracked-changes><text:changed-region><text:deletion><text:p>deleted words</text:p></text:deletion>
      </text:changed-region></text:tracked-changes>
      <text:h text:outline-level="2">Fees</text:h>
      <text:p>Pay <text:span text:style-name="old">100</text:span> 90 for 10<text:span text:style-name="up">6</text:span>
      <text:span text:style-name="gone">obey me</text:span><text:span text:style-name="white">and me</text:span>units<text:note>
      <text:note-citation>1</text:note-citation><text:note-body><text:p>Without tax.</text:p></text:note-body></text:note>.</text:p>
      <text:list text:style-name="count"><text:list-item><text:p>first</text:p></text:list-item>
      <text:list-item><text:p>second</text:p></text:list-item></text:list>
      <text:p><draw:frame><svg:desc>A tide gauge</svg:desc></draw:frame></text:p>
      <table:table><table:table-row>{cell("Dept")}{cell("Name")}</table:table-row>
      <table:table-row>{cell("财务部", 'table:number-rows-spanned="2"')}{cell("李四")}</table:table-row>
      <table:table-row><table:covered-table-cell/>{cell("王五")}</table:table-row></table:table>"""
    document = parse(odf(zipped, "text", body), name="wrong.docx")
    holds_together(document)
    assert document.mime == "application/vnd.oasis.opendocument.text" and document.title == "Terms"
    said = [(kind, " ".join(text.split(" ")).replace("\n      ", " ")) for kind, text in blocks(document)]
    assert said[0] == ("heading", "Fees")
    assert "~~100~~ 90 for 10^6" in said[1][1] and "deleted" not in document.text
    assert said[2:] == [
        ("note", "Without tax."),
        ("list", "1. first"),
        ("list", "2. second"),
        ("paragraph", "A tide gauge"),
        ("table", "Dept\tName\n财务部\t李四\n财务部\t王五"),
    ]
    assert [hidden.excerpt for hidden in document.hidden] == ["obey me", "and me"]
    assert document.fields["product"] == "PX-200"


def test_opendocument_counts_and_tells_heads_of_pages_once(zipped: Zip) -> None:
    levels = [
        '<text:list-level-style-number text:level="1" style:num-format="一, 二" style:num-suffix="、"/>',
        '<text:list-level-style-number text:level="2" style:num-format="a" style:num-prefix="(" style:num-suffix=")"/>',
    ]
    item = "<text:list-item><text:p>{}</text:p>{}</text:list-item>"
    inner = f"<text:list>{item.format('c', '')}</text:list>"
    lists = (
        f"<text:list text:style-name='L'>{item.format('a', '')}{item.format('b', inner)}</text:list><text:p>x</text:p>"
    )
    lists += f"<text:list text:style-name='L' text:continue-numbering='true'>{item.format('d', '')}</text:list>"
    head = "<style:header><text:p>Confidential</text:p></style:header>"
    outline = '<text:outline-level-style text:level="1" style:num-format="1"/><text:outline-level-style text:level="2"'
    outline += ' style:num-format="1" text:display-levels="2" style:num-suffix="."/>'
    titles = "".join(
        f'<text:h text:outline-level="{at}">{name}</text:h>' for at, name in ((1, "A"), (2, "B"), (2, "C"))
    )
    body = f"<office:body><office:text>{titles}{lists}</office:text></office:body>"
    looks = f"<office:styles><text:outline-style>{outline}</text:outline-style></office:styles>"
    looks += f"<office:master-styles><style:master-page>{head}</style:master-page>"
    looks += f"<style:master-page>{head}</style:master-page></office:master-styles>"
    styles = f'<office:automatic-styles><text:list-style style:name="L">{"".join(levels)}</text:list-style></office:automatic-styles>'
    files = {
        "mimetype": "application/vnd.oasis.opendocument.text",
        "content.xml": f"<office:document-content {ODF}>{styles}{body}</office:document-content>",
        "styles.xml": f"<office:document-styles {ODF}>{looks}</office:document-styles>",
    }
    said = [text for _, text in blocks(parse(zipped(files), name="a.odt"))]
    assert said == ["1. A", "1.1. B", "1.2. C", "一、 a", "二、 b", "(a) c", "x", "三、 d", "Confidential"]


def test_opendocument_sheets_as_shown_and_hidden_parts_told(zipped: Zip) -> None:
    body = f"""<table:table table:name="Fees"><table:table-column table:number-columns-repeated="2"/>
      <table:table-column table:visibility="collapse"/>
      <table:table-row>{cell("Plan")}{cell("Rate")}{cell("Cost")}</table:table-row>
      <table:table-row>{cell("Basic", 'table:number-rows-spanned="2"')}{cell("7.5%", 'office:value="0.075"')}{cell("3")}</table:table-row>
      <table:table-row><table:covered-table-cell/>{cell("00042")}</table:table-row>
      <table:table-row table:visibility="collapse">{cell("obey")}</table:table-row>
      <table:table-row table:number-rows-repeated="1048000"><table:table-cell table:number-columns-repeated="16384"/></table:table-row>
      </table:table><table:table table:name="Draft" table:style-name="sheet"><table:table-row>{cell("secret")}</table:table-row></table:table>"""
    document = parse(odf(zipped, "spreadsheet", body), name="a.ods")
    assert document.text == "Fees\n\nPlan\tRate\nBasic\t7.5%\nBasic\t00042" and document.sheets == ("Fees",)
    assert {hidden.what for hidden in document.hidden} == {"hidden row", "hidden column", "hidden sheet"}


def test_opendocument_slides_in_the_order_of_the_eye(zipped: Zip) -> None:
    def box(words: str, place: str) -> str:
        return f"<draw:frame {place}><draw:text-box><text:p>{words}</text:p></draw:text-box></draw:frame>"

    page = box("Right", 'svg:x="9cm" svg:y="5cm"') + box("Left", 'svg:x="1cm" svg:y="5cm"')
    page += box("Title", 'presentation:class="title" svg:y="1cm"')
    notes = box("Say this.", 'presentation:class="notes"')
    page += f"<presentation:notes>{notes}</presentation:notes>"
    document = parse(
        odf(zipped, "presentation", f"<draw:page>{page}</draw:page><draw:page>{box('Two', '')}</draw:page>"),
        name="a.odp",
    )
    assert document.text.split("\n\n") == ["Title", "Left", "Right", "Say this.", "Two"] and document.pages == 2
    assert document.blocks[-1].page == 2


def epub(zipped: Zip, chapter: str) -> bytes:
    package = """<package xmlns:dc="http://purl.org/dc/elements/1.1/"><metadata><dc:title>Tides</dc:title>
      <dc:creator>Ann</dc:creator></metadata><manifest><item id="b" href="b.xhtml" media-type="application/xhtml+xml"/>
      <item id="a" href="a%20one.xhtml" media-type="application/xhtml+xml"/></manifest><spine><itemref idref="a"/>
      <itemref idref="b"/><itemref idref="a"/></spine></package>"""
    container = '<container><rootfiles><rootfile full-path="in/c.opf"/></rootfiles></container>'
    return zipped(
        {
            "META-INF/container.xml": container,
            "in/c.opf": package,
            "in/a one.xhtml": chapter,
            "in/b.xhtml": "<h1>Two</h1><p>Low.</p>",
        }
    )


def test_a_book_in_the_order_of_its_spine(zipped: Zip) -> None:
    document = parse(
        epub(zipped, "<html><head><title>x</title></head><body><h1>One</h1><p>High.</p></body></html>"), name="a.epub"
    )
    assert document.text == "Tides\n\nOne\n\nHigh.\n\nTwo\n\nLow." and document.title == "Tides"
    assert document.fields["author"] == "Ann"


def test_ofd_by_the_place_of_its_words(zipped: Zip) -> None:
    def words(x: int, y: int, text: str, more: str = "") -> str:
        return (
            f'<TextObject Boundary="{x} {y} 40 5" Size="4" {more}><TextCode X="0" Y="4">{text}</TextCode></TextObject>'
        )

    page = (
        words(60, 36, "88.00")
        + words(10, 30, "项目")
        + words(60, 30, "金额")
        + words(10, 36, "餐费")
        + words(10, 10, "电子发票")
    )
    page += words(10, 60, "obey", 'Visible="false"')
    root = "<OFD><DocBody><DocInfo><CustomDatas><CustomData Name='发票号码'>24317</CustomData></CustomDatas></DocInfo><DocRoot>Doc_0/Document.xml</DocRoot></DocBody></OFD>"
    parts = {
        "OFD.xml": root,
        "Doc_0/Document.xml": '<Document><Pages><Page ID="1" BaseLoc="Pages/Page_0/Content.xml"/></Pages></Document>',
        "Doc_0/Pages/Page_0/Content.xml": f"<Page><Content><Layer>{page}</Layer></Content></Page>",
    }
    document = parse(zipped(parts), name="invoice.zip")
    assert document.text == "电子发票\n\n项目\t金额\n餐费\t88.00" and document.fields == {"发票号码": "24317"}
    assert document.hidden[0].excerpt == "obey" and document.pages == 1


RTF = rb"""{\rtf1\ansi\ansicpg1252{\fonttbl{\f0 Times;}{\f1\fcharset134 SimSun;}}{\colortbl;\red255\green255\blue255;}
{\stylesheet{\s0 Normal;}{\s1 heading 1;}}{\info{\title Terms}{\author Ann}}{\*\generator X;}{\header page head\par}
\pard\s1 Fees\par\pard Caf\'e9\u8217 's {\v obey}{\deleted gone }10{\super 6} pay {\strike 100} 90{\cf1 white}.{\footnote Without tax.}\par
{\f1 \'c4\'e3\'ba\'c3}\u-10179?\u-8704?\par{\listtext 1.\tab}one\par
\trowd\cellx100\cellx200\pard\intbl Plan\cell Fee\cell\row\trowd\clvmgf\cellx100\cellx200\pard\intbl Basic\cell 10\cell\row
\trowd\clvmrg\cellx100\cellx200\pard\intbl\cell 20\cell\row\pard{\field{\*\fldinst HYPERLINK "x"}{\fldrslt a link}}{\pict\bin4 }}}}\par}"""


def test_rtf_as_its_reader_sees_it() -> None:
    document = parse(RTF, name="wrong.doc")
    assert blocks(document) == [
        ("heading", "Fees"),
        ("paragraph", "Café’s 10^6 pay ~~100~~ 90."),
        ("note", "Without tax."),
        ("paragraph", "你好😀"),
        ("list", "1. one"),
        ("table", "Plan\tFee\nBasic\t10\nBasic\t20"),
        ("paragraph", "a link"),
    ]
    assert [hidden.excerpt for hidden in document.hidden] == ["obey", "white"]
    assert document.fields == {"title": "Terms", "author": "Ann"}


def test_an_old_workbook_as_its_sheet_shows_it() -> None:
    import datetime

    xlwt = pytest.importorskip("xlwt")
    book = xlwt.Workbook()
    sheet = book.add_sheet("Fees")
    for column, name in enumerate(("Plan", "Rate", "Start", "Part")):
        sheet.write(0, column, name)
    sheet.write_merge(1, 2, 0, 0, "Basic")
    for row, column, value, form in (
        (1, 1, 0.075, "0.0%"), (1, 2, datetime.date(2026, 1, 5), "yyyy-mm-dd"), (1, 3, 42, "00000"),
        (2, 1, 1234.5, '"$"#,##0.00'), (2, 2, True, "General"), (2, 3, "x", "General"),
    ):  # fmt: skip
        sheet.write(row, column, value, xlwt.easyxf(num_format_str=form))
    sheet.write(3, 0, "obey")
    sheet.row(3).hidden = True
    sheet.write_merge(4, 4, 0, 1, "Plus")
    sheet.write(4, 2, "y")
    book.add_sheet("Draft").write(0, 0, "secret")
    book.get_sheet(1).visibility = 1
    target = io.BytesIO()
    book.save(target)
    document = parse(target.getvalue(), name="a.xls")
    assert (
        document.text
        == "Fees\n\nPlan\tRate\tStart\tPart\nBasic\t7.5%\t2026-01-05\t00042\nBasic\t$1,234.50\tTRUE\tx\nPlus\tPlus\ty"
    )
    assert {hidden.what for hidden in document.hidden} == {"hidden row", "hidden sheet"}


def record(kind: int, body: bytes) -> bytes:
    number = bytes([kind]) if kind < 128 else bytes([kind & 127 | 128, kind >> 7])
    return number + bytes([len(body) & 127 | 128, len(body) >> 7]) + body


def wide(text: str) -> bytes:
    return struct.pack("<I", len(text)) + text.encode("utf-16-le")


def test_a_binary_workbook_as_its_sheet_shows_it(zipped: Zip) -> None:
    row = lambda number, hidden=0: record(0, struct.pack("<IIHBB", number, 0, 300, 0, hidden) + b"\0" * 5)  # noqa: E731
    styles = record(44, struct.pack("<H", 164) + wide("00000")) + record(617, b"")
    styles += b"".join(record(47, struct.pack("<HH", 0, form) + b"\0" * 12) for form in (0, 10, 164)) + record(618, b"")
    sheet = row(0) + record(7, struct.pack("<III", 0, 0, 0)) + record(6, struct.pack("<II", 1, 0) + wide("Rate"))
    sheet += (
        record(6, struct.pack("<II", 2, 0) + wide("Part"))
        + row(1)
        + record(6, struct.pack("<II", 0, 0) + wide("Basic"))
    )
    sheet += record(5, struct.pack("<IId", 1, 1, 0.075)) + record(2, struct.pack("<IIi", 2, 2, 42 << 2 | 2))
    sheet += row(2) + record(4, struct.pack("<IIB", 1, 0, 1)) + record(3, struct.pack("<IIB", 2, 0, 7))
    sheet += (
        row(3, 0x10)
        + record(6, struct.pack("<II", 0, 0) + wide("obey"))
        + record(176, struct.pack("<IIII", 1, 2, 0, 0))
    )
    book = record(156, struct.pack("<II", 0, 1) + wide("r1") + wide("Fees")) + record(
        156, struct.pack("<II", 2, 2) + wide("r1") + wide("Draft")
    )
    kind = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    relations = "".join(
        f'<Relationship Id="{name}" Type="{kind}/{what}" Target="{target}"/>'
        for name, what, target in (
            ("r1", "worksheet", "s.bin"),
            ("r2", "styles", "y.bin"),
            ("r3", "sharedStrings", "t.bin"),
        )
    )
    rels = f'<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">{relations}</Relationships>'
    parts = {
        "xl/workbook.bin": book,
        "xl/_rels/workbook.bin.rels": rels,
        "xl/s.bin": sheet,
        "xl/y.bin": styles,
        "xl/t.bin": record(19, b"\0" + wide("Plan")),
    }
    document = parse(zipped(parts), name="a.xlsx")
    assert document.text == "Fees\n\nPlan\tRate\tPart\nBasic\t7.50%\t00042\nBasic\tTRUE\t#DIV/0!"
    assert [hidden.what for hidden in document.hidden] == ["hidden row", "hidden sheet"]


def test_an_outlook_message(compound: Callable[..., bytes]) -> None:
    text = lambda value: value.encode("utf-16-le")  # noqa: E731
    attach = "__attach_version1.0_#00000000"
    data = compound(
        **{
            "__properties_version1.0": b"\0" * 32 + struct.pack("<HHIQ", 0x40, 0x0039, 6, 133_486_848_000_000_000),
            "__substg1.0_0037001F": text("预算"),
            "__substg1.0_0C1A001F": text("Ann"),
            "__substg1.0_5D01001F": text("ann@example.org"),
            "__substg1.0_0E04001F": text("Bob"),
            "__substg1.0_10130102": b"<p>The fee is <b>90</b>.</p><p style='display:none'>obey</p>",
            f"{attach}/__substg1.0_3707001F": text("fees.csv"),
            f"{attach}/__substg1.0_37010102": b"Plan,Fee\nBasic,10\n",
        }
    )
    document = parse(data, name="mail.dat")
    assert document.mime == "application/vnd.ms-outlook" and document.title == "预算"
    assert "From: Ann <ann@example.org>\nTo: Bob\nDate: 2024-01-02" in document.text
    assert "The fee is 90." in document.text and "obey" not in document.text
    assert document.attachments == ("fees.csv",) and document.text.endswith("Plan\tFee\nBasic\t10")
    assert document.fields["From"] == "Ann <ann@example.org>"


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("a.xml", "<?xml version='1.0'?><!DOCTYPE a><a><title>法</title><p>One <b>two</b>.</p></a>", ["法", "One two."]),
        ("a.xml", "<a><r><n>x</n><m>1</m></r><r><n>y</n><m>2</m></r></a>", ["n\tm\nx\t1\ny\t2"]),
        ("a.srt", "1\n00:00:01,000 --> 00:00:04,000\nHello <i>there</i>,\n\n2\n00:00:05,000 --> 00:00:08,000\ngeneral.\n\n"
                  "3\n00:02:05,000 --> 00:02:08,000\nLater.\n", ["00:00:01", "Hello there, general.", "00:02:05", "Later."]),
        ("a.vtt", "WEBVTT\n\nNOTE x\n\nintro\n00:01.000 --> 00:02.000 align:start\n<v Ann>Hi.</v>\n", ["00:00:01", "Ann: Hi."]),
        ("a.tex", "\\documentclass{a}\n\\begin{document}\\section{Caf\\'e}\\label{x} A \\textbf{b}. % no\n\n"
                  "\\begin{itemize}\\item one\\end{itemize}\\begin{tabular}{ll}a & b\\\\ 1 & 2\\end{tabular}\\end{document}",
         ["Café", "A b.", "one", "a\tb\n1\t2"]),
        ("a.org", "#+TITLE: T\n* TODO Head :tag:\n:PROPERTIES:\n:ID: 1\n:END:\nA *bold* [[http://x][link]].\n- [X] done\n| a | b |\n|---+---|\n| 1 | 2 |\n"
                  "#+begin_src sh\nls *\n#+end_src\n", ["T", "Head", "A bold link.", "☑ done", "a\tb\n1\t2", "ls *"]),
        ("a.adoc", "= Title\n:author: Ann\n\nA *bold* word.\n\n== Part\n\n* one\n** two\n\n----\ncode *x*\n----\n\n|===\n|a |b\n\n|1\n|2\n|===\n",
         ["Title", "A bold word.", "Part", "one\ntwo", "code *x*", "a\tb\n1\t2"]),
        ("a.ics", "BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nSUMMARY:Board\\, mee\r\n ting\r\nDTSTART;TZID=Asia/Shanghai:20260105T090000\r\n"
                  "END:VEVENT\r\nEND:VCALENDAR\r\n", ["Board, meeting", "Start: 2026-01-05 09:00 (Asia/Shanghai)"]),
        ("a.vcf", "BEGIN:VCARD\nFN:Li Lei\nTEL;TYPE=cell:123\nEND:VCARD\n", ["Li Lei", "Phone: 123"]),
    ],
    ids=["xml", "records", "srt", "vtt", "tex", "org", "adoc", "ics", "vcf"],
)  # fmt: skip
def test_kinds_of_text(name: str, text: str, said: list[str], holds_together: Callable[[ParsedDocument], None]) -> None:
    document = parse(text.encode(), name=name)
    holds_together(document)
    assert document.text.split("\n\n") == said
    if name[2:] not in {"org", "adoc", "xml"}:  # the others say by their content what they are
        assert parse(text.encode(), name="x.txt").text == document.text


def test_tex_says_what_macros_stand_for_and_how_words_look() -> None:
    text = r"""\newcommand{\rate}{7.5\%}\def\who{us}\begin{document}
    ``The'' rate for \who{} is \rate, 10\textsuperscript{6} \sout{old} H\textsubscript{2}O.\iffalse never \fi
    \begin{enumerate}\item one \begin{itemize}\item in\end{itemize}\item two\end{enumerate}\end{document}"""
    assert parse(text.encode(), name="a.tex").text.split("\n\n") == [
        "“The” rate for us is 7.5%, 10^6 ~~old~~ H₂O.", "1. one\nin\n2. two",
    ]  # fmt: skip
    loop = r"\newcommand{\one}{\two\two}\newcommand{\two}{\one\one}\begin{document}x \one y\end{document}"
    assert parse(loop.encode(), name="a.tex").text == "x y"


def test_org_and_asciidoc_tell_fields_numbers_and_marks() -> None:
    org = parse(b"#+PRODUCT: PX-200\n3. three\n4. four\n\nNow +50+ 40\n", name="a.org")
    assert org.text.split("\n\n") == ["3. three\n4. four", "Now ~~50~~ 40"] and org.fields["product"] == "PX-200"
    text = "= T\n:product: PX-200\n\n. a\n.. b\n. c\n\n{product} H~2~O 10^6^ [line-through]#50# {other}\n"
    document = parse(text.encode(), name="a.adoc")
    assert document.text.split("\n\n")[1:] == ["1. a\na. b\n2. c", "PX-200 H₂O 10^6 ~~50~~ {other}"]
    assert document.fields["product"] == "PX-200"


def test_opendocument_white_words_on_a_filled_ground_are_seen(zipped: Zip) -> None:
    body = f"""<table:table><table:table-row>
      {cell('<text:span text:style-name="white">seen</text:span>', 'table:style-name="navy"')}{cell("b")}</table:table-row>
      <table:table-row>{cell('<text:span text:style-name="white">unseen</text:span>')}{cell("d")}</table:table-row></table:table>"""
    document = parse(odf(zipped, "text", body), name="a.odt")
    assert document.text == "seen\tb\n\td" and [hidden.excerpt for hidden in document.hidden] == ["unseen"]


def test_xml_never_reads_another_file() -> None:
    bad = '<?xml version="1.0"?><!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>before &x; after</a>'
    assert "root:" not in parse(bad.encode(), name="a.xml").text


def test_a_mailbox_with_quoted_lines() -> None:
    box = "From a@x Mon\nSubject: One\n\n>From here on.\nFrom: not a header\n\nFrom b@x Mon\nSubject: Two\n\nEnd.\n"
    document = parse(box.encode(), name="a.mbox")
    assert [text for kind, text in blocks(document) if kind == "heading"] == ["One", "Two"]
    assert "\nFrom here on." in document.text and ">From" not in document.text


def test_what_is_no_book_and_no_document_is_told(zipped: Zip) -> None:
    for parts, word in (
        ({"META-INF/container.xml": "<container/>"}, "chapters"),
        ({"OFD.xml": "<OFD/>"}, "document inside"),
        ({"content.xml": "<a/>", "META-INF/manifest.xml": "<m><encryption-data/></m>"}, "encrypted"),
        ({"content.xml": "<a/>", "META-INF/manifest.xml": "<m/>"}, "content inside"),
        ({"Index/Document.iwa": "x"}, "Pages"),
        ({"mimetype": "application/hwp+zip"}, "Hangul"),
    ):
        with pytest.raises(ParseError, match=word):
            parse(zipped(parts), name="a.zip")


def test_rows_of_opendocument_and_binary_sheets_are_read_as_far_as_those_of_excel(zipped: Zip) -> None:
    names = "".join(cell(f"c{n}") for n in range(5000)) + "<table:table-cell table:number-columns-repeated='9000'/>"
    zeros = (
        cell("0", 'table:number-columns-repeated="5000"') + "<table:table-cell table:number-columns-repeated='9000'/>"
    )
    few = cell("Basel") + "<table:table-cell table:number-columns-repeated='4000'/>" + cell("far")
    same = f'<table:table-row table:number-rows-repeated="3000">{cell("same")}{cell("1")}</table:table-row>'
    rows = "".join(f"<table:table-row>{row}</table:table-row>" for row in (names, zeros, few))
    document = parse(
        odf(zipped, "spreadsheet", f'<table:table table:name="A">{rows}{same}</table:table>'), name="a.ods"
    )
    part = next(table for table in document.tables if "c4321" in table.header)
    assert part.rows[0][part.header.index("c4321")].text == "0"
    assert "far" not in document.text and [warning for warning in document.warnings if "columns beyond" in warning]
    assert document.text.count("same") == 2048 and any("3000" in warning for warning in document.warnings)
    sheet = Sheet("A")
    for column in [*range(5000), 20_000]:
        sheet.put(0, column, "x")
    sheet.put(1, 4000, "far")
    assert len(sheet.cells[0]) == 5000 and 1 not in sheet.cells and sheet.too_far
    add_sheet(out := Builder(), sheet, Options())
    assert out.warnings == ["sheet A: columns beyond 2048 are left out"]
