"""What leaves it in doubt whether a source answers is told by its meaning."""

from __future__ import annotations

import pytest

from nacre.grounding.selection import select, to_compare
from nacre.text.messages import Source

NOTE = Source(1, "The harbour office is open until six. Boats may be left there over night. Bring a pass.", "Harbour")
UNSURE = "May boats be left at the quay?"


@pytest.mark.parametrize(("nearness", "sure"), [(7.0, "answer"), (3.5, "closest"), (0.5, "nothing")])
def test_where_the_words_leave_it_in_doubt_the_meaning_of_the_first_sentences_tells(nearness: float, sure: str) -> None:
    places = to_compare(UNSURE, [NOTE], relevance=0.8)
    assert len(places) == 3
    near = [(n, start, nearness, 0.8) for n, start, _ in places]
    assert select(UNSURE, [NOTE], relevance=0.8, nearness=near).sure == sure


@pytest.mark.parametrize(("nearness", "sure"), [(7.0, "answer"), (0.5, "nothing")])
def test_each_part_of_a_compound_question_is_doubted_by_its_meaning_too(nearness: float, sure: str) -> None:
    question = "May boats be left at the quay, and may boats be left at the buoy?"
    near = [(1, start, nearness, 0.8) for _, start, _ in to_compare(question, [NOTE], relevance=0.8)]
    assert near
    assert select(question, [NOTE], relevance=0.8, nearness=near).sure == sure


@pytest.mark.parametrize(("nearness", "sure"), [(6.5, "closest"), (4.0, "nothing")])
def test_chinese_sentences_stand_out_by_more(nearness: float, sure: str) -> None:
    note = Source(1, "港务处开放到六点。船可以在那里过夜。请带通行证。", "港务处")
    places = to_compare("船可以停在码头过夜吗？", [note], relevance=0.5)
    assert len(places) == 3
    near = [(n, start, nearness, 0.5) for n, start, _ in places]
    assert select("船可以停在码头过夜吗？", [note], relevance=0.5, nearness=near).sure == sure


@pytest.mark.parametrize(("nearness", "sure"), [(6.0, "closest"), (2.8, "nothing")])
def test_a_question_in_another_language_of_the_same_letters_is_answered_by_meaning(nearness: float, sure: str) -> None:
    question = "Wie lange darf man ein Boot am Kai lassen?"
    places = to_compare(question, [NOTE])
    assert len(places) == 3
    near = [(n, start, nearness if "over night" in text else 0.0, None) for n, start, text in places]
    found = select(question, [NOTE], nearness=near)
    assert found.sure == sure
    assert [NOTE.text[q.start : q.end] for q in found.quotes] == ["Boats may be left there over night."] * (
        sure != "nothing"
    )


@pytest.mark.parametrize(
    ("text", "relevance", "nearness", "sure"),
    [
        ("Boats may be left there over night.", 0.5, 3.5, "closest"),
        ("Boats may be left there over night.", 0.5, 2.8, "nothing"),
        ("Boats may be left there over night.", 0.01, 3.5, "nothing"),
        ("船可以在那里过夜。", 0.05, 4.0, "closest"),
        ("船可以在那里过夜。", 0.02, 2.5, "nothing"),
        ("船可以在那里过夜。", None, 2.4, "closest"),
        ("船可以在那里过夜。", None, 1.6, "nothing"),
    ],
)
def test_how_near_is_near_depends_on_the_writing_and_the_base(
    text: str, relevance: float | None, nearness: float, sure: str
) -> None:
    question, source = "Wie lange darf man ein Boot am Kai lassen?", Source(1, text, "Harbour")
    places = to_compare(question, [source], relevance)
    assert [said for *_, said in places] == [f"Harbour: {text}"]
    found = select(question, [source], relevance=relevance, nearness=[(1, 0, nearness, relevance)])
    assert found.sure == sure and bool(found.quotes) == (sure == "closest")


def test_the_year_that_a_question_in_another_language_names_is_the_one_that_is_quoted() -> None:
    notes = [
        Source(n, f"In {year} a berth costs {year - 2000} crowns.", "Berths") for n, year in ((1, 2028), (2, 2029))
    ]
    question = "Was kostet ein Liegeplatz im Jahr 2029?"
    near = [(n, start, 6.0 - n / 10, None) for n, start, _ in to_compare(question, notes)]
    assert [quote.n for quote in select(question, notes, nearness=near).quotes] == [2]


def test_snippets_in_another_language_do_not_vote_against_an_answer() -> None:
    strange = ["港口的灯塔建于1874年，高三十一米。", "这本书由三位作者合写，共十二章。", "市场每周六上午开放。"]
    said = ["The harbour race of 2031 went to Ada Quill.", "Ada Quill was first in the harbour race in 2031."]
    snippets = [said[0], strange[0], said[1], *strange[1:]]
    found = select("Who won the harbour race in 2031?", [Source(n, text) for n, text in enumerate(snippets, 1)])
    assert found.sure == "answer" and {quote.n for quote in found.quotes} <= {1, 3}
