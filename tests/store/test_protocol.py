"""What is above the stores knows them by their protocols, and opens a place in one way."""

from __future__ import annotations

import sys
import threading
from pathlib import Path

import pytest

from nacre.errors import UsageError
from nacre.ingest.source import TextSource
from nacre.retrieval.knowledge_base import KnowledgeBase
from nacre.store import embedders
from nacre.store.copying import copy_store

sys.path.insert(0, str(Path(__file__).parents[2] / "scripts"))
import house

PEARLS = TextSource("p:", [("p:1", "The pearl is white. It grew in a shell."), ("p:2", "The harbour is deep.")])


def test_only_the_store_itself_knows_the_folder() -> None:
    found = {
        module
        for module, targets in house.imports().items()
        if not module.startswith("nacre.store") and any(target.startswith("nacre.store.folder") for target in targets)
    }
    assert not found


def test_a_place_without_a_knowledge_base_is_made_or_refused(tmp_path, embedder) -> None:
    missing = tmp_path / "nowhere"
    for opening in (KnowledgeBase.open, KnowledgeBase.repair):
        arguments = {"create": False} if opening == KnowledgeBase.open else {}
        with pytest.raises(UsageError, match="There is no knowledge base in"):
            opening(missing, embedder, **arguments)
        assert not missing.exists()
    KnowledgeBase.open(missing, embedder).close()
    with KnowledgeBase.open(missing, embedder, create=False) as base:
        assert base.place == str(missing) and base.documents() == []


def test_threads_that_need_the_embedder_load_one(tmp_path, embedder, monkeypatch) -> None:
    KnowledgeBase.open(tmp_path / "kb", embedder).close()
    base = KnowledgeBase.open(tmp_path / "kb", embedder)
    base._encoder, loaded, together = None, [], threading.Barrier(4)

    def load(name: str) -> object:
        loaded.append(name)
        threading.Event().wait(0.05)  # long enough for the others to want one too
        return embedder

    monkeypatch.setattr(embedders, "embedder_named", load)

    def need() -> None:
        together.wait(30)
        assert base.encoder is not None

    threads = [threading.Thread(target=need) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert loaded == [base.store.embedder["id"]]
    base.close()


def test_a_copy_is_a_store_of_its_own(base, embedder, tmp_path) -> None:
    base.sync(PEARLS)
    copy_store(base.store, tmp_path / "copy")
    copy = KnowledgeBase.open(tmp_path / "copy", embedder)
    base.sync(TextSource("p:", []))
    assert [hit.uri for hit in copy.search("pearl", k=1)] == ["p:1"] and copy.verify() == []
    assert base.documents() == [] and len(embedder.texts) == 2
    copy.close()


def test_chunks_are_found_by_their_place_and_their_neighbours(base) -> None:
    base.store.save_settings({"chunk_size": 32})
    text = "\n\n".join(f"Paragraph {n} " + "counts the waves of a long grey winter. " * 3 for n in range(6))
    base.sync(TextSource("w:", [("w:1", text)]))
    catalog = base.store.catalog
    number = catalog.find("w:1").id
    chunks = catalog.chunks(number)
    assert len(chunks) > 4 and [chunk.start for chunk in chunks] == sorted(chunk.start for chunk in chunks)
    third = chunks[2]
    assert catalog.chunks(number, third.start, third.end) == [third]
    before, after = catalog.neighbours(number, third.start, 2)
    assert (before, after) == ([chunks[1], chunks[0]], chunks[3:5])
    assert catalog.find(number) == catalog.find("w:1") and catalog.find("w:2") is None
    assert base.documents()[0]["scope"] == "w:"


def test_a_document_that_is_put_again_keeps_its_number_and_counts_its_versions(base) -> None:
    versions = []
    for text in ("The pearl is white.", "The pearl is black.", "The pearl is black."):
        base.sync(TextSource("p:", [("p:1", text)]))
        found = base.store.catalog.find("p:1")
        versions.append((found.id, found.version))
    assert versions == [(1, 1), (1, 2), (1, 2)]
