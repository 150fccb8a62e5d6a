"""A layer that summarises or compares whole documents: map over their parts, and reduce (each sentence cited)."""

from __future__ import annotations

import itertools
from collections.abc import Generator, Sequence
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage
from langchain_core.runnables import RunnableLambda
from pydantic import Field

from nacre import prompts
from nacre.decorator.layer import Call, ChatModelDecorator, Flow
from nacre.grounding.centrality import central, stated
from nacre.grounding.evidence import Evidence
from nacre.grounding.stopwords import stopwords
from nacre.memory.followups import innermost
from nacre.text.hygiene import LONGEST_SEARCHED, clean_text
from nacre.text.language import language_of
from nacre.text.markers import as_quoted
from nacre.text.messages import last_user_text, render_sources, source_of, text_of, with_nacre
from nacre.text.tokens import estimate
from nacre.text.vocabulary import compiled, vocabulary
from nacre.text.words import sentences, words

_SUMMARISE, _COMPARE, _FRAME, _JOINT, _EVERYTHING, _ASKS, _AROUND, _ORDINARY, _ELSEWHERE = (
    compiled(said, {}) for said in vocabulary("nacre.layers", "summary").values()
)
_NAMED = 0.6  # the share of what is asked for that must stand in a document's title or address


class Summary(ChatModelDecorator):
    """Answers "summarise X" and "compare X and Y" from whole documents; everything else passes through.

    X is a document by its title or address, a folder, or all documents ("what is in this knowledge base?"). Each
    document is read in parts that fit into the model's window; what is said of the parts is joined by the same model,
    and every sentence is cited. With `quote` the summary is made of the documents' own most telling sentences.

    Args:
        inner: the model that writes, or a stack that answers everything else.
        knowledge_base: where the documents are: what has `documents`, `visible` and `text` as a `KnowledgeBase` has.
        principals: as whom documents are read; None reads those that everyone may see.
        most_documents: how many documents one answer speaks of.
        most_parts: how many parts are read, and so how many calls are made at most, but for the joining one.
        sentences: how many sentences of a document `quote` says.
        part_tokens: tokens (estimated) of a part; None takes a third of the model's window, or 3,000.

    Call options: `principals`, as whom instead.

    The answer's `response_metadata["nacre"]` holds `citations`, `hits` and, where more was found than was read,
    `dropped`; then its last line says of how many documents it speaks.
    """

    call_options = frozenset({"principals"})

    knowledge_base: Any = Field(exclude=True)
    principals: tuple[str, ...] | None = None
    most_documents: int = Field(default=6, ge=1, le=50)
    most_parts: int = Field(default=16, ge=1, le=200)
    sentences: int = Field(default=5, ge=1)
    part_tokens: int | None = Field(default=None, gt=0)

    def flow(self, messages: list[BaseMessage], **kwargs: Any) -> Flow:
        """Find the documents, map, reduce, cite."""
        question = clean_text(last_user_text(messages))
        found: list[dict[str, Any]] = []
        if (
            (wanted(question) or of_everything(question))
            and isinstance(messages[-1], HumanMessage)
            and not kwargs.get("tools")
        ):
            asker = self.option(dict(kwargs), "principals", self.principals)
            found = yield from self.call(RunnableLambda(self._documents), (question, asker))
        if not found:
            return (yield from self.ask(messages, live=True, **kwargs))
        kwargs.pop("principals", None)
        model = innermost(self.inner)
        kept, left = found[: self.most_documents], found[self.most_documents :]
        kept = [{**row, "text": self.knowledge_base.text(row["uri"])} for row in kept]
        if getattr(model, "extractive", False):
            evidence, reply = self._quoted(kept, min(2, self.sentences) if of_everything(question) else self.sentences)
        else:
            evidence, reply = yield from self._written(model, kept, question, kwargs)
        if left:
            told = prompts.load("summary/covered", language_of(question)).render(
                count=str(len(kept)), total=str(len(found))
            )
            reply = with_nacre(reply, dropped=[one["uri"] for one in left])
            reply = reply.model_copy(update={"content": f"{text_of(reply)}\n\n{text_of(told[0])}"})
        return evidence.checked(reply, question)

    def _documents(self, asked: tuple[str, Any]) -> list[dict[str, Any]]:
        """The documents that a request names; all of them where it is about all."""
        question, asker = asked
        base = self.knowledge_base
        rows = [row for row in base.documents() if base.visible(row["uri"], asker)]
        if of_everything(question):  # more than are read: first those that the asker can read
            spoken = language_of(question)
            return sorted(rows, key=lambda row: language_of(row["title"] or row["uri"]) != spoken)
        whole, *targets = wanted(question)
        summarise = _SUMMARISE.search(question) is not None
        least = _NAMED if summarise else 1.0  # what else is named is what is compared: the price of both
        found = [_best(target, rows, least) for target in targets]
        named = _best(whole, rows, least) or [row for rows in found for row in rows]
        unique = {row["uri"]: row for row in named}
        if not summarise and (len(unique) < 2 or not all(found)):  # to compare cells is another question
            return []
        return list(unique.values())

    def _quoted(self, documents: Sequence[dict[str, Any]], count: int) -> tuple[Evidence, AIMessage]:
        blocks = []
        for n, row in enumerate(documents, 1):
            first = row["text"].strip().partition("\n")[0][:200]
            said = stated(row["text"], central(row["text"], count)) or [as_quoted(first)]
            title = [f"**{as_quoted(row['title'] or row['uri'])}**"] if len(documents) > 1 else []
            blocks.append("\n".join([*title, *(f"{sentence} [{n}]" for sentence in said if sentence)]))
        places = [(row, 0, row["text"]) for row in documents]
        return _evidence(places), AIMessage("\n\n".join(blocks))

    def _written(
        self, model: BaseChatModel, documents: Sequence[dict[str, Any]], question: str, kwargs: dict[str, Any]
    ) -> Generator[Call, Any, tuple[Evidence, AIMessage]]:
        budget = self.part_tokens or ((self.profile or {}).get("max_input_tokens") or 9000) // 3
        places = [(row, start, text) for row in documents for start, text in _parts(row["text"], budget)]
        step = -(-len(places) // self.most_parts)
        evidence = _evidence(places[::step])
        language = language_of(question)
        notes: list[str] = []
        for source in evidence.sources:
            request = prompts.load("summary/map", language).render(sources=render_sources([source]), question=question)
            reply: AIMessage = yield Call(model, request, kwargs)
            notes.append(f"{source.title}: {text_of(reply).strip()}")
        if len(notes) == 1:
            return evidence, reply
        while len(notes) > 1:
            some, rest = _fitting(notes, budget)
            request = prompts.load("summary/reduce", language).render(notes="\n\n".join(some), question=question)
            reply = yield Call(model, request, kwargs)
            notes = [text_of(reply).strip(), *rest]
        return evidence, reply


def wanted(question: str) -> list[str]:
    """What a request wants summarised or compared; empty where it is no such request.

    Examples:
        >>> wanted("Summarise the travel rules"), wanted("Who owns the boat?")
        (['travel rules'], [])
        >>> wanted("总结一下差旅管理办法")
        ['差旅管理办法']
    """
    if len(question) > LONGEST_SEARCHED or _ORDINARY.search(question):
        return []
    if not (_SUMMARISE.search(question) or _COMPARE.search(question)):
        return []
    bare = _COMPARE.sub(" ", _SUMMARISE.sub(" ", question))
    targets = [
        " ".join(_FRAME.sub(" ", part).split()).strip(' ?？。.!,，:："“”') for part in (bare, *_JOINT.split(bare))
    ]
    return [target for target in dict.fromkeys(targets) if target]


def of_everything(question: str) -> bool:
    """Whether a request is about the documents as a whole and names nothing in them.

    Examples:
        >>> [of_everything(asked) for asked in ("Summarise all documents", "知识库里有什么？", "List all files on tea")]
        [True, True, False]
    """
    if len(question) > LONGEST_SEARCHED or not _EVERYTHING.search(question):
        return False
    rest = question
    for said in (_EVERYTHING, _SUMMARISE, _ASKS, _FRAME, _AROUND):
        rest = said.sub(" ", rest)
    asks = _SUMMARISE.search(question) or (_ASKS.search(question) and not _ELSEWHERE.search(question))
    return bool(asks) and not any(map(str.isalnum, rest))


def _best(target: str, rows: Sequence[dict[str, Any]], least: float) -> list[dict[str, Any]]:
    """The documents whose title or address says most of what is asked for."""
    asked = {term for term in words(target) if term not in stopwords()}
    if not asked:
        return []
    shares = [len(asked & {*words(f"{row['title']} {row['uri']}")}) / len(asked) for row in rows]
    best = max(shares, default=0.0)
    return [row for row, share in zip(rows, shares, strict=True) if share == best >= least]


def _parts(text: str, budget: int) -> list[tuple[int, str]]:
    """A text cut between sentences into parts that fit."""
    parts: list[tuple[int, str]] = []
    begun, last, cost = None, 0, 0
    for start, end in sentences(text):
        more = estimate(text[start:end])
        if begun is not None and cost + more > budget:
            parts.append((begun, text[begun:last]))
            begun, cost = None, 0
        begun = start if begun is None else begun
        last, cost = end, cost + more
    return [*parts, *([] if begun is None else [(begun, text[begun:last])])]


def _fitting(notes: Sequence[str], budget: int) -> tuple[list[str], list[str]]:
    """The first notes that fit together, two at least, and the rest."""
    costs = itertools.accumulate(map(estimate, notes))
    count = next((n for n, cost in enumerate(costs) if n >= 2 and cost > budget), len(notes))
    return list(notes[:count]), list(notes[count:])


def _evidence(places: Sequence[tuple[dict[str, Any], int, str]]) -> Evidence:
    """Parts of documents as numbered sources."""
    known = ("uri", "title", "document_id", "version")
    hits: dict[int, dict[str, Any]] = {}
    for n, (row, start, text) in enumerate(places, 1):
        hits[n] = {"n": n, "text": text, "start": start, "end": start + len(text)}
        hits[n] |= {name: row[name] for name in known if name in row}
    sources = (source_of(n, text, row["title"] or row["uri"]) for n, (row, _, text) in enumerate(places, 1))
    return Evidence(tuple(sources), hits)
