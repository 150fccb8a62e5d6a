"""Text, Markdown, HTML, CSV, JSON and notebooks: structure found, text kept, spans exact."""

import json
import time

import pytest

from nacre.documents import ParsedDocument, parse
from nacre.documents.wide import PART
from nacre.errors import ParseError


def blocks(document: ParsedDocument, kind: str) -> list[str]:
    return [document.text[block.start : block.end] for block in document.blocks if block.kind == kind]


def test_markdown_is_kept_as_written_and_its_headings_are_spans_of_words() -> None:
    source = "---\ntitle: 网关\nkeywords:\n  - 路由\n---\n<!-- licence -->\n\n# 概述 {#top}\n\n正文，`{}` stays.\n\nSetext\n===\n\n```\n# not a heading\n```\n"
    document = parse(source.encode(), name="a.md")
    assert document.text == source.replace("<!-- licence -->", "")
    assert document.title == "网关"
    assert blocks(document, "heading") == ["概述", "Setext"]
    assert [block.level for block in document.blocks if block.kind == "heading"] == [1, 1]
    assert blocks(document, "code") == ["```\n# not a heading\n```"]
    assert blocks(document, "meta") == ["title: 网关", "keywords:\n  - 路由"]


def test_markdown_tables_become_data_and_lists_keep_their_depth() -> None:
    document = parse("- a\n  - b\n\n| 名称 | `x` |\n|---|---|\n| 端口 | 9080 |\n| 空 | |\n".encode(), name="a.md")
    assert [(b.level, document.text[b.start : b.end]) for b in document.blocks if b.kind == "list"] == [
        (1, "- a"),
        (2, "- b"),
    ]
    table = document.tables[0]
    assert table.header == ("名称", "`x`")
    assert [[cell.text for cell in row] for row in table.rows] == [["端口", "9080"], ["空", ""]]


def test_html_shows_what_a_reader_sees() -> None:
    page = """<!doctype html><head><title>手册</title><style>p{}</style></head><body><nav>首页 | 关于</nav><h1>安
    装</h1><p>先装 <b>Python</b>，<br>再装 pip。</p><p hidden>secret</p><div style="display: none">gone</div>
    <script>alert(1)</script><pre>a  =  1\nb</pre><ul><li>一<ul><li>二</ul></ul><blockquote>Q</blockquote></body>"""
    document = parse(page.encode(), name="a.html")
    assert document.title == "手册"
    assert blocks(document, "heading") == ["安装"]
    assert blocks(document, "paragraph") == ["先装 Python，\n再装 pip。"]
    assert blocks(document, "code") == ["a  =  1\nb"]
    assert [b.level for b in document.blocks if b.kind == "list"] == [1, 2]
    assert blocks(document, "quote") == ["Q"]
    assert "首页" in document.text and not any("首页" in text for text in blocks(document, "paragraph"))
    assert not any(word in document.text for word in ("secret", "gone", "alert"))


def test_html_tables_stand_on_a_grid_and_layout_tables_do_not() -> None:
    page = """<table><caption>价格</caption><thead><tr><th>年<th>月<th>元</thead><tr><td rowspan=2>2025<td>1<td>10<tr><td>2<td>20
    <tr><td colspan=2>合 计<td>30</table><table><tr><td><h2>Left</h2><p>text<td>right</table>"""
    document = parse(page.encode(), name="a.html")
    table = document.tables[0]
    assert table.header == ("年", "月", "元")
    assert [[cell.text for cell in row] for row in table.rows] == [
        ["2025", "1", "10"],
        ["2025", "2", "20"],
        ["合计", "合计", "30"],
    ]
    assert len(document.tables) == 1
    assert blocks(document, "paragraph") == ["价格", "text", "right"]


def test_csv_finds_its_delimiter_and_numbers_its_records() -> None:
    document = parse(b'Name;Note\n"Li; Lei";"two\nlines"\nHan;x\n', name="a.csv")
    table = document.tables[0]
    assert (table.header, table.row) == (("Name", "Note"), 2)
    assert [[cell.text for cell in row] for row in table.rows] == [["Li; Lei", "two lines"], ["Han", "x"]]


def test_csv_titles_above_the_header_are_no_columns() -> None:
    document = parse("销售报表,,\n地区,一月,二月\n华东,10,20\n华南,30,40\n".encode("gb18030"), name="a.csv")
    assert blocks(document, "paragraph") == ["销售报表"]
    assert document.tables[0].header == ("地区", "一月", "二月")
    assert document.tables[0].row == 3


def test_json_records_are_lines_of_key_and_value() -> None:
    document = parse(
        json.dumps({"title": "FAQ", "items": [{"q": "什么是螺钿?", "a": {"text": "x", "n": 10**40}}]}).encode(),
        name="a.json",
    )
    assert document.title == "FAQ"
    assert "items[0].q: 什么是螺钿?" in document.text
    assert f"items[0].a.n: {10**40}" in document.text


