"""Of a very long question only a bounded part is searched for, whatever looks at it; the model is given the whole."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.documents import BaseDocumentCompressor, Document
from langchain_core.embeddings import Embeddings
from langchain_core.retrievers import BaseRetriever

from nacre import ConversationMemory, FewShot, KnowledgeBase, Moderation, RetrievalAugmented, ScriptedChatModel
from nacre.agents.tools.knowledge import knowledge_tool
from nacre.connectors.search.web_search import WebSearch
from nacre.grounding.answer_type import candidates, expected
from nacre.ingest.source import TextSource
from nacre.moderation import RuleModerator
from nacre.prompting.answers import split_answer
from nacre.reasoning.extraction import program_in
from nacre.reasoning.tables import tables_in
from nacre.store.encoder import Encoder
from nacre.text.hygiene import LONGEST_SEARCHED, masked, searched
from nacre.text.language import language_of
from nacre.text.markers import CitationMarkers

FILLER = "pebble " * 30_000
ASKED = "When does the lighthouse open?"


class Noting(Embeddings):
    """Notes what it is given."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    def embed_query(self, text: str) -> list[float]:
        self.seen.append(text)
        return [1.0, float(len(text) % 7)]

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        return [self.embed_query(text) for text in texts]


class NotingRetriever(BaseRetriever):
    """Notes what it is asked."""

    seen: list[str] = []  # noqa: RUF012 - a field, copied for each

    def _get_relevant_documents(self, query, *, run_manager):
        self.seen.append(query)
        return [Document(page_content="The lighthouse opens at nine.")]


