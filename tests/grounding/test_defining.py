"""What a thing is or means is answered by what defines it; a telephone by its number."""

from __future__ import annotations

import pytest

from nacre.grounding.defining import defines, plainly
from nacre.grounding.quotes import shown
from nacre.grounding.selection import Selection, select
from nacre.text.messages import Source

CODES = Source(
    2,
    "# Codes\n\n| Code | Meaning | Cure |\n|---|---|---|\n| K7041 | Kiln too cold | Wait |\n"
    "| K-7042 | Lid open | Close the lid |\n| K7043 | Fan blocked | Clean the fan |",
    "Codes",
)
USE = Source(
    1,
    "# The kiln\n\nAfter a cut the kiln shows K7042 for some seconds, which means nothing. If K7042 does not go away,"
    " call us. Do not open the lid while K7042 is shown.",
    "The kiln",
)
NOTES = Source(2, "# Notes\n\nThe display has four digits. K7042 means that the lid is open.", "Notes")
KINDS = Source(2, "# 代码\n\n| 代码 | 含义 |\n|---|---|\n| K7041 | 窑温过低 |\n| K7042 | 盖子打开 |", "代码")
IN_USE = Source(1, "# 窑炉\n\n停电后窑炉会显示K7042几秒钟，这没有什么意思。如果K7042不消失，请致电。", "窑炉")


def selected(question: str, *sources: Source) -> tuple[str, Selection]:
    found = select(question, sources)
    return "\n".join(shown(found.quotes, sources)), found


@pytest.mark.parametrize(
    "question", ["What does K7042 mean?", "What is K7042?", "What does the error code K7042 mean?", "Explain K7042."]
)
def test_a_code_is_explained_by_its_row_or_by_the_sentence_that_defines_it(question: str) -> None:
    for source, held in ((CODES, "Lid open"), (NOTES, "means that the lid is open")):
        said, found = selected(question, USE, source)
        assert held in said and "some seconds" not in said and found.sure == "answer"


@pytest.mark.parametrize(
    "question", ["K7042是什么意思？", "K7042代表什么？", "错误代码K7042表示什么？", "什么是K7042？"]
)
def test_a_chinese_question_for_a_meaning_too(question: str) -> None:
    said, found = selected(question, IN_USE, KINDS)
    assert "盖子打开" in said and "停电" not in said and found.sure == "answer"


def test_only_a_question_for_a_meaning_is_one() -> None:
    asked = ["What is the weight of the K7042?", "燕鸥T4的处理器是什么", "What does tea cost?", "那是什么时候？"]
    assert [plainly(question) for question in asked] == asked
    assert not any(defines("K7042 is a kiln.", question) for question in asked)
    said = ["K7042 is shown.", "See K7042.", "K70421 is a lid."]
    assert not any(defines(sentence, "What is K7042?") for sentence in said)
    assert defines("A K 7042 (the lid) is one of them.", "What is a K7042?")


CARDS = (
    "# People\n\n## Ina Brook\n\nRole: Kilns\nPhone: 011 555 0199\n\n## Rolf Sand\n\nRole: Sales\nPhone: 011 555 0123"
)
NAMED = "# People\n\nName: Ina Brook\nPhone: 011 555 0199\n\nName: Rolf Sand\nPhone: 011 555 0123\n"
PROSE = "Ina Brook runs the desk. You can call Ina Brook on 011 555 0199 until five. Ina Brook speaks Italian."
LED = "# Desk\n\nThe desk is led by Ina Brook.\n\nPhone: 011 555 0199"


@pytest.mark.parametrize("question", ["What is {}'s phone number?", "What is the telephone number of {}?"])
@pytest.mark.parametrize("text", [CARDS, NAMED, PROSE, LED])
def test_of_a_telephone_the_number_is_quoted_and_no_other_line(question: str, text: str) -> None:
    for name, number in (("Ina Brook", "0199"), ("Rolf Sand", "0123")):
        if name in text:
            said, found = selected(question.format(name), Source(1, text, "People"))
            assert number in said and len(found.quotes) == 1 and found.sure == "answer"