def test_like_records_are_a_table_wherever_they_stand() -> None:
    rules = {
        "house": "Mill",
        "sales": {"agents": [{"name": "Ada", "share": 15}, {"name": "Bo", "share": 18.0}]},
        "beds": 3,
    }
    document = parse(json.dumps(rules).encode(), name="rules.json")
    (table,) = document.tables
    assert table.header == ("name", "share")
    assert [cell.text for cell in table.rows[-1]] == ["Bo", "18.0"]
    assert "sales.agents\n\nname\tshare" in document.text
    assert "beds: 3" in document.text
    twice = {"hall": {"a.b": [{"x": 1, "y": 2}, {"x": 3, "y": 4}], "a": {"b": [{"x": 5, "y": 6}, {"x": 7, "y": 8}]}}}
    assert len(parse(json.dumps(twice).encode(), name="twice.json").tables) == 2


def test_json_lines_of_like_records_are_a_table_and_broken_lines_are_told() -> None:
    document = parse(b'{"id": 1, "name": "a"}\n{"id": 2, "name": "b"}\noops\n', name="a.jsonl")
    assert document.tables[0].header == ("id", "name")
    assert [[cell.text for cell in row] for row in document.tables[0].rows] == [["1", "a"], ["2", "b"]]
    assert "line 3" in document.warnings[0]


def test_notebooks_give_prose_code_and_output() -> None:
    cells = [
        {"cell_type": "markdown", "source": ["# 分析\n", "说明"]},
        {
            "cell_type": "code",
            "source": "print(1)",
            "outputs": [
                {"output_type": "stream", "text": ["\x1b[31m1\x1b[0m\n"]},
                {"data": {"text/plain": "df", "image/png": "AAAA"}},
                {"data": {"text/plain": "<Figure size 640x480>", "image/png": "AAAA"}},
                {"data": {"text/html": "<table><tr><th>tide<td>9 m</table><script>no</script>"}},
                {"data": {"text/markdown": "*low*"}},
                {"ename": "ValueError", "evalue": "no \x1b[31mtide\x1b[0m", "traceback": ["x"]},
                None,
            ],
        },
        {"cell_type": "code", "source": "", "outputs": 7},
        {"cell_type": "heading", "level": "x", "source": "old"},
        None,
    ]
    document = parse(json.dumps({"nbformat": 4, "cells": cells}).encode(), name="a.ipynb")
    assert blocks(document, "heading") == ["分析", "old"]
    assert blocks(document, "code") == ["print(1)", "1", "df", "ValueError: no tide"]
    assert [cell.text for cell in document.tables[0].rows[0]] == ["9 m"] or "tide\t9 m" in document.text
    assert "low" in document.text and not any(word in document.text for word in ("AAAA", "Figure", "script"))


def test_plain_text_keeps_every_character_and_finds_chapters() -> None:
    source = "第一章 总则\n\n第一条 为了规范……\n第二条 本办法。\n\nEnd.\n"
    document = parse(source.encode("gb18030"), name="a.txt")
    assert document.text == source
    assert blocks(document, "heading") == ["第一章 总则"]
    assert blocks(document, "paragraph") == ["第一条 为了规范……\n第二条 本办法。", "End."]


@pytest.mark.parametrize(
    ("name", "data", "mime"),
    [
        ("report.pdf", b"Just some words, no PDF.", "text/plain"),
        ("page.txt", b"<!DOCTYPE html><title>t</title><p>hello", "text/html"),
        ("export.xls", "姓名\t年龄\n李雷\t30\n韩梅\t31\n".encode("gb18030"), "text/csv"),
        ("export.xlsx", b"<html><body><table><tr><td>a<td>b</table>", "text/html"),
        ("data", b'{"a": 1}', "application/json"),
        ("mail", b"From: a@b.c\nTo: d@e.f\nSubject: hi\n\nbody", "message/rfc822"),
        ("notes.json", b"not json at all", "text/plain"),
        ("note.txt", b"From: a@b.c\nTo: me\nSubject: a draft\n\nbody", "text/plain"),
    ],
)
def test_content_decides_over_the_name(name: str, data: bytes, mime: str) -> None:
    assert parse(data, name=name).mime == mime


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty"),
        (b" \n\t\n", "empty"),
        (b"\x89PNG\r\n\x1a\n" + b"0" * 50, "OCR|damaged"),
        (b"ID3\x04" + b"0" * 50, "transcribe"),
        (b"\x1f\x8b\x08" + b"0" * 50, "archive"),
        (b"\x7fELF" + b"\0" * 50, "program"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 600, "damaged or cut off"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + "EncryptedPackage".encode("utf-16-le"), "encrypted"),
        (b"<!-- nothing -->", "no text"),
    ],
)
def test_what_holds_no_text_says_why(data: bytes, reason: str) -> None:
    with pytest.raises(ParseError, match=reason):
        parse(data, name="a.html" if data.startswith(b"<") else "a.docx")


