"""Numbers and titles, said once for all rooms."""

from __future__ import annotations

import re

import pytest

from nacre.text.numbers import NUMBER, close, digits, rounds_to
from nacre.text.titles import telling_name, title_of, title_path


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
