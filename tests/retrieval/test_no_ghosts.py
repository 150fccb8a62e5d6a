"""A document that is gone, or changed, is gone everywhere: also from what a cache and a memory would say."""

from __future__ import annotations

from pathlib import Path

from nacre import KnowledgeBase, ResponseCache, RetrievalAugmented, load_model
from nacre.decorator.identity import identity
from nacre.text.messages import nacre_of


def test_a_cached_answer_goes_with_its_document(tmp_path: Path) -> None:
    docs = tmp_path / "docs"
    docs.mkdir()
    (docs / "tide.md").write_text("High tide at Lantern Bay is at 14:20.", "utf-8")
    (docs / "tea.md").write_text("Tea is served at five.", "utf-8")
    kb = KnowledgeBase.open(tmp_path / "kb", embedder="none")
    kb.sync(docs)
    model = ResponseCache(
        inner=RetrievalAugmented(inner=load_model("quote"), retriever=kb.retriever()),
        store=str(tmp_path / "cache.sqlite"),
    )
    question = "When is high tide at Lantern Bay?"
    assert "14:20" in model.invoke(question).text
    assert nacre_of(model.invoke(question)).get("cached")

    (docs / "tide.md").write_text("High tide at Lantern Bay is at 15:05.", "utf-8")
    kb.sync(docs)
    assert "15:05" in model.invoke(question).text

    (docs / "tide.md").unlink()
    kb.sync(docs)
    assert nacre_of(model.invoke(question))["abstained"]


def test_the_identity_of_a_retriever_is_the_same_in_another_process_and_changes_with_the_base(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("Tea is served at five.", "utf-8")
    kb = KnowledgeBase.open(tmp_path / "kb", embedder="none")

    def key(k: int = 6) -> str:
        return str(
            identity(
                RetrievalAugmented(
                    inner=load_model("quote"), retriever=KnowledgeBase.open(tmp_path / "kb").retriever(k=k)
                )
            )
        )

    before = key()
    assert before == key() and "@" not in before
    assert before != key(k=3)
    kb.sync(tmp_path / "a.md")
    assert before != key()
