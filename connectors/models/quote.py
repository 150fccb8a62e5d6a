"""`quote`: the chat model that is always there. It answers with sentences of the sources, word for word, or refuses."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, ClassVar

from langchain_core.language_models import BaseChatModel
from langchain_core.language_models.chat_models import generate_from_stream
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.messages.ai import UsageMetadata
from langchain_core.outputs import ChatGenerationChunk, ChatResult
from pydantic import ConfigDict, Field

from nacre import prompts
from nacre.connectors.models.stops import cut_at
from nacre.grounding.asking import question_of
from nacre.grounding.quotes import shown
from nacre.grounding.selection import Near, select
from nacre.text.hygiene import searched
from nacre.text.language import language_of
from nacre.text.messages import last_user_text, parse_sources, text_of, with_nacre
from nacre.text.words import words

_TURNS = 12  # messages before, of a conversation
_COUNTED = 20_000  # characters of a message whose words are counted


class QuoteChatModel(BaseChatModel):
    """An extractive chat model: no weights, no key, no server, both languages, faithful by construction.

    It reads the sources that `nacre.text.messages.render_sources` marked in the last user message and answers with the
    one or two sentences that support an answer best, verbatim, each followed by the number of its source. When nothing
    supports an answer it refuses in the asker's language and sets `response_metadata["nacre"]["abstained"]`.

    Examples:
        >>> from nacre.text.messages import Source, render_sources
        >>> sources = render_sources([Source(1, "Staff get 12 days of leave. Ask HR.", "Leave")])
        >>> QuoteChatModel(sentences=1).invoke(f"{sources}\\n\\nQuestion: How many days of leave do staff get?").text
        'Staff get 12 days of leave. [1]'
    """

    # It stands in for any model, so it takes any model's settings (temperature, …) and has no use for them.
    model_config = ConfigDict(extra="ignore")

    extractive: ClassVar[bool] = True
    """It can quote, and write nothing: a question is not rewritten by it."""

    model: str = "quote"
    sentences: int = Field(default=2, ge=1)

    @property
    def spec(self) -> str:
        """The name by which `load_model` loads it again."""
        return "quote"

    @property
    def _llm_type(self) -> str:
        return "nacre-quote"

    @property
    def _identifying_params(self) -> dict[str, Any]:
        return {"model": self.model, "sentences": self.sentences}

    def _answer(
        self, messages: Sequence[BaseMessage], relevance: Any = None, nearness: Sequence[Near] = (), **_: Any
    ) -> tuple[str, dict[str, Any]]:
        """The answer, and what is to be told of it."""
        sources, question = parse_sources(last_user_text(messages))
        known = relevance if isinstance(relevance, float) else None
        found = select(searched(question), sources, self.sentences, known, nearness)
        language = language_of(question)
        if not found.quotes:
            return prompts.load("rag/refusal", language).text(), {"abstained": True}
        names = [name for name, _ in found.meant]
        if names and not _spoken_of(names, messages[:-1]):
            lines = [*shown([quote for _, quote in found.meant], sources), "", question_of(names, language)]
            return "\n".join(lines), {"abstained": False, "asked_back": names}
        lines = shown(found.quotes, sources)
        if found.sure == "closest":
            lines = [prompts.load("rag/closest", language).text(), "", *lines]
        return "\n".join(lines), {"abstained": False}

    def _stream(
        self, messages: list[BaseMessage], stop: list[str] | None = None, run_manager: Any = None, **kwargs: Any
    ) -> Iterator[ChatGenerationChunk]:
        whole, known = self._answer(messages, **kwargs)
        text, _ = cut_at(whole, stop)
        for piece in text.splitlines(keepends=True):
            yield ChatGenerationChunk(message=AIMessageChunk(content=piece))
        told = AIMessage("", response_metadata={"model_name": self.model, "finish_reason": "stop"})
        last = AIMessageChunk(
            content="",
            response_metadata=with_nacre(told, **known).response_metadata,
            usage_metadata=_usage(messages, text),
            chunk_position="last",
        )
        yield ChatGenerationChunk(message=last)

    def _generate(
        self, messages: list[BaseMessage], stop: list[str] | None = None, run_manager: Any = None, **kwargs: Any
    ) -> ChatResult:
        return generate_from_stream(self._stream(messages, stop, **kwargs))


def _spoken_of(names: Sequence[str], past: Sequence[BaseMessage]) -> bool:
    """Whether the conversation named one of several things: then it is hardly unknown which is meant."""
    said = " ".join(
        text_of(message)[-_COUNTED:] for message in past[-_TURNS:] if message.type in ("human", "ai")
    ).casefold()
    return any(name.casefold() in said for name in names)


def _usage(messages: Sequence[BaseMessage], text: str) -> UsageMetadata:
    """Words counted as tokens: the model itself has none, and a budget or a report needs some measure."""
    asked, said = sum(_length(text_of(message)) for message in messages), _length(text)
    return UsageMetadata(input_tokens=asked, output_tokens=said, total_tokens=asked + said)


def _length(text: str) -> int:
    """The words of a text; of a long one as many as its beginning lets expect."""
    counted = len(words(text[:_COUNTED]))
    return counted if len(text) <= _COUNTED else counted * len(text) // _COUNTED
