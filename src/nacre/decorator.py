"""The one idea of Nacre: a capability is a decorator around a chat model, and is itself a chat model.

A layer writes one method, `flow`: a plain generator that yields what it needs done (a `Call`) and is sent the
result. It does no I/O itself, so it has no colour: the four drivers below run the same flow for `invoke`,
`ainvoke`, `stream` and `astream`.

To its caller a layer is a chat model; to the tracer it is a chain (`_call_with_config`). Were it a model there too,
LangChain would count every token once per layer, and stream it as often.
"""

from __future__ import annotations

import difflib
from collections.abc import AsyncIterator, Callable, Generator, Iterator, Mapping, Sequence
from contextlib import aclosing, closing
from dataclasses import dataclass, field
from typing import Any, Protocol, cast

from langchain_core.callbacks import (
    AsyncCallbackManager,
    AsyncCallbackManagerForChainRun,
    BaseCallbackManager,
    CallbackManager,
    CallbackManagerForChainRun,
)
from langchain_core.language_models import BaseChatModel, LanguageModelInput
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.messages.ai import UsageMetadata, add_usage, subtract_usage
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult, LLMResult
from langchain_core.runnables import Runnable, RunnableBinding, RunnableConfig, RunnableParallel, RunnableSequence
from langchain_core.runnables.config import ensure_config, merge_configs, patch_config
from pydantic import ConfigDict, ValidationError

from nacre.errors import UsageError
from nacre.language import tr
from nacre.messages import as_chunk, merge_chunks, text_of

NOSTREAM = "nostream"
"""The tag by which LangGraph knows a model call whose tokens are not for the user."""


class ChunkFilter(Protocol):
    """What may change the chunks of a live call on their way to the user. One object serves one call."""

    def push(self, chunk: AIMessageChunk) -> Sequence[AIMessageChunk]:
        """Take a chunk in and give out those that may be shown now."""

    def close(self) -> Sequence[AIMessageChunk]:
        """The stream has ended: give out what was held back."""


@dataclass(frozen=True, slots=True)
class Call:
    """The only effect of a flow: run something and send me the result.

    Args:
        target: any LangChain Runnable: a model, a retriever, a tool, a lambda. Work in parallel is one call to a
            `RunnableParallel`.
        input: what it is given.
        kwargs: its call options.
        live: the user may see the tokens of this call as they come. A layer that must read the whole answer before
            anything is shown leaves it off.
        through: with `live`, a filter for the chunks. The flow is sent the unfiltered message; what it returns must
            begin with what was shown.
    """

    target: Runnable[Any, Any]
    input: Any
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    live: bool = False
    through: ChunkFilter | None = None

    def config(self, config: RunnableConfig) -> RunnableConfig:
        """The configuration for this call: calls that are not live are marked as not to be streamed.

        Args:
            config: the layer's child configuration.

        Returns:
            `config`, tagged where needed.
        """
        tags = config.get("tags") or []
        if self.live or NOSTREAM in tags:
            return config
        return cast(RunnableConfig, {**config, "tags": [*tags, NOSTREAM]})


Flow = Generator[Call, Any, AIMessage]


