"""The terms of the word index: a character within a word, and an index that other rules wrote."""

from __future__ import annotations

from nacre.ingest.source import TextSource
from nacre.retrieval.knowledge_base import KnowledgeBase
from nacre.store import bm25
from nacre.store.folder import keyword_index

NOTES = [
    ("n:1", "增值税发票须在月底前开具。", ""),
    ("n:2", "公章由行政部保管。", ""),
    ("n:3", "The seal is kept by the office.", ""),
]


def test_a_word_of_one_character_finds_the_words_that_hold_it(tmp_path) -> None:
    with KnowledgeBase.open(tmp_path / "kb", "none") as base:
        base.sync(TextSource("n:", NOTES))
        found = {query: [hit.uri for hit in base.search(query)] for query in ("税", "章", "發 票", "的")}
    assert found == {"税": ["n:1"], "章": ["n:2"], "發 票": ["n:1"], "的": []}


def test_characters_stand_in_the_index_but_not_in_every_query() -> None:
    assert {"=增", "=值", "=税"} <= set(bm25.terms("增值税"))
    assert not any(term.startswith("=") for term in bm25.query_weights("增值税发票"))
    assert bm25.alone("税") == "=税" and bm25.alone("的") == "的" and bm25.alone("tax") == "tax"


def test_an_index_of_other_rules_is_made_anew(tmp_path, monkeypatch) -> None:
    with monkeypatch.context() as older:
        older.setattr(keyword_index, "_MARKER", "generation")
        older.setattr(bm25, "terms", lambda text: text.lower().split())
        with KnowledgeBase.open(tmp_path / "kb", "none") as base:
            base.sync(TextSource("n:", NOTES))
            assert base.search("税") == []
    with KnowledgeBase.open(tmp_path / "kb") as base:
        assert [hit.uri for hit in base.search("税")] == ["n:1"] and base.verify() == []
