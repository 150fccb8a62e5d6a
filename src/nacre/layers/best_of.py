"""Best of n: several answers are drawn, and a reward model chooses (Stiennon et al., 2020, arXiv:2009.01325)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.runnables import RunnableLambda
from pydantic import Field

from nacre.decorator.layer import ChatModelDecorator, Flow
from nacre.text.messages import text_of, with_nacre


@runtime_checkable
class Judge(Protocol):
    """Says how good answers are."""

    def score(self, messages: Sequence[BaseMessage], answers: Sequence[str]) -> list[float]:
        """A number for each answer to some messages, the higher the better."""


class BestOf(ChatModelDecorator):
    """Draws several answers and gives the one that a judge finds best.

    It belongs inside the layers that add to the prompt (rag), so that the judge sees what the model saw. The
    `response_metadata["nacre"]` holds `reward`, the winner's score, and `rewards`, those of all, the best first.

    Args:
        inner: the model that is asked; give it a temperature above 0, or `temperature` here.
        judge: `nacre.connectors.models.reward.RewardModel`, or anything with its method `score`; in a stack, the folder
            of a reward model.
        samples: how many answers, at least 1; with 1 the answer is only judged.
        temperature: passed to the inner model with each call; None leaves the model's own.
    """

    judge: Judge
    samples: int = Field(default=4, ge=1)
    temperature: float | None = Field(default=None, ge=0)

    def flow(self, messages: list[BaseMessage], **kwargs: Any) -> Flow:
        """Draw, judge, choose."""
        if self.temperature is not None:
            kwargs = {**kwargs, "temperature": self.temperature}
        replies: list[AIMessage] = []
        for _ in range(self.samples):
            replies.append((yield from self.ask(messages, **kwargs)))
        answers = [reply for reply in replies if not reply.tool_calls]
        if not answers:  # not an answer yet
            return replies[0]
        judged: RunnableLambda[list[str], list[float]] = RunnableLambda(
            lambda texts: self.judge.score(messages, texts), name="judge"
        )
        scores: list[float] = yield from self.call(judged, [text_of(answer) for answer in answers])
        best = max(range(len(answers)), key=lambda at: scores[at])
        return with_nacre(answers[best], reward=scores[best], rewards=sorted(scores, reverse=True))
