"""Layers that change only what the model is asked: examples, reasoning step by step, several samples and a vote."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, Literal, cast

from langchain_core.embeddings import Embeddings
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage
from langchain_core.runnables import Runnable, RunnableConfig, RunnableLambda, RunnableParallel
from pydantic import Field, PrivateAttr

from nacre import prompts
from nacre.decorator.layer import ChatModelDecorator, Flow
from nacre.prompting.answers import AnswerOnly, reply_key, split_answer
from nacre.prompting.nearest import nearest_by_vector, nearest_by_words
from nacre.text.hygiene import searched
from nacre.text.language import Language, language_of
from nacre.text.messages import last_user_text, replace_last_user, text_of, with_nacre, with_text

Examples = str | list[tuple[str, str] | BaseMessage]
"""The id of a prompt whose messages are the examples, or pairs (question, answer), or messages."""


class FewShot(ChatModelDecorator):
    """Shows the model examples before the conversation (Brown et al., 2020, arXiv:2005.14165).

    Args:
        inner: the model that answers.
        examples: id of a prompt whose messages are the examples, "few_shot/reasoning"; or pairs (question, answer); or
            messages. They are content, never templates.
        k: show only the `k` examples nearest to the question, the nearest last; None shows all, in their order.
        embeddings: finds the nearest by meaning; None finds them by shared words.
        language: of the prompt file; "auto" takes the question's.
    """

    examples: Examples
    k: int | None = Field(default=None, ge=1)
    embeddings: Embeddings | None = None
    language: Literal["auto", "en", "zh"] = "auto"

    _vectors: dict[str, list[list[float]]] = PrivateAttr(default_factory=dict)

    def flow(self, messages: list[BaseMessage], **kwargs: Any) -> Flow:
        """Put the examples behind the system message and ask."""
        question = searched(last_user_text(messages))
        language = language_of(question) if self.language == "auto" else self.language
        shown = example_groups(self.examples, language)
        if self.k is not None and self.k < len(shown):
            picked = yield from self.call(RunnableLambda(self._nearest), (question, shown))
            shown = cast("list[list[BaseMessage]]", picked)
        flat = [message for group in shown for message in group]
        return (yield from self.ask(behind_system(messages, flat), live=True, **kwargs))

    def _nearest(self, asked: tuple[str, list[list[BaseMessage]]]) -> list[list[BaseMessage]]:
        question, groups = asked
        texts = [text_of(group[0]) for group in groups]
        k = cast(int, self.k)
        if self.embeddings is None:
            order = nearest_by_words(question, texts, k)
        else:
            key = "\0".join(texts)
            if key not in self._vectors:
                self._vectors[key] = self.embeddings.embed_documents(texts)
            order = nearest_by_vector(self.embeddings.embed_query(question), self._vectors[key], k)
        return [groups[i] for i in reversed(order)]


class ChainOfThought(ChatModelDecorator):
    """Lets the model reason before it answers, and answers with the answer alone.

    Without examples this is zero-shot reasoning (Kojima et al., 2022, arXiv:2205.11916), with examples the original
    chain of thought (Wei et al., 2022, arXiv:2201.11903). The reasoning is in the answer's
    `response_metadata["nacre"]["reasoning"]`.

    Args:
        inner: the model that reasons.
        examples: as for `FewShot`, each answer with its reasoning and a last line "Answer: …"; "few_shot/reasoning" is
            such a prompt. None: zero-shot.
        extraction: "marker" asks for a last line "Answer: …" and takes what follows it, in one call; "two_stage" asks
            a second time for the answer alone, as the zero-shot paper does.
        language: of the instruction; "auto" takes the question's.
    """

    examples: Examples | None = None
    extraction: Literal["marker", "two_stage"] = "marker"
    language: Literal["auto", "en", "zh"] = "auto"

    def flow(self, messages: list[BaseMessage], **kwargs: Any) -> Flow:
        """Ask for reasoning, part the answer from it."""
        question = last_user_text(messages)
        if not question.strip():
            return (yield from self.ask(messages, live=True, **kwargs))
        language = language_of(question) if self.language == "auto" else self.language
        if self.examples is not None:
            groups = example_groups(self.examples, language)
            messages = behind_system(messages, [message for group in groups for message in group])
        if self.extraction == "two_stage":
            return (yield from self._two_stage(messages, question, language, kwargs))
        asked = replace_last_user(messages, prompts.load("cot/zero_shot", language).render(question=question))
        reply = yield from self.ask(asked, live=True, through=AnswerOnly(), **kwargs)
        reasoning, answer = split_answer(text_of(reply))
        if answer == text_of(reply):
            return reply
        return with_nacre(with_text(reply, answer), reasoning=reasoning)

    def _two_stage(
        self, messages: list[BaseMessage], question: str, language: Language, kwargs: dict[str, Any]
    ) -> Flow:
        asked = replace_last_user(messages, prompts.load("cot/reason", language).render(question=question))
        thought = yield from self.ask(asked, **kwargs)
        if thought.tool_calls:
            return thought
        reasoning = text_of(thought)
        asked += prompts.load("cot/extract", language).render(reasoning=reasoning)
        reply = yield from self.ask(asked, live=True, **kwargs)
        return with_nacre(reply, reasoning=reasoning)


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
        one = _attempt(self.inner, kwargs)
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


def _attempt(model: BaseChatModel, kwargs: dict[str, Any]) -> Runnable[list[BaseMessage], Any]:
    """One call whose failure is a result, so that it costs itself only."""

    def run(messages: list[BaseMessage], config: RunnableConfig) -> AIMessage | Exception:
        try:
            return model.invoke(messages, config, **kwargs)
        except Exception as error:
            return error

    async def arun(messages: list[BaseMessage], config: RunnableConfig) -> AIMessage | Exception:
        try:
            return await model.ainvoke(messages, config, **kwargs)
        except Exception as error:
            return error

    return RunnableLambda(run, afunc=arun, name="sample")


def example_groups(examples: Examples, language: Language) -> list[list[BaseMessage]]:
    """Examples as messages, grouped so that each group begins with a question."""
    if isinstance(examples, str):
        items: Sequence[tuple[str, str] | BaseMessage] = prompts.load(examples, language).render()
    else:
        items = examples
    groups: list[list[BaseMessage]] = []
    for item in items:
        if not isinstance(item, BaseMessage):
            question, answer = item
            groups.append([HumanMessage(question), AIMessage(answer)])
        elif isinstance(item, HumanMessage) or not groups:
            groups.append([item])
        else:
            groups[-1].append(item)
    return groups


def behind_system(messages: Sequence[BaseMessage], new: Sequence[BaseMessage]) -> list[BaseMessage]:
    """Put messages before a conversation, but behind its system message."""
    at = 1 if messages and messages[0].type == "system" else 0
    return [*messages[:at], *new, *messages[at:]]
