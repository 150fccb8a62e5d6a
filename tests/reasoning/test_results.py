"""Results as text, as plain data, and compared."""

from __future__ import annotations

import datetime
import json
import tracemalloc
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest

from nacre.reasoning.interpreter import Execution
from nacre.reasoning.results import mentions, plain, result_of, same, text_of_value, vote


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (945.0, "945"), (0.1 + 0.2, "0.3"), (12944815.5022, "12944815.5022"), (Fraction(5, 6), "5/6"), (Decimal("2.50"), "2.50"), ([3], "3"), ([1, 2.0], "1, 2"),
        ("09/08/2021", "09/08/2021"), (True, "Yes"), (10**20, "1" + "0" * 20), (1e300, "1e+300"), (float("inf"), "inf"), ({"a": (1,)}, '{"a": [1]}'),
        (datetime.date(2024, 2, 29), "2024-02-29"),
    ],
)  # fmt: skip
def test_values_are_written_as_people_write_them(value: Any, text: str) -> None:
    assert text_of_value(value) == text


def test_yes_no_and_lists_in_chinese() -> None:
    assert [text_of_value(value, "zh") for value in (True, False, [1, 2])] == ["是", "否", "1、2"]


@pytest.mark.parametrize(
    "value",
    [
        {1: {2}},
        (Decimal("1e999"),),
        Fraction(1, 3),
        datetime.datetime(2024, 1, 1),
        b"\xff",
        1j,
        frozenset({"b", "a"}),
        float("1e999"),
    ],
)
def test_plain_values_are_json(value: Any) -> None:
    json.dumps(plain(value))
    assert plain(Fraction(4, 2)) == 2 and type(plain(Decimal("3.0"))) is int


@pytest.mark.parametrize(
    ("left", "right", "equal"),
    [
        (3, 3.0000001, True), (3, 3.1, False), ("3", 3, True), ("Yes ", "yes", True), ([3], 3, True), ([1, 2], (1, 2.0), True), ([1, 2], [2, 1], False),
        (Fraction(1, 2), 0.5, True), (10**400, 10**400, True), ("a", 3, False), (True, 1, False), ("1,000", 1000, True), (None, None, True),
    ],
)  # fmt: skip
def test_results_are_compared_by_meaning(left: Any, right: Any, equal: bool) -> None:
    assert same(left, right) is equal and same(right, left) is equal


def test_the_most_frequent_value_wins_and_the_first_of_equals() -> None:
    winner, votes = vote([41, 42, 42.0000001, "x"])
    assert winner == 1 and votes == [{"value": 42, "count": 2}, {"value": 41, "count": 1}, {"value": "x", "count": 1}]
    assert vote(["b", "a"])[0] == 0


@pytest.mark.parametrize(
    ("sentence", "value", "said"),
    [
        ("There are 3.", 3, True), ("There are 4.", 3, False), ("Total: 2,000 yuan", 2000.0, True), ("about 0.33", 1 / 3, True), ("about 0", 1 / 3, False),
        ("It is monday", "Monday", True), ("x is 2 or 3", [2, 3], True), ("x is 2", [2, 3], False), ("共 40000 元", 40000, True), ("No.", False, False),
    ],
)  # fmt: skip
def test_a_sentence_says_a_value_or_it_does_not(sentence: str, value: Any, said: bool) -> None:
    assert mentions(sentence, value) is said


@pytest.mark.parametrize(
    ("stdout", "value"), [("1,234\n", 1234), ("a\n3.5\n\n", 3.5), ("done\n", "done"), ("\n", None)]
)
def test_what_was_printed_last_stands_in_for_a_value(stdout: str, value: Any) -> None:
    assert result_of(Execution("ok", stdout=stdout)) == value
    assert result_of(Execution("ok", value=0, stdout=stdout)) == 0


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r", "\v", "\f", "\x1c", "\x1d", "\x1e", "\x85", "\u2028", "\u2029"])
def test_what_was_printed_last_is_found_whatever_ends_lines(end: str) -> None:
    assert result_of(Execution("ok", stdout=f"a{end}  1,024 {end} {end}")) == 1024
    assert result_of(Execution("ok", stdout=end * 3)) is None


def test_finding_what_was_printed_last_makes_no_object_of_each_line() -> None:
    text = "ab\n" * 1_000_000
    tracemalloc.start()
    try:
        assert result_of(Execution("ok", stdout=text)) == "ab"
        assert tracemalloc.get_traced_memory()[1] < 2 * len(text)
    finally:
        tracemalloc.stop()
