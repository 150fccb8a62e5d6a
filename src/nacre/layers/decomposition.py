"""A layer that asks a compound question in parts (Press et al., 2022, arXiv:2210.03350), and joins the answers."""

from __future__ import annotations

import bisect
from collections.abc import Generator, Sequence
from typing import Any, Literal

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage
from langchain_core.runnables import RunnableParallel
from pydantic import Field

from nacre import prompts
from nacre.decorator.flow import attempt
from nacre.decorator.layer import Call, ChatModelDecorator, Flow
from nacre.grounding.evidence import refusal
from nacre.grounding.naming import compared
from nacre.grounding.parts import questions_in
from nacre.memory.followups import innermost
from nacre.text.hygiene import LONGEST_SEARCHED, clean_text, searched
from nacre.text.language import language_of
from nacre.text.markers import MARKER, as_nacre_provider, numbers
from nacre.text.messages import last_user_text, nacre_of, replace_last_user, text_of, with_nacre

_LONGEST = 500  # characters of a part that a model wrote


class Decomposition(ChatModelDecorator):
    """Asks each part of a compound question by itself, all at once, and joins the answers with all their citations.

    It stands around anything that answers with sources: a `RetrievalAugmented`, an agent, any chat model. A question
    that asks one thing passes through as it is, and so does a call with tools.

    Args:
        inner: what answers each part.
        parts: who takes a question apart: "rules" (marks, joints and the things that are compared), "model" (the
            innermost), or "auto": the model where it can write, else rules. Where the model gives nothing usable, rules
            do.
        most: how many parts are asked; more are left out.

    The answer's `response_metadata["nacre"]` holds `parts`: a list of `{"question", "hits", "abstained"}`; `citations`
    and `hits` are those of all parts, numbered anew. `abstained` is True where no part was answered.
    """

    parts: Literal["auto", "rules", "model"] = "auto"
    most: int = Field(default=5, ge=1, le=20)

    def flow(self, messages: list[BaseMessage], **kwargs: Any) -> Flow:
        """Take apart, ask in parallel, join."""
        question = clean_text(last_user_text(messages))
        if not question.strip() or kwargs.get("tools") or not isinstance(messages[-1], HumanMessage):
            return (yield from self.ask(messages, live=True, **kwargs))
        parts = yield from self._taken_apart(question)
        if len(parts) < 2:
            return (yield from self.ask(messages, live=True, **kwargs))
        asked = {
            f"part_{n}": attempt(self.inner, "part", kwargs, replace_last_user(messages, [HumanMessage(part)]))
            for n, part in enumerate(parts, 1)
        }
        drawn = yield from self.call(RunnableParallel(asked), question)
        replies = list(drawn.values())
        if all(isinstance(reply, Exception) for reply in replies):
            raise replies[0]
        return _joined(parts, replies, question)

    def _taken_apart(self, question: str) -> Generator[Call, Any, list[str]]:
        by_rules = [one for part in questions_in(question) for one in compared(part)]
        model = innermost(self.inner)
        if self.parts == "rules" or (self.parts == "auto" and getattr(model, "extractive", False)):
            return by_rules[: self.most]
        written = yield from self._written(model, question)
        return (written or by_rules)[: self.most]

    def _written(self, model: BaseChatModel, question: str) -> Generator[Call, Any, list[str]]:
        """The parts that a model names; the question alone where it asks one thing, none where they are unusable."""
        prompt = prompts.load("decomposition/parts", language_of(question))
        request = prompt.render(question=searched(question), most=str(self.most))
        try:
            reply: AIMessage = yield Call(model, request)
        except Exception:  # a question that is not taken apart is still a question
            return []
        lines = [line.strip().lstrip("-*•0123456789.)、 ").strip() for line in text_of(reply).splitlines()]
        lines = list(dict.fromkeys(line for line in lines if line))
        if [line.casefold().rstrip(".。") for line in lines] in (["same"], ["不变"]):
            return [question]
        usable = len(lines) > 1 and all(len(line) <= _LONGEST for line in lines) and len(question) <= LONGEST_SEARCHED
        return lines if usable else []


def _joined(parts: Sequence[str], replies: Sequence[Any], question: str) -> AIMessage:
    """One answer of all parts: their hits and citations numbered anew, a part that failed refused."""
    language = language_of(question)
    text, hits, citations, told = "", [], [], []
    seen: dict[Any, int] = {}
    for part, reply in zip(parts, replies, strict=True):
        said = reply if isinstance(reply, AIMessage) else with_nacre(AIMessage(refusal(language)), abstained=True)
        own, mine = nacre_of(said), {}
        for hit in own.get("hits") or []:
            key = (hit.get("uri"), hit.get("chunk_id"), hit.get("start"), hit.get("n") if not hit.get("uri") else None)
            if key not in seen:
                seen[key] = len(seen) + 1
                hits.append({**hit, "n": seen[key]})
            mine[hit.get("n")] = seen[key]
        text += ("\n\n" if text else "") + f"**{part}**\n\n"
        answer, moved = _renumbered(text_of(said).strip(), mine)
        citations += [
            {
                **citation,
                "n": mine.get(citation["n"], citation["n"]),
                "answer_start": len(text) + moved(citation["answer_start"]),
                "answer_end": len(text) + moved(citation["answer_end"]),
            }
            for citation in own.get("citations") or []
        ]
        text += answer
        mine_hits = [{name: hit[name] for name in hit if name != "text"} for hit in hits if hit["n"] in mine.values()]
        told.append({"question": part, "hits": mine_hits, "abstained": bool(own.get("abstained"))})
    abstained = all(one["abstained"] for one in told)
    owns = [nacre_of(reply) for reply in replies if isinstance(reply, AIMessage)]
    more: dict[str, Any] = {"closest": True} if any(own.get("closest") for own in owns) else {}
    if names := [name for own in owns for name in own.get("asked_back") or ()]:
        more["asked_back"] = names
    metadata = {**as_nacre_provider({}), "model_provider": "nacre"}
    whole = AIMessage(refusal(language) if abstained else text, response_metadata=metadata)
    return with_nacre(
        whole, parts=told, hits=hits, citations=[] if abstained else citations, abstained=abstained, **more
    )


def _renumbered(text: str, new: dict[Any, int]) -> tuple[str, Any]:
    """A text whose markers have other numbers, and where a place of the old text is in it."""
    pieces, ends, shifts, at, length = [], [0], [0], 0, 0
    for marker in MARKER.finditer(text):
        said = "".join(f"[{new.get(n, n)}]" for n in numbers(marker))
        pieces += [text[at : marker.start()], said]
        length += marker.start() - at + len(said)
        at = marker.end()
        ends.append(at)
        shifts.append(length - at)
    return "".join([*pieces, text[at:]]), lambda place: place + shifts[bisect.bisect_right(ends, place) - 1]
