"""The knowledge base as a LangChain retriever."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from langchain_core.callbacks import CallbackManagerForRetrieverRun
from langchain_core.documents import Document
from langchain_core.retrievers import BaseRetriever
from pydantic import ConfigDict, Field

from nacre.retrieval.hit import Hit

if TYPE_CHECKING:
    from nacre.retrieval.knowledge_base import KnowledgeBase


class KnowledgeBaseRetriever(BaseRetriever):
    """Passages for a question.

    Args:
        knowledge_base: where to search.
        k: how many passages at most.
        principals: as whom; None finds documents that everyone may see. A call may name principals too: they then
            count where none are fixed here, else only those in both.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True, extra="forbid")

    knowledge_base: Any = Field(exclude=True)
    k: int = Field(default=6, ge=1)
    principals: tuple[str, ...] | None = None

    def _get_relevant_documents(
        self, query: str, *, run_manager: CallbackManagerForRetrieverRun, k: int | None = None, principals: Iterable[str] | None = None
    ) -> list[Document]:
        base: KnowledgeBase = self.knowledge_base
        hits = base.search(query, k=k or self.k, principals=self._asker(principals))
        return [as_document(hit) for hit in hits]

    def _asker(self, called: Iterable[str] | None) -> tuple[str, ...] | None:
        if called is None:
            return self.principals
        names = tuple(called)
        if self.principals is None:
            return names or None
        return tuple(name for name in names if name in self.principals) or None


def as_document(hit: Hit) -> Document:
    """A hit as LangChain's document.

    Args:
        hit: from a search.

    Returns:
        A document whose metadata carry all fields of the hit but the text.
    """
    facts = asdict(hit)
    return Document(id=str(hit.chunk_id), page_content=facts.pop("text"), metadata=facts)
