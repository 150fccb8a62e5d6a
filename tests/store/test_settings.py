"""Settings of a knowledge base: read where they count, refused where they are wrong, and obeyed by the next search and
sync.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from langchain_core.embeddings import Embeddings

from nacre.errors import KnowledgeBaseError
from nacre.ingest.source import Item, TextSource
from nacre.retrieval.fusion import VECTOR_WEIGHT
from nacre.retrieval.knowledge_base import KnowledgeBase
from nacre.retrieval.retriever import retriever_of
from nacre.store.settings import load_settings, save_settings

LONG = "\n\n".join(
    f"## Shelf {n}\n\n" + " ".join(f"Item {n}-{m} lies in box {n * 31 + m} of the long cold hall." for m in range(30))
    for n in range(6)
)


class Meaning(Embeddings):
    """Knows that a car is an automobile, and nothing else."""

    def embed_query(self, text: str) -> list[float]:
        return [1.0, 0.1] if {"car", "automobile"} & set(text.lower().replace(".", "").split()) else [0.0, 1.0]

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        return [self.embed_query(text) for text in texts]


def nothing() -> TextSource:
    return TextSource("none:", [])


def spans(base: KnowledgeBase) -> dict[str, list[str]]:
    return {
        document["uri"]: [
            base.text(document["uri"])[chunk.start : chunk.end]
            for chunk in base.store.catalog.chunks(document["document_id"])
        ]
        for document in base.documents()
    }


@pytest.mark.parametrize(
    ("written", "named"),
    [
        ('{"k": true}', "k is true"),
        ('{"k": 0}', "k is 0"),
        ('{"expand": 1.5}', "expand is 1.5"),
        ('{"fusion_weight": 1.2}', "fusion_weight is 1.2"),
        ('{"fusion_weight": NaN}', "fusion_weight is NaN"),
        ('{"fusion_weight": "much"}', 'fusion_weight is "much"'),
        ('{"chunk_size": 8}', "chunk_size is 8"),
        ('{"chunk_size": "200"}', 'chunk_size is "200"'),
        ('{"distinct": 1}', "distinct is 1"),
        ('{"chunksize": 200}', "no setting 'chunksize'; there are fusion_weight, chunk_size"),
        ("[1]", "no JSON object"),
        ('{"k": 3', "cannot be read"),
    ],
)
def test_a_wrong_setting_is_refused_with_its_file_its_name_and_a_cure(base, written: str, named: str) -> None:
    base.sync(TextSource("t:", [("t:1", "One car.", "")]))
    path = base.folder / "settings.json"
    path.write_text(written, "utf-8")
    for use in (lambda: KnowledgeBase.open(base.folder, base.encoder.embeddings), lambda: base.search("car")):
        with pytest.raises(KnowledgeBaseError) as caught:
            use()
        assert str(path) in caught.value.message and named in caught.value.message and "delete" in caught.value.message
        assert caught.value.path == str(path)


def test_a_wrong_setting_is_never_written(tmp_path: Path) -> None:
    save_settings(tmp_path, {"k": 4, "fusion_weight": 0.5})
    with pytest.raises(KnowledgeBaseError, match="chunk_size"):
        save_settings(tmp_path, {"k": 5, "chunk_size": 1})
    save_settings(tmp_path, {"fusion_weight": "auto", "expand": 1})
    assert load_settings(tmp_path) == {"k": 4, "expand": 1}


def test_the_weight_of_the_vectors_decides_and_counts_from_the_next_search(tmp_path: Path) -> None:
    filler = [(f"t:{n}", f"Report {n} of the yard on the repair of trams.", "") for n in range(20)]
    with KnowledgeBase.open(tmp_path / "kb", Meaning()) as base, KnowledgeBase.open(base.folder, Meaning()) as other:
        base.sync(
            TextSource(
                "t:",
                [
                    *filler,
                    ("t:a", "The automobile is washed on Mondays.", ""),
                    ("t:b", "Wash, wash and wash the floor.", ""),
                ],
            )
        )
        for weight, first in ((0, "t:b"), (1, "t:a"), (0.0, "t:b")):
            save_settings(base.folder, {"fusion_weight": weight})
            assert [kb.search("wash the car", k=1)[0].uri for kb in (base, other)] == [first, first]
        save_settings(base.folder, {"fusion_weight": VECTOR_WEIGHT})
        chosen = base.search("wash the car")
        before = base.identity
        save_settings(base.folder, {"fusion_weight": "auto"})
        assert base.search("wash the car") == chosen and base.identity != before


def test_a_retriever_takes_what_is_set_and_the_caller_counts_more(base) -> None:
    assert (retriever_of(base).k, retriever_of(base).expand) == (6, 0)
    save_settings(base.folder, {"k": 3, "expand": 2, "fusion_weight": 0.4})
    assert (retriever_of(base).k, retriever_of(base, k=None).expand) == (3, 2)
    assert (retriever_of(base, k=5).k, retriever_of(base, expand=0).expand) == (5, 0)
    assert base.retriever().k == 6  # a program that asks for a retriever itself gets what it asks for


def test_another_chunk_size_cuts_every_document_anew_at_the_next_sync(base, embedder, tmp_path: Path) -> None:
    docs = tmp_path / "docs"
    docs.mkdir()
    (docs / "hall.md").write_text("# Hall\n\n" + LONG)
    (docs / "short.md").write_text("# Short\n\nOne line about the gate.\n")
    elsewhere = TextSource("other:", [("other:1", LONG.replace("Shelf", "Rack"), "Racks")])
    base.sync(docs)
    base.sync(elsewhere, principals=["board"])
    before, facts, seen = spans(base), base.documents(), len(embedder.texts)
    save_settings(base.folder, {"chunk_size": 64})
    report = base.sync(docs)
    assert (report.added, report.updated, report.deleted, report.unchanged, report.recut) == (0, 0, 0, 2, 3)
    after = spans(base)
    assert len(after["other:1"]) > 2 * len(before["other:1"])
    assert all(embedder_tokens(base, text) <= 64 for texts in after.values() for text in texts)
    assert report.embedded == len(embedder.texts) - seen  # what is the same as before has its vector already
    assert not any("One line about the gate" in text for text in embedder.texts[seen:])
    assert [{**d, "chunks": 0} for d in base.documents()] == [{**d, "chunks": 0} for d in facts]
    assert base.verify() == []
    found = base.search("In which box lies item 5-29?", principals=["board"])
    assert found and all(base.text(hit.uri)[hit.start : hit.end] == hit.text for hit in found)
    assert not any(hit.uri == "other:1" for hit in base.search("In which box lies item 5-29?"))

    fresh = KnowledgeBase.open(tmp_path / "fresh", embedder)
    save_settings(fresh.folder, {"chunk_size": 64})
    fresh.sync(docs, elsewhere)
    assert spans(fresh) == after  # as if it had been cut so from the start
    fresh.close()

    again = base.sync(docs)
    assert (again.recut, again.embedded) == (0, 0)
    save_settings(base.folder, {"chunk_size": "auto"})
    assert base.sync(nothing(), prune=False).recut == 3
    assert spans(base) == before and base.verify() == []


def embedder_tokens(base: KnowledgeBase, text: str) -> int:
    return base.encoder.count_tokens(text) if base.encoder else 0


def test_a_chunk_that_the_embedder_cannot_read_whole_is_refused(base) -> None:
    save_settings(base.folder, {"chunk_size": 4000})
    with pytest.raises(KnowledgeBaseError, match=r"settings\.json.*chunk_size is 4000.*reads 512 tokens.*512 or less"):
        base.sync(TextSource("t:", [("t:1", LONG, "")]))


def test_a_renamed_document_is_cut_anew_too_and_keeps_its_number(base, tmp_path: Path) -> None:
    docs = tmp_path / "docs"
    docs.mkdir()
    (docs / "a.md").write_text(LONG)
    base.sync(docs, principals=["board"])
    [before] = base.documents()
    (docs / "a.md").rename(docs / "b.md")
    save_settings(base.folder, {"chunk_size": 64})
    report = base.sync(docs)
    [after] = base.documents()
    assert (report.moved, report.recut, report.deleted) == (1, 1, 0)
    assert (after["document_id"], after["version"], after["principals"]) == (before["document_id"], 1, ["board"])
    assert after["chunks"] > before["chunks"] and base.verify() == []


def test_an_interrupted_sync_goes_on_cutting_where_it_stopped(base, embedder) -> None:
    source = TextSource("t:", [(f"t:{n}", LONG.replace("Item", f"Thing{n}"), "") for n in range(12)])
    base.sync(source)
    save_settings(base.folder, {"chunk_size": 64})
    seen = 0

    def stop(progress) -> None:
        nonlocal seen
        seen += 1
        if seen == 18:  # twelve are looked at first, then cut
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        base.sync(source, on_progress=stop)
    assert base.verify() == []
    report = base.sync(source)
    assert 0 < report.recut < 12
    assert base.sync(source).recut == 0 and base.verify() == []


def test_a_catalog_of_an_earlier_version_is_read_again_to_be_cut_anew(base) -> None:
    texts = {"t:1": LONG, "t:2": LONG.replace("Shelf", "Rack")}
    read = []

    class Stamped:
        scope = "t:"

        def items(self):
            for uri, text in texts.items():
                yield Item(uri, read=lambda uri=uri, text=text: read.append(uri) or text, stamp="1")

    base.sync(Stamped())
    read.clear()
    base.close()
    with sqlite3.connect(base.folder / "catalog.sqlite") as db:
        db.execute("ALTER TABLE documents DROP COLUMN cut")
        db.execute("ALTER TABLE documents DROP COLUMN blocks")
    db.close()
    with KnowledgeBase.open(base.folder, base.encoder.embeddings) as old:
        assert old.search("box") and (old.sync(Stamped()).unchanged, read) == (2, [])
        save_settings(old.folder, {"chunk_size": 64})
        elsewhere = old.sync(nothing(), prune=False)
        assert elsewhere.recut == 0 and [uri for uri, _ in elsewhere.warnings] == ["t:1", "t:2"]
        report = old.sync(Stamped())
        assert (report.recut, report.unchanged, read) == (2, 2, ["t:1", "t:2"])
        assert [document["version"] for document in old.documents()] == [1, 1] and old.verify() == []
