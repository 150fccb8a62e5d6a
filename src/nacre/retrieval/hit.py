"""What a search gives back."""

from __future__ import annotations

from dataclasses import asdict, dataclass
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
        valid: when its document holds by its fields `valid_from` and `valid_until`, "2024-01-01/2025-12-31", "2026/";
            "" where they tell nothing.
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
    valid: str = ""

    def to_dict(self) -> dict[str, Any]:
        """All fields as JSON-ready data.

        Returns:
            A dict with the names of the fields; `heading` is a list.
        """
        return {**asdict(self), "heading": list(self.heading)}
