"""Weighing sentences against a question: what must win, what must lose, when to refuse."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nacre.grounding.answer_type import answers_in, candidates, expected
from nacre.grounding.answerability import agreement, answerable
from nacre.grounding.claims import support
from nacre.grounding.ranking import analyse, evidence

text_of_any_kind = st.text(
    alphabet=st.sampled_from("abc XY 12.,?!。，？年月日信息安全\n|\t#-é½\ud800《》·"), max_size=80
)


def best(question: str, text: str, title: str = "") -> str:
    item = max(evidence(analyse(question), [(text, title)]), key=lambda item: item.score)
    return text[item.start : item.end]


@pytest.mark.parametrize(
    ("question", "kind"),
    [
        ("Who wrote the handbook?", "person"),
        ("When does the policy start?", "time"),
        ("What is the release date of v3?", "time"),
        ("How much may a hotel cost?", "number"),
        ("Where is the warehouse?", "place"),
        ("Why was the kiln stopped?", "reason"),
        ("Is tea served?", "any"),
        ("谁负责报销？", "person"),
        ("手册何时生效？", "time"),
        ("年假有多少天？", "number"),
        ("仓库在哪个城市？", "place"),
        ("为什么停窑？", "reason"),
    ],
)
def test_a_question_word_tells_what_kind_of_answer_is_expected(question: str, kind: str) -> None:
    assert expected(question).kind == kind


@pytest.mark.parametrize(
    ("sentence", "kind", "found"),
    [
        ("Mara Lindqvist signed it.", "person", "Mara Lindqvist"),
        ("负责人是钱钟书。", "person", "钱钟书"),
        ("It is in Lisbon now.", "place", "Lisbon"),
        ("仓库位于苏州市。", "place", "苏州"),
        ("Paid on 3 March 2026.", "time", "March"),
        ("有12天年假", "number", "12"),
    ],
)
def test_things_of_a_kind_are_found_in_a_sentence(sentence: str, kind: str, found: str) -> None:
    assert any(found in sentence[start:end] for start, end in candidates(sentence, kind))  # type: ignore[arg-type]


def test_a_capital_at_the_head_of_a_sentence_makes_no_name_of_an_article() -> None:
    sentence = "The chair is Rosalind Achterberg; it was Kofi who asked. A card costs 12 euros."
    assert [sentence[start:end] for start, end in candidates(sentence, "person")] == ["Rosalind Achterberg", "Kofi"]


def test_dates_written_differently_count_as_the_same_answer() -> None:
    when = expected("When was it released?")
    english = answers_in("It came out in September.", when, frozenset())
    chinese = answers_in("9月发布。", when, frozenset())
    assert english & chinese


def test_the_number_beside_the_noun_asked_about_wins() -> None:
    text = "Leave is planned by the team leads. Staff get 12 days of leave. Leave requests go to HR in 3 copies."
    assert best("How many days of leave do staff get?", text) == "Staff get 12 days of leave."


def test_a_sentence_that_names_a_person_beats_one_that_only_repeats_the_question() -> None:
    text = "The expense policy is owned by a department. The expense policy is owned by Mara Lindqvist."
    assert "Mara" in best("Who owns the expense policy?", text)


def test_the_heading_above_helps_a_bare_line() -> None:
    text = "Opening hours\nNine to five on weekdays.\n\nParking\nTen places behind the mill."
    assert best("What are the opening hours?", text + "\n") == "Nine to five on weekdays."


def test_the_row_of_a_table_is_found_through_the_names_of_its_columns() -> None:
    text = "City\tHotel limit\tMeals\nShanghai\t600\t150\nSuzhou\t450\t120"
    assert best("What is the hotel limit in Suzhou?", text).startswith("Suzhou")
    assert best("上海的 Hotel limit 是多少？", text.replace("Shanghai", "上海")).startswith("上海")


@pytest.mark.parametrize(
    ("question", "year"),
    [("What is the hotel limit in Lisbon in 2026?", "2026"), ("2024年版规定里斯本 hotel limit 是多少？", "2024")],
)
def test_the_document_of_the_year_asked_about_wins(question: str, year: str) -> None:
    passages = [
        ("The hotel limit in Lisbon is 110 euros.", "Travel policy 2024"),
        ("The hotel limit in Lisbon is 140 euros.", "Travel policy 2026"),
    ]
    item = max(evidence(analyse(question), passages), key=lambda item: item.score)
    assert passages[item.passage][1].endswith(year)


def test_support_grows_with_the_words_that_stand_there() -> None:
    claim = "The hotel limit in Suzhou is 450 yuan"
    assert support(claim, "The hotel limit in Suzhou is 450 yuan.") == pytest.approx(1.0)
    assert support(claim, "The hotel has a garden.") < support(claim, "The hotel limit is 450.") < 1.0
    assert support(claim, "It is 450.", context="Hotel limit in Suzhou") > support(claim, "It is 450.")
    assert support("", "anything") == 0.0


def test_loose_passages_that_agree_are_believed_and_those_that_differ_are_not() -> None:
    question = analyse("Who won the Lantern Cup in 2024?")
    agreeing = [
        ("Mara Lindqvist won the Lantern Cup in 2024.", ""),
        ("The 2024 Lantern Cup went to Mara Lindqvist.", ""),
        ("Mara Lindqvist took the Lantern Cup.", ""),
    ]
    differing = [
        ("The Lantern Cup 2024 was held in Lisbon.", ""),
        ("Sven Olsen won the Lantern Cup in 2019.", ""),
        ("Tickets for the Lantern Cup 2024 are sold out.", ""),
        ("Anna Berg commented on the Lantern Cup.", ""),
    ]
    yes, no = (evidence(question, passages) for passages in (agreeing, differing))
    assert agreement(yes) > agreement(no)
    assert answerable(question, agreeing, yes)[0]
    assert not answerable(question, differing, no)[0]


def test_a_passage_about_something_else_answers_nothing() -> None:
    question = analyse("What is the parking fee at the airport?")
    passages = [("Tea is picked by hand in April. The leaves rest for a day.", "Tea")]
    assert answerable(question, passages, evidence(question, passages))[0] is False
    assert answerable(question, [], []) == (False, 0.0)


@given(text_of_any_kind, text_of_any_kind, text_of_any_kind)
def test_evidence_is_whole_sentences_of_the_passages_whatever_they_hold(question: str, one: str, two: str) -> None:
    asked = analyse(question)
    found = evidence(asked, [(one, ""), (two, "title")])
    for item in found:
        text = (one, two)[item.passage]
        assert text[item.start : item.end].strip() == text[item.start : item.end] != ""
    if found:
        assert 0.0 <= agreement(found) <= 1.0
        assert 0.0 <= answerable(asked, [(one, ""), (two, "title")], found)[1] <= 1.0


@pytest.mark.parametrize("piece", [".", "信息", "12 ", "A b. ", "a.", "|\t", "\n", "Lin Wei ", "是谁？", "“"])
def test_a_monotonous_text_of_any_kind_costs_no_more_than_another(piece: str) -> None:
    # Quadratic patterns would run into the time limit of the suite here.
    text = piece * (60_000 // len(piece)) + "x"
    for question in ("Who is Lin Wei?", "信息有多少？"):
        assert len(evidence(analyse(question + text[:2000]), [(text, "t")])) >= 1


def test_a_chinese_word_is_there_though_the_question_cuts_it_differently() -> None:
    def decided(question: str) -> bool:
        asked, passages = analyse(question), [("年假为15天。", "手册")]
        return answerable(asked, passages, evidence(asked, passages))[0]

    assert decided("年假有多少天？")
    assert decided("多少天年假")
    assert not decided("食堂在几楼？")


def test_of_a_period_an_answer_gives_the_length_and_not_the_word() -> None:
    asked, passages = analyse("保修期是多长时间？"), [("本产品保修两年，自购买之日起计算。", "售后")]
    assert asked.expectation.kind == "number"
    decided, probability = answerable(asked, passages, evidence(asked, passages))
    assert decided and probability > 0.5
