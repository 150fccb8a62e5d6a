"""What stands on every page is not quoted."""

from __future__ import annotations

import pytest

from nacre.grounding.quotes import shown
from nacre.grounding.selection import select
from nacre.text.messages import Source

FOOT = Source(
    1,
    "# Moorings\n\nBoats leave the pier by noon.\n\nCopyright © 2026 Pelican Yard Ltd, office@pelican.example",
    "Pier",
)


def quoted(question: str, *sources: Source) -> str:
    return "\n".join(shown(select(question, sources).quotes, sources))


@pytest.mark.parametrize(
    ("question", "held"),
    [
        ("Who is the director of Pelican Yard Ltd?", False),
        ("What does Pelican Yard do?", False),
        ("When do boats leave the pier?", False),
        ("Who has the copyright of 2026?", True),
        ("What is the e-mail address of Pelican Yard?", True),
    ],
)
def test_a_notice_of_rights_answers_who_asks_for_it(question: str, held: bool) -> None:
    assert ("©" in quoted(question, FOOT)) is held


def test_a_chinese_notice_too() -> None:
    page = Source(1, "船只须在中午前离开码头。\n\n版权所有 海鸥船厂 2026", "码头")
    assert "版权" not in quoted("海鸥船厂的厂长是谁？", page)
    assert "离开码头" in quoted("船只何时须离开码头？", page)


def test_a_line_that_runs_over_pages_is_not_quoted_and_an_entry_is() -> None:
    said = ["Boats leave by noon.", "Ropes are coiled.", "Lamps burn at night."]
    pages = [Source(n, f"Pelican Yard Rules, page {n} of 9\n{line}", "Rules") for n, line in enumerate(said, 1)]
    assert "page" not in quoted("How many pages do the Pelican Yard rules have?", *pages)
    assert "page" in quoted("How many pages do the Pelican Yard rules have?", *pages[:2])
    entries = [Source(n, f"Signed by: Ada Quill\n{line}", f"Rule {n}") for n, line in enumerate(said, 1)]
    assert "Ada Quill" in quoted("Who signed the rules, signed by whom?", *entries)


@pytest.mark.parametrize(
    ("question", "line", "held"),
    [
        ("How much is a ticket to the Pool?", "Ticket price {} EUR", "Ticket price 7 EUR"),
        ("What are the opening hours of the Pool?", "Opening hours 9–17", "Opening hours 9–17"),
    ],
)
def test_what_several_documents_or_parts_of_one_say_alike_is_quoted(question: str, line: str, held: str) -> None:
    places = [("Library", 3), ("Pool", 7), ("Museum", 9)]
    texts = [f"# {place}\n\n{line.format(price)}\n\nThe {place} has rooms." for place, price in places]
    assert held in quoted(
        question, *(Source(n, text, place) for n, (text, (place, _)) in enumerate(zip(texts, places, strict=True)))
    )
    assert held in quoted(question, *(Source(n, text, "Town") for n, text in enumerate(texts)))


def test_a_line_of_three_documents_or_of_snippets_runs_over_no_pages() -> None:
    said = "Manager Ada Quill\n\nThe pool is open."
    for titles in (("Library", "Pool", "Museum"), ("", "", "")):
        assert "Ada Quill" in quoted("Who is the manager?", *(Source(n, said, title) for n, title in enumerate(titles)))


@pytest.mark.parametrize("foot", ["Pelican Yard Ltd, Mole Street, rules of the harbour", "海鸥船厂 码头规则"])
def test_a_line_that_stands_alone_at_the_end_of_two_passages_is_a_foot(foot: str) -> None:
    asked = "What are the rules of the harbour?" if foot.isascii() else "码头规则是什么？"
    texts = ("Boats leave by noon.", "Ropes are coiled.")
    feet = [Source(n, f"{said}\n\n{foot}", "Rules") for n, said in enumerate(texts, 1)]
    assert foot not in quoted(asked, *feet)
    others = [
        (feet[0], Source(2, f"{texts[1]}\n\n{foot}\n\nLamps burn.", "Rules")),  # two that overlap
        (feet[0], Source(2, feet[1].text, "Lamps")),
        tuple(Source(n, f"{said}\n{foot}", "Rules") for n, said in enumerate(texts, 1)),
    ]
    assert all(foot in quoted(asked, *sources) for sources in others)
