"""The knowledge base as a LangChain retriever."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any, Protocol

from langchain_core.callbacks import CallbackManagerForRetrieverRun
from langchain_core.documents import BaseDocumentCompressor, Document
from langchain_core.retrievers import BaseRetriever
from pydantic import ConfigDict, Field, ValidationError

from nacre.errors import UsageError
from nacre.retrieval.arguments import check_principals
from nacre.retrieval.hit import Hit
from nacre.retrieval.postprocessing import distinct
from nacre.store.filters import Filter
from nacre.store.settings import FOR_RETRIEVER
from nacre.text.hygiene import searched
from nacre.text.tables import Grid
from nacre.validation import complaint, expect

_MOST_LOOKED_AT = 1000  # passages, to find some that differ


class Searchable(Protocol):
    """What a retriever needs of a knowledge base."""

    @property
    def settings(self) -> Mapping[str, Any]:
        """See `nacre.store.settings`."""

    def search(
        self, query: str, k: int = 10, principals: Iterable[str] | None = None, *, where: Filter | None = None
    ) -> list[Hit]:
        """Find passages, the best first."""

    def widened(self, hits: Sequence[Hit], neighbours: int = 1) -> list[Hit]:
        """Hits with the text around them."""

    def tables_in(self, hits: Sequence[Hit]) -> list[list[Grid]]:
        """The tables that stand in each hit's text."""


class KnowledgeBaseRetriever(BaseRetriever):
    """Passages for a question.

    Args:
        principals: as whom; None finds documents that everyone may see. A call may name principals too: they then
            count where none are fixed here, else only those in both.
        expand: chunks on either side that a passage grows by after ranking; passages that touch become one.
        reranker: reorders the candidates by reading each with the question, a cross-encoder for one; None leaves the
            order.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True, extra="forbid")

    knowledge_base: Any = Field(exclude=True)
    k: int = Field(default=6, ge=1)
    principals: tuple[str, ...] | None = None
    expand: int = Field(default=0, ge=0, le=10)
    distinct: bool = True
    reranker: BaseDocumentCompressor | None = None
    candidates: int = Field(default=30, ge=1)
    where: Filter | None = None

    def __init__(self, **fields: Any) -> None:
        try:
            super().__init__(**fields)
        except ValidationError as error:
            raise UsageError(complaint(type(self).__name__, error, list(type(self).model_fields))) from error

    def _get_relevant_documents(
        self,
        query: str,
        *,
        run_manager: CallbackManagerForRetrieverRun,
        k: int | None = None,
        principals: Iterable[str] | None = None,
    ) -> list[Document]:
        base: Searchable = self.knowledge_base
        expect(query, "query", str)
        query = searched(query)
        k = k or self.k
        hits = self._candidates(query, max(k, self.candidates) if self.reranker else k, self._asker(principals))
        if self.reranker:
            hits = self._reranked(query, hits[: self.candidates], run_manager)
        if self.expand:
            hits = base.widened(hits[:k], self.expand)
        found = hits[:k]
        return [as_document(hit, grids) for hit, grids in zip(found, base.tables_in(found), strict=True)]

    def standing_out(self, query: str, texts: Sequence[str]) -> list[float | None]:
        """See `KnowledgeBase.standing_out`."""
        found: list[float | None] = self.knowledge_base.standing_out(searched(query), texts)
        return found

    def _candidates(self, query: str, wanted: int, asker: tuple[str, ...] | None) -> list[Hit]:
        """So many passages that differ, or all that there are: where many are alike, more are looked at."""
        asked = 2 * wanted
        while True:
            hits = self.knowledge_base.search(query, k=asked, principals=asker, where=self.where)
            different = distinct(hits) if self.distinct else hits
            if len(different) >= wanted or len(hits) < asked or asked >= _MOST_LOOKED_AT:
                return different
            asked *= 8

    def _reranked(self, query: str, hits: Sequence[Hit], run_manager: CallbackManagerForRetrieverRun) -> list[Hit]:
        assert self.reranker is not None
        by_id = {str(hit.chunk_id): hit for hit in hits}
        ranked = self.reranker.compress_documents([as_document(hit) for hit in hits], query, run_manager.get_child())
        return [by_id[document.id] for document in ranked if document.id in by_id]

    def _asker(self, called: Iterable[str] | None) -> tuple[str, ...] | None:
        if called is None:
            return self.principals
        names = (called,) if isinstance(called, str) else tuple(called)
        if self.principals is None:
            return names or None
        return tuple(name for name in names if name in self.principals) or None


def retriever_of(
    base: Searchable, *, principals: Iterable[str] | None = None, **options: Any
) -> KnowledgeBaseRetriever:
    """A retriever as the settings of its knowledge base say (k, expand, distinct), where the caller does not.

    Args:
        **options: fields of `KnowledgeBaseRetriever`; None leaves one to the settings.
    """
    tuned = {name: value for name, value in base.settings.items() if name in FOR_RETRIEVER}
    given = {name: value for name, value in options.items() if value is not None}
    return KnowledgeBaseRetriever(knowledge_base=base, principals=check_principals(principals), **{**tuned, **given})


def as_document(hit: Hit, tables: Sequence[Grid] = ()) -> Document:
    """A hit as LangChain's document; the tables that its text holds stand in the metadata, where there are any."""
    facts = (
        hit.to_dict() | {"heading": hit.heading} | ({"tables": [asdict(table) for table in tables]} if tables else {})
    )
    return Document(id=str(hit.chunk_id), page_content=facts.pop("text"), metadata=facts)
