"""A search sees one generation: what is written while it runs changes nothing of what it says."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from nacre.ingest.source import TextSource
from nacre.retrieval.knowledge_base import KnowledgeBase
from nacre.store.folder.indexes import Indexes
from nacre.store.folder.keyword_index import TantivySnapshot
from nacre.store.folder.vector_index import FaissIndex

QUESTION = "How is the turbine cooled?"
ANSWER = [("m:answer", "The turbine is cooled by sea water.")]


def library(turbines: int) -> TextSource:
    """Forty documents; the more of them speak of turbines, the less the word says."""
    texts = [f"Page {n} speaks of {'a turbine' if n < turbines else 'harbours'} and of crane {n}." for n in range(40)]
    return TextSource("m:", [*ANSWER, *((f"m:{n}", text) for n, text in enumerate(texts))])


def seen(base: KnowledgeBase) -> dict[str, tuple[float, float | None]]:
    return {hit.uri: (round(hit.score, 6), hit.relevance) for hit in base.search(QUESTION, k=8)}


def interrupt(monkeypatch: pytest.MonkeyPatch, owner: type, name: str, act: Callable[[], object]) -> None:
    """Let something happen once, just before a step of the search."""
    original, left = getattr(owner, name), [act]

    def step(*args: Any, **kwargs: Any) -> Any:
        if left and threading.current_thread() is threading.main_thread():
            left.pop()()
        return original(*args, **kwargs)

    monkeypatch.setattr(owner, name, step)


@pytest.mark.parametrize("step", ["said"])  # what is read before it, a writer waits for
def test_a_commit_between_two_reads_of_the_words_changes_nothing(
    base: KnowledgeBase, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    base.sync(library(1))
    arms: Any = ("words",)
    before = [(hit.uri, hit.score, hit.relevance) for hit in base.search(QUESTION, arms=arms)]
    interrupt(monkeypatch, TantivySnapshot, step, lambda: base.sync(library(30)))
    assert [(hit.uri, hit.score, hit.relevance) for hit in base.search(QUESTION, arms=arms)][:1] == before[:1]
    assert [(hit.uri, hit.score, hit.relevance) for hit in base.search(QUESTION, arms=arms)][:1] != before[:1]


@pytest.mark.parametrize("step", ["_holding", "_idf"])
def test_the_words_of_one_commit_say_the_same_for_ever(
    base: KnowledgeBase, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    base.sync(library(1))
    with base.store.view() as view:
        words = view.words
    numbers = words.ids()
    before = words.said(["turbin"], numbers), words.reach(QUESTION), len(words), words.generation
    interrupt(monkeypatch, TantivySnapshot, step, lambda: base.sync(TextSource("m:", [])))
    assert (words.said(["turbin"], numbers), words.reach(QUESTION), len(words), words.generation) == before
    assert words.ids() == numbers


def test_a_writer_waits_until_both_arms_were_asked(base: KnowledgeBase, monkeypatch: pytest.MonkeyPatch) -> None:
    """The words are committed while the vectors are read: neither is shown before the search has seen both."""
    base.sync(library(1))
    before = seen(base)
    committed = threading.Event()
    commit = Indexes._show

    def show(indexes: Indexes) -> None:
        committed.set()
        commit(indexes)

    monkeypatch.setattr(Indexes, "_show", show)
    writer = threading.Thread(target=base.sync, args=(library(30),))

    def write() -> None:
        writer.start()
        assert committed.wait(60)

    interrupt(monkeypatch, FaissIndex, "search", write)
    during = seen(base)
    writer.join()
    assert during["m:answer"] == before["m:answer"]
    assert seen(base)["m:answer"] != before["m:answer"]


def test_an_embedder_that_takes_its_time_does_not_split_the_search(base: KnowledgeBase, embedder: Any) -> None:
    base.sync(library(1))
    slow, embed = [lambda: base.sync(library(30))], embedder.embed_query

    def query(text: str) -> list[float]:
        if slow:
            slow.pop()()
        return embed(text)

    embedder.embed_query = query  # type: ignore[method-assign]
    during = seen(base)
    assert during == seen(base)


def test_a_reader_shows_vectors_no_newer_than_its_words(
    base: KnowledgeBase, tmp_path: Path, embedder: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A sync elsewhere stores documents before their words are committed."""
    base.sync(library(1))
    with KnowledgeBase.open(tmp_path / "kb", embedder) as reader:
        before = seen(reader)
        looked: list[Any] = []
        with monkeypatch.context() as patch:
            original = Indexes.catch_up

            def late(indexes: Indexes) -> None:
                if base.store.catalog.generation > before_generation:
                    looked.append((seen(reader), reader.identity["generation"]))
                original(indexes)

            before_generation = base.store.catalog.generation
            patch.setattr(Indexes, "catch_up", late)
            base.sync(TextSource("n:", [(f"n:{n}", f"The turbine is cooled by oil in hall {n}.") for n in range(6)]))
        assert [hits for hits, _ in looked] == [before]
        # Nothing but the words moved since the reader looked, and it looks again all the same.
        assert any(uri.startswith("n:") for uri in seen(reader))
        assert reader.identity["generation"] != looked[0][1]
        assert reader.verify() == []


def test_hits_and_relevance_belong_to_one_generation_whatever_is_written(base: KnowledgeBase) -> None:
    """A writer goes to and fro between two libraries; each search gives what it gives when nobody writes."""
    base.sync(library(1))
    rounds, start, quiet, found = 12, threading.Barrier(3), [seen(base)["m:answer"]], []

    def write() -> None:
        for turn in range(rounds):
            start.wait(60)
            base.sync(library((30, 1)[turn % 2]))
            quiet.append(seen(base)["m:answer"])

    def read() -> None:
        for _ in range(rounds):
            start.wait(60)
            found.extend(seen(base)["m:answer"] for _ in range(4))

    with ThreadPoolExecutor(3) as pool:
        for done in [pool.submit(write), pool.submit(read), pool.submit(read)]:
            done.result()
    assert len(found) == 2 * 4 * rounds and len(set(quiet)) > 1
    assert set(found) <= set(quiet)