class ChatModelDecorator(BaseChatModel):
    """A chat model around a chat model. Subclass it and write `flow`.

    Args:
        inner: the model that is decorated; any LangChain chat model, another layer among them.

    Raises:
        UsageError: a field is unknown or has a wrong value.

    Example:
        >>> from nacre import ScriptedChatModel
        >>> from nacre.decorator import ChatModelDecorator, Flow
        >>> class Shouting(ChatModelDecorator):
        ...     def flow(self, messages, **kwargs) -> Flow:
        ...         reply = yield from self.ask(messages, **kwargs)
        ...         return reply.model_copy(update={"content": reply.text.upper()})
        >>> Shouting(inner=ScriptedChatModel(["pearl"])).invoke("What is nacre?").content
        'PEARL'
    """

    model_config = ConfigDict(extra="forbid", arbitrary_types_allowed=True)

    inner: BaseChatModel

    def __init__(self, **fields: Any) -> None:
        try:
            super().__init__(**fields)
        except ValidationError as error:
            raise UsageError(_complaint(type(self), error)) from error
        for name in ("cache", "rate_limiter", "custom_get_token_ids"):
            if getattr(self, name) is not None:
                raise UsageError(
                    tr(
                        f"{type(self).__name__} is a layer and does not use {name!r}. Give it to the innermost model.",
                        f"{type(self).__name__} 是一个装饰层，不使用 {name!r}。请把它交给最内层的模型。",
                    )
                )

    # --- what a layer writes ------------------------------------------------------------------------------------------

    def flow(self, messages: list[BaseMessage], **kwargs: Any) -> Flow:
        """Answer a conversation. The base class passes it on unchanged.

        Args:
            messages: the conversation, oldest first. It belongs to the caller: do not change it.
            **kwargs: call options (`stop`, `tools`, …); take out your own, pass the rest on.

        Returns:
            A generator that yields `Call`s, is sent their results, and returns the answer. An exception of a call is
            raised at its `yield`.
        """
        return (yield from self.ask(messages, live=True, **kwargs))

    def ask(self, messages: Sequence[BaseMessage], *, live: bool = False, through: ChunkFilter | None = None, **kwargs: Any) -> Flow:
        """Ask the inner model: `reply = yield from self.ask(messages, **kwargs)`.

        Args:
            messages: the conversation for the inner model.
            live: see `Call`.
            through: see `Call`.
            **kwargs: call options for the inner model.

        Returns:
            A generator whose value is the reply.
        """
        return (yield Call(self.inner, list(messages), kwargs, live=live, through=through))

    @staticmethod
    def call(target: Runnable[Any, Any], input: Any, **kwargs: Any) -> Generator[Call, Any, Any]:
        """Run any Runnable: `hits = yield from self.call(retriever, question)`.

        Args:
            target: a retriever, a tool, a lambda, …
            input: its input.
            **kwargs: its call options.

        Returns:
            A generator whose value is the result.
        """
        return (yield Call(target, input, kwargs))

    @staticmethod
    def option(kwargs: dict[str, Any], name: str, default: Any = None) -> Any:
        """Take a layer's own call option out of `kwargs`, else from `config={"configurable": {…}}`.

        Args:
            kwargs: the call options; the option is removed.
            name: its name, "session_id".
            default: what to return when it is nowhere.

        Returns:
            The option's value.
        """
        configured = ensure_config().get("configurable") or {}
        return kwargs.pop(name, configured.get(name, default))

    # --- the four drivers ---------------------------------------------------------------------------------------------

    def invoke(self, input: LanguageModelInput, config: RunnableConfig | None = None, *, stop: list[str] | None = None, **kwargs: Any) -> AIMessage:
        """Answer, and wait for the whole answer. Arguments and result as for any LangChain chat model."""

        def drive(messages: list[BaseMessage], run_manager: CallbackManagerForChainRun, config: RunnableConfig) -> AIMessage:
            child = patch_config(config, callbacks=run_manager.get_child())
            with closing(_Run(self, messages, stop, kwargs)) as run:
                while call := run.pending:
                    try:
                        got = call.target.invoke(call.input, call.config(child), **call.kwargs)
                    except Exception as error:
                        run.throw(error)
                    else:
                        run.send(got)
                return run.answer()

        return self._call_with_config(drive, self._messages(input), self._config(config))

    async def ainvoke(self, input: LanguageModelInput, config: RunnableConfig | None = None, *, stop: list[str] | None = None, **kwargs: Any) -> AIMessage:
        """Answer without blocking the event loop. Arguments and result as for any LangChain chat model."""

        async def drive(messages: list[BaseMessage], run_manager: AsyncCallbackManagerForChainRun, config: RunnableConfig) -> AIMessage:
            child = patch_config(config, callbacks=run_manager.get_child())
            with closing(_Run(self, messages, stop, kwargs)) as run:
                while call := run.pending:
                    try:
                        got = await call.target.ainvoke(call.input, call.config(child), **call.kwargs)
                    except Exception as error:
                        run.throw(error)
                    else:
                        run.send(got)
                return run.answer()

        return await self._acall_with_config(drive, self._messages(input), self._config(config))

    def stream(
        self, input: LanguageModelInput, config: RunnableConfig | None = None, *, stop: list[str] | None = None, **kwargs: Any
    ) -> Iterator[AIMessageChunk]:
        """Answer in chunks. Arguments and result as for any LangChain chat model."""
        if self._streaming_disabled(**kwargs):
            yield as_chunk(self.invoke(input, config, stop=stop, **kwargs))
            return

        def drive(inputs: Iterator[list[BaseMessage]], config: RunnableConfig) -> Iterator[AIMessageChunk]:
            with closing(_Run(self, next(inputs), stop, kwargs)) as run:
                while call := run.pending:
                    live = _Live(call)
                    try:
                        if call.live:
                            with closing(cast(Any, call.target.stream(call.input, call.config(config), **call.kwargs))) as chunks:
                                for chunk in chunks:
                                    for out in live.push(chunk):
                                        yield out
                            for out in live.close():
                                yield out
                            got: Any = live.message()
                        else:
                            got = call.target.invoke(call.input, call.config(config), **call.kwargs)
                    except Exception as error:
                        run.throw(error, fatal=bool(live.shown))
                    else:
                        run.send(got, live.shown)
                yield run.rest()

        chunks = self._transform_stream_with_config(iter([self._messages(input)]), drive, self._config(config))
        with closing(cast(Any, chunks)):
            yield from chunks

    async def astream(
        self, input: LanguageModelInput, config: RunnableConfig | None = None, *, stop: list[str] | None = None, **kwargs: Any
    ) -> AsyncIterator[AIMessageChunk]:
        """Answer in chunks without blocking the event loop. Arguments and result as for any LangChain chat model."""
        if self._streaming_disabled(**kwargs):
            yield as_chunk(await self.ainvoke(input, config, stop=stop, **kwargs))
            return

        async def drive(inputs: AsyncIterator[list[BaseMessage]], config: RunnableConfig) -> AsyncIterator[AIMessageChunk]:
            with closing(_Run(self, await anext(inputs), stop, kwargs)) as run:
                while call := run.pending:
                    live = _Live(call)
                    try:
                        if call.live:
                            async with aclosing(cast(Any, call.target.astream(call.input, call.config(config), **call.kwargs))) as chunks:
                                async for chunk in chunks:
                                    for out in live.push(chunk):
                                        yield out
                            for out in live.close():
                                yield out
                            got: Any = live.message()
                        else:
                            got = await call.target.ainvoke(call.input, call.config(config), **call.kwargs)
                    except Exception as error:
                        run.throw(error, fatal=bool(live.shown))
                    else:
                        run.send(got, live.shown)
                yield run.rest()

        chunks = self._atransform_stream_with_config(_aiter([self._messages(input)]), drive, self._config(config))
        async with aclosing(cast(Any, chunks)):
            async for chunk in chunks:
                yield chunk

    # --- everything else that a chat model has ------------------------------------------------------------------------

    def bind_tools(self, tools: Sequence[Any], *, tool_choice: str | None = None, **kwargs: Any) -> Runnable[LanguageModelInput, AIMessage]:
        """Give tools to the innermost model, through this layer.

        Args:
            tools: as for the inner model.
            tool_choice: as for the inner model.
            **kwargs: as for the inner model.

        Returns:
            This layer with the tools bound.

        Raises:
            NotImplementedError: the inner model takes no tools.
        """
        if tool_choice is not None:
            kwargs["tool_choice"] = tool_choice
        return rebind(self.inner.bind_tools(tools, **kwargs), self.inner, self)

    def with_structured_output(self, schema: dict[str, Any] | type, *, include_raw: bool = False, **kwargs: Any) -> Runnable[LanguageModelInput, Any]:
        """Answers as objects, in the way in which the inner model makes them, through this layer.

        Args:
            schema: as for the inner model.
            include_raw: as for the inner model.
            **kwargs: as for the inner model.

        Returns:
            A Runnable from a conversation to objects of the schema.

        Raises:
            NotImplementedError: the inner model has no structured output.
        """
        return rebind(self.inner.with_structured_output(schema, include_raw=include_raw, **kwargs), self.inner, self)

    def get_num_tokens(self, text: str) -> int:
        """The number of tokens of a text, by the inner model's count."""
        return self.inner.get_num_tokens(text)

    def get_token_ids(self, text: str) -> list[int]:
        """The tokens of a text, by the inner model's tokeniser."""
        return self.inner.get_token_ids(text)

    def get_num_tokens_from_messages(self, messages: list[BaseMessage], tools: Sequence[Any] | None = None) -> int:
        """The number of tokens of a conversation, by the inner model's count."""
        return self.inner.get_num_tokens_from_messages(messages, tools)

    def generate(self, messages: list[list[BaseMessage]], stop: list[str] | None = None, callbacks: Any = None, **kwargs: Any) -> LLMResult:
        """Answer several conversations; `invoke` for each, so that tokens are counted once."""
        config = _generate_config(callbacks, kwargs)
        replies = self.batch(cast(Any, messages), config, stop=stop, **kwargs)
        return LLMResult(generations=[[ChatGeneration(message=reply)] for reply in replies])

    async def agenerate(self, messages: list[list[BaseMessage]], stop: list[str] | None = None, callbacks: Any = None, **kwargs: Any) -> LLMResult:
        """Answer several conversations; `ainvoke` for each, so that tokens are counted once."""
        config = _generate_config(callbacks, kwargs)
        replies = await self.abatch(cast(Any, messages), config, stop=stop, **kwargs)
        return LLMResult(generations=[[ChatGeneration(message=reply)] for reply in replies])

    def _generate(self, messages: list[BaseMessage], stop: list[str] | None = None, run_manager: Any = None, **kwargs: Any) -> ChatResult:
        return ChatResult(generations=[ChatGeneration(message=self.invoke(messages, _child(CallbackManager, run_manager), stop=stop, **kwargs))])

    async def _agenerate(self, messages: list[BaseMessage], stop: list[str] | None = None, run_manager: Any = None, **kwargs: Any) -> ChatResult:
        return ChatResult(generations=[ChatGeneration(message=await self.ainvoke(messages, _child(AsyncCallbackManager, run_manager), stop=stop, **kwargs))])

    def _stream(self, messages: list[BaseMessage], stop: list[str] | None = None, run_manager: Any = None, **kwargs: Any) -> Iterator[ChatGenerationChunk]:
        for chunk in self.stream(messages, _child(CallbackManager, run_manager), stop=stop, **kwargs):
            yield ChatGenerationChunk(message=chunk)

    async def _astream(
        self, messages: list[BaseMessage], stop: list[str] | None = None, run_manager: Any = None, **kwargs: Any
    ) -> AsyncIterator[ChatGenerationChunk]:
        async for chunk in self.astream(messages, _child(AsyncCallbackManager, run_manager), stop=stop, **kwargs):
            yield ChatGenerationChunk(message=chunk)

    def _resolve_model_profile(self) -> Any:
        return self.inner.profile

    def _get_ls_params(self, stop: list[str] | None = None, **kwargs: Any) -> Any:
        return self.inner._get_ls_params(stop=stop, **kwargs)

    @property
    def _llm_type(self) -> str:
        return f"nacre.{type(self).__name__}"

    @property
    def _identifying_params(self) -> dict[str, Any]:
        # LangChain's caches key on this; a layer without its inner's identity would answer A for B.
        from nacre.identity import identity

        return identity(self)

    def _messages(self, input: LanguageModelInput) -> list[BaseMessage]:
        return self._convert_input(input).to_messages()

    def _config(self, config: RunnableConfig | None) -> RunnableConfig:
        own = {"callbacks": self.callbacks, "tags": self.tags, "metadata": self.metadata}
        own = {name: value for name, value in own.items() if value}
        return merge_configs(cast(RunnableConfig, own), config) if own else ensure_config(config)


