"""Retrieval-augmented generation (Lewis et al., 2020, arXiv:2005.11401) as a layer, with citations that are checked."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from langchain_core.documents import Document
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.retrievers import BaseRetriever
from pydantic import Field

from nacre import prompts
from nacre.decorator.layer import ChatModelDecorator, Flow
from nacre.grounding.citations import cite, supported_part
from nacre.retrieval.packing import pack
from nacre.text.hygiene import clean_text, searched
from nacre.text.language import Language, language_of
from nacre.text.markers import DeadMarkers, LiveMarkers, as_nacre_provider
from nacre.text.messages import (
    Source,
    last_user_text,
    nacre_of,
    render_sources,
    replace_last_user,
    source_of,
    text_of,
    with_nacre,
)
from nacre.text.titles import title_of
from nacre.text.tokens import estimate_messages

MIN_RELEVANCE = 0.05  # hardly a right answer falls below (bench/relevance_weights.py)
_PLACE = (
    *("uri", "title", "heading", "page", "start", "end", "chunk_id", "document_id", "version"),
    *("score", "relevance", "tables"),
)


class RetrievalAugmented(ChatModelDecorator):
    """Answers from retrieved sources and cites them, or says that the sources do not hold the answer.

    Args:
        inner: the model that writes the answer.
        retriever: finds documents for the last user message. The metadata of a document may hold `uri`, `title`,
            `heading`, `page`, `start`, `end`, `chunk_id`, `document_id`, `version`, `score`, `relevance` and
            `tables` (see `nacre.text.tables.Grid`).
        strict: cut every sentence that its cited source does not support, and refuse when nothing is left. The answer
            is then shown only when it is whole.
        min_support: with `strict`, the least share (0 to 1) of a sentence's words that the cited quote must hold.
        source_tokens: the most tokens (estimated) of the sources in the prompt; None takes half of the model's window,
            or 6,000 where the window is not known.
        min_relevance: refuse without asking the model when no document is as likely as this to hold an answer (0 to 1;
            see `Hit.relevance`); 0 always asks. Documents without `relevance` are not judged: the model is asked.
        prompt: id of the prompt, with the variables `sources` and `question`.

    Call options: `principals`, a list of names as whom the retriever is to search; `retrieve`, False for a call that needs
    no sources; `draft`, a function that knows a reply which is not the answer yet (a program) by its text. Such a reply is left
    whole; what `strict` would have asked of it stands in its metadata as `unchecked`, for whoever makes the answer of it.

    The answer's `response_metadata["nacre"]` holds `citations` (see `Citation`), `abstained`, `hits` and, where sources
    did not fit, `dropped`. A value that a program computed from cited cells (see `ProgramAided`) counts as supported.
    """

    call_options = frozenset({"principals", "retrieve", "draft"})

    retriever: BaseRetriever
    strict: bool = False
    min_support: float = Field(default=0.5, ge=0, le=1)
    source_tokens: int | None = Field(default=None, gt=0)
    min_relevance: float = Field(default=MIN_RELEVANCE, ge=0, le=1)
    prompt: str = "rag/answer"

    def flow(self, messages: list[BaseMessage], **kwargs: Any) -> Flow:
        """Retrieve, ask, cite."""
        principals = self.option(kwargs, "principals")
        retrieve, draft = self.option(kwargs, "retrieve", True), self.option(kwargs, "draft")
        question = clean_text(last_user_text(messages))
        if not question.strip() or not retrieve:
            return (yield from self.ask(messages, live=True, **kwargs))
        language, wanted = language_of(question), searched(question)
        asker = {} if principals is None else {"principals": principals}
        found: list[Document] = yield from self.call(self.retriever, wanted, **asker)
        kept, dropped = pack(found, self._budget(messages))
        if not kept or self._irrelevant(found):
            return with_nacre(AIMessage(refusal(language)), abstained=True, citations=[], hits=[])
        sources = [
            source_of(n, d.page_content, title_of(d.metadata), tables=d.metadata.get("tables"))
            for n, d in enumerate(kept, 1)
        ]
        asked = prompts.load(self.prompt, language).render(sources=render_sources(sources), question=question)
        through = None if self.strict else LiveMarkers([source.n for source in sources])
        if self.strict and self.inner_takes("min_support"):
            kwargs["min_support"] = self.min_support
        reply = yield from self.ask(replace_last_user(messages, asked), live=not self.strict, through=through, **kwargs)
        if dropped:
            reply = with_nacre(reply, dropped=[str(d.metadata.get("chunk_id", "")) for d in dropped])
        if draft is not None and draft(text_of(reply)):
            metadata = {**as_nacre_provider(reply.response_metadata), "model_provider": "nacre"}
            unchecked = {"unchecked": self.min_support} if self.strict else {}
            reply = reply.model_copy(update={"response_metadata": metadata})
            return with_nacre(reply, citations=[], abstained=False, hits=_hits(kept), **unchecked)
        return self._cited(reply, sources, kept, wanted)

    def _irrelevant(self, found: Sequence[Document]) -> bool:
        judged = [document.metadata.get("relevance") for document in found]
        return isinstance(judged[0], float) and all(
            value < self.min_relevance for value in judged if isinstance(value, float)
        )

    def _budget(self, messages: Sequence[BaseMessage]) -> int:
        if self.source_tokens is not None:
            return self.source_tokens
        window = (self.profile or {}).get("max_input_tokens")
        if not window:
            return 6000
        history = estimate_messages(messages)
        return max(200, min(window // 2, window - history - 1000))

    def _cited(
        self, reply: AIMessage, sources: Sequence[Source], documents: Sequence[Document], question: str
    ) -> AIMessage:
        """The reply with dead markers taken out and its citations resolved; in strict mode also cut."""
        hits, language = _hits(documents), language_of(question)
        places = {hit["n"]: hit for hit in hits}
        reply = reply.model_copy(
            update={
                "content": _without_dead_markers(reply.content, [s.n for s in sources]),
                "response_metadata": {**as_nacre_provider(reply.response_metadata)},
            }
        )
        text, own = text_of(reply), nacre_of(reply)
        if not text.strip():  # a tool call, say
            return with_nacre(reply, hits=hits)
        resolve = partial(cite, sources=sources, places=places, derived=own.get("derived") or (), question=question)
        abstained = bool(own.get("abstained")) or is_refusal(text, language)
        citations = [] if abstained else resolve(text)
        if self.strict and not abstained:
            text = supported_part(text, citations, self.min_support)
            abstained = not text
            text = text or refusal(language)
            reply = reply.model_copy(update={"content": text})
            again = [] if abstained else resolve(text)
            citations = [c for c in again if c["support"] >= self.min_support]
        reply.response_metadata["model_provider"] = "nacre"
        return with_nacre(reply, citations=citations, abstained=abstained, hits=hits)


def _hits(documents: Sequence[Document]) -> list[dict[str, Any]]:
    """The documents as data, each with the number by which it is cited and the place that a citation names."""
    return [
        {
            "n": n,
            "text": document.page_content,
            "uri": document.metadata.get("source", ""),
            **{name: document.metadata.get(name) for name in _PLACE if name in document.metadata},
        }
        for n, document in enumerate(documents, 1)
    ]


def refusal(language: Language) -> str:
    """What an asker is told when the sources do not hold the answer."""
    return prompts.load("rag/refusal", language).text()


def is_refusal(text: str, language: Language) -> bool:
    """Whether an answer is nothing but the refusal that the prompt asks for.

    Args:
        language: the asker's; a refusal in the other language counts as well.
    """
    said = text.strip().strip("\"'“”‘’。.! ").replace("’", "'").casefold()
    return any(said == refusal(which).strip("。.").casefold() for which in (language, "en", "zh"))


def _without_dead_markers(content: Any, valid: Sequence[int]) -> Any:
    markers = DeadMarkers(valid)
    if isinstance(content, str):
        return markers.push(content) + markers.close()
    parts = [
        {**part, "text": markers.push(part["text"])} if isinstance(part, dict) and part.get("type") == "text" else part
        for part in content
    ]
    rest = markers.close()
    return [*parts, {"type": "text", "text": rest}] if rest else parts
