"""Follow-up questions made whole from the conversation before them: by a model that can write, else by rules."""

from __future__ import annotations

import json
from collections.abc import Generator, Sequence
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage

from nacre import prompts
from nacre.decorator.layer import Call, ChatModelDecorator
from nacre.grounding.followup import Turn, content, leans_on, whole
from nacre.text.hygiene import LONGEST_SEARCHED, clean_text
from nacre.text.language import language_of
from nacre.text.messages import nacre_of, text_of

_AS_IS = {"same", "same.", "不变", "不变。"}
_TURNS = 6
_SHOWN = 1500  # characters of a message that the rewriter is shown


def full_question(
    model: BaseChatModel, past: Sequence[BaseMessage], asked: str, *, only_leaning: bool = False
) -> Generator[Call, Any, str]:
    """The question made whole, or as it is where it leans on nothing or nothing can be made of it; `only_leaning`
    asks the model only where the rules see that it leans.
    """
    said = turns(past)
    # What is that long says itself what it means.
    if not said or len(asked) > LONGEST_SEARCHED or (only_leaning and not leans_on(asked, said[-1].answer)):
        return asked
    if getattr(model, "extractive", False):
        return whole(asked, said)
    written = yield from _written(model, past, asked)
    if not written:  # it may have failed: what leans is not searched word for word
        return whole(asked, said) if only_leaning else asked
    return written if _related(written, asked, said) else whole(asked, said)


def _related(written: str, asked: str, said: Sequence[Turn]) -> bool:
    """Whether a question that a model wrote speaks of what was asked at all, or of what was said before."""
    known = {term for text in (asked, *(turn.question for turn in said)) for term in content(text)}
    return not known or bool(known & set(content(written)))


def turns(past: Sequence[BaseMessage]) -> list[Turn]:
    """The questions before, each with its answer."""
    found: list[Turn] = []
    for message in past:
        text = clean_text(text_of(message))[:LONGEST_SEARCHED]
        if isinstance(message, HumanMessage):
            found.append(Turn(text))
        elif isinstance(message, AIMessage) and found and text.strip():
            found[-1] = Turn(found[-1].question, text)
    return found[-_TURNS:]


def innermost(model: BaseChatModel) -> BaseChatModel:
    """The model at the heart of a stack."""
    while isinstance(model, ChatModelDecorator):
        model = model.inner
    return model


def _written(model: BaseChatModel, past: Sequence[BaseMessage], asked: str) -> Generator[Call, Any, str]:
    """What the model writes; "" where it is anything but a question."""
    names = {"human": "user", "ai": "assistant"}
    spoken = [message for message in past if message.type in names and text_of(message).strip()][-_TURNS:]
    lines = [json.dumps({names[m.type]: text_of(m)[:_SHOWN]}, ensure_ascii=False) for m in spoken]
    request = prompts.load("memory/rewrite", language_of(asked)).render(history="\n".join(lines), question=asked)
    try:
        reply: AIMessage = yield Call(model, request)
    except Exception:  # a follow-up that is not rewritten is still a question
        return ""
    written = text_of(reply).strip().strip('"“”「」').strip()
    if written.casefold() in _AS_IS:
        return asked
    unusable = "\n" in written or len(written) > 3 * len(asked) + 300
    return "" if unusable or nacre_of(reply).get("abstained") else written
