"""A layer that draws several replies and lets them vote."""

from __future__ import annotations

from collections import Counter
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.runnables import RunnableParallel
from pydantic import Field

from nacre.decorator.flow import attempt
from nacre.decorator.layer import ChatModelDecorator, Flow
from nacre.prompting.answers import reply_key, split_answer
from nacre.text.messages import text_of, with_nacre


class SelfConsistency(ChatModelDecorator):
    """Samples several replies at once and answers with the most frequent answer (Wang et al., 2022, arXiv:2203.11171).

    Answers are compared by their value: 1,000 and 1000.0 元 are the same. Of equally frequent answers the one that was
    given first wins. The `response_metadata["nacre"]` holds `agreement` (0 to 1, the winner's share of the replies),
    `votes` (a list of `{"answer", "count"}`, most frequent first) and `failed` (samples that raised an error).

    Args:
        inner: the model that is sampled; give it a temperature above 0, or `temperature` here.
        samples: how many replies, at least 1.
        temperature: passed to the inner model with each call; None leaves the model's own.
    """

    samples: int = Field(default=5, ge=1)
    temperature: float | None = Field(default=None, ge=0)

    def flow(self, messages: list[BaseMessage], **kwargs: Any) -> Flow:
        """Sample in parallel and vote."""
        if self.temperature is not None:
            kwargs = {**kwargs, "temperature": self.temperature}
        one = attempt(self.inner, "sample", kwargs)
        drawn = yield from self.call(RunnableParallel({f"sample_{n}": one for n in range(self.samples)}), messages)
        replies = [reply for reply in drawn.values() if isinstance(reply, AIMessage)]
        failures = [error for error in drawn.values() if isinstance(error, Exception)]
        if not replies:
            raise failures[0]
        keys = [reply_key(reply) for reply in replies]
        votes = Counter(keys).most_common()
        winner = replies[keys.index(votes[0][0])]
        told = [{"answer": split_answer(text_of(replies[keys.index(key)]))[1], "count": count} for key, count in votes]
        return with_nacre(winner, agreement=votes[0][1] / len(replies), votes=told, failed=len(failures))
