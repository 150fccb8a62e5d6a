"""What the sources do not tell is not claimed: it is refused, or called the closest passage."""

from __future__ import annotations

import pytest

from nacre.grounding.answerability import sureness_by_meaning
from nacre.grounding.selection import select
from nacre.text.messages import Source

CONTACTS = Source(
    1, "firm\tphone\tcustomer no.\nLund & Sons\t551 20\tK-77\nVik Cranes\t551 34\t\nHolm Paints\t551 48\tK-12", "firms"
)
METALS = Source(1, "grade\tname\tdensity\n3.4365\tAlZnMgCu1.5\t2.8\n1.0503\tC45\t7.85\n1.7225\t42CrMo4\t7.8", "metals")
STAFF = Source(1, "海湾工厂员工须佩戴胸牌。厨房员工须戴帽。工作服押金 300 元。", "海湾工厂员工手册（2026 版）")
OFFERS = Source(1, "Offers are signed by:\n- up to 5,000 crowns: the clerk\n- above: the managing director", "Offers")


@pytest.mark.parametrize(
    ("question", "source"),
    [
        ("What is the customer number of Vik Cranes?", CONTACTS),
        ("What is the density of bronze grade 5?", METALS),
        ("海湾工厂有多少名员工？", STAFF),
        ("What is the managing director's salary?", OFFERS),
    ],
)
def test_no_answer_is_claimed(question: str, source: Source) -> None:
    assert select(question, [source], relevance=0.95).sure != "answer"


@pytest.mark.parametrize(
    ("question", "source"),
    [
        ("What is the customer number of Holm Paints?", CONTACTS),
        ("What is the density of C45?", METALS),
        ("工作服押金多少元？", STAFF),
    ],
)
def test_what_is_told_is_answered(question: str, source: Source) -> None:
    assert select(question, [source], relevance=0.95).sure == "answer"


@pytest.mark.parametrize(("nearness", "sure"), [(5.2, "closest"), (4.4, "nothing")])
def test_what_stands_out_by_much_is_near_however_little_its_words_promise(nearness: float, sure: str) -> None:
    assert sureness_by_meaning(nearness, relevance=0.002) == sure


def test_the_spellings_of_one_identifier_count_as_one_word() -> None:
    table = Source(1, "No.\tMachine\tYear\nM-101\tlathe\t2017\nM-102\tmill\t2021\nM-103\tsaw\t2014", "Machines")
    asked = "How many litres does the coolant tank of M-101 hold?"
    assert select(asked, [table], relevance=0.9).sure == "closest"
