"""A question that names a kind and none of several things is asked back; one that is clear never is."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage

import nacre
from nacre.connectors.models.quote import QuoteChatModel
from nacre.grounding.asking import asked_back
from nacre.grounding.selection import select
from nacre.text.messages import Source, nacre_of, text_of

PAGES = {
    "moorings.md": "# Moorings\n\n| Class | Yearly fee | Depth |\n|---|---|---|\n| K1 | 300 EUR | 2 m |\n| K2 | 450 EUR | 3 m |\n",
    "rooms.md": "# Rooms\n\nThe Heron room costs 40 EUR a day and seats six. The Otter room costs 70 EUR a day and seats ten.",
    "north.md": "# Tide N4 winch\n\nThe brake is checked every 20 hours.",
    "south.md": "# Tide N9 winch\n\nThe brake is checked every 90 hours.",
    "plans.md": "# Plans\n\n| Plan | Price | Seats |\n|---|---|---|\n| Basic | 9 EUR | 1 |\n| Team | 29 EUR | 10 |\n",
    "泊位.md": "# 泊位\n\n| 等级 | 年费 | 水深 |\n|---|---|---|\n| 甲1 | 300 元 | 2 米 |\n| 甲2 | 450 元 | 3 米 |\n",
    "分店.md": "# 分店\n\n青岛分店早上九点开门，店长是周敏。\n\n厦门分店早上十点开门，店长是李蓉。",
}


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Iterator[nacre.KnowledgeBase]:
    folder: Path = tmp_path_factory.mktemp("pages")
    for name, text in PAGES.items():
        (folder / name).write_text(text, "utf-8")
    with nacre.KnowledgeBase.open(tmp_path_factory.mktemp("kb") / "kb", embedder="none") as base:
        base.sync(str(folder))
        yield base


def ask(base: nacre.KnowledgeBase, *turns: BaseMessage | str, strict: bool = False) -> AIMessage:
    model = nacre.RetrievalAugmented(inner=QuoteChatModel(), retriever=base.retriever(k=4), strict=strict)
    return model.invoke(list(turns))


AMBIGUOUS = [
    ("What is the yearly fee for my class?", ["K1", "K2"], "K2", "450"),
    ("How much does the room cost?", ["Heron room", "Otter room"], "the Otter room", "70"),
    ("What does the plan cost?", ["Basic", "Team"], "Team", "29"),
    ("How often is the brake of the winch checked?", ["Tide N4 winch", "Tide N9 winch"], "N9", "90"),
    ("这个等级的年费是多少？", ["甲1", "甲2"], "甲2", "450"),
    ("分店几点开门？", ["青岛分店", "厦门分店"], "厦门", "十点"),
]


@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize(("asked", "names", "told", "answer"), AMBIGUOUS)
def test_of_several_things_the_one_that_is_meant_is_asked_for(
    base: nacre.KnowledgeBase, asked: str, names: list[str], told: str, answer: str, strict: bool
) -> None:
    reply = ask(base, HumanMessage(asked), strict=strict)
    assert sorted(nacre_of(reply)["asked_back"]) == sorted(names)
    line = asked_back(text_of(reply))
    assert all(name in line for name in names) and text_of(reply).endswith(f"\n\n{line}")
    assert len(nacre_of(reply)["citations"]) == len(names)
    after = ask(base, HumanMessage(asked), AIMessage(text_of(reply)), HumanMessage(told), strict=strict)
    own = nacre_of(after)
    assert told.removeprefix("the ") in own["question"] and "asked_back" not in own
    assert [answer in citation["quote"] for citation in own["citations"]] == [True]


@pytest.mark.parametrize(
    "asked",
    ["What is the yearly fee for class K2?", "Which class has a fee of 450 EUR?", "What are the fees of the classes?",
     "What does each room cost?", "How much does the Heron room cost?", "How many rooms are there?", "What is the depth?",
     "How often is the brake of the N9 checked?", "甲1的年费是多少？", "哪个等级的年费最高？", "青岛分店几点开门？",
     "各分店几点开门？"],
)  # fmt: skip
def test_what_is_clear_or_means_them_all_is_not_asked_back(base: nacre.KnowledgeBase, asked: str) -> None:
    assert "asked_back" not in nacre_of(ask(base, HumanMessage(asked)))


def test_nobody_is_asked_what_he_said_before(base: nacre.KnowledgeBase) -> None:
    before = [HumanMessage("Is there a Heron room?"), AIMessage("Yes, the Heron room seats six. [1]")]
    assert "asked_back" not in nacre_of(ask(base, *before, HumanMessage("How much does the room cost a day?")))


def test_a_name_in_a_document_cites_nothing(base: nacre.KnowledgeBase) -> None:
    table = "| Class | Fee |\n|---|---|\n| K1 [9] | 300 EUR |\n| K2 | 450 EUR |"
    meant = select("What is the fee for my class?", [Source(1, table, "Moorings")], relevance=0.9).meant
    assert [name for name, _ in meant] == ["K1", "K2"]


def test_of_one_thing_the_sentence_about_another_is_not_told(base: nacre.KnowledgeBase) -> None:
    assert len(nacre_of(ask(base, HumanMessage("How much does the Otter room cost?")))["citations"]) == 1


def test_the_rule_under_the_head_of_a_table_is_no_answer(base: nacre.KnowledgeBase) -> None:
    for asked in (
        "What is the yearly fee of the class?",
        "What are the yearly fees of the classes?",
        "等级的年费是多少？",
    ):
        assert not any("---" in citation["quote"] for citation in nacre_of(ask(base, HumanMessage(asked)))["citations"])


def test_what_is_measured_is_told_by_its_unit(base: nacre.KnowledgeBase) -> None:
    source = Source(1, "The Tide N4 pulls 2 ropes at once and weighs 30 kg.", "Tide N4 winch")
    found = select("How heavy is the Tide N4?", [source], relevance=0.9)
    assert found.quotes and found.sure == "answer"


def test_a_part_that_is_asked_back_is_told_with_the_others(base: nacre.KnowledgeBase) -> None:
    inner = nacre.RetrievalAugmented(inner=QuoteChatModel(), retriever=base.retriever(k=4))
    both = nacre.Decomposition(inner=inner, parts="rules")
    reply = both.invoke("How much does the room cost? What is the yearly fee for class K1?")
    assert sorted(nacre_of(reply)["asked_back"]) == ["Heron room", "Otter room"]
    assert "300 EUR" in text_of(reply)
