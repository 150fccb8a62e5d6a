"""What a layer's flow is made of, and one run of it. No I/O here: the drivers of `nacre.decorator.layer` do it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Coroutine, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, cast

from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.messages.ai import UsageMetadata, add_usage
from langchain_core.runnables import Runnable, RunnableConfig, RunnableLambda

from nacre.errors import ModelError, UsageError
from nacre.text.language import tr
from nacre.text.messages import as_chunk, merge_chunks, text_of

NOSTREAM = "nostream"
"""The tag by which LangGraph knows a model call whose tokens are not for the user."""


class ChunkFilter(Protocol):
    """What may change the chunks of a live call on their way to the user. One object serves one call."""

    def push(self, chunk: AIMessageChunk) -> Sequence[AIMessageChunk]:
        """Take a chunk in."""

    def close(self) -> Sequence[AIMessageChunk]:
        """The stream has ended."""


@dataclass(frozen=True, slots=True)
class Call:
    """The only effect of a flow: run something and send me the result.

    Args:
        live: the user may see the tokens of this call as they come. A layer that must read the whole answer before
            anything is shown leaves it off.
        through: with `live`, a filter for the chunks. The flow is sent the unfiltered message; what it returns must
            begin with what was shown.
        quiet: with `through`, only what passes the filter is for the user: whoever else listens to the target
            (LangGraph) is to stream nothing of it.
    """

    target: Runnable[Any, Any]
    input: Any
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    live: bool = False
    through: ChunkFilter | None = None
    quiet: bool = False

    def config(self, config: RunnableConfig) -> RunnableConfig:
        """The configuration for this call: calls that are not live, or quiet, are marked as not to be streamed.

        Args:
            config: the layer's child configuration.

        Returns:
            `config`, tagged where needed.
        """
        tags = config.get("tags") or []
        if (self.live and not self.quiet) or NOSTREAM in tags:
            return config
        return cast(RunnableConfig, {**config, "tags": [*tags, NOSTREAM]})


Flow = Generator[Call, Any, AIMessage]


class Ready(Runnable[Any, AIMessage]):
    """Chunks that are there already: called live they are shown, and no run of their own is traced."""

    def __init__(self, *chunks: AIMessageChunk) -> None:
        self.chunks = chunks

    def invoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> AIMessage:
        return merge_chunks(self.chunks)

    async def ainvoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> AIMessage:
        return merge_chunks(self.chunks)

    def stream(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Iterator[AIMessage]:
        yield from self.chunks

    async def astream(
        self, input: Any, config: RunnableConfig | None = None, **kwargs: Any
    ) -> AsyncIterator[AIMessage]:
        for chunk in self.chunks:
            yield chunk


def attempt(model: Runnable[Any, Any], name: str, options: Mapping[str, Any], asked: Any = None) -> Runnable[Any, Any]:
    """A call whose failure is a result, so that it costs itself only; `asked` stands in place of the given input."""

    def run(given: Any, config: RunnableConfig) -> Any:
        try:
            return model.invoke(asked or given, config, **options)
        except Exception as error:
            return error

    async def arun(given: Any, config: RunnableConfig) -> Any:
        try:
            return await model.ainvoke(asked or given, config, **options)
        except Exception as error:
            return error

    return RunnableLambda(run, afunc=arun, name=name)


def _begun(layer: str, flow: Callable[[], Any]) -> Flow:
    """A layer's flow. Without a `yield` its body runs here, and what comes of it is no flow."""
    try:
        made = flow()
    except (AttributeError, TypeError) as error:
        _refuse_forgotten(layer, error)
        raise
    if isinstance(made, Generator):
        return made
    if isinstance(made, Coroutine):
        made.close()
    told = tr(
        "{layer}.flow gave {what}, but must be a generator. Ask with: reply = yield from self.ask(messages, **kwargs)",
        layer=layer,
        what=type(made).__name__,
    )
    raise UsageError(told)


def _refuse_forgotten(layer: str, error: Exception) -> None:
    """Say clearly what is wrong where a flow took `self.ask(…)` for its reply."""
    if "'generator'" in str(error):
        told = tr(
            "{layer}.flow uses a call as if it were its result ({error}). Write `yield from` before it: "
            "reply = yield from self.ask(messages, **kwargs)",
            layer=layer,
            error=error,
        )
        raise UsageError(told) from error


# What LangChain needs in every chunk to read its content; it merges these two by equality.
_FORM = ("model_provider", "output_version")