def rebind(bound: Runnable[Any, Any], old: BaseChatModel, new: BaseChatModel) -> Runnable[Any, Any]:
    """Put another model into what `bind_tools` or `with_structured_output` of a model returned.

    Args:
        bound: a binding of `old`, alone or inside sequences and parallels.
        old: the model to take out.
        new: the model to put in.

    Returns:
        The same structure around `new`.

    Raises:
        NotImplementedError: `old` is nowhere in the structure.
    """
    changed = _rebind(bound, old, new)
    if changed is bound:
        raise NotImplementedError(f"{type(old).__name__} binds in a form that {type(new).__name__} cannot decorate: {type(bound).__name__}")
    return changed


def _rebind(node: Any, old: BaseChatModel, new: BaseChatModel) -> Any:
    if node is old:
        return new
    if isinstance(node, RunnableBinding):
        inside = _rebind(node.bound, old, new)
        return node if inside is node.bound else node.model_copy(update={"bound": inside})
    if isinstance(node, RunnableSequence):
        steps = [_rebind(step, old, new) for step in node.steps]
        return node if all(a is b for a, b in zip(steps, node.steps, strict=True)) else RunnableSequence(*steps, name=node.name)
    if isinstance(node, RunnableParallel):
        branches = {name: _rebind(step, old, new) for name, step in node.steps__.items()}
        return node if all(branches[name] is step for name, step in node.steps__.items()) else RunnableParallel(branches)
    return node


