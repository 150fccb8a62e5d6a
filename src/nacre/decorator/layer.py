"""The one idea of Nacre: a capability is a decorator around a chat model, and is itself a chat model.

A layer writes one method, `flow`: a plain generator that yields what it needs done (a `Call`) and is sent the
result. It does no I/O itself, so it has no colour: the four drivers below run the same flow for `invoke`,
`ainvoke`, `stream` and `astream`.

To its caller a layer is a chat model; to the tracer it is a chain (`_call_with_config`). Were it a model there too,
LangChain would count every token once per layer, and stream it as often.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Generator, Iterator, Sequence
from contextlib import aclosing, closing
from typing import Any, ClassVar, cast

from langchain_core.callbacks import AsyncCallbackManager, CallbackManager
from langchain_core.language_models import BaseChatModel, LanguageModelInput
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult, LLMResult
from langchain_core.runnables import Runnable, RunnableConfig
from langchain_core.runnables.config import ensure_config, merge_configs
from pydantic import ConfigDict, ValidationError

from nacre.decorator import drivers
from nacre.decorator.binding import rebind
from nacre.decorator.flow import NOSTREAM, Call, ChunkFilter, Flow, Run
from nacre.errors import UsageError
from nacre.text.language import tr
from nacre.validation import complaint, expect

__all__ = ["NOSTREAM", "Call", "ChatModelDecorator", "ChunkFilter", "Flow", "rebind"]


class ChatModelDecorator(BaseChatModel):
    """A chat model around a chat model. Subclass it and write `flow`.

    Args:
        inner: the model that is decorated; any LangChain chat model, another layer among them.

    Raises:
        UsageError: a field is unknown or has a wrong value.

    Example:
        >>> from nacre import ScriptedChatModel
        >>> from nacre.decorator.layer import ChatModelDecorator, Flow
        >>> class Shouting(ChatModelDecorator):
        ...     def flow(self, messages, **kwargs) -> Flow:
        ...         reply = yield from self.ask(messages, **kwargs)
        ...         return reply.model_copy(update={"content": reply.text.upper()})
        >>> Shouting(inner=ScriptedChatModel(["pearl"])).invoke("What is nacre?").content
        'PEARL'
    """

    model_config = ConfigDict(extra="forbid", arbitrary_types_allowed=True)

    call_options: ClassVar[frozenset[str]] = frozenset()
    """Names of the call options that this layer takes out for itself."""

    inner: BaseChatModel

    def __init__(self, **fields: Any) -> None:
        try:
            super().__init__(**fields)
        except ValidationError as error:
            own = [name for name in type(self).model_fields if name not in BaseChatModel.model_fields]
            raise UsageError(complaint(type(self).__name__, error, own)) from error
        except TypeError as error:  # pydantic builds a model from a mapping, and BaseChatModel cannot be built
            name = type(self).__name__
            expect(fields.get("inner"), f"{name}: inner", BaseChatModel)
            raise UsageError(tr("{name}: {error}", name=name, error=error)) from error
        for name in ("cache", "rate_limiter", "custom_get_token_ids", "output_version"):
            if name in self.model_fields_set and getattr(self, name) is not None:
                told = tr(
                    "{name__} is a layer and does not use {name!r}. Give it to the innermost model.",
                    name__=type(self).__name__,
                    name=name,
                )
                raise UsageError(told)

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

    def ask(
        self, messages: Sequence[BaseMessage], *, live: bool = False, through: ChunkFilter | None = None, **kwargs: Any
    ) -> Flow:
        """Ask the inner model: `reply = yield from self.ask(messages, **kwargs)`.

        Args:
            messages: the conversation for the inner model.
            live: see `Call`.
            through: see `Call`.
            **kwargs: call options for the inner model.

        Returns:
            A generator whose value is the reply.
        """
        reply: AIMessage = yield Call(self.inner, list(messages), kwargs, live=live, through=through)
        return reply

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

    @property
    def inner_models(self) -> list[BaseChatModel]:
        """The models of which any may be asked with this layer's call options: `inner`, and what else a layer asks."""
        return [self.inner]

    def inner_takes(self, option: str) -> bool:
        """Whether layers inside this one take a call option; a model that does not know it would refuse the call.

        Args:
            option: its name.

        Returns:
            True where a layer takes it out (see `call_options`), whichever of the inner models is asked.
        """
        return all(
            isinstance(model, ChatModelDecorator) and (option in model.call_options or model.inner_takes(option))
            for model in self.inner_models
        )

    # --- the four drivers ---------------------------------------------------------------------------------------------

    def invoke(self, input: LanguageModelInput, config: RunnableConfig | None = None, **kwargs: Any) -> AIMessage:
        """Answer, and wait for the whole answer. Arguments and result as for any LangChain chat model."""

        def drive(messages: Any, config: RunnableConfig) -> AIMessage:
            return drivers.invoke(self._run(messages, kwargs), config)

        return self._call_with_config(cast(Any, drive), self._messages(input), self._config(config))

    async def ainvoke(
        self, input: LanguageModelInput, config: RunnableConfig | None = None, **kwargs: Any
    ) -> AIMessage:
        """Answer without blocking the event loop. Arguments and result as for any LangChain chat model."""

        async def drive(messages: Any, config: RunnableConfig) -> AIMessage:
            return await drivers.ainvoke(self._run(messages, kwargs), config)

        return await self._acall_with_config(cast(Any, drive), self._messages(input), self._config(config))

    def stream(
        self, input: LanguageModelInput, config: RunnableConfig | None = None, **kwargs: Any
    ) -> Iterator[AIMessageChunk]:
        """Answer in chunks. Arguments and result as for any LangChain chat model."""
        if self._streaming_disabled(**kwargs):
            yield drivers.as_stream(self.invoke(input, config, **kwargs))
            return

        def drive(inputs: Iterator[Any], config: RunnableConfig) -> Iterator[AIMessageChunk]:
            yield from drivers.stream(self._run(next(inputs), kwargs), config)

        chunks: Any = self._transform_stream_with_config(
            iter([self._messages(input)]), cast(Any, drive), self._config(config)
        )
        with closing(chunks):
            yield from chunks

    async def astream(
        self, input: LanguageModelInput, config: RunnableConfig | None = None, **kwargs: Any
    ) -> AsyncIterator[AIMessageChunk]:
        """Answer in chunks without blocking the event loop. Arguments and result as for any LangChain chat model."""
        if self._streaming_disabled(**kwargs):
            yield drivers.as_stream(await self.ainvoke(input, config, **kwargs))
            return

        async def drive(inputs: AsyncIterator[Any], config: RunnableConfig) -> AsyncIterator[AIMessageChunk]:
            async with aclosing(drivers.astream(self._run(await anext(inputs), kwargs), config)) as chunks:
                async for chunk in chunks:
                    yield chunk

        chunks: Any = self._atransform_stream_with_config(
            drivers.once(self._messages(input)), cast(Any, drive), self._config(config)
        )
        async with aclosing(chunks):
            async for chunk in chunks:
                yield chunk

    def stream_events(
        self, input: LanguageModelInput, config: RunnableConfig | None = None, *, version: Any = "v2", **kwargs: Any
    ) -> Any:
        """Answer as events. Arguments and result as for any LangChain chat model; version "v3" is one `stream`."""
        if version != "v3":
            return super().stream_events(input, config, version=version, **kwargs)
        from nacre.decorator.events import event_stream

        return event_stream(lambda: self.stream(input, config, **kwargs))

    def astream_events(
        self, input: LanguageModelInput, config: RunnableConfig | None = None, *, version: Any = "v2", **kwargs: Any
    ) -> Any:
        """Answer as events without blocking the event loop. Arguments and result as for any LangChain chat model."""
        if version != "v3":
            return super().astream_events(input, config, version=version, **kwargs)
        from nacre.decorator.events import aevent_stream

        return aevent_stream(lambda: self.astream(input, config, **kwargs))

    # --- everything else that a chat model has ------------------------------------------------------------------------

    def bind_tools(
        self, tools: Sequence[Any], *, tool_choice: str | None = None, **kwargs: Any
    ) -> Runnable[LanguageModelInput, AIMessage]:
        """Give tools to the innermost model, through this layer. Arguments and result as for the inner model."""
        if tool_choice is not None:
            kwargs["tool_choice"] = tool_choice
        return rebind(self.inner.bind_tools(tools, **kwargs), self.inner, self)

    def with_structured_output(
        self, schema: dict[str, Any] | type, *, include_raw: bool = False, **kwargs: Any
    ) -> Runnable[LanguageModelInput, Any]:
        """Answers as objects, made as the inner model makes them. Arguments and result as for the inner model."""
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

    def generate(
        self, messages: list[list[BaseMessage]], stop: list[str] | None = None, callbacks: Any = None, **kwargs: Any
    ) -> LLMResult:
        """Answer several conversations; `invoke` for each, so that tokens are counted once."""
        config = drivers.config_of_generate(callbacks, kwargs)
        replies = self.batch(cast(Any, messages), config, stop=stop, **kwargs)
        return LLMResult(generations=[[ChatGeneration(message=reply)] for reply in replies])

    async def agenerate(
        self, messages: list[list[BaseMessage]], stop: list[str] | None = None, callbacks: Any = None, **kwargs: Any
    ) -> LLMResult:
        """Answer several conversations; `ainvoke` for each, so that tokens are counted once."""
        config = drivers.config_of_generate(callbacks, kwargs)
        replies = await self.abatch(cast(Any, messages), config, stop=stop, **kwargs)
        return LLMResult(generations=[[ChatGeneration(message=reply)] for reply in replies])

    def _generate(
        self, messages: list[BaseMessage], stop: list[str] | None = None, run_manager: Any = None, **kwargs: Any
    ) -> ChatResult:
        config = drivers.config_below(CallbackManager, run_manager)
        reply = self.invoke(messages, config, stop=stop, **kwargs)
        return ChatResult(generations=[ChatGeneration(message=reply)])

    async def _agenerate(
        self, messages: list[BaseMessage], stop: list[str] | None = None, run_manager: Any = None, **kwargs: Any
    ) -> ChatResult:
        config = drivers.config_below(AsyncCallbackManager, run_manager)
        reply = await self.ainvoke(messages, config, stop=stop, **kwargs)
        return ChatResult(generations=[ChatGeneration(message=reply)])

    def _stream(
        self, messages: list[BaseMessage], stop: list[str] | None = None, run_manager: Any = None, **kwargs: Any
    ) -> Iterator[ChatGenerationChunk]:
        for chunk in self.stream(messages, drivers.config_below(CallbackManager, run_manager), stop=stop, **kwargs):
            yield ChatGenerationChunk(message=chunk)

    async def _astream(
        self, messages: list[BaseMessage], stop: list[str] | None = None, run_manager: Any = None, **kwargs: Any
    ) -> AsyncIterator[ChatGenerationChunk]:
        async for chunk in self.astream(
            messages, drivers.config_below(AsyncCallbackManager, run_manager), stop=stop, **kwargs
        ):
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
        from nacre.decorator.identity import identity

        return identity(self)

    def _run(self, messages: list[BaseMessage], options: dict[str, Any]) -> Run:
        if options.get("stop") is None:  # LangChain says so where there is none
            options.pop("stop", None)
        return Run(type(self).__name__, lambda: self.flow(messages, **options))

    def _messages(self, input: LanguageModelInput) -> list[BaseMessage]:
        try:
            return self._convert_input(input).to_messages()
        except ValueError as error:
            raise UsageError(tr("A conversation is a text or a list of messages. {error}", error=error)) from error

    def _config(self, config: RunnableConfig | None) -> RunnableConfig:
        own = {"callbacks": self.callbacks, "tags": self.tags, "metadata": self.metadata}
        own = {name: value for name, value in own.items() if value}
        return merge_configs(cast(RunnableConfig, own), config) if own else ensure_config(config)
