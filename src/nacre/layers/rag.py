"""Retrieval-augmented generation (Lewis et al., 2020, arXiv:2005.11401) as a layer, with citations that are checked."""

from __future__ import annotations

import functools
import re
from collections.abc import Generator, Sequence
from typing import Any

from langchain_core.documents import Document
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage
from langchain_core.retrievers import BaseRetriever
from pydantic import Field

from nacre import prompts
from nacre.decorator.layer import Call, ChatModelDecorator, Flow
from nacre.grounding.claims import support
from nacre.grounding.evidence import Evidence, refusal
from nacre.grounding.naming import IDENTIFIER, YEAR
from nacre.grounding.parts import plain_question, searches_in
from nacre.grounding.questions import suggestions
from nacre.grounding.selection import Near, to_compare
from nacre.memory.followups import full_question, innermost
from nacre.retrieval.packing import pack
from nacre.text.hygiene import clean_text, searched
from nacre.text.language import language_of, tr
from nacre.text.markers import LiveMarkers
from nacre.text.messages import (
    Source,
    last_user_text,
    render_sources,
    replace_last_user,
    source_of,
    text_of,
    was_cut,
    with_nacre,
    with_text,
)
from nacre.text.titles import title_of
from nacre.text.tokens import estimate_messages
from nacre.text.tongue import is_in_another_tongue, tongue_of
from nacre.text.words import words
from nacre.text.writing import WRITINGS

_NAMED = re.compile(r"(?<=[^\W_] )[A-Z][\w'-]+(?: [A-Z\d][\w'-]*)*")
MIN_RELEVANCE = 0.05  # hardly a right answer falls below (bench/relevance_weights.py)
_SPEAKS = 0.4  # the least share of a part's words in a document that speaks of it
_PLACE = (
    *("uri", "title", "heading", "page", "start", "end", "chunk_id", "document_id", "version"),
    *("score", "relevance", "tables", "boxes", "valid"),
)