class _Run:
    """One run of a flow: the call that it waits for, what has been shown to the user, and the tokens so far."""

    def __init__(self, layer: ChatModelDecorator, messages: list[BaseMessage], stop: list[str] | None, kwargs: dict[str, Any]) -> None:
        options = kwargs if stop is None else {**kwargs, "stop": stop}
        self.layer = type(layer).__name__
        self.flow = layer.flow(messages, **options)
        self.pending: Call | None = None
        self.shown: list[AIMessageChunk] = []
        self.usage: UsageMetadata | None = None
        self._result: AIMessage | None = None
        self._step(lambda: next(self.flow))

    def _step(self, advance: Callable[[], Call]) -> None:
        try:
            self.pending = advance()
        except StopIteration as done:
            self.pending, self._result = None, done.value

    def send(self, got: Any, shown: Sequence[AIMessageChunk] = ()) -> None:
        self.shown.extend(shown)
        for message in _replies(got):
            if message.usage_metadata:
                self.usage = add_usage(self.usage, message.usage_metadata)
        self._step(lambda: self.flow.send(got))

    def throw(self, error: Exception, *, fatal: bool = False) -> None:
        # Tokens of a call that are already with the user cannot be taken back, so the layer gets no second try.
        if fatal:
            raise error
        self._step(lambda: self.flow.throw(error))

    def close(self) -> None:
        self.flow.close()

    def answer(self) -> AIMessage:
        """The flow's answer; its usage is that of all the model calls that were made for it."""
        if not isinstance(self._result, AIMessage):
            raise TypeError(f"{self.layer}.flow returned {type(self._result).__name__}, not an AIMessage")
        if self.usage is None or self.usage == self._result.usage_metadata:
            return self._result
        return self._result.model_copy(update={"usage_metadata": self.usage})

    def rest(self) -> AIMessageChunk:
        """The last chunk: whatever of the answer the user has not been shown."""
        answer = as_chunk(self.answer())
        if not self.shown:
            return answer.model_copy(update={"chunk_position": "last"})
        shown = merge_chunks(self.shown)
        said, whole = text_of(shown), text_of(answer)
        if not whole.startswith(said):
            raise RuntimeError(f"{self.layer} showed text that its answer does not begin with: a call that is rewritten must not be live")
        return AIMessageChunk(
            content=whole[len(said) :],
            additional_kwargs=_new(answer.additional_kwargs, shown.additional_kwargs),
            response_metadata=_new(answer.response_metadata, shown.response_metadata),
            tool_call_chunks=[] if shown.tool_calls or shown.invalid_tool_calls else answer.tool_call_chunks,
            usage_metadata=_unsent(answer.usage_metadata, shown.usage_metadata),
            id=shown.id,
            chunk_position="last",
        )