def test_reasons_speak_the_readers_language(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NACRE_LANG", "zh")
    with pytest.raises(ParseError, match="文件是空的"):
        parse(b"", name="a.txt")


@pytest.mark.parametrize("name", ["wide.csv", "wide.md", "wide.html"])
def test_a_table_too_wide_for_a_passage_becomes_narrow_ones_below_each_other(name: str) -> None:
    head = ["Town", *(f"index {n}" for n in range(1, 3000))]
    body = [[town, *(f"{town[0]}{n}" for n in range(1, 3000))] for town in ("Arles", "Basel")]
    markdown = "\n".join(f"| {' | '.join(row)} |" for row in [head, ["---"] * len(head), *body])
    cells = "".join(f"<tr><td>{'<td>'.join(row)}</tr>" for row in [head, *body])
    written = {"csv": "\n".join(map(",".join, [head, *body])), "md": f"Before.\n\n{markdown}\n\nAfter."}
    document = parse(written.get(name.partition(".")[2], f"<table>{cells}</table>").encode(), name=name)
    assert len(document.text) < 2 * len(markdown)
    part = next(table for table in document.tables if "index 2012" in table.header)
    assert part.header[0] == "Town" and len(part.header) == 10
    assert [row[0].text for row in part.rows] == ["Arles", "Basel"]
    assert part.rows[1][part.header.index("index 2012")].text == "B2012"
    assert {name for table in document.tables for name in table.header} == {*head}


def test_an_empty_part_of_a_row_is_not_repeated_in_a_wide_table() -> None:
    rows = [["key", *map(str, range(999))], *([f"k{n}", *[""] * n, "x"] for n in range(900))]
    document = parse("\n".join(",".join(row) for row in rows).encode(), name="sparse.csv")
    assert sum(len(table.rows) for table in document.tables) < 3 * 900
    assert all(f"k{n}\t" in document.text for n in range(900))


@pytest.mark.parametrize("fence", ["```", "~~~", "1. item\n\n   ```"])
def test_a_wide_table_in_a_fence_stays_code(fence: str) -> None:
    rows = [[f"c{n}" for n in range(120)], ["---"] * 120, ["v"] * 120]
    table = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    indent = " " * 3 if fence[0] == "1" else ""
    code = f"{table}\n{fence[-3:]}".replace("\n", f"\n{indent}")
    document = parse(f"{table}\n\n{fence}\n{indent}{code}\n\n{table}\n".encode(), name="a.md")
    assert document.text.count(code) == 1 and code in blocks(document, "code")[0]
    tables = [block for block in document.blocks if block.kind == "table"]
    assert len(tables) == len(document.tables) == 2 * 14 and {block.level for block in tables} == {PART}
    assert all(document.text[block.start : block.end].startswith("| c0 |") for block in tables)


ALIGNED = """TARIFF OF THE FERRY

Passage            Minutes   Fare (crowns)
Old quay              12          4
North pier            25          7.50
渡口 Island           40         11

* not on Sundays
"""


def test_a_table_that_spaces_set_is_a_table() -> None:
    document = parse(ALIGNED.encode(), name="tariff.txt")
    (table,) = document.tables
    assert table.header == ("Passage", "Minutes", "Fare (crowns)")
    assert [[cell.text for cell in row] for row in table.rows][2] == ["渡口 Island", "40", "11"]
    assert "North pier\t25\t7.50" in document.text
    assert document.text.startswith("TARIFF OF THE FERRY\n")
    assert document.text.rstrip().endswith("* not on Sundays")


@pytest.mark.parametrize(
    "text",
    [
        "Monday     9:00-17:00\nFriday     9:00-12:30\nSunday     closed\n",  # nothing names the columns
        "def f():\n    return  1\n\nx = 2\n",
        "He  said that it was so.  And then\nhe  went home by the  long road.\nAnd  slept.\n",
    ],
)
def test_lines_with_gaps_are_no_table_by_themselves(text: str) -> None:
    document = parse(text.encode(), name="a.txt")
    assert not document.tables
    assert document.text.strip() == text.strip()


def test_a_table_that_a_notebook_printed_is_a_table() -> None:
    printed = "quarter  nights  rate\nQ1          540  104.3\nQ2          770  141.9\nQ3          880  162.4\n"
    cell = {"cell_type": "code", "source": "print(t)", "outputs": [{"output_type": "stream", "text": printed}]}
    document = parse(json.dumps({"cells": [cell], "nbformat": 4}).encode(), name="a.ipynb")
    (table,) = document.tables
    assert table.header == ("quarter", "nights", "rate")
    assert table.rows[2][2].text == "162.4"


def test_endless_gaps_cost_no_more_than_their_lines() -> None:
    begun = time.process_time()
    parse(("a  1  2\n" * 50_000 + "b  " * 200_000).encode(), name="a.txt")
    assert time.process_time() - begun < 10


def test_a_form_has_no_row_that_names_columns() -> None:
    rows = [
        ("Visitor", "Ida Lund"),
        ("Arrival", "4 May, 9:30"),
        ("Badge", "17"),
        ("Purpose", "to see the kilns"),
        ("Car", "none"),
    ]
    html = "".join(f"<tr><td>{label}</td><td>{value}</td></tr>" for label, value in rows)
    (table,) = parse(f"<table>{html}</table>".encode(), name="a.html").tables
    assert len(table.rows) == len(rows)
