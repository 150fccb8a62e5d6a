"""Relevance: a hit says how likely it answers, and a layer refuses where no hit does, without asking the model."""

from __future__ import annotations

from pathlib import Path

import pytest
from langchain_core.documents import Document
from langchain_core.language_models import BaseChatModel
from langchain_core.retrievers import BaseRetriever

from nacre import RetrievalAugmented, ScriptedChatModel
from nacre.layers.rag import MIN_RELEVANCE
from nacre.retrieval.knowledge_base import KnowledgeBase
from nacre.retrieval.relevance import LEAST_CHUNKS, Signs, content, relevance
from nacre.text.messages import nacre_of

ANIMALS = [
    "otter",
    "heron",
    "tern",
    "plover",
    "badger",
    "lynx",
    "marten",
    "beaver",
    "stork",
    "crane",
    "egret",
    "bittern",
    "osprey",
    "kestrel",
    "merlin",
    "hobby",
]
MEALS = ["bread", "rice", "soup", "fruit", "cheese", "barley", "honey", "walnuts"]


def filled(folder: Path, documents: list[str]) -> KnowledgeBase:
    source = folder / "documents"
    source.mkdir()
    for n, text in enumerate(documents):
        (source / f"{n}.txt").write_text(text, "utf-8")
    base = KnowledgeBase.open(folder / "words-only", "none")
    base.sync(str(source))
    return base


@pytest.fixture
def zoo(tmp_path: Path):
    english = [f"The {a} of the northern enclosure eats {MEALS[n % 8]} every morning." for n, a in enumerate(ANIMALS)]
    chinese = [f"第{n}号展馆的票价为{20 + n}元，周一闭馆，由{name}负责。" for n, name in enumerate("王李张刘陈杨赵黄")]
    with filled(tmp_path, [*english, *chinese, "丹顶鹤的饲养员每天早晨六点上班。"]) as base:
        yield base


def best(base: KnowledgeBase, question: str) -> float:
    return max(hit.relevance or 0.0 for hit in base.search(question, k=6))


@pytest.mark.parametrize(
    ("held", "foreign"),
    [
        ("What does the otter of the northern enclosure eat?", "Which insurance covers the tax of business trips?"),
        ("丹顶鹤的饲养员几点上班？", "公司的法律顾问是谁？"),
    ],
)
def test_what_the_base_holds_is_told_from_what_it_has_never_heard_of(
    zoo: KnowledgeBase, held: str, foreign: str
) -> None:
    assert best(zoo, held) > 0.5
    assert best(zoo, foreign) < MIN_RELEVANCE


def test_the_best_hit_is_the_most_relevant_and_others_fall_off(zoo: KnowledgeBase) -> None:
    first, *others = zoo.search("What does the kestrel eat?", k=4)
    assert "kestrel" in first.text
    assert first.relevance is not None
    assert all(hit.relevance is not None and hit.relevance < first.relevance for hit in others)


def test_a_base_of_a_few_chunks_and_vectors_alone_are_not_judged(tmp_path: Path, base: KnowledgeBase) -> None:
    few = [f"The {animal} sleeps." for animal in ANIMALS[: LEAST_CHUNKS - 5]]
    with filled(tmp_path, few) as small:
        assert [hit.relevance for hit in small.search("Where does the otter sleep?")] == [None] * 10
    source = tmp_path / "many"
    source.mkdir()
    for n in range(LEAST_CHUNKS + 1):
        (source / f"{n}.txt").write_text(f"The {ANIMALS[n % 16]} sleeps in box {n}.", "utf-8")
    base.sync(str(source))
    assert base.search("otter", arms=("vectors",))[0].relevance is None
    assert base.search("otter")[0].relevance is not None


def test_a_passage_in_another_language_is_left_to_an_embedder_that_understands_both(
    tmp_path: Path, base: KnowledgeBase
) -> None:
    source = tmp_path / "english"
    source.mkdir()
    for n in range(LEAST_CHUNKS + 1):
        (source / f"{n}.txt").write_text(f"The {ANIMALS[n % 16]} sleeps in box {n}.", "utf-8")
    base.sync(str(source))
    hits = base.search("水獭睡在哪里？")
    assert hits
    assert {hit.relevance for hit in hits} == {None}


def test_words_do_not_judge_a_passage_in_another_language_of_the_same_letters(zoo: KnowledgeBase) -> None:
    hits = zoo.search("Wie viel frisst der Otter?")
    assert hits
    assert {hit.relevance for hit in hits} == {None}


def test_the_layer_refuses_without_asking_the_model(zoo: KnowledgeBase) -> None:
    model = ScriptedChatModel(["Walnuts. [1]"])
    stack = RetrievalAugmented(inner=model, retriever=zoo.retriever())
    refused = stack.invoke("Which insurance covers the tax of business trips?")
    assert nacre_of(refused)["abstained"] is True
    assert nacre_of(refused)["citations"] == []
    assert not model.calls
    assert "abstained" in nacre_of(stack.invoke("What does the beaver eat?"))
    assert len(model.calls) == 1


class Shelf(BaseRetriever):
    values: list[object]

    def _get_relevant_documents(self, query: str, *, run_manager: object) -> list[Document]:
        return [Document("Tea is served.", metadata={} if v is None else {"relevance": v}) for v in self.values]


@pytest.mark.parametrize(
    ("values", "threshold", "asked"),
    [
        ([0.01, 0.02], 0.03, False),
        ([0.01, 0.04], 0.03, True),
        ([0.0], 0.0, True),
        ([None], 0.9, True),
        ([None, 0.01], 0.9, True),
        ([0.01, None], 0.9, False),
        (["low", 0.01], 0.9, True),
    ],
)
def test_only_what_is_judged_can_be_refused(values: list[object], threshold: float, asked: bool) -> None:
    model = ScriptedChatModel(["Tea. [1]"])
    stack: BaseChatModel = RetrievalAugmented(inner=model, retriever=Shelf(values=values), min_relevance=threshold)
    stack.invoke("What is served?")
    assert bool(model.calls) is asked


@pytest.mark.parametrize(
    ("question", "given", "asked"),
    [
        ("Wie viel Tee wird im Haus serviert?", {}, True),
        ("How much tea is served in the house?", {}, False),
        ("Wie viel Tee wird im Haus serviert?", {"min_relevance": 0.05}, False),
    ],
)
def test_the_default_does_not_judge_a_language_that_it_was_not_learned_on(
    question: str, given: dict[str, float], asked: bool
) -> None:
    model = ScriptedChatModel(["Tea. [1]"])
    RetrievalAugmented(inner=model, retriever=Shelf(values=[0.01, 0.02]), **given).invoke(question)  # type: ignore[arg-type]
    assert bool(model.calls) is asked


def test_more_of_every_sign_never_counts_against_a_hit() -> None:
    plain = Signs(0.4, 0.5, 2.0, 1.0, 0.0)
    for stronger in (Signs(0.6, 0.5, 2.0, 1.0, 0.0), Signs(0.4, 0.7, 2.0, 1.0, 0.0), Signs(0.4, 0.5, 3.0, 1.0, 0.0)):
        assert 0 < relevance(plain) < relevance(stronger) < 1


def test_a_chinese_compound_counts_by_its_parts() -> None:
    assert content("美国宇航局的宇航员有几位？") == [
        term for term in content("美国宇航局的宇航员有几位？") if term not in ("宇航局", "美国宇航局")
    ]
    assert {"美国", "宇航"} <= set(content("美国宇航局在哪里？"))
    assert content("what is the") == []
