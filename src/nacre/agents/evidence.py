"""Sources that tools bring back: numbered through the whole run, and cited in the answer."""

from __future__ import annotations

from typing import Any

from langchain_core.documents import Document
from langchain_core.messages import AIMessage

from nacre.grounding.citations import cite
from nacre.text.markers import CitationMarkers, as_nacre_provider
from nacre.text.messages import Source, source_of, text_of, with_nacre, with_text
from nacre.text.titles import title_of

MOST = 99  # a marker has two digits


class Evidence:
    """The documents seen in one run, each with the number by which it is cited."""

    def __init__(self) -> None:
        self.documents: list[Document] = []
        self._numbers: dict[str, int] = {}

    def add(self, artifact: Any) -> str | None:
        """Number the documents that a tool gave back."""
        items = artifact if isinstance(artifact, (list, tuple)) else ()
        documents = [item for item in items if isinstance(item, Document)]
        if not documents:
            return None
        parts = []
        for document in documents:
            number = self._number(document)
            mark = f"[{number}] " if number else ""
            address = f" ({_uri(document)})" if _uri(document).startswith(("http://", "https://")) else ""
            parts.append(f"{mark}{title_of(document.metadata)}{address}\n{document.page_content}".strip())
        return "\n\n".join(parts)

    def _number(self, document: Document) -> int | None:
        key = str(document.metadata.get("chunk_id") or document.page_content)
        if key not in self._numbers and len(self.documents) < MOST:
            self.documents.append(document)
            self._numbers[key] = len(self.documents)
        return self._numbers.get(key)

    def sources(self, characters: int) -> list[Source]:
        """The documents as numbered sources."""
        found: list[Source] = []
        for n, document in enumerate(self.documents, 1):
            text = document.page_content[:characters]
            characters -= len(text)
            if text:
                tables = document.metadata.get("tables")
                found.append(source_of(n, text, title_of(document.metadata), _uri(document), tables))
        return found

    @property
    def numbers(self) -> range | None:
        """The numbers that may be cited; None where there is nothing to cite."""
        return range(1, len(self.documents) + 1) if self.documents else None

    def cited(self, reply: AIMessage) -> AIMessage:
        """Resolve the citations of an answer; without any sources the answer is left as it is."""
        if self.numbers is None:
            return reply
        markers = CitationMarkers(self.numbers)
        text = markers.push(text_of(reply)) + markers.close()
        sources = self.sources(sum(len(document.page_content) for document in self.documents))
        places = {n: {"uri": _uri(document), **document.metadata} for n, document in enumerate(self.documents, 1)}
        reply = with_text(reply, text)
        metadata = {**as_nacre_provider(reply.response_metadata), "model_provider": "nacre"}
        reply = reply.model_copy(update={"response_metadata": metadata})
        known = ("title", "heading", "page", "start", "end", "chunk_id", "document_id", "version", "score", "boxes")
        hits = [
            {"n": n, "uri": _uri(one), **{name: one.metadata[name] for name in known if name in one.metadata}}
            for n, one in enumerate(self.documents, 1)
        ]
        return with_nacre(reply, citations=cite(text, sources, places), hits=hits)


def _uri(document: Document) -> str:
    return str(document.metadata.get("uri") or document.metadata.get("source") or "")
