"""What an answer rests on, as one value: the layer that retrieves and the layer that computes share it.

Inward it goes as the call option `evidence`. A layer that makes the answer of a reply itself (a program is not the
answer yet) asks with `DRAFT`: then the evidence comes back on the reply, unchecked, and whoever asked checks the answer
against it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from langchain_core.messages import AIMessage

from nacre import prompts
from nacre.grounding.asking import LANGUAGES, asked_back
from nacre.grounding.citations import Citation, Derived, attached, cite, statements, supported_part
from nacre.text.language import Language, language_of
from nacre.text.markers import CitationMarkers, as_nacre_provider
from nacre.text.messages import Source, nacre_of, source_of, text_of, with_nacre

_LEFT = "unchecked"
"""Where a reply says that its evidence waits to be checked, and how much support it needs."""


@dataclass(frozen=True)
class Evidence:
    """The sources of an answer.

    Args:
        places: what a citation says of each source, by the source's number.
        min_support: the least share (0 to 1) of a statement's words that its quote must hold; None asks for nothing.
        draft: the reply is not the answer yet; with sources, those are at hand and nothing need be retrieved.
    """

    sources: tuple[Source, ...] = ()
    places: Mapping[int, Mapping[str, Any]] = field(default_factory=dict)
    min_support: float | None = None
    draft: bool = False

    @classmethod
    def of(cls, reply: AIMessage) -> Evidence:
        """The evidence that an inner layer reports on a reply: a draft where it was left unchecked."""
        own = nacre_of(reply)
        places = {int(hit["n"]): hit for hit in own.get("hits") or [] if "text" in hit}
        sources = [
            source_of(n, str(hit["text"]), str(hit.get("title", "")), str(hit.get("uri", "")), hit.get("tables"))
            for n, hit in places.items()
        ]
        return cls(tuple(sources), places, own.get(_LEFT), _LEFT in own)

    def left_on(self, reply: AIMessage) -> AIMessage:
        """The reply with its evidence, for whoever makes the answer of it."""
        return with_nacre(reply, hits=list(self.places.values()), **{_LEFT: self.min_support})

    def cite(self, answer: str, derived: Sequence[Derived] = (), question: str = "") -> list[Citation]:
        """Resolve the markers of an answer (see `nacre.grounding.citations.cite`)."""
        places = {source.n: self.places.get(source.n, {}) for source in self.sources}
        return cite(answer, self.sources, places, derived=derived, question=question)

    def supports(self, answer: str, citations: Sequence[Citation]) -> bool:
        """Whether every statement of an answer has the support that is asked for."""
        if self.min_support is None:
            return True
        backed = {c["answer_start"] for c in citations if c["support"] >= self.min_support}
        return all(start in backed for start, *_ in statements(answer))

    def checked(self, reply: AIMessage, question: str) -> AIMessage:
        """The reply with dead markers taken out and its citations resolved; cut to what is supported where that is
        asked for.
        """
        hits, language = list(self.places.values()), language_of(question)
        content = _with_plain_markers(reply.content, self.markers())
        reply = unmarked(reply).model_copy(update={"content": content})
        text, own = text_of(reply), nacre_of(reply)
        if not text.strip():  # a tool call, say
            return with_nacre(reply, hits=hits)
        resolve = partial(self.cite, derived=own.get("derived") or (), question=question)
        abstained = bool(own.get("abstained")) or is_refusal(text, language)
        near = closest_line(text)
        citations = [] if abstained else resolve(text)
        if self.min_support is not None and not abstained:
            which = asked_back(text)
            text = text.removeprefix(near).removesuffix(which)
            text = attached(text, self.sources, resolve(text), self.min_support)
            text = supported_part(text, resolve(text), self.min_support)
            abstained = not text
            text = f"{near}\n{text}\n\n{which}".strip() if text else refusal(language)
            reply = reply.model_copy(update={"content": text})
            citations = [c for c in ([] if abstained else resolve(text)) if c["support"] >= self.min_support]
        reply.response_metadata["model_provider"] = "nacre"
        found: dict[str, Any] = {"closest": True} if near and not abstained else {}
        found |= {"uncited": True} if not citations and not abstained else {}
        return with_nacre(reply, citations=citations, abstained=abstained, hits=hits, **found)

    def markers(self) -> CitationMarkers:
        """What reads the citations of an answer from these sources."""
        titles: dict[str, list[int]] = {}
        for source in self.sources:
            file = str(self.places.get(source.n, {}).get("uri", "")).rpartition("/")[2]
            for title in {source.title, *source.title.split(" › ")[:: max(1, source.title.count(" › "))], file} - {""}:
                titles.setdefault(title, []).append(source.n)
        unique = {title: numbers[0] for title, numbers in titles.items() if len(numbers) == 1}
        return CitationMarkers([source.n for source in self.sources], unique)


DRAFT = Evidence(draft=True)


def unmarked(reply: AIMessage) -> AIMessage:
    """The reply without the word that its evidence waits to be checked, and with the provider that shows citations."""
    own = {name: value for name, value in nacre_of(reply).items() if name != _LEFT}
    metadata = as_nacre_provider({**reply.response_metadata, **({"nacre": own} if own else {})})
    return reply.model_copy(update={"response_metadata": {**metadata}})


def refusal(language: Language) -> str:
    """What an asker is told when the sources do not hold the answer."""
    return prompts.load("rag/refusal", language).text()


def is_refusal(text: str, language: Language) -> bool:
    """Whether an answer is nothing but the refusal that the prompt asks for.

    Args:
        language: the asker's; a refusal in the other language counts as well.
    """
    said = text.strip().strip("\"'“”‘’。.! ").replace("’", "'").casefold()
    return any(said == refusal(which).strip("。.").casefold() for which in (language, *LANGUAGES))


def closest_line(text: str) -> str:
    """The first line of an answer that says that it is only the closest passage; "" where there is none."""
    lines = (prompts.load("rag/closest", which).text() for which in LANGUAGES)
    return next((line for line in lines if text.startswith(line)), "")


def _with_plain_markers(content: Any, markers: CitationMarkers) -> Any:
    if isinstance(content, str):
        return markers.push(content) + markers.close()
    parts = [
        {**part, "text": markers.push(part["text"])} if isinstance(part, dict) and part.get("type") == "text" else part
        for part in content
    ]
    rest = markers.close()
    return [*parts, {"type": "text", "text": rest}] if rest else parts
