"""`quote`: the chat model that is always there. It answers with sentences of the sources, word for word, or refuses."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.messages.ai import UsageMetadata
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from pydantic import ConfigDict, Field

from nacre import prompts
from nacre.connectors.models.stops import cut_at
from nacre.grounding.answerability import answerable
from nacre.grounding.ranking import Evidence, analyse, evidence
from nacre.text.hygiene import searched
from nacre.text.language import language_of
from nacre.text.messages import Source, last_user_text, parse_sources, text_of, with_nacre
from nacre.text.words import words

_SECOND = 4.0  # score points that a second sentence may lie behind the first
_COUNTED = 20_000  # characters of a message whose words are counted


@dataclass(frozen=True, slots=True)
class Quote:
    """A sentence of a source.

    Args:
        start: first character in the source's text.
    """

    n: int
    start: int
    end: int
    score: float


def answer(question: str, sources: Sequence[Source], sentences: int = 2) -> list[Quote]:
    """The sentences that answer a question.

    Returns:
        The best-supported sentences, as they follow each other in a source, the source of the best one first; a row of
        a table comes after the row that names its columns. Empty when nothing in the sources supports an answer.

    Examples:
        >>> source = Source(1, "The shop opens at nine. Tea is served until five.", "Opening hours")
        >>> [source.text[q.start : q.end] for q in answer("When does the shop open?", [source], sentences=1)]
        ['The shop opens at nine.']
    """
    asked = analyse(searched(question))
    if not asked.terms:
        return []
    passages = [(source.text, source.title, " ".join(source.columns)) for source in sources]
    found = evidence(asked, passages)
    if not answerable(asked, passages, found)[0]:
        return []
    best = _best(found, sources, sentences)
    if not best:
        return []
    first = best[0]
    n = sources[first.passage].n
    if first.header and sentences > 1:  # a row says little without the names of its columns
        return [Quote(n, *first.header, first.score), Quote(n, first.start, first.end, first.score)]
    near = [first]
    for item in best[1:]:
        if item.score >= first.score - _SECOND and _speaks(item, sources[item.passage].text):
            near.append(item)
    near.sort(key=lambda item: (item.passage != first.passage, item.passage, item.start))
    return [Quote(sources[item.passage].n, item.start, item.end, item.score) for item in near]


def _speaks(item: Evidence, text: str) -> bool:
    """Whether a sentence may stand beside the best one: it says a word of the question, or goes on in a paragraph that
    does.

    A row of a table may not: it would stand without the names of its columns.
    """
    goes_on = item.features["before"] and not text[: item.start].rstrip(" ").endswith("\n")
    return not item.header and bool(item.features["coverage"] or goes_on)


def _best(found: Sequence[Evidence], sources: Sequence[Source], count: int) -> list[Evidence]:
    """The highest-scored statements, none of them twice though sources may overlap."""
    best: dict[str, Evidence] = {}
    for item in sorted((item for item in found if item.statement), key=lambda item: -item.score):
        best.setdefault(sources[item.passage].text[item.start : item.end], item)
        if len(best) == count:
            break
    return list(best.values())


class QuoteChatModel(BaseChatModel):
    """An extractive chat model: no weights, no key, no server, both languages, faithful by construction.

    It reads the sources that `nacre.text.messages.render_sources` marked in the last user message and answers with the
    one or two sentences that support an answer best, verbatim, each followed by the number of its source. When nothing
    supports an answer it refuses in the asker's language and sets `response_metadata["nacre"]["abstained"]`.

    Examples:
        >>> from nacre.text.messages import render_sources
        >>> sources = render_sources([Source(1, "Staff get 12 days of leave. Ask HR.", "Leave")])
        >>> QuoteChatModel(sentences=1).invoke(f"{sources}\\n\\nQuestion: How many days of leave do staff get?").text
        'Staff get 12 days of leave. [1]'
    """

    # It stands in for any model, so it takes any model's settings (temperature, …) and has no use for them.
    model_config = ConfigDict(extra="ignore")

    model: str = "quote"
    sentences: int = Field(default=2, ge=1)

    @property
    def _llm_type(self) -> str:
        return "nacre-quote"

    @property
    def _identifying_params(self) -> dict[str, Any]:
        return {"model": self.model, "sentences": self.sentences}

    def _parts(self, messages: Sequence[BaseMessage]) -> tuple[list[str], bool]:
        """The answer in pieces, and whether it is a refusal."""
        sources, question = parse_sources(last_user_text(messages))
        texts = {source.n: source.text for source in sources}
        quotes = answer(question, sources, self.sentences)
        if not quotes:
            return [prompts.load("rag/refusal", language_of(question)).text()], True
        # A quote stays one line: a break inside a wrapped sentence is layout, not wording.
        return [f"{' '.join(texts[q.n][q.start : q.end].split())} [{q.n}]" for q in quotes], False

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        parts, abstained = self._parts(messages)
        text, _ = cut_at("\n".join(parts), stop)
        for piece in text.splitlines(keepends=True):
            chunk = ChatGenerationChunk(message=AIMessageChunk(content=piece))
            if run_manager:
                run_manager.on_llm_new_token(piece, chunk=chunk)
            yield chunk
        last = AIMessageChunk(
            content="",
            response_metadata=self._metadata(abstained),
            usage_metadata=_usage(messages, text),
            chunk_position="last",
        )
        yield ChatGenerationChunk(message=last)

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        parts, abstained = self._parts(messages)
        text, _ = cut_at("\n".join(parts), stop)
        message = AIMessage(text, response_metadata=self._metadata(abstained), usage_metadata=_usage(messages, text))
        return ChatResult(generations=[ChatGeneration(message=message)])

    def _metadata(self, abstained: bool) -> dict[str, Any]:
        message = AIMessage("", response_metadata={"model_name": self.model, "finish_reason": "stop"})
        return with_nacre(message, abstained=abstained).response_metadata


def _usage(messages: Sequence[BaseMessage], text: str) -> UsageMetadata:
    """Words counted as tokens: the model itself has none, and a budget or a report needs some measure."""
    asked, said = sum(_length(text_of(message)) for message in messages), _length(text)
    return UsageMetadata(input_tokens=asked, output_tokens=said, total_tokens=asked + said)


def _length(text: str) -> int:
    """The words of a text; of a long one as many as its beginning lets expect."""
    counted = len(words(text[:_COUNTED]))
    return counted if len(text) <= _COUNTED else counted * len(text) // _COUNTED
