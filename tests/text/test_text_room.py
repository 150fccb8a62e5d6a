"""Numbers and titles, said once for all rooms."""

from __future__ import annotations

import re

import pytest

from nacre.text.numbers import NUMBER, close, digits, rounds_to
from nacre.text.titles import title_of, title_path


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
