"""Of two things that a question joins, what is said of each is quoted, whether they have names or not."""

from __future__ import annotations

import time

import pytest

from nacre.grounding.naming import joined
from nacre.grounding.quotes import shown
from nacre.grounding.selection import select
from nacre.text.messages import Source

CROSSING = Source(
    1,
    "Locals pay 4 crowns for a crossing. Visitors pay 11 crowns for a crossing. Horses pay 20 crowns for a crossing.",
    "Ferry",
)
SWIMMING = Source(2, "成人年票310元。学生年票130元。儿童年票70元。志愿者须在八点签到。参与者须在九点签到。", "泳池")


@pytest.mark.parametrize(
    ("question", "source", "quoted"),
    [
        ("How much do locals and visitors pay for a crossing?", CROSSING, ["4 crowns", "11 crowns"]),
        ("What do horses and locals pay for a crossing?", CROSSING, ["4 crowns", "20 crowns"]),
        ("What do visitors pay for a crossing?", CROSSING, ["11 crowns"]),
        ("成人和儿童的年票分别多少钱？", SWIMMING, ["310", "70"]),
        ("学生与成人的年票价格差别是多少？", SWIMMING, ["310", "130"]),
        ("参与者与志愿者的签到时间分别是几点？", SWIMMING, ["八点", "九点"]),
        ("学生年票多少钱？", SWIMMING, ["130"]),
    ],
)
def test_both_things_are_quoted_and_no_third(question: str, source: Source, quoted: list[str]) -> None:
    found = "".join(shown(select(question, [source]).quotes, [source]))
    amounts = ["4 crowns", "11 crowns", "20 crowns", "310", "130", "70", "八点", "九点"]
    assert [amount for amount in amounts if amount in found] == quoted


@pytest.mark.parametrize(
    ("question", "source", "sure", "quotes"),
    [
        ("Compare the tolls of locals and visitors.", CROSSING, "answer", 2),
        ("Compare the tolls of locals and sailors.", CROSSING, "closest", 1),
        ("学生和儿童的年票有什么不同？", SWIMMING, "answer", 2),
        ("学生和教师的年票有什么不同？", SWIMMING, "closest", 1),
    ],
)
def test_a_word_that_only_compares_is_not_missing(question: str, source: Source, sure: str, quotes: int) -> None:
    found = select(question, [source])
    assert (found.sure, len(found.quotes)) == (sure, quotes)


def test_a_joint_inside_a_word_joins_nothing() -> None:
    assert list(joined("参与者几点签到？")) == list(joined("The sand and.")) == []


@pytest.mark.parametrize("word", ["salt and ", "盐和", "和", "a and"])
def test_endless_joints_cost_no_more_than_a_question(word: str) -> None:
    begun = time.process_time()
    list(joined(word * (100_000 // len(word))))
    assert time.process_time() - begun < 5
