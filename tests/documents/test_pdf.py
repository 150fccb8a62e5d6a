"""PDF: pages, paragraphs, headings, tables over pages, and files that cannot be read."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest

from nacre.documents import ParsedDocument, parse
from nacre.errors import ParseError


def texts(document: ParsedDocument, kind: str) -> list[str]:
    return [document.text[block.start : block.end] for block in document.blocks if block.kind == kind]


def rows(document: ParsedDocument, number: int = 0) -> list[list[str]]:
    return [[cell.text for cell in row] for row in document.tables[number].rows]


LONG = "The committee met in the main hall and heard the report of its"


def test_lines_become_paragraphs_headings_and_lists(pdf, holds_together: Callable[[ParsedDocument], None]) -> None:  # type: ignore[no-untyped-def]
    lines = [
        (60, 700, 20, "Annual Report"),
        (60, 660, 10, LONG),
        (60, 648, 10, "chairman on the budget of the year."),
        (60, 620, 10, LONG),
        (60, 608, 10, "secretary."),
        (60, 590, 10, "1. First item of the list"),
        (60, 578, 10, "2. Second item"),
    ]
    document = parse(pdf.page(lines).bytes("/Title(Word - report.docx)"), name="report.pdf")
    holds_together(document)
    assert document.title == "Word - report.docx" or document.title == "Annual Report"
    assert texts(document, "heading") == ["Annual Report"]
    assert texts(document, "paragraph") == [f"{LONG} chairman on the budget of the year.", f"{LONG} secretary."]
    assert texts(document, "list") == ["1. First item of the list", "2. Second item"]
    assert {block.page for block in document.blocks} == {1} and document.pages == 1


def test_a_table_that_goes_on_keeps_its_header(pdf) -> None:  # type: ignore[no-untyped-def]
    x, y = (60, 200, 300), (700, 680, 660)
    made = pdf.grid(x, y, [["City", "Rate"], ["Beijing", "600"]], [(60, 740, 10, "Rates")]).grid(
        x, y, [["Shanghai", "650"], ["Shenzhen", "620"]]
    )
    document = parse(made.bytes(), name="a.pdf")
    assert [table.header for table in document.tables] == [("City", "Rate")] * 2
    assert rows(document, 0) == [["Beijing", "600"]]
    assert rows(document, 1) == [["Shanghai", "650"], ["Shenzhen", "620"]]
    assert [table.page for table in document.tables] == [1, 2]


def test_a_header_repeated_on_the_next_page_is_no_row(pdf) -> None:  # type: ignore[no-untyped-def]
    x, y = (60, 200, 300), (700, 680, 660)
    made = pdf.grid(x, y, [["City", "Rate"], ["Beijing", "600"]]).grid(x, y, [["City", "Rate"], ["Shanghai", "650"]])
    assert rows(parse(made.bytes(), name="a.pdf"), 1) == [["Shanghai", "650"]]


def test_rules_only_between_groups_of_rows_still_give_rows(pdf) -> None:  # type: ignore[no-untyped-def]
    x, y = (60, 200, 300, 400), (700, 680, 640)
    lower = [
        (64, 668, 10, "Beijing"),
        (204, 668, 10, "600"),
        (304, 668, 10, "1"),
        (64, 650, 10, "Shanghai"),
        (204, 650, 10, "650"),
        (304, 650, 10, "2"),
    ]
    document = parse(pdf.grid(x, y, [["City", "Rate", "Class"], ["", "", ""]], lower).bytes(), name="a.pdf")
    assert rows(document) == [["Beijing", "600", "1"], ["Shanghai", "650", "2"]]


def test_columns_without_rules_are_a_table(pdf) -> None:  # type: ignore[no-untyped-def]
    cells = [["Code", "Place", "Count"], ["SKU-1", "A-12", "450"], ["SKU-2", "", "9"], ["SKU-3", "C-1", "17"]]
    words = [
        (60 + 150 * c, 700 - 14 * r, 10, cell) for r, row in enumerate(cells) for c, cell in enumerate(row) if cell
    ]
    document = parse(pdf.page(words).bytes(), name="a.pdf")
    assert document.tables[0].header == ("Code", "Place", "Count")
    assert rows(document) == cells[1:]


def test_running_heads_are_text_but_no_content(pdf) -> None:  # type: ignore[no-untyped-def]
    for number in range(4):
        pdf.page(
            [
                (60, 780, 10, "ACME Confidential"),
                (60, 600, 10, f"Body of page {number} speaks of itself."),
                (300, 20, 10, f"Page {number + 1} of 4"),
            ]
        )
    document = parse(pdf.bytes(), name="a.pdf")
    assert document.text.count("ACME Confidential") == 4 and "Page 3 of 4" in document.text
    assert texts(document, "paragraph") == [f"Body of page {n} speaks of itself." for n in range(4)]


def test_a_hyphen_goes_only_when_the_word_is_known(pdf) -> None:  # type: ignore[no-untyped-def]
    lines = [
        (60, 700, 10, "All the information about the state was kept in the old infor-"),
        (60, 688, 10, "mation desk, which is state-"),
        (60, 600, 10, "of-the-art"),
    ]
    text = parse(pdf.page(lines).bytes(), name="a.pdf").text
    assert "old information desk" in text


def test_lowered_digits_merged_fields_and_sentences_over_short_pages(pdf) -> None:  # type: ignore[no-untyped-def]
    pdf.page([(60, 700, 10, "CO"), (75, 697, 6, "2"), (80, 700, 10, "falls")])
    assert parse(pdf.bytes(), name="a.pdf").text.startswith("CO₂ falls")
    rules = [(50, y, 350, y) for y in (700, 680, 660, 640)] + [(x, 640, x, 700) for x in (50, 150, 350)]
    rules += [(250, 660, 250, 700)]
    words = [(54, 685, 10, "Plan"), (154, 685, 10, "Month"), (254, 685, 10, "Year"), (54, 665, 10, "Basic"),
             (154, 665, 10, "10"), (254, 665, 10, "100"), (54, 645, 10, "Plus"), (154, 645, 10, "on request")]  # fmt: skip
    document = parse(type(pdf)().page(words, rules).bytes(), name="a.pdf")
    assert document.text == "Plan\tMonth\tYear\nBasic\t10\t100\nPlus\ton request\ton request"
    lines = [
        "合同可由任何一方在季度结束前至少六周以书面形式提出终止，但前提是承租人已经",
        "足额支付全部租金并且已将房屋的全部钥匙和门禁卡一并交还给出租人或者其书面",
    ]
    short = type(pdf)().page([(60, 700 - 14 * at, 10, line) for at, line in enumerate(lines)])
    short.page([(60, 700, 10, "指定的代理人。")]).page([(60, 700, 10, "另页。")])
    assert "或者其书面指定的代理人。" in parse(short.bytes(), name="a.pdf").text


def test_a_page_without_text_is_told_and_a_file_of_them_is_no_document(pdf) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ParseError, match="no text"):
        parse(pdf.page().bytes(), name="a.pdf")


@pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
def test_a_cut_file_is_told(pdf, share: float) -> None:  # type: ignore[no-untyped-def]
    data = pdf.page([(60, 700, 10, LONG)]).bytes()
    with pytest.raises(ParseError, match=r"cut off|damaged|no text|no pages"):
        parse(data[: int(len(data) * share)], name="a.pdf")


def test_garbage_after_the_magic_number_is_told() -> None:
    with pytest.raises(ParseError, match=r"cut off|damaged"):
        parse(b"%PDF-1.7\n" + os.urandom(5000), name="a.pdf")


def test_encrypted_files_ask_for_their_password(shared_data) -> None:  # type: ignore[no-untyped-def]
    data = (shared_data / "docs" / "pdf" / "aes-128.pdf").read_bytes()
    with pytest.raises(ParseError, match="encrypted"):
        parse(data, name="a.pdf")
    with pytest.raises(ParseError, match="wrong"):
        parse(data, name="a.pdf", password="bar")
    assert "Secret!" in parse(data, name="a.pdf", password="foo").text