class Run:
    """One run of a flow: the call that it waits for, what has been shown to the user, and the tokens so far."""

    def __init__(self, layer: str, flow: Callable[[], Flow]) -> None:
        self.layer = layer
        self.flow = _begun(layer, flow)
        self.pending: Call | None = None
        self.shown: list[AIMessageChunk] = []
        self.usage: UsageMetadata | None = None
        self._result: AIMessage | None = None
        self._go(lambda: next(self.flow))

    def _go(self, advance: Callable[[], Call]) -> None:
        try:
            self._step(advance)
        except (AttributeError, TypeError) as error:
            _refuse_forgotten(self.layer, error)
            raise

    def _step(self, advance: Callable[[], Call]) -> None:
        try:
            self.pending = advance()
        except StopIteration as done:
            self.pending, self._result = None, done.value
            return
        if not isinstance(self.pending, Call):
            raise UsageError(
                tr(
                    "{layer}.flow yielded {what}, not a Call. "
                    "Ask with: reply = yield from self.ask(messages, **kwargs)",
                    layer=self.layer,
                    what=type(self.pending).__name__,
                )
            )

    def send(self, got: Any, shown: Sequence[AIMessageChunk] = ()) -> None:
        """The pending call is done: go on to the next one."""
        self.shown.extend(shown)
        for message in _replies(got):
            if message.usage_metadata:
                self.usage = add_usage(self.usage, message.usage_metadata)
        self._go(lambda: self.flow.send(got))

    def throw(self, error: Exception, *, fatal: bool = False) -> None:
        """The pending call failed: the flow may catch it, but not once tokens are with the user (`fatal`)."""
        if fatal:
            raise error
        self._step(lambda: self.flow.throw(error))

    def close(self) -> None:
        """Run the flow's `finally` if it has not ended."""
        self.flow.close()

    def answer(self) -> AIMessage:
        """The flow's answer, with the usage of all the model calls that were made for it."""
        if not isinstance(self._result, AIMessage):
            told = tr(
                "{layer}.flow returned {what}, not an AIMessage. A call needs `yield from` before it.",
                layer=self.layer,
                what=type(self._result).__name__,
            )
            raise UsageError(told)
        if self.usage is None or self.usage == self._result.usage_metadata:
            return self._result
        return self._result.model_copy(update={"usage_metadata": self.usage})

    def rest(self) -> AIMessageChunk:
        """The last chunk of the stream."""
        answer = as_chunk(self.answer())
        if not self.shown:
            return answer.model_copy(update={"chunk_position": "last"})
        shown = merge_chunks(self.shown)
        said, whole = text_of(shown), text_of(answer)
        if not whole.startswith(said):
            told = tr(
                "{layer} showed text that its answer does not begin with: "
                "a call that is rewritten must not be live. Leave live=True out of its ask.",
                layer=self.layer,
            )
            raise UsageError(told)
        return AIMessageChunk(
            content=_unshown(whole[len(said) :], shown) if shown.content else answer.content,
            additional_kwargs=_new(answer.additional_kwargs, shown.additional_kwargs),
            response_metadata=_new(answer.response_metadata, shown.response_metadata),
            tool_call_chunks=[] if shown.tool_calls or shown.invalid_tool_calls else answer.tool_call_chunks,
            usage_metadata=answer.usage_metadata,
            id=shown.id,
            chunk_position="last",
        )


class Live:
    """The chunks of one live call: all of them for the flow, those that pass the filter for the user."""

    def __init__(self, call: Call) -> None:
        self.through = call.through
        self.chunks: list[AIMessageChunk] = []
        self.shown: list[AIMessageChunk] = []

    def push(self, chunk: AIMessage) -> Sequence[AIMessageChunk]:
        """Take a chunk from the target."""
        whole = as_chunk(chunk)
        self.chunks.append(whole)
        return self._show([whole] if self.through is None else self.through.push(whole))

    def close(self) -> Sequence[AIMessageChunk]:
        """The target's stream has ended."""
        return self._show([] if self.through is None else self.through.close())

    def message(self) -> AIMessage:
        """The whole, unfiltered message."""
        if not self.chunks:
            told = tr("The model's stream ended without a single chunk. Ask again, or set disable_streaming=True.")
            raise ModelError(told)
        return merge_chunks(self.chunks)

    def _show(self, chunks: Sequence[AIMessageChunk]) -> Sequence[AIMessageChunk]:
        out = [_bare(chunk) for chunk in chunks if chunk.content or chunk.additional_kwargs or chunk.tool_call_chunks]
        self.shown.extend(out)
        return out


def _bare(chunk: AIMessageChunk) -> AIMessageChunk:
    """A chunk without what is known only when the answer is done: usage, metadata and the end mark go out once, at the
    end.
    """
    kept = {key: chunk.response_metadata[key] for key in _FORM if key in chunk.response_metadata}
    return chunk.model_copy(update={"response_metadata": kept, "usage_metadata": None, "chunk_position": None})


def _replies(got: Any) -> Iterator[AIMessage]:
    if isinstance(got, AIMessage):
        yield got
    elif isinstance(got, dict):
        yield from (value for value in got.values() if isinstance(value, AIMessage))
    elif isinstance(got, list):
        yield from (value for value in got if isinstance(value, AIMessage))


def _unshown(rest: str, shown: AIMessage) -> str | list[Any]:
    """The rest of a text in the form in which it joins what was shown: LangChain joins parts by their index."""
    if isinstance(shown.content, str):
        return rest
    last = next((p for p in reversed(shown.content) if isinstance(p, dict) and p.get("type") == "text"), {})
    place = {"index": last["index"]} if "index" in last else {}
    return [{"type": "text", "text": rest, **place}] if rest else []


def _new(whole: dict[str, Any], shown: dict[str, Any]) -> dict[str, Any]:
    """What has to be sent so that merging it into `shown` gives `whole`."""
    out: dict[str, Any] = {}
    for key, value in whole.items():
        if key not in shown:
            out[key] = value
        elif isinstance(value, dict) and isinstance(shown[key], dict) and (inside := _new(value, shown[key])):
            out[key] = inside
    return out
