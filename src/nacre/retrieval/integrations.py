"""The knowledge base as other frameworks see it: a LangChain vector store, a LlamaIndex retriever.

Like any package that builds on Nacre, this module knows the knowledge base by the library's face.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from langchain_core.vectorstores import VectorStore

from nacre.errors import UsageError
from nacre.extras import need
from nacre.ingest.source import Item
from nacre.retrieval.hit import Hit
from nacre.retrieval.retriever import as_document
from nacre.store.filters import Filter
from nacre.text.language import tr
from nacre.text.strict_json import to_json

if TYPE_CHECKING:
    from nacre import KnowledgeBase

_SCOPE = "langchain:"
_KEPT = "_langchain"  # the name under which a document's own metadata are kept, as JSON: no field of it


class KnowledgeBaseVectorStore(VectorStore):
    """A LangChain vector store over a knowledge base. Searches are hybrid, as all searches of the base are."""

    def __init__(self, base: KnowledgeBase, principals: tuple[str, ...] | None = None) -> None:
        self.base = base
        self.principals = principals

    @property
    def embeddings(self) -> Embeddings | None:
        """The base's embedder."""
        encoder = self.base.encoder
        return encoder.embeddings if encoder else None

    def add_texts(
        self,
        texts: Iterable[str],
        metadatas: list[dict[str, Any]] | None = None,
        *,
        ids: list[str] | None = None,
        **kwargs: Any,
    ) -> list[str]:
        """Store texts as documents; one of the same id is replaced."""
        texts = list(texts)
        names = [name or uuid.uuid4().hex for name in ids or [""] * len(texts)]
        facts = metadatas or [{} for _ in texts]
        if not len(texts) == len(names) == len(facts):
            raise UsageError(tr("texts, metadatas and ids differ in length."))
        source = _AddedTexts([_item(name, text, fact) for name, text, fact in zip(names, texts, facts, strict=True)])
        report = self.base.sync(source, principals=self.principals, prune=False)
        if report.failed:
            raise UsageError("; ".join(f"{uri.removeprefix(_SCOPE)}: {reason}" for uri, reason in report.failed))
        return names

    def delete(self, ids: list[str] | None = None, **kwargs: Any) -> bool | None:
        """Take documents out.

        Args:
            ids: their names; None takes out all that were added through a store like this.
        """
        if ids is None:
            ids = [
                document["uri"].removeprefix(_SCOPE)
                for document in self.base.documents()
                if document["uri"].startswith(_SCOPE)
            ]
        for name in ids:
            self.base.delete(_SCOPE + name)
        return True

    def get_by_ids(self, ids: Sequence[str], /) -> list[Document]:
        """Documents by name.

        Args:
            ids: their names; unknown ones, and ones that these principals may not see, are left out.
        """
        found = []
        for name in ids:
            uri = _SCOPE + name
            if self.base.visible(uri, self.principals):
                found.append(Document(id=name, page_content=self.base.text(uri), metadata=self._facts(uri)))
        return found

    def similarity_search(self, query: str, k: int = 4, **kwargs: Any) -> list[Document]:
        """Find passages."""
        return [document for document, _ in self.similarity_search_with_score(query, k, **kwargs)]

    def similarity_search_with_score(self, query: str, k: int = 4, **kwargs: Any) -> list[tuple[Document, float]]:
        """Find passages, with their scores.

        Returns:
            (document, score) with the best first; higher is better.
        """
        fields = kwargs.get("filter")
        where = Filter(fields=fields) if fields else kwargs.get("where")
        hits = self.base.search(query, k, self.principals, where=where)
        return [(self._document(hit), hit.score) for hit in hits]

    @classmethod
    def from_texts(
        cls,
        texts: list[str],
        embedding: Embeddings,
        metadatas: list[dict[str, Any]] | None = None,
        *,
        ids: list[str] | None = None,
        path: str = "",
        **kwargs: Any,
    ) -> KnowledgeBaseVectorStore:
        """Make a knowledge base from texts."""
        if not path:
            raise UsageError(tr("from_texts needs path=, the folder of the knowledge base."))
        from nacre import KnowledgeBase

        store = cls(KnowledgeBase.open(path, embedding))
        store.add_texts(texts, metadatas, ids=ids)
        return store

    def _facts(self, uri: str) -> dict[str, Any]:
        kept = self.base.metadata(uri)
        return dict(json.loads(kept.get(_KEPT) or kept.get("langchain") or "{}"))  # so an earlier Nacre called it

    def _document(self, hit: Hit) -> Document:
        """What was added comes back as it was; a passage of something longer also says where it stands."""
        if not hit.uri.startswith(_SCOPE):
            return as_document(hit)
        name, text, facts = hit.uri.removeprefix(_SCOPE), self.base.text(hit.uri), self._facts(hit.uri)
        if hit.text == text.strip():
            return Document(id=name, page_content=text, metadata=facts)
        return Document(
            id=name,
            page_content=hit.text,
            metadata={**facts, "start": hit.start, "end": hit.end, "chunk_id": hit.chunk_id},
        )


class _AddedTexts:
    """The documents of one call, as a source."""

    scope = _SCOPE

    def __init__(self, items: list[Item]) -> None:
        self._items = items

    def items(self) -> Iterator[Item]:
        return iter(self._items)


def _item(name: str, text: str, facts: dict[str, Any]) -> Item:
    try:
        kept = to_json(facts, ensure_ascii=False)
    except (TypeError, ValueError) as error:
        raise UsageError(tr("the metadata of {name} are not JSON: {error}", name=name, error=error)) from error
    return Item(uri=_SCOPE + name, read=lambda: text, mime="text/plain", metadata={**facts, _KEPT: kept})


def llamaindex_retriever(base: KnowledgeBase, k: int, principals: tuple[str, ...] | None) -> Any:
    """The knowledge base as a LlamaIndex retriever."""
    retrievers = need("llama_index.core.retrievers", extra="llamaindex")
    schema = need("llama_index.core.schema", extra="llamaindex")

    class KnowledgeBaseLlamaRetriever(retrievers.BaseRetriever):  # type: ignore[name-defined, misc]
        """Passages as LlamaIndex's scored text nodes."""

        def _retrieve(self, query_bundle: Any) -> list[Any]:
            hits = base.search(query_bundle.query_str, k=k, principals=principals)
            return [schema.NodeWithScore(node=_node(schema, hit), score=hit.score) for hit in hits]

    return KnowledgeBaseLlamaRetriever()


def _node(schema: Any, hit: Hit) -> Any:
    facts = as_document(hit).metadata
    metadata = {name: facts[name] for name in ("uri", "title", "page", "version", "document_id")} | {
        "heading": list(hit.heading)
    }
    return schema.TextNode(
        id_=str(hit.chunk_id), text=hit.text, metadata=metadata, start_char_idx=hit.start, end_char_idx=hit.end
    )
