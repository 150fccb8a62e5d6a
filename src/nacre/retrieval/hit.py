"""What a search gives back."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class Hit:
    """A passage that answers a query, with its exact place.

    Args:
        text: the passage; `KnowledgeBase.text(uri)[start:end]` is the same string.
        score: relevance to this query, higher is better; comparable within one search only.
        page: 1-based page, slide or sheet, or None where the format has none.
        start: first character in the document's text.
        end: one past the last character.
        document_id: number of the document; it survives a rename.
        relevance: estimated probability that the passage holds an answer, comparable between searches, from the words
            of the whole knowledge base (`nacre.retrieval.relevance`); None where that says nothing: in a base of a few
            chunks, or of a passage in another language than the query's.
        boxes: of text that OCR read, where its lines stand: `start` and `end` in the document's text, `page`, and
            `box`, which is left, top, right and bottom as shares of the page's width and height.
    """

    text: str
    score: float
    uri: str
    title: str
    heading: tuple[str, ...]
    page: int | None
    start: int
    end: int
    chunk_id: int
    document_id: int
    version: int
    relevance: float | None = None
    boxes: tuple[dict[str, Any], ...] = field(default=(), compare=False)

    def to_dict(self) -> dict[str, Any]:
        """All fields as JSON-ready data.

        Returns:
            A dict with the names of the fields; `heading` is a list, and `boxes` is there where there are any.
        """
        facts = asdict(self)
        boxes = facts.pop("boxes")
        return facts | {"heading": list(self.heading)} | ({"boxes": list(boxes)} if boxes else {})