class _Live:
    """The chunks of one live call: all of them for the flow, those that pass the filter for the user."""

    def __init__(self, call: Call) -> None:
        self.through = call.through
        self.chunks: list[AIMessageChunk] = []
        self.shown: list[AIMessageChunk] = []

    def push(self, chunk: AIMessage) -> Sequence[AIMessageChunk]:
        whole = as_chunk(chunk)
        self.chunks.append(whole)
        return self._show([whole] if self.through is None else self.through.push(whole))

    def close(self) -> Sequence[AIMessageChunk]:
        return self._show([] if self.through is None else self.through.close())

    def message(self) -> AIMessage:
        if not self.chunks:
            raise UsageError(tr("The model's stream ended without a single chunk.", "模型的流没有产生任何内容就结束了。"))
        return merge_chunks(self.chunks)

    def _show(self, chunks: Sequence[AIMessageChunk]) -> Sequence[AIMessageChunk]:
        # Every layer ends its own stream with one last chunk, so the inner one's end mark is taken off.
        out = [c.model_copy(update={"chunk_position": None}) if c.chunk_position else c for c in chunks]
        out = [c for c in out if c.content or c.additional_kwargs or c.response_metadata or c.tool_call_chunks or c.usage_metadata]
        self.shown.extend(out)
        return out


