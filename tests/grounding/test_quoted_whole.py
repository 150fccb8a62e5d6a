"""A quote can be understood where it stands alone: with its columns, its label, its code, its reason."""

from __future__ import annotations

import pytest

from nacre.grounding.parts import plain_question, statements
from nacre.grounding.quotes import shown
from nacre.grounding.selection import select
from nacre.text.messages import Source

BOATS = Source(
    1,
    "Boat\tSummer\tSummer\tWinter\tWinter\nBoat\tHour\tDay\tHour\tDay\nSkiff\t11\t52\t7\t31\nPunt\t14\t67\t9\t43",
    "Boats",
)
METALS = Source(1, "alloy\tdensity (g/cm3)\tstock (kg)\nZamak 2\t6.6\t150\nZamak 5\t6.7\t90", "metals")
VISIT = Source(
    1,
    "Visitor\tIda Lund\nCompany\tFjord Lab\nArrival\t4 May, 9:30\nBadge\t17\nPurpose\tinspection of the two kilns in the yard\n"
    "Parking\tnone",
    "Visit",
)


def lines(question: str, source: Source, count: int = 2) -> list[str]:
    return shown(select(question, [source], count).quotes, [source])


def test_a_head_of_two_rows_names_each_column() -> None:
    head, _, row = lines("What does a punt cost for a day in winter?", BOATS)
    assert head == "| Boat | Summer Hour | Summer Day | Winter Hour | Winter Day |"
    assert row == "| Punt | 14 | 67 | 9 | 43 [1] |"


def test_a_second_row_of_names_is_no_answer() -> None:
    assert "Hour" not in lines("Which boat is it by the hour?", BOATS)[-1]


def test_a_digit_of_a_unit_makes_no_row_of_values() -> None:
    assert lines("What is the density of Zamak 5?", METALS)[0] == "| alloy | density (g/cm3) | stock (kg) |"


def test_names_with_digits_are_names_where_numbers_stand_under_them() -> None:
    wide = Source(1, "station\td71\td72\tQ1 2031\nS4\t411\t412\t97\nS5\t511\t512\t98", "wide")
    assert lines("What is d72 of S5?", wide) == [
        "| station | d71 | d72 | Q1 2031 |",
        "| --- | --- | --- | --- |",
        "| S5 | 511 | 512 | 98 [1] |",
    ]
    middle = Source(1, "S3\troom A12\t97\nS4\troom B7\t98\nS5\troom C9\t99", "wide")
    assert "---" not in "".join(lines("Which room is S5?", middle))


def test_the_first_row_of_a_form_is_a_row_and_names_no_columns() -> None:
    assert lines("Who is the visitor?", VISIT) == ["|  |  |", "| --- | --- |", "| Visitor | Ida Lund [1] |"]
    assert "Ida Lund" not in "".join(lines("What is the number of the badge?", VISIT))


def test_what_follows_a_table_does_not_stand_under_its_columns() -> None:
    text = "Shift\tBreak (minutes)\nNight\t45\nEarly\t30\n\nThe night allowance rises. Who is 15 minutes late may stay."
    assert "| Night | 45 [1] |" in lines("How many minutes of break has the night shift?", Source(1, text, "Shifts"))


def test_what_a_label_names_is_not_cut_off() -> None:
    text = "Oil S-40: 3 to 4 parts of water; changed every three months.\nOil D-10: undiluted; filtered every year."
    assert [text[a:b] for a, b in statements(text)] == text.split("\n")


def test_code_and_lists_are_quoted_with_the_line_that_leads_to_them() -> None:
    code = Source(
        1, "To print the labels of a shelf, run\n\n```sh\nlabels --shelf 4\n```\n\nLabels are blue.", "Labels"
    )
    assert "labels --shelf 4 [1]" in lines("How do I print the labels of a shelf?", code)
    kit = Source(1, "Every boat carries:\n- two oars\n- a bailer\n\nBoats are painted in May.", "Kit")
    assert lines("What does every boat carry?", kit, 1) == [
        "Every boat carries: [1]",
        "- two oars [1]",
        "- a bailer [1]",
    ]


def test_a_mere_no_is_quoted_with_what_it_says() -> None:
    source = Source(1, "仓库里可以使用明火吗？\n不可以。违者罚款 300 元。\n仓库几点开门？\n八点。", "仓库")
    assert "违者罚款 300 元。 [1]" in lines("仓库里可以使用明火吗？", source)


def test_the_reason_stands_in_the_next_sentence() -> None:
    text = "The scrap rate of the saw was so high in March: 4 %. Because of a worn belt nobody noticed it. The belt is new."
    said = lines("Why was the scrap rate of the saw so high in March?", Source(1, text, "Saw"))
    assert said[-1] == "Because of a worn belt nobody noticed it. [1]"


def test_a_line_that_leans_on_the_one_above_is_quoted_with_it() -> None:
    source = Source(1, "Interpreters' booth: 350 a day\nOnly upstairs\nScreen: included", "Hire")
    assert "Only upstairs [1]" in lines("What does the interpreters' booth cost?", source)


@pytest.mark.parametrize(
    ("asked", "plain"),
    [
        ("What does OEE stand for?", "What is OEE?"),
        ("What does the abbreviation QMS mean?", "What is QMS?"),
        ("QMS是什么的缩写？", "QMS是什么？"),
        ("What does a red lamp mean?", "What does a red lamp mean?"),
        ("What does rust mean?", "What does rust mean?"),
    ],
)
def test_who_asks_what_letters_stand_for_asks_what_they_are(asked: str, plain: str) -> None:
    assert plain_question(asked) == plain


def test_things_whose_names_are_of_several_words_are_compared() -> None:
    text = "Room\tArea\nGreen Room Large\t44\nGreen Room Small\t21\nBlue Room Large\t50"
    said = "\n".join(lines("Which is bigger, the Green Room Small or the Blue Room Large?", Source(1, text, "Rooms")))
    assert "21" in said and "50" in said and "44" not in said
