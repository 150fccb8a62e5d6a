"""The fallback pair of the ReAct paper (Yao et al., 2023, section 3.2): acting and reasoning, each where the other
fails.

On HotpotQA neither beats the other by much, but ReAct that falls back to self-consistent reasoning beats both, and so
does the reverse on FEVER.
"""

from __future__ import annotations

from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import BaseMessage
from pydantic import Field

from nacre.decorator.flow import Call
from nacre.decorator.layer import ChatModelDecorator, Flow
from nacre.errors import UsageError
from nacre.text.language import tr
from nacre.text.messages import nacre_of, with_nacre


class ReActThenVote(ChatModelDecorator):
    """Acts; when the steps (or time, or tokens) run out without an answer, lets samples of reasoning vote instead.

    Args:
        inner: a `ReAct`, layers around it or not; it is not made to guess at its limit.
        vote: the model that answers then, such as `SelfConsistency(inner=ChainOfThought(inner=model))`.

    The answer's `response_metadata["nacre"]` holds `strategy`: "react" or "vote".
    """

    vote: BaseChatModel

    def model_post_init(self, context: Any, /) -> None:
        """Refuse a model that cannot be told to stop at its limit."""
        if not ChatModelDecorator(inner=self.inner).inner_takes("at_limit"):
            told = tr(
                "ReActThenVote: inner is {kind}, not an agent. Write inner=ReAct(…).", kind=type(self.inner).__name__
            )
            raise UsageError(told)

    @property
    def inner_models(self) -> list[BaseChatModel]:
        """Both may be asked."""
        return [self.inner, self.vote]

    def flow(self, messages: list[BaseMessage], **kwargs: Any) -> Flow:
        """Act, then vote where that gave nothing."""
        reply = yield from self.ask(messages, **{**kwargs, "at_limit": "stop"})
        own = nacre_of(reply)
        if not own.get("abstained"):
            return with_nacre(reply, strategy="react")
        voted = yield Call(self.vote, messages, kwargs)
        return with_nacre(voted, strategy="vote", trajectory=own.get("trajectory", []), stopped=own.get("stopped"))


class VoteThenReAct(ChatModelDecorator):
    """Lets samples of reasoning vote; where less than a share of them agrees, acts instead.

    Args:
        inner: a model that reports its `agreement`, such as `SelfConsistency(inner=ChainOfThought(inner=model))`.
        threshold: the share of the samples, 0 to 1, that must agree; the paper's is one half.

    The answer's `response_metadata["nacre"]` holds `strategy`: "vote" or "react", and the `agreement`.
    """

    react: BaseChatModel
    threshold: float = Field(default=0.5, ge=0, le=1)

    @property
    def inner_models(self) -> list[BaseChatModel]:
        """Either may be asked."""
        return [self.inner, self.react]

    def flow(self, messages: list[BaseMessage], **kwargs: Any) -> Flow:
        """Vote, then act where there is no majority."""
        reply = yield from self.ask(messages, **kwargs)
        agreement = float(nacre_of(reply).get("agreement", 1.0))
        if agreement >= self.threshold:
            return with_nacre(reply, strategy="vote")
        acted = yield Call(self.react, messages, kwargs)
        return with_nacre(acted, strategy="react", agreement=agreement)
