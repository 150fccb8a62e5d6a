"""Whatever comes in, out come spans that hold, or a reason; and nothing of an import is paid before it is needed."""

import json
import subprocess
import sys

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nacre.documents import Block, Cell, Limits, ParsedDocument, Table, parse
from nacre.documents.document import from_data, to_data
from nacre.errors import ParseError

NAMES = [
    "a.txt",
    "a.md",
    "a.html",
    "a.csv",
    "a.tsv",
    "a.json",
    "a.jsonl",
    "a.eml",
    "a.mbox",
    "a.ipynb",
    "a.pdf",
    "a.docx",
    "a",
]
# Fragments that mean something to one parser or another.
PIECES = st.sampled_from(
    [
        "# ",
        "## 标题\n",
        "\n",
        "\n\n",
        "- ",
        "1. ",
        "> ",
        "```\n",
        "|a|b|\n|-|-|\n|1|2|\n",
        "<p>",
        "</p>",
        "<table><tr><td>",
        "</table>",
        "<!-- ",
        "-->",
        "<h1>",
        "<li>",
        "---\n",
        "title: x\n",
        "a,b\n",
        '"',
        "\t",
        ";",
        "{",
        "}",
        "[",
        "]",
        '"k": 1',
        "From: a@b\n",
        "Subject: =?utf-8?b?5Lit?=\n",
        "Content-Type: multipart/mixed; boundary=b\n",
        "--b\n",
        "\x00",
        "\u2028",
        "\ufeff",
        "中文。",
        "word ",
        "\r\n",
        "\r",
        "\x0b",
    ]
)


@settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
)
@given(
    name=st.sampled_from(NAMES),
    data=st.one_of(
        st.binary(max_size=200),
        st.lists(PIECES, max_size=40).map(lambda parts: "".join(parts).encode("utf-8", "replace")),
    ),
)
def test_any_bytes_under_any_name_hold_together(name: str, data: bytes, holds_together) -> None:  # type: ignore[no-untyped-def]
    try:
        document = parse(data, name=name)
    except ParseError as error:
        assert error.message and error.uri == name
        return
    holds_together(document)
    assert document.blocks and document.title is not None
    assert from_data(json.loads(json.dumps(to_data(document)))) == document
    assert not set("\r\x00\ufeff") & set(document.text)


def test_a_document_survives_the_way_through_json() -> None:
    table = Table(3, 10, ("a", "b"), ((Cell("x", 7, 8), Cell("", 8, 8)),), page=2, sheet="s", row=5, column=2)
    document = ParsedDocument(
        "ab\na\tb\nx\n中",
        "t",
        "text/csv",
        (Block("table", 3, 8), Block("note", 9, 10, 1, 2, "s")),
        (table,),
        ("w",),
        2,
        ("s",),
        ("a.txt",),
        {"k": "v"},
        "utf-8",
    )
    assert from_data(json.loads(json.dumps(to_data(document)))) == document


@pytest.mark.parametrize(
    "change",
    [
        {"blocks": [["paragraph", 0, 99, 0, None, ""]]},
        {"blocks": [["evil", 0, 1, 0, None, ""]]},
        {"text": 5},
        {"tables": [[0, 99, [], [], None, "", 1, 1]]},
    ],
)
def test_what_a_worker_sends_is_checked(change: dict[str, object]) -> None:
    good = to_data(ParsedDocument("abc", "t", "text/plain", ()))
    with pytest.raises(ValueError):
        from_data({**good, **change})


def test_limits_stop_a_flood_of_text_and_cells() -> None:
    with pytest.raises(ParseError, match="characters"):
        parse(b"a" * 2000, name="a.txt", limits=Limits(text_chars=1000))
    wide = parse(b"a,b,c\n" + b"1,2,3\n" * 100, name="a.csv", limits=Limits(table_cells=50))
    assert not wide.tables and "too many cells" in wide.warnings[0] and wide.text.count("1\t2\t3") == 100


def test_importing_the_parsers_loads_no_format_library() -> None:
    code = "import sys, nacre.documents; print([m for m in ('lxml', 'openpyxl', 'selectolax', 'pypdfium2', 'markdown_it', 'charset_normalizer', 'numpy', 'langchain_core') if m in sys.modules])"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "[]"
