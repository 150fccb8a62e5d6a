"""Numbers and titles, said once for all rooms."""

from __future__ import annotations

import re

import pytest

from nacre.text.fields import tidy_fields
from nacre.text.hygiene import LONGEST_SEARCHED, masked, searched
from nacre.text.lenient_json import last_object
from nacre.text.numbers import NUMBER, close, digits, rounds_to
from nacre.text.reasoning import split_reasoning
from nacre.text.titles import telling_name, title_of, title_path
from nacre.text.validity import period_of
from nacre.text.variants import simplified
from nacre.text.words import located_words
from nacre.text.writing import writing_of


@pytest.mark.parametrize(
    ("text", "found"), [("1,234.5 and 7", ["1,234.5", "7"]), ("12,34", ["12", "34"]), ("0.05", ["0.05"]), ("none", [])]
)
def test_numbers_as_written(text: str, found: list[str]) -> None:
    assert re.findall(NUMBER, text) == found


def test_when_two_numbers_are_one() -> None:
    assert digits("1,234_000.50") == "1234000.50"
    assert close(0.1 + 0.2, 0.3) and not close(1.0, 1.00001)
    assert rounds_to(3.14159, "3.14") and not rounds_to(3.14159, "3.15")
    assert not rounds_to(2.4, "2")  # too rough
    assert rounds_to(1234567.0, "1,234,567")


def test_a_title_stands_once() -> None:
    assert title_path("Handbook", ("Handbook", "Leave")) == title_path("Handbook", ("Leave",)) == "Handbook › Leave"
    assert (
        title_of({"heading": ["Leave"]}) == "Leave" and title_of({"title": "Handbook", "heading": None}) == "Handbook"
    )


@pytest.mark.parametrize(
    ("uri", "title", "name"),
    [
        ("file:///r/AMAZON_2017_10K.pdf", "0001018724-18-000005", "AMAZON 2017 10K"),
        ("file:///r/Acme%20annual%20report.pdf", "UNITED STATES COMMISSION", "Acme annual report"),
        ("file:///r/年报_2023.pdf", "封面", "年报 2023"),
        ("file:///r/Handbook_2024.pdf", "Handbook 2024", ""),
        ("file:///r/01_leave.md", "Annual leave", ""),
        ("file:///r/staff-handbook.md", "员工手册", ""),
        ("file:///r/copy.md", "Annual leave", ""),
        ("file:///r/9f86d081884c7d659a2feaa0c55ad015.pdf", "Annual leave", ""),
        ("https://example.com/guides/leave", "Holidays", ""),
        ("bench:Q17 2024", "Holidays", ""),
    ],
)
def test_the_name_of_a_file_says_what_its_title_does_not(uri: str, title: str, name: str) -> None:
    assert telling_name(uri, title) == name


def test_what_a_search_looks_at_and_what_no_trace_keeps() -> None:
    assert len(searched("a lagoon " * 9999)) <= LONGEST_SEARCHED and searched(" short ") == " short "
    assert masked("use sk-abcdefghijklmnopqrstuvwx") == "use [secret]"


def test_terms_stand_where_they_begin() -> None:
    assert located_words("Ask HR, 信息安全") == [("ask", 0), ("hr", 4), ("信息", 8), ("安全", 10), ("信息安全", 8)]
    assert [writing_of(text) for text in ("RAG 是什么", "カナを読む", "42")] == ["han", "kana", "latin"]
    assert simplified("軟件許可證、増値税") == "软件许可证、增值税"


def test_fields_are_plain_and_the_later_source_counts() -> None:
    given = {"Product": "PX-100", "parts": {"door": 2}}, {"Product": "PX-200", "tags": ["a", "b"]}
    assert tidy_fields(*given) == {"Product": "PX-200", "parts.door": 2, "tags": ["a", "b"]}
    assert (period_of({"valid_from": "2026-01-01"}), period_of({"valid_from": "soon"})) == ("2026-01-01/", "")


def test_the_answer_behind_thoughts() -> None:
    assert last_object('The answer is right. {"score": 5}') == {"score": 5}
    assert last_object("Not {bad}, but {'score': 4,}") == {"score": 4}
    assert split_reasoning("<think>7 times 6</think>42") == ("42", "7 times 6")
    assert split_reasoning("so 42\n</think>\n\n42") == ("42", "so 42")