class RetrievalAugmented(ChatModelDecorator):
    """Answers from retrieved sources and cites them, or says that the sources do not hold the answer.

    Args:
        inner: the model that writes the answer.
        retriever: finds documents for the last user message. The metadata of a document may hold `uri`, `title`,
            `heading`, `page`, `start`, `end`, `chunk_id`, `document_id`, `version`, `score`, `relevance`, `valid` and
            `boxes` (see `Hit`), and `tables` (see `nacre.text.tables.Grid`).
        strict: cut every sentence that its cited source does not support, and refuse when nothing is left. The answer
            is then shown only when it is whole.
        min_support: with `strict`, the least share (0 to 1) of a sentence's words that the cited quote must hold.
        source_tokens: the most tokens (estimated) of the sources in the prompt; None takes half of the model's window,
            or 6,000 where the window is not known.
        min_relevance: refuse without asking the model when no document is as likely as this to hold an answer (0 to 1;
            see `Hit.relevance`); 0 always asks. Documents without `relevance` are not judged: the model is asked. One
            that quotes judges by itself, unless this is given, and so does a model of questions in a language (German,
            Spanish, …) that the default was not learned on.
        prompt: id of the prompt, with the variables `sources` and `question`.
        rewrite: make a follow-up ("And for part-timers?") whole from the messages before it, by the innermost model or,
            where that only quotes, by rules.

    Call options: `principals`, a list of names as whom the retriever is to search.

    The answer's `response_metadata["nacre"]` holds `citations` (see `Citation`), `abstained` and `hits`; where they
    apply `question` (a follow-up made whole), `closest` (the answer is only the nearest passage), `uncited` (it cites
    nothing), `parts` (what a long or compound question was searched by, with the hits that speak of each),
    `suggestions` (questions that the hits answer) and `dropped` (sources that did not fit). A value that a program
    computed from cited cells (see `ProgramAided`) counts as supported.
    """

    call_options = frozenset({"principals", "evidence"})

    retriever: BaseRetriever
    strict: bool = False
    min_support: float = Field(default=0.5, ge=0, le=1)
    source_tokens: int | None = Field(default=None, gt=0)
    min_relevance: float = Field(default=MIN_RELEVANCE, ge=0, le=1)
    prompt: str = "rag/answer"
    rewrite: bool = True

    def flow(self, messages: list[BaseMessage], **kwargs: Any) -> Flow:
        """Retrieve, ask, cite."""
        principals, given = self.option(kwargs, "principals"), kwargs.pop("evidence", Evidence())
        question = clean_text(last_user_text(messages))
        if not question.strip() or (given.draft and given.sources):
            return (yield from self.ask(messages, live=True, **kwargs))
        asked_as = question
        if not given.draft:  # the turns before a draft's prompt are examples, no conversation
            question = yield from self._whole(messages, question)
        language, wanted = language_of(asked_as), plain_question(searched(question))
        asker = {} if principals is None else {"principals": principals}
        found: list[Document] = yield from self.call(self.retriever, wanted, **asker)
        kept, dropped = pack(found, self._budget(messages))
        known: dict[str, Any] = {} if question == asked_as else {"question": question}
        extractive = getattr(innermost(self.inner), "extractive", False)
        # Unless a threshold was asked for: one that quotes judges by itself, at no cost, and of questions in German or
        # Spanish over English passages the default one, learned on English and Chinese, would refuse most.
        unlearned = tongue_of(wanted) not in WRITINGS
        unlearned = unlearned and any(is_in_another_tongue(wanted, document.page_content) for document in found)
        gated = "min_relevance" in self.model_fields_set or not (extractive or unlearned)
        if not kept or (gated and self._irrelevant(found)):
            return with_nacre(AIMessage(refusal(language)), abstained=True, citations=[], hits=[], **known)
        if parts := searches_in(wanted):
            known["parts"] = [{"question": part, "hits": _speaking(kept, part)} for part in parts]
        evidence = _evidence(kept, self.min_support if self.strict else None)
        asked = prompts.load(self.prompt, language).render(sources=render_sources(evidence.sources), question=question)
        if self.inner_takes("evidence"):
            kwargs["evidence"] = evidence
        if extractive:
            kwargs["relevance"] = max(_judged(found), default=None)
            kwargs["nearness"] = self._nearness(wanted, evidence.sources, [d.metadata.get("relevance") for d in kept])
        through = None if self.strict or given.draft else LiveMarkers(evidence.markers())
        reply = yield from self.ask(replace_last_user(messages, asked), live=not self.strict, through=through, **kwargs)
        if silent := _why_silent(reply):
            return with_nacre(with_text(reply, silent), abstained=True, citations=[], hits=[])
        if dropped:
            known["dropped"] = [str(d.metadata.get("chunk_id", "")) for d in dropped]
        reply = with_nacre(reply, **known) if known else reply
        if given.draft:
            return evidence.left_on(reply)
        checked = evidence.checked(reply, wanted)
        more = suggestions([source.text for source in evidence.sources], wanted) if text_of(checked).strip() else []
        return with_nacre(checked, suggestions=more) if more else checked

    def _whole(self, messages: Sequence[BaseMessage], question: str) -> Generator[Call, Any, str]:
        """The question, made whole where it leans on the conversation that came with it."""
        last = max(at for at, message in enumerate(messages) if isinstance(message, HumanMessage))
        if not self.rewrite or not any(isinstance(message, AIMessage) for message in messages[:last]):
            return question
        return (yield from full_question(innermost(self.inner), messages[:last], question, only_leaning=True))

    def _nearness(self, question: str, sources: Sequence[Source], judged: Sequence[float | None]) -> list[Near]:
        """What the meaning of sentences tells where their words do not and the retriever can compare them."""
        compare = getattr(self.retriever, "standing_out", None)
        known = [value for value in judged if value is not None]
        places = to_compare(question, sources, max(known, default=None)) if compare else []
        likely = {source.n: (value or 0.0) if known else None for source, value in zip(sources, judged, strict=True)}
        mine, compared = tongue_of(question), {n for n, *_ in places}
        foreign = {source.n for source in sources if source.n in compared and tongue_of(source.text) != mine}
        # A name would draw the sentence that names the thing, whatever that says of it.
        there = [source.text for source in sources if source.n in foreign]
        there += [source.title for source in sources if source.n in foreign]
        named = [
            match[0]
            for pattern in (_NAMED, YEAR)
            for match in pattern.finditer(question)
            if any(match[0] in text for text in there)
        ]
        meant = IDENTIFIER.sub("", functools.reduce(lambda text, name: text.replace(name, ""), named, question))
        meant = meant.strip() if foreign and words(meant) else question
        found = compare(meant, [text for *_, text in places]) if compare and places else ()
        return [
            (n, start, value, likely[n])
            for (n, start, _), value in zip(places, found, strict=True)
            if value is not None
        ]

    def _irrelevant(self, found: Sequence[Document]) -> bool:
        first = found[0].metadata.get("relevance")
        return isinstance(first, float) and all(value < self.min_relevance for value in _judged(found))

    def _budget(self, messages: Sequence[BaseMessage]) -> int:
        if self.source_tokens is not None:
            return self.source_tokens
        window = (self.profile or {}).get("max_input_tokens")
        if not window:
            return 6000
        history = estimate_messages(messages)
        return max(200, min(window // 2, window - history - 1000))


def _judged(documents: Sequence[Document]) -> list[float]:
    values = (document.metadata.get("relevance") for document in documents)
    return [value for value in values if isinstance(value, float)]


def _speaking(documents: Sequence[Document], part: str) -> list[dict[str, Any]]:
    """Which documents speak of a part of the question, by number and place."""
    spoken = [(support(part, d.page_content, title_of(d.metadata)), n, d) for n, d in enumerate(documents, 1)]
    return [
        {"n": n, **{name: d.metadata[name] for name in ("uri", "title", "page", "chunk_id") if name in d.metadata}}
        for share, n, d in spoken
        if share >= _SPEAKS
    ]


def _why_silent(reply: AIMessage) -> str:
    """Why a reply has no answer, to be told in its place; "" where it has one, or acts."""
    if text_of(reply).strip() or reply.tool_calls or reply.invalid_tool_calls:
        return ""
    if refused := reply.additional_kwargs.get("refusal"):
        return str(refused)
    if not (was_cut(reply) or reply.additional_kwargs.get("reasoning_content")):
        return ""
    return tr("The model spent its tokens on thinking and gave no answer. Raise max_tokens, or turn its thinking off.")


def _evidence(documents: Sequence[Document], min_support: float | None) -> Evidence:
    """The documents numbered from 1, each with the place that a citation names."""
    places: dict[int, dict[str, Any]] = {}
    sources: list[Source] = []
    for n, document in enumerate(documents, 1):
        text, known = document.page_content, document.metadata
        place = {name: known[name] for name in _PLACE if name in known}
        places[n] = {"n": n, "text": text, "uri": known.get("source", ""), **place}
        valid = str(known.get("valid") or "")
        sources.append(source_of(n, text, title_of(known), tables=known.get("tables"), valid=valid))
    return Evidence(tuple(sources), places, min_support)
