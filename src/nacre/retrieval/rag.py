"""Retrieval-augmented generation (Lewis et al., 2020, arXiv:2005.11401) as a layer, with citations that are checked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from langchain_core.documents import Document
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.retrievers import BaseRetriever
from pydantic import Field

from nacre import prompts
from nacre.citations import Citation, cite, statements
from nacre.decorator import ChatModelDecorator, Flow
from nacre.hygiene import clean_text
from nacre.language import Language, language_of
from nacre.markers import DeadMarkers, LiveMarkers, as_nacre_provider
from nacre.messages import Source, last_user_text, nacre_of, render_sources, replace_last_user, text_of, with_nacre
from nacre.retrieval.packing import estimate_tokens, pack

MIN_RELEVANCE = 0.035  # hardly a right answer falls below (bench/relevance_weights.py)
_PLACE = ("uri", "title", "heading", "page", "start", "end", "chunk_id", "document_id", "version", "score", "relevance")


class RetrievalAugmented(ChatModelDecorator):
    """Answers from retrieved sources and cites them, or says that the sources do not hold the answer.

    Args:
        inner: the model that writes the answer.
        retriever: finds documents for the last user message. The metadata of a document may hold `uri`, `title`,
            `heading`, `page`, `start`, `end`, `chunk_id`, `document_id`, `version`, `score` and `relevance`.
        strict: cut every sentence that its cited source does not support, and refuse when nothing is left. The answer
            is then shown only when it is whole.
        min_support: with `strict`, the least share (0 to 1) of a sentence's words that the cited quote must hold.
        source_tokens: the most tokens (estimated) of the sources in the prompt; None takes half of the model's window,
            or 6,000 where the window is not known.
        min_relevance: refuse without asking the model when no document is as likely as this to hold an answer (0 to 1;
            see `Hit.relevance`); 0 always asks. Documents without `relevance` are not judged: the model is asked.
        prompt: id of the prompt, with the variables `sources` and `question`.

    Call options: `principals`, a list of names as whom the retriever is to search.

    The answer's `response_metadata["nacre"]` holds `citations` (see `Citation`), `abstained`, `hits` and, where sources
    did not fit, `dropped`.
    """

    retriever: BaseRetriever
    strict: bool = False
    min_support: float = Field(default=0.5, ge=0, le=1)
    source_tokens: int | None = Field(default=None, gt=0)
    min_relevance: float = Field(default=MIN_RELEVANCE, ge=0, le=1)
    prompt: str = "rag/answer"

    def flow(self, messages: list[BaseMessage], **kwargs: Any) -> Flow:
        """Retrieve, ask, cite."""
        principals = self.option(kwargs, "principals")
        question = clean_text(last_user_text(messages))
        if not question.strip():
            return (yield from self.ask(messages, live=True, **kwargs))
        language = language_of(question)
        asker = {} if principals is None else {"principals": principals}
        found: list[Document] = yield from self.call(self.retriever, question, **asker)
        kept, dropped = pack(found, self._budget(messages))
        if not kept or self._irrelevant(found):
            return with_nacre(AIMessage(refusal(language)), abstained=True, citations=[], hits=[])
        sources = [Source(n, document.page_content, _title(document)) for n, document in enumerate(kept, 1)]
        asked = prompts.load(self.prompt, language).render(sources=render_sources(sources), question=question)
        through = None if self.strict else LiveMarkers([source.n for source in sources])
        reply = yield from self.ask(replace_last_user(messages, asked), live=not self.strict, through=through, **kwargs)
        if dropped:
            reply = with_nacre(reply, dropped=[str(d.metadata.get("chunk_id", "")) for d in dropped])
        return self._cited(reply, sources, kept, language)

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
        history = sum(estimate_tokens(text_of(message)) for message in messages)
        return max(200, min(window // 2, window - history - 1000))

    def _cited(
        self, reply: AIMessage, sources: Sequence[Source], documents: Sequence[Document], language: Language
    ) -> AIMessage:
        """The reply with dead markers taken out and its citations resolved; in strict mode also cut."""
        places = {
            n: {name: document.metadata.get(name) for name in _PLACE if name in document.metadata}
            for n, document in enumerate(documents, 1)
        }
        places = {n: {"uri": documents[n - 1].metadata.get("source", ""), **place} for n, place in places.items()}
        hits = [{"n": n, "text": documents[n - 1].page_content, **place} for n, place in places.items()]
        reply = reply.model_copy(
            update={
                "content": _without_dead_markers(reply.content, [s.n for s in sources]),
                "response_metadata": {**as_nacre_provider(reply.response_metadata)},
            }
        )
        text = text_of(reply)
        if not text.strip():  # a tool call, say
            return with_nacre(reply, hits=hits)
        abstained = bool(nacre_of(reply).get("abstained")) or is_refusal(text, language)
        citations = [] if abstained else cite(text, sources, places)
        if self.strict and not abstained:
            text = supported_part(text, citations, self.min_support)
            abstained = not text
            text = text or refusal(language)
            reply = reply.model_copy(update={"content": text})
            citations = (
                [] if abstained else [c for c in cite(text, sources, places) if c["support"] >= self.min_support]
            )
        reply.response_metadata["model_provider"] = "nacre"
        return with_nacre(reply, citations=citations, abstained=abstained, hits=hits)


def supported_part(answer: str, citations: Sequence[Citation], min_support: float) -> str:
    """What is left of an answer when every sentence without a supporting citation is cut.

    Args:
        answer: a text with markers.
        citations: its citations, as from `cite`.
        min_support: the least support, 0 to 1.

    Returns:
        The supported sentences with their markers, "" when there are none.
    """
    supported = {c["answer_start"] for c in citations if c["support"] >= min_support}
    return " ".join(answer[start:end].strip() for start, end, _, _ in statements(answer) if start in supported)


def refusal(language: Language) -> str:
    """What an asker is told when the sources do not hold the answer.

    Args:
        language: the asker's.

    Returns:
        One sentence.
    """
    return prompts.load("rag/refusal", language).text()


def is_refusal(text: str, language: Language) -> bool:
    """Whether an answer is nothing but the refusal that the prompt asks for.

    Args:
        text: an answer.
        language: the asker's; a refusal in the other language counts as well.

    Returns:
        True for a refusal, whatever the quotes, spaces and full stops around it.
    """
    said = text.strip().strip("\"'“”‘’。.! ").replace("’", "'").casefold()
    return any(said == refusal(which).strip("。.").casefold() for which in (language, "en", "zh"))


def _title(document: Document) -> str:
    title, heading = document.metadata.get("title", ""), list(document.metadata.get("heading") or ())
    parts = heading if heading and heading[0] == title else [title, *heading]
    return " › ".join(str(part) for part in parts if part)


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
