"""A layer that checks what goes in and what comes out."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Any, Literal

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage
from langchain_core.runnables import RunnableLambda
from pydantic import Field

from nacre import prompts
from nacre.decorator.layer import ChatModelDecorator, Flow
from nacre.errors import ContentBlockedError
from nacre.moderation import Moderator, RuleModerator, Verdict
from nacre.text.language import language_of, tr
from nacre.text.messages import last_user_text, nacre_of, text_of, with_nacre
from nacre.text.strict_json import to_json

__all__ = ["Moderation", "Moderator", "RuleModerator", "Verdict"]


class Moderation(ChatModelDecorator):
    """Lets through only what a moderator allows, both ways.

    What came in since the last answer is checked before the model is asked; the whole reply, tool calls and reasoning
    included, before anything of it is shown, so an answer that is checked is not streamed. A moderator that fails
    lets nothing through: its error is raised. Images are not looked at.

    Args:
        inner: the model that answers.
        moderator: judges texts; None takes `RuleModerator()`.
        input: whether the user's messages are checked.
        output: whether the replies are checked.
        on_block: "refuse" answers with a refusal in the asker's language; "raise" raises `ContentBlockedError`.

    The answer's `response_metadata["nacre"]` holds `moderation` (`{"stage", "flagged", "categories"}`) when anything
    was found, and `abstained` when it was refused.
    """

    moderator: Moderator = Field(default_factory=RuleModerator)
    input: bool = True
    output: bool = True
    on_block: Literal["refuse", "raise"] = "refuse"

    def flow(self, messages: list[BaseMessage], **kwargs: Any) -> Flow:
        """Check, ask, check."""
        found: dict[str, Any] = {}
        if self.input and (text := _new_input(messages)):
            verdict: Verdict = yield from self.call(RunnableLambda(self.moderator.check), text)
            if verdict.flagged:
                return self._block("input", verdict, messages)
            found = _report("input", verdict)
        reply = yield from self.ask(messages, live=not self.output, **kwargs)
        if self.output and (text := "\n".join(_texts_of(reply))):
            verdict = yield from self.call(RunnableLambda(self.moderator.check), text)
            if verdict.flagged:
                return self._block("output", verdict, messages)
            found = _report("output", verdict) or found
        return with_nacre(reply, moderation=found) if found else reply

    def _block(self, stage: str, verdict: Verdict, messages: Sequence[BaseMessage]) -> AIMessage:
        names = ", ".join(verdict.categories)
        if self.on_block == "raise":
            told = tr(
                "Moderation blocked the {stage} ({names}). Rephrase it, or change the moderator's rules.",
                stage=stage,
                names=names,
                stage2="输入" if stage == "input" else "输出",
            )
            raise ContentBlockedError(told, categories=verdict.categories)
        refusal = prompts.load("moderation/refusal", language_of(last_user_text(messages))).text()
        # The finish reason of providers that filter by themselves: nothing downstream keeps such a reply.
        blocked = AIMessage(refusal, response_metadata={"finish_reason": "content_filter"})
        return with_nacre(blocked, abstained=True, moderation=_report(stage, verdict))


def _report(stage: str, verdict: Verdict) -> dict[str, Any]:
    if not verdict.categories and not verdict.flagged:
        return {}
    return {"stage": stage, "flagged": verdict.flagged, "categories": list(verdict.categories)}


def _new_input(messages: Sequence[BaseMessage]) -> str:
    """What the user wrote since the last answer; earlier messages were checked when they were new."""
    new = itertools.takewhile(lambda message: not isinstance(message, AIMessage), reversed(messages))
    return "\n".join(reversed([text_of(message) for message in new if isinstance(message, HumanMessage)]))


def _texts_of(reply: AIMessage) -> Iterator[str]:
    """Everything readable in a reply."""
    yield from _strings(reply.content)
    for call in reply.tool_calls:
        yield from _strings(call["args"])
    yield from (to_json(call["args"], ensure_ascii=False) for call in reply.invalid_tool_calls)
    yield from _strings(reply.additional_kwargs)
    yield from _strings(nacre_of(reply))


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for inside in value.values():
            yield from _strings(inside)
    elif isinstance(value, list | tuple):
        for inside in value:
            yield from _strings(inside)