@given(st.text(max_size=50), st.integers(0, 3), st.text(alphabet="ab 问\n\t", min_size=1, max_size=30))
def test_it_is_short_begins_and_ends_as_the_question_does(start: str, times: int, unit: str) -> None:
    text = start + unit * (times * 9000 // len(unit)) + "the end"
    part = searched(text)
    assert len(part) <= LONGEST_SEARCHED
    if len(text) <= LONGEST_SEARCHED:
        assert part == text
    else:
        assert part.endswith("the end") and text.strip().startswith(part[:1500])


def test_long_questions_are_answered_by_their_beginning_or_their_end(tmp_path) -> None:
    with KnowledgeBase.open(tmp_path / "kb") as base:
        texts = [(f"{n}.md", f"Room {n} holds baskets and nets number {n}.") for n in range(12)]
        base.sync(TextSource("notes", [*texts, ("light.md", "The lighthouse opens at nine in summer.")]))
        letter = " ".join(f"Pebble {n} lay on the beach of day {n}." for n in range(5000))
        for query in (f"{ASKED} {letter}", f"{letter} {ASKED}"):
            for arms in (("words",), ("words", "vectors")):
                assert base.search(query, 3, arms=arms)[0].uri == "light.md"
        documents = base.retriever(k=2).invoke(f"{letter} {ASKED}")
        assert documents[0].page_content.startswith("The lighthouse")


def test_no_arm_no_embedder_and_no_reranker_sees_more(tmp_path) -> None:
    noting = Noting()
    asked: list[str] = []

    class Order(BaseDocumentCompressor):
        def compress_documents(self, documents, query, callbacks=None):
            asked.append(query)
            return documents

    with KnowledgeBase.open(tmp_path / "kb", noting) as base:
        base.sync(TextSource("notes", [("a.md", "The lighthouse opens at nine.")]))
        noting.seen.clear()
        base.retriever(k=1, reranker=Order()).invoke(f"{FILLER} {ASKED}")
        knowledge_tool(base.retriever(k=1)).invoke({"query": FILLER})
        base.to_langchain().similarity_search(FILLER, 1)
    assert len(noting.seen) == 3 and len(asked) == 1
    assert max(map(len, [*noting.seen, *asked])) <= LONGEST_SEARCHED


def test_rag_searches_a_part_and_shows_the_model_the_whole() -> None:
    retriever, model = NotingRetriever(seen=[]), ScriptedChatModel(["At nine. [1]"])
    reply = RetrievalAugmented(inner=model, retriever=retriever, strict=True).invoke(f"{FILLER} {ASKED}")
    assert len(retriever.seen[0]) <= LONGEST_SEARCHED and retriever.seen[0].endswith(ASKED)
    assert FILLER in model.calls[0][-1].text and reply.response_metadata["nacre"]["citations"]


def test_few_shot_looks_for_what_is_like_a_part() -> None:
    noting, model = Noting(), ScriptedChatModel(["x"])
    layer = FewShot(inner=model, examples=[("a", "b"), ("c", "d"), ("e", "f")], k=1, embeddings=noting)
    layer.invoke(FILLER)
    assert max(map(len, noting.seen)) <= LONGEST_SEARCHED and model.calls[0][-1].text == FILLER


def test_a_long_message_is_no_follow_up() -> None:
    model = ScriptedChatModel(["At nine.", "And so on."])
    memory = ConversationMemory(inner=model)
    memory.invoke(ASKED, session_id="s")
    memory.invoke(FILLER, session_id="s")
    assert len(model.calls) == 2, "nobody rewrites it"
    assert model.calls[1][-1].text == FILLER


@pytest.mark.parametrize("before", [0, 15_990, 16_000, 13_995, 28_000, 100_000])
def test_a_moderator_reads_all_of_a_long_text(before: int) -> None:
    text = (
        "x " * (before // 2)
        + "my key is sk-abcdefghijklmnopqrstuvwxyz0123 and how to build a pipe bomb"
        + " y" * 20_000
    )
    verdict = RuleModerator().check(text)
    assert verdict.flagged and verdict.categories == ("secret", "illicit")
    assert Moderation(inner=ScriptedChatModel(["x"])).invoke(text).response_metadata["nacre"]["abstained"]


def test_a_language_is_told_by_a_part() -> None:
    assert language_of("灯塔几点开门？" * 20_000) == "zh" and language_of(FILLER) == "en"
    assert language_of("灯塔" * 1500 + FILLER * 9 + "灯塔" * 1500) == "zh"


def test_an_embedder_is_given_no_more_than_it_may_read() -> None:
    noting = Noting()
    encoder = Encoder(noting)
    noting.seen.clear()
    encoder.documents([FILLER * 5, "short"])
    encoder.query(FILLER * 5)
    assert [len(text) for text in noting.seen] == [32 * encoder.max_tokens, 5, 32 * encoder.max_tokens]


def test_a_search_engine_is_asked_a_part() -> None:
    class Provider:
        name, cost = "test", "free"

        def search(self, query, k):
            assert len(query) <= LONGEST_SEARCHED
            return []

    assert WebSearch(Provider()).search(FILLER) == []


def test_tables_of_a_huge_text_are_cut_at_a_whole_row() -> None:
    rows = [f"{n} | 1234567" for n in range(30_000)]
    tables = tables_in("\n".join(["a | b", *rows]))
    assert len(tables) <= 20 and {list(row.values())[1] for table in tables for row in table.rows} == {1234567}
    assert len(tables_in("a | b\n1 | 2\n\n" * 5000)) == 20


@pytest.mark.timeout(30)
@pytest.mark.parametrize("text", ["ey-" * 60_000, "eyaaaaaaaaaa." * 20_000, "sk-" * 60_000, "ey" + "a" * 200_000])
def test_masking_secrets_takes_time_in_proportion(text: str) -> None:
    assert isinstance(masked(text), str)
    assert masked("token eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.c2lnbmF0dXJl x") == "token [secret] x"


LINEAR = {
    "answers": lambda text: split_answer(text),
    "programs": lambda text: program_in(text),
    "tables": lambda text: tables_in(text),
    "times": lambda text: candidates(text, "time"),
    "numbers": lambda text: candidates(text, "number"),
    "citations": lambda text: CitationMarkers([1]).push(text),
    "secrets": lambda text: masked(text),
    "questions": lambda text: expected(searched(text)),
}
UNITS = [
    " ",
    "\n",
    "\t",
    "1",
    "一",
    "` ",
    "*",
    "-- |",
    "- ",
    "[",
    "[1",
    "answer ",
    "答案",
    "| ",
    "ey-",
    "ey" + "a" * 12 + ".",
    "def\n",
    "~~~\n",
    '"',
    "a.",
    "{",
]


@pytest.mark.timeout(60)
@pytest.mark.parametrize("reading", LINEAR)
def test_no_pattern_takes_the_square_of_a_text(reading: str) -> None:
    """Forty thousand characters of each unit: what looks at each pair of them would take minutes."""
    for unit in UNITS:
        for before, after in (("", ""), ("a", "b"), ("--", "x"), ("\n", "\0")):
            LINEAR[reading](before + unit * (40_000 // len(unit)) + after)
