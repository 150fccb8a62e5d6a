"""Tables in a text as data: formats, numbers of both languages, and columns that must stay text."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nacre.reasoning.quantities import quantity
from nacre.reasoning.tables import tables_in, tables_of
from nacre.text.messages import Source


@pytest.mark.parametrize(
    ("text", "value", "unit"),
    [
        ("1,234", 1234, ""), ("1234.50", 1234.5, ""), ("-3", -3, ""), ("−3", -3, ""), ("(1,234)", -1234, ""), ("12%", 12, "%"), ("３００", 300, ""),
        ("$1,200", 1200, "$"), ("-$5", -5, "$"), ("$1.5 million", 1_500_000, "$"), ("USD 3.5bn", 3_500_000_000, "USD"), ("$3k", 3000, "$"),
        ("3.2万", 32000, ""), ("3.2 万元", 32000, "元"), ("1.5亿", 150_000_000, ""), ("5千", 5000, ""), ("3千克", 3, "千克"), ("￥300", 300, "¥"),
        ("12台", 12, "台"), ("2024年", 2024, "年"), ("5 m", 5, "m"), ("5 kg", 5, "kg"), ("60 km/h", 60, "km/h"), ("25℃", 25, "°C"), ("0.5", 0.5, ""), (".5", 0.5, ""),
    ],
)  # fmt: skip
def test_numbers_of_both_languages(text: str, value: float, unit: str) -> None:
    found = quantity(text)
    assert found == (value, unit) and type(found.value) is type(value)


@pytest.mark.parametrize(
    "text", ["", "abc", "2024-05-01", "12:30", "007", "1,23", "1e5", "3 or 4", "1.2.3", "+", "(3", "A1", "1" * 99]
)
def test_what_only_looks_like_a_number_stays_text(text: str) -> None:
    assert quantity(text) is None


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        (
            "| 地区 | 销售额 |\n|---|---:|\n| 华东 | 3.2万元 |\n| 华北 | 8,000元 |",
            [{"地区": "华东", "销售额": 32000}, {"地区": "华北", "销售额": 8000}],
        ),
        (
            "Town | Sales\nA | 1,200\nB | 800\nQuestion: which?",
            [{"Town": "A", "Sales": 1200}, {"Town": "B", "Sales": 800}],
        ),
        ("a\tb\n1\t2\n3\n4\t5\n\ntext", [{"a": 1, "b": 2}, {"a": 3, "b": None}, {"a": 4, "b": 5}]),
        ("| a | a |  |\n| - | - | - |\n| - | - | - |\n| 1 | x \\| y | z |", None),
        ("name | n\n--- | ---\n**A** | `5`\nB | n/a", [{"name": "A", "n": 5}, {"name": "B", "n": None}]),
        ("size | code\n5 kg | 007\n5 g | 008", [{"size": "5 kg", "code": "007"}, {"size": "5 g", "code": "008"}]),
    ],
)
def test_tables_become_rows_with_numbers_where_a_whole_column_agrees(
    text: str, rows: list[dict[str, Any]] | None
) -> None:
    [table] = tables_in(text)
    if rows is not None:
        assert list(table.rows) == rows
    else:
        assert table.columns == ("a", "a (2)", "column 3") and table.rows[-1]["a (2)"] == "x | y"


def test_tables_know_their_source_and_describe_themselves() -> None:
    sources = [Source(1, "no table"), Source(2, "x\ty\n1\t2 元\n\n| p | q |\n|--|--|\n| a | b |")]
    first, second = tables_of(sources)
    assert (first.source, second.source) == (2, 2)
    assert first.describe("tables[0]") == 'tables[0] [2]: 1 × 2: "x" (number), "y" (number, 元)'
    assert second.describe("tables[1]") == 'tables[1] [2]: 1 × 2: "p" (text), "q" (text)'


@pytest.mark.parametrize(
    "text", ["", "a | b", "one\ttwo", "|||", "---|---", "| a |\n|---|\n| 1 |", "if a | b:\n    pass"]
)
def test_what_is_no_table_gives_none(text: str) -> None:
    assert tables_in(text) == []


@given(st.text(alphabet="ab1|\t\n-. ,万%\\"))
def test_any_text_gives_tables_whose_rows_have_all_columns(text: str) -> None:
    for table in tables_in(text):
        assert len(set(table.columns)) == len(table.columns) > 1 and table.rows
        assert all(tuple(row) == table.columns for row in (*table.rows, *table.texts))


def test_a_wide_header_over_many_short_rows_makes_no_more_cells_than_there_may_be() -> None:
    header = "|".join(f"c{number}" for number in range(99))
    text = "\n\n".join(f"{header}\n--|--\n" + "a|b\n" * 1000 for _ in range(20))
    assert sum(len(table.rows) * len(table.columns) for table in tables_in(text)) == 2 * 1000 * 99
    sources = [Source(number, text, "", "") for number in (1, 2, 3)]
    assert [table.source for table in tables_of(sources)] == [1, 1]
