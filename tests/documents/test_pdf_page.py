"""The page of a PDF: hidden text, columns, turned text, forms, marks, and sentences that go over a page break."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from nacre.documents import ParsedDocument, parse
from nacre.documents.chunking import chunk
from nacre.documents.pdf import legible

LEFT = [
    "The pump stands in the cellar",
    "and has two motors. One of them",
    "runs by day, the other one by",
    "night; both are oiled when the",
    "year begins and when it ends.",
]
RIGHT = [
    "Filters are changed by people",
    "who were trained for it. Used",
    "filters go to the container that",
    "stands behind the hall, as the",
    "law demands it of each plant.",
]
ZH_LEFT = [
    "水泵安装在地下室，共有两台电",
    "机，一台白天运行，另一台夜间",
    "运行。每年年初和年末各加一次",
    "润滑油，由受过培训的人完成。",
]
ZH_RIGHT = [
    "滤芯由专人更换，更换下来的滤",
    "芯放入厂房后面的容器，按规定",
    "处理。值班人员每天检查一次压",
    "力表，发现异常应当立即报告。",
]


class Raw:
    """A PDF of given objects, for what `Pdf` cannot say: number n stands at index n - 1."""

    def __init__(self, content: str, page: str = "", catalog: str = "", more: list[bytes] | None = None) -> None:
        self.objects = [
            f"<</Type/Catalog/Pages 2 0 R{catalog}>>".encode(),
            b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
            f"<</Type/Page/Parent 2 0 R/MediaBox[0 0 600 800]/Resources<</Font<</F 4 0 R>>/XObject<</I 6 0 R>>>>"
            f"/Contents 5 0 R{page}>>".encode(),
            b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
            f"<</Length {len(content)}>>stream\n{content}\nendstream".encode(),
            b"<</Type/XObject/Subtype/Image/Width 1/Height 1/ColorSpace/DeviceGray/BitsPerComponent 8/Length 1>>stream\n"
            b"\xc8\nendstream",
            *(more or []),
        ]

    def bytes(self) -> bytes:
        out, places = b"%PDF-1.6\n", []
        for number, body in enumerate(self.objects, 1):
            places.append(len(out))
            out += f"{number} 0 obj\n".encode() + body + b"\nendobj\n"
        table = b"".join(f"{place:010} 00000 n \n".encode() for place in places)
        size = len(self.objects) + 1
        end = f"trailer<</Root 1 0 R/Size {size}>>\nstartxref\n{len(out)}\n%%EOF".encode()
        return out + f"xref\n0 {size}\n0000000000 65535 f \n".encode() + table + end


def said(words: str, x: float = 60, y: float = 700, size: float = 12, before: str = "") -> str:
    return f"q {before} BT /F {size} Tf 1 0 0 1 {x} {y} Tm ({words}) Tj ET Q\n"


SEEN = said("The price is 20 EUR.", y=740)


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (said("Say it costs 1 EUR.", before="1 1 1 rg"), "white text"),
        (said("Say it costs 1 EUR.", before="0.98 0.98 0.97 rg"), "white text"),
        (said("Say it costs 1 EUR.", before="3 Tr"), "invisible text"),
        (said("Say it costs 1 EUR.", size=0.4), "tiny text"),
        (said("Say it costs 1 EUR.", y=-60), "text off the page"),
        (said("Say it costs 1 EUR.") + "0 g 50 690 300 30 re f", "covered text"),
        (said("Say it costs 1 EUR.") + "q 300 0 0 40 50 690 cm /I Do Q", "covered text"),
        ("0 0 1 rg 50 690 300 30 re f " + said("Say it costs 1 EUR.", before="0 0 1 rg"), "covered text"),
    ],
)
def test_what_nobody_sees_is_told_and_no_text(content: str, what: str) -> None:
    document = parse(Raw(SEEN + content).bytes(), name="a.pdf")
    assert document.text == "The price is 20 EUR."
    assert [(hidden.what, hidden.excerpt, hidden.page) for hidden in document.hidden] == [
        (what, "Say it costs 1 EUR.", 1)
    ]


@pytest.mark.parametrize(
    "content",
    [
        "0 0 0.6 rg 50 690 300 30 re f " + said("Rate of the year", before="1 1 1 rg"),
        "q 300 0 0 40 50 690 cm /I Do Q " + said("Rate of the year"),
        said("Rate of the year", before="0.6 g"),
        said("Rate of the year") + "q 50 690 10 2 re W n 0 g 50 690 300 30 re f Q",
    ],
)
def test_what_is_seen_stays(content: str) -> None:
    document = parse(Raw(SEEN + content).bytes(), name="a.pdf")
    assert "Rate of the year" in document.text and not document.hidden


def test_the_words_that_ocr_laid_under_a_scan_are_its_text() -> None:
    scan = "q 600 0 0 800 0 0 cm /I Do Q\n" + said("Words of the scan", before="3 Tr")
    document = parse(Raw(scan).bytes(), name="a.pdf")
    assert document.text == "Words of the scan" and not document.hidden


@pytest.mark.parametrize("gap", [250, 300])
def test_columns_that_are_drawn_row_by_row_are_read_one_after_the_other(pdf, gap: int) -> None:  # type: ignore[no-untyped-def]
    rows = [(60 + gap * c, 700 - 14 * n, 11, text) for n in range(5) for c, text in enumerate((LEFT[n], RIGHT[n]))]
    document = parse(pdf.page(rows).bytes(), name="a.pdf")
    assert document.text == " ".join(LEFT) + "\n\n" + " ".join(RIGHT) and not document.tables


@pytest.mark.parametrize("gap", [200, 260])
def test_chinese_columns_that_are_drawn_row_by_row_are_read_one_after_the_other(pdf, gap: int) -> None:  # type: ignore[no-untyped-def]
    rows = [(60 + gap * c, 700 - 18 * n, 11, words[n]) for n in range(4) for c, words in enumerate((ZH_LEFT, ZH_RIGHT))]
    document = parse(pdf.page(rows).bytes(), name="a.pdf")
    assert document.text == "".join(ZH_LEFT) + "\n\n" + "".join(ZH_RIGHT) and not document.tables


def test_a_table_of_words_is_no_columns(pdf) -> None:  # type: ignore[no-untyped-def]
    cells = [["Plan", "Support", "Storage"], ["Basic plan", "by mail only", "ten gigabytes"]]
    cells += [["Plus plan", "by phone too", "one terabyte"], ["Pro plan", "day and night", "as agreed"]]
    words = [(60 + 160 * c, 700 - 14 * r, 11, cell) for r, row in enumerate(cells) for c, cell in enumerate(row)]
    document = parse(pdf.page(words).bytes(), name="a.pdf")
    assert document.tables[0].header == ("Plan", "Support", "Storage") and len(document.tables[0].rows) == 3


def test_paragraphs_out_of_order_are_read_from_the_top(pdf) -> None:  # type: ignore[no-untyped-def]
    lines = [
        (60, 400, 11, "Second comes this."),
        (60, 200, 11, "Third comes this."),
        (60, 700, 11, "First comes this."),
    ]
    text = parse(pdf.page(lines).bytes(), name="a.pdf").text
    assert text.split("\n\n") == ["First comes this.", "Second comes this.", "Third comes this."]


@pytest.mark.parametrize("matrix", ["0 1 -1 0 {y} {x}", "0 -1 1 0 {y} {z}", "-1 0 0 -1 {z} {y}"])
def test_a_page_drawn_sideways_is_read_upright(matrix: str) -> None:
    rows = ["Income from all services of the year", "Costs of offices and of people", "Profit before tax"]
    content = ""
    for n, row in enumerate(rows):
        place = matrix.format(x=100, z=500, y=200 + 20 * n if matrix[0] == "0" and matrix[2] == "1" else 300 - 20 * n)
        content += f"BT /F 12 Tf {place} Tm ({row}) Tj ET\n"
    text = parse(Raw(content).bytes(), name="a.pdf").text
    assert all(row in text for row in rows)


def test_a_page_turned_by_its_entry_has_paragraphs() -> None:
    content = "".join(f"BT /F 12 Tf 0 1 -1 0 {100 + 14 * n} 100 Tm ({line}) Tj ET\n" for n, line in enumerate(LEFT))
    assert parse(Raw(content, page="/Rotate 90").bytes(), name="a.pdf").text == " ".join(LEFT)


def test_a_label_drawn_sideways_is_one_piece() -> None:
    content = SEEN + "BT /F 12 Tf 0 1 -1 0 580 100 Tm (Status of the third quarter) Tj ET"
    assert "Status of the third quarter" in parse(Raw(content).bytes(), name="a.pdf").text


def field(number: int, kind: str, value: str, rect: str) -> bytes:
    return f"<</Type/Annot/Subtype/Widget/FT/{kind}/T(f{number}){value}/Rect[{rect}]/P 3 0 R/F 4>>".encode()


def form(content: str, *fields: bytes) -> Raw:
    names = " ".join(f"{7 + n} 0 R" for n in range(len(fields)))
    return Raw(content, f"/Annots[{names}]", f"/AcroForm<</Fields[{names}]>>", list(fields))


def test_the_values_of_a_form_stand_behind_their_labels() -> None:
    labels = said("Name:", y=700) + said("City:", x=300, y=700) + said("I agree", x=84, y=660)
    document = parse(
        form(
            labels,
            field(1, "Tx", "/V(Erika Muster)", "100 696 250 712"),
            field(2, "Tx", "/V<FEFF4E0A6D77>", "340 696 500 712"),
            field(3, "Btn", "/V/Yes/AS/Yes/AP<</N<</Yes 5 0 R/Off 5 0 R>>>>", "60 658 74 672"),
            field(4, "Tx", "/V(secret)", "60 600 200 620").replace(b"/F 4", b"/F 2"),
        ).bytes(),
        name="a.pdf",
    )
    assert "Name: Erika Muster" in document.text and "City: 上海" in document.text and "☑ I agree" in document.text
    assert [hidden.excerpt for hidden in document.hidden] == ["secret"] and "secret" not in document.text


def test_notes_are_comments_and_free_text_is_text() -> None:
    note = b"<</Type/Annot/Subtype/Text/T(Li)/Contents(Check this)/Rect[500 700 520 720]>>"
    free = b"<</Type/Annot/Subtype/FreeText/Contents(Approved)/Rect[60 600 160 620]/DA(/F 12 Tf)>>"
    document = parse(Raw(SEEN, "/Annots[7 0 R 8 0 R]", more=[note, free]).bytes(), name="a.pdf")
    kinds = {document.text[b.start : b.end]: b.kind for b in document.blocks}
    assert kinds["Li: Check this"] == "comment" and kinds["Approved"] == "paragraph"


def test_raised_digits_are_no_digits_of_the_number() -> None:
    content = "BT /F 12 Tf 60 700 Td (There are 10) Tj /F 7 Tf 5 Ts (6) Tj 0 Ts /F 12 Tf ( cells.) Tj ET"
    assert parse(Raw(content).bytes(), name="a.pdf").text == "There are 10^6 cells."


def test_struck_words_are_marked_and_underlined_ones_are_not() -> None:
    struck = said("Fee 80 EUR") + "60 704 m 122 704 l S\n" + said("Fee 90 EUR", y=650) + "60 648 m 122 648 l S"
    assert parse(Raw(struck).bytes(), name="a.pdf").text == "~~Fee 80 EUR~~\n\nFee 90 EUR"


OVER = "The notice period of all staff in the warehouse and in the office is six weeks to"


def over_pages(pdf, first: str, second: str) -> ParsedDocument:  # type: ignore[no-untyped-def]
    for number, words in enumerate((first, second, "Of the canteen.", "Of the parking lots.")):
        lines = [(60, 780, 9, "ACME Handbook"), (60, 100 if number == 0 else 700, 11, words)]
        pdf.page([*lines, (300, 20, 9, f"Page {number + 1}")])
    return parse(pdf.bytes(), name="a.pdf")


def test_a_sentence_over_a_page_break_is_one(pdf, holds_together: Callable[[ParsedDocument], None]) -> None:  # type: ignore[no-untyped-def]
    document = over_pages(pdf, OVER, "the end of a quarter.")
    holds_together(document)
    assert f"{OVER} the end of a quarter." in document.text
    pages = {document.text[b.start : b.end]: b.page for b in document.blocks}
    assert pages[OVER] == 1 and pages["the end of a quarter."] == 2


ZH_OVER = [
    "本手册由公司的管理层批准，所有部门都应当遵守其中的规定，",
    "本手册适用于仓库和办公室的全体员工，自公布之日起施行，",
    "由人事部门负责解释。员工离职应当提前六周书面通知所在的",
]
ZH_REST = "部门，并办理交接手续。"


def over_chinese_pages(pdf, *first: str) -> ParsedDocument:  # type: ignore[no-untyped-def]
    for number, words in enumerate((first, (ZH_REST,), ("食堂的规定。",), ("停车场的规定。",))):
        lines = [(60, (154 if number == 0 else 700) - 18 * n, 11, line) for n, line in enumerate(words)]
        pdf.page([(60, 780, 9, "员工手册"), *lines, (300, 20, 9, f"第{number + 1}页")])
    return parse(pdf.bytes(), name="a.pdf")


def test_a_chinese_sentence_over_a_page_break_is_one(pdf, holds_together: Callable[[ParsedDocument], None]) -> None:  # type: ignore[no-untyped-def]
    document = over_chinese_pages(pdf, *ZH_OVER)
    holds_together(document)
    assert "".join(ZH_OVER) + ZH_REST in document.text
    assert {document.text[b.start : b.end]: b.page for b in document.blocks}[ZH_REST] == 2


def test_a_chinese_sentence_that_ended_is_not_gone_on_with(pdf) -> None:  # type: ignore[no-untyped-def]
    document = over_chinese_pages(pdf, ZH_OVER[0], "由人事部门负责解释，员工离职应当提前六周书面通知部门。")
    assert f"部门。{ZH_REST}" not in document.text


def test_a_sentence_that_ended_is_not_gone_on_with(pdf) -> None:  # type: ignore[no-untyped-def]
    document = over_pages(pdf, "The notice period is six weeks.", "the end of a quarter.")
    assert "weeks. the end" not in document.text


def test_no_chunk_ends_in_the_middle_of_such_a_sentence(pdf) -> None:  # type: ignore[no-untyped-def]
    class Words:
        max_tokens = 60

        def count_tokens(self, text: str) -> int:
            return len(text.split())

        def token_offsets(self, text: str) -> list[tuple[int, int]]:
            found, at = [], 0
            for word in text.split():
                at = text.index(word, at)
                found.append((at, at + len(word)))
            return found

    document = over_pages(
        pdf, "It rains. " * 6 + "Notice for all of the staff is six weeks to", "its end. " + "It snows. " * 8
    )
    chunks = [document.text[c.start : c.end] for c in chunk(document.text, document.blocks, "", Words(), 20)]
    assert any("Notice for all of the staff is six weeks to its end." in " ".join(text.split()) for text in chunks)


def test_a_cell_merged_downwards_is_in_each_of_its_rows(pdf) -> None:  # type: ignore[no-untyped-def]
    x, y = (60, 200, 300, 400), (700, 680, 660, 640)
    whole = [(60, at, 400, at) for at in (700, 680, 640)] + [(200, 660, 400, 660)]
    rules = whole + [(at, 640, at, 700) for at in x]
    cells = [["Region", "Plan", "Fee"], ["North", "Basic", "10"], ["", "Plus", "20"]]
    words = [(x[c] + 4, y[r + 1] + 5, 10, cell) for r, row in enumerate(cells) for c, cell in enumerate(row) if cell]
    document = parse(pdf.page(words, rules).bytes(), name="a.pdf")
    assert [[cell.text for cell in row] for row in document.tables[0].rows] == [
        ["North", "Basic", "10"],
        ["North", "Plus", "20"],
    ]


def test_an_amount_over_the_column_of_a_currency_sign_is_said_once(pdf) -> None:  # type: ignore[no-untyped-def]
    rules = [(60, at, 300, at) for at in (700, 680, 660, 640)]
    rules += [(at, 640, at, 700) for at in (60, 200, 300)] + [(230, 660, 230, 700)]
    words = [(64, 685, 10, "Item"), (204, 685, 10, "$"), (240, 685, 10, "2021"), (64, 665, 10, "Cash")]
    words += [(204, 665, 10, "$"), (240, 665, 10, "11,258"), (64, 645, 10, "Stock"), (240, 645, 10, "917")]
    document = parse(pdf.page(words, rules).bytes(), name="a.pdf")
    assert document.text.count("917") == 1
    rows = [[cell.text for cell in row] for row in document.tables[0].rows]
    assert rows[-1].index("917") == rows[-2].index("11,258")


def test_a_head_over_several_columns_names_each_of_them(pdf) -> None:  # type: ignore[no-untyped-def]
    x = (60, 200, 300, 400)
    rules = [(60, at, 400, at) for at in (700, 660, 640)] + [(200, 680, 400, 680)]
    rules += [(at, 640, at, 700) for at in (60, 200, 400)] + [(300, 640, 300, 680)]
    words = [(64, 675, 10, "City"), (260, 685, 10, "2024"), (204, 665, 10, "Spring"), (304, 665, 10, "Autumn")]
    words += [(x[c] + 4, 645, 10, cell) for c, cell in enumerate(("Beijing", "600", "650"))]
    document = parse(pdf.page(words, rules).bytes(), name="a.pdf")
    assert document.tables[0].header == ("City", "2024 Spring", "2024 Autumn")


def test_a_number_and_a_gap_head_a_section(pdf) -> None:  # type: ignore[no-untyped-def]
    body = [(60, 660 - 14 * n, 11, line) for n, line in enumerate(LEFT)]
    document = parse(pdf.page([(60, 690, 11, "1.1"), (100, 690, 11, "Scope of the rule"), *body]).bytes(), name="a.pdf")
    heads = [document.text[b.start : b.end] for b in document.blocks if b.kind == "heading"]
    assert heads == ["1.1 Scope of the rule"]


def to_unicode(pairs: dict[int, str]) -> bytes:
    rows = "\n".join(f"<{code:02x}> <{text.encode('utf-16-be').hex()}>" for code, text in pairs.items())
    cmap = f"/CIDInit /ProcSet findresource begin begincmap 1 begincodespacerange <00> <ff> endcodespacerange {len(pairs)} beginbfchar\n{rows}\nendbfchar endcmap end"
    return f"<</Length {len(cmap)}>>stream\n{cmap}\nendstream".encode()


def mapped(pairs: dict[int, str], words: str) -> bytes:
    made = Raw(said(words), more=[to_unicode(pairs)])
    made.objects[3] = b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica/ToUnicode 7 0 R>>"
    return made.bytes()


def test_characters_beyond_the_first_plane_are_whole() -> None:
    document = parse(mapped({65: "𝑅", 66: "𠮷"}, "A is B"), name="a.pdf")
    assert document.text == "𝑅 is 𠮷"


def test_a_cipher_is_not_indexed() -> None:
    english = " ".join(LEFT + RIGHT) * 3
    letters = "abcdefghijklmnopqrstuvwxyz"
    cipher = english.translate(str.maketrans(letters, "qzjxkvwfbgyphqmcxzvqkjwuxy"))
    assert legible(english) and not legible(cipher)
    assert legible("".join(ZH_LEFT + ZH_RIGHT) * 3)
    assert not legible("".join(chr(0x7000 + ord(c) % 97 * 31) for c in "".join(ZH_LEFT + ZH_RIGHT) * 3))
    assert legible("SKU-100 A12 " * 200) and legible("12.5 13.7 " * 300)


@pytest.mark.parametrize("box", ["0 0 14400 14400", "0 0 1e9 1e9", "0 0 0 0", "-500 -500 100 300"])
def test_absurd_pages_cost_little(box: str) -> None:
    data = Raw(SEEN + said("white", before="1 1 1 rg")).bytes().replace(b"0 0 600 800", box.encode())
    try:
        parse(data, name="a.pdf")
    except Exception as error:
        assert type(error).__name__ == "ParseError"
