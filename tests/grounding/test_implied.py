"""What a sentence says of a question in other words than its own: amounts, days, ordinals, units."""

from __future__ import annotations

import time

import pytest

from nacre.grounding.quotes import shown
from nacre.grounding.ranges import amounts, within
from nacre.grounding.selection import select
from nacre.grounding.weekdays import named
from nacre.text.messages import Source

TIERS = Source(
    1,
    "Copies\tRebate\tDelivery\n1–24\tnone\t9 days\n25–99\t4 %\t12 days\n100–499\t7 %\t15 days\n500 and more\t12 %\tby letter\n\n"
    "Bills are due within 30 days. Since May a rebate of 2 % is given within 10 days.",
    "Printing",
)
FERRY = Source(
    1,
    "Tariff by load:\n  up to 40 kg ........ hand cart, free\n  40 to 600 kg ....... deck, 12 crowns\n  above 600 kg ....... barge, 90 crowns",
    "Ferry",
)
HOURS = Source(
    1,
    "Room\tMon–Thu\tFri\tSat and Sun\nReading room\t9:00–18:00\t9:00–15:00\tclosed\nArchive\t10:00–16:00\tclosed\t11:00–13:00",
    "Library",
)
BOOK = "Apprentices are paid by the year of their training.\n\nYear\tPay per month\n1st\t910\n2nd\t980\n3rd\t1,070"
PAY = Source(1, BOOK, "Apprentices")


def answer(question: str, source: Source) -> str:
    return "\n".join(shown(select(question, [source], 1).quotes, [source]))


@pytest.mark.parametrize(
    ("question", "source", "told", "untold"),
    [
        ("What rebate do I get for 130 copies?", TIERS, "7 %", "4 %"),
        ("What rebate is given for 30 copies?", TIERS, "4 %", "30 days"),
        ("What rebate do I get for 2,000 copies?", TIERS, "12 %", "7 %"),
        ("What is the tariff for a load of 250 kg?", FERRY, "12 crowns", "90 crowns"),
        ("What is the tariff for a load of 900 kilograms?", FERRY, "90 crowns", "12 crowns"),
        ("When is the reading room open on Wednesdays?", HOURS, "9:00–18:00", "10:00"),
        ("When is the archive open on Sunday?", HOURS, "11:00–13:00", "9:00"),
        ("What is the pay per month in the third year?", PAY, "1,070", "980"),
    ],
)
def test_the_row_is_the_one_that_means_what_is_asked(question: str, source: Source, told: str, untold: str) -> None:
    said = answer(question, source)
    assert told in said
    assert untold not in said


@pytest.mark.parametrize(
    ("question", "text", "held"),
    [
        ("for 130 copies", "100–499 copies", True),
        ("for 99 copies", "100–499 copies", False),
        ("EUR 20,000", "up to EUR 40,000", True),
        ("EUR 50,000", "up to EUR 40,000", False),
        ("20 days", "29 to 14 days before", True),
        ("pH 7.8", "pH 低于 8.0 须更换", True),
        ("6 公斤", "5 公斤以上", True),
        ("1,5 公斤", "2 公斤以下", True),
        ("1,5 公斤", "10 公斤以上", False),
        ("in 2024", "2020 to 2026", False),  # a year is no amount
        ("7 copies", "No. 5-9-2, dial 05:9", False),
    ],
)
def test_an_amount_lies_in_a_range_or_does_not(question: str, text: str, held: bool) -> None:
    said = frozenset(("copi", "eur", "day", "ph", "公斤"))
    assert bool(list(within(amounts(question), text, said))) is held


def test_a_range_of_another_unit_holds_nothing() -> None:
    assert not list(within(amounts("for 30 copies"), "25–99 days", frozenset(("day",))))


@pytest.mark.parametrize(
    ("text", "days"),
    [
        ("Mon–Fri", {0, 1, 2, 3, 4}),
        ("周一至周三、周日", {0, 1, 2, 6}),
        ("Saturday to Monday", {0, 5, 6}),
        ("weekends", {5, 6}),
        ("the sun sets on the monitor", {6}),  # "sun" alone may be the day: nothing more follows from it
        ("monitors, friends, satin", set()),
    ],
)
def test_days_by_whichever_name(text: str, days: set[int]) -> None:
    assert named(text) == days


def test_a_chinese_word_is_found_though_it_is_cut_otherwise_there() -> None:
    source = Source(1, "工厂分三班：早班 6:00–14:00，中班 14:00–22:00。食堂在二楼。", "排班")
    assert "中班 14:00–22:00" in answer("中班几点到几点？", source)


@pytest.mark.parametrize("piece", ["1,", "up to ", "5 to ", "Mon-", "3 or ", "under 1"])
def test_endless_ranges_cost_no_more_than_a_sentence(piece: str) -> None:
    begun = time.process_time()
    list(within(amounts("for 30 copies"), piece * 100_000, frozenset(("copi",))))
    named(piece * 20_000)
    amounts(piece * 20_000)
    assert time.process_time() - begun < 2