def _replies(got: Any) -> Iterator[AIMessage]:
    if isinstance(got, AIMessage):
        yield got
    elif isinstance(got, dict):
        yield from (value for value in got.values() if isinstance(value, AIMessage))
    elif isinstance(got, list):
        yield from (value for value in got if isinstance(value, AIMessage))


def _new(whole: dict[str, Any], shown: dict[str, Any]) -> dict[str, Any]:
    """What has to be sent so that merging it into `shown` gives `whole`."""
    out: dict[str, Any] = {}
    for key, value in whole.items():
        if key not in shown:
            out[key] = value
        elif isinstance(value, dict) and isinstance(shown[key], dict) and (inside := _new(value, shown[key])):
            out[key] = inside
    return out


def _unsent(whole: UsageMetadata | None, shown: UsageMetadata | None) -> UsageMetadata | None:
    if whole is None or whole == shown:
        return None
    return whole if shown is None else subtract_usage(whole, shown)


def _generate_config(callbacks: Any, kwargs: dict[str, Any]) -> RunnableConfig:
    config = {"callbacks": callbacks, **{name: kwargs.pop(name, None) for name in ("tags", "metadata", "run_name", "run_id")}}
    return cast(RunnableConfig, {name: value for name, value in config.items() if value is not None})


def _child(kind: type[BaseCallbackManager], run_manager: Any) -> RunnableConfig:
    """A configuration whose callbacks hang below an LLM run (LLM run managers have no `get_child`)."""
    if run_manager is None:
        return {}
    manager = kind(handlers=[], parent_run_id=run_manager.run_id)
    manager.set_handlers(run_manager.inheritable_handlers)
    return {"callbacks": manager}


async def _aiter(items: Sequence[Any]) -> AsyncIterator[Any]:
    for item in items:
        yield item


def _complaint(layer: type[BaseChatModel], error: ValidationError) -> str:
    """One line for the person who misspelt a field."""
    first = error.errors()[0]
    name = ".".join(str(part) for part in first["loc"])
    own = [n for n in layer.model_fields if n not in BaseChatModel.model_fields]
    if first["type"] != "extra_forbidden":
        return f"{layer.__name__}: {name}: {first['msg']}"
    near = difflib.get_close_matches(name, own, n=1)
    hint = tr(f" Did you mean {near[0]!r}?", f"您是否想写 {near[0]!r}？") if near else ""
    return tr(
        f"{layer.__name__} has no field {name!r}.{hint} It has: {', '.join(own)}.",
        f"{layer.__name__} 没有字段 {name!r}。{hint}可用字段：{'、'.join(own)}。",
    )
