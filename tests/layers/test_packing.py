"""Sources are packed best first into the budget, and what was left out is known."""

from __future__ import annotations

from langchain_core.documents import Document

from nacre.retrieval.packing import pack


def test_the_budget_is_kept_best_first() -> None:
    documents = [Document("x " * 100), Document("y " * 100), Document("z " * 10)]
    kept, dropped = pack(documents, 115)
    assert [d.page_content[0] for d in kept] == ["x", "z"]
    assert [d.page_content[0] for d in dropped] == ["y"]


def test_the_first_is_kept_even_when_too_long_and_repetition_is_dropped() -> None:
    long, part = Document("word " * 1000), Document("word word")
    assert pack([long, part], 10) == ([long], [part])
