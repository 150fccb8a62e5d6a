"""Chat models of servers that speak the OpenAI protocol: LangChain's own client, fitted to each provider by data."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import aclosing, closing
from typing import Any, Self
from weakref import WeakKeyDictionary

import openai
from langchain_core.language_models import LanguageModelInput, ModelProfile
from langchain_core.language_models.base import LangSmithParams
from langchain_core.language_models.chat_models import agenerate_from_stream, generate_from_stream
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGenerationChunk, ChatResult
from langchain_core.runnables import Runnable
from langchain_openai import ChatOpenAI
from pydantic import PrivateAttr

from nacre.connectors.models.api_errors import Place, bad_reply, translated
from nacre.connectors.models.deltas import Tidier, estimate_usage, readable, readable_reply
from nacre.connectors.models.payload import fit, has_images
from nacre.connectors.models.provider import Provider, Quirks
from nacre.connectors.models.providers import PROVIDERS
from nacre.connectors.models.stops import cut_at
from nacre.connectors.models.structured import as_data, structured
from nacre.connectors.models.written_calls import take_calls
from nacre.errors import UnsupportedInputError
from nacre.text.language import tr
from nacre.text.reasoning import reasoning_field
from nacre.text.tokens import estimate

# One pool of async connections for each event loop: LangChain keeps one for all loops, and the second `asyncio.run` of
# a program fails in it with "Event loop is closed".
_pools: WeakKeyDictionary[asyncio.AbstractEventLoop, tuple[Any, AsyncIterator[None]]] = WeakKeyDictionary()
# Models that think before they answer, often behind a tag that their prompt has opened.
_REASONS = re.compile(r"(?i)deepseek-r1|\br1\b|qwq|think|reasoner|magistral")


class OpenAICompatibleChatModel(ChatOpenAI):
    """A `ChatOpenAI` that knows its provider's differences. It adds to its parent: requests fitted to the server, tool
    calls joined whatever form they are streamed in, `reasoning_content` kept, stop strings and usage where the server
    has none, and errors of Nacre. Everything else is LangChain's.
    """

    provider: str = "openai_compatible"
    _habits: set[str] = PrivateAttr(default_factory=set)

    @property
    def spec(self) -> str:
        """The name by which `load_model` loads it again; the address only where the provider has none of its own."""
        name = f"{self.provider}:{self.model_name}"
        return name if self._provider.base_url else f"{name}@{self.openai_api_base}"

    @property
    def _provider(self) -> Provider:
        return PROVIDERS[self.provider]

    @property
    def _quirks(self) -> Quirks:
        return self._provider.quirks_of(self.model_name)

    @property
    def _place(self) -> Place:
        return Place(self._provider, self.model_name, self.openai_api_base or self._provider.base_url)

    @property
    def _llm_type(self) -> str:
        return f"nacre-{self.provider}"

    @property
    def _identifying_params(self) -> dict[str, Any]:
        # Two servers may serve different models under one name; a cache must not mix them up.
        return {**super()._identifying_params, "provider": self.provider, "base_url": self.openai_api_base}

    @classmethod
    def is_lc_serializable(cls) -> bool:
        """Models are stored as a stack's data, never by LangChain's serialisation."""
        return False

    def _get_ls_params(self, stop: list[str] | None = None, **kwargs: Any) -> LangSmithParams:
        params = super()._get_ls_params(stop=stop, **kwargs)
        params["ls_provider"] = self.provider
        return params

    def _resolve_model_profile(self) -> ModelProfile | None:
        if self.provider == "openai":
            return super()._resolve_model_profile()
        if (images := self._quirks.images) is None:
            return None
        return ModelProfile(image_inputs=images, tool_calling=True, tool_choice=self._quirks.forced_tool)

    # What goes out

    def _get_request_payload(
        self, input_: LanguageModelInput, *, stop: list[str] | None = None, **kwargs: Any
    ) -> dict[str, Any]:
        messages = self._convert_input(input_).to_messages()
        self._check_images(messages)
        payload: dict[str, Any] = super()._get_request_payload(messages, stop=stop, **kwargs)
        if "messages" not in payload:  # the Responses API, which knows no stop strings
            return {key: value for key, value in payload.items() if key not in {*self._quirks.drop, "stop"}}
        if self._stops_to_cut(payload.get("stop")):
            payload.pop("stop")
        return fit(payload, messages, self._quirks)

    def _stops_to_cut(self, stop: str | Sequence[str] | None) -> list[str]:
        """The stop strings that this side must watch for: all, when they are more than the server takes."""
        wanted = [stop] if isinstance(stop, str) else list(stop or self.stop or [])
        limit = self._quirks.stops
        return wanted if limit is not None and len(wanted) > limit else []

    def _check_images(self, messages: Sequence[BaseMessage]) -> None:
        takes = (self.profile or {}).get("image_inputs", self._quirks.images)
        if takes is False and has_images(messages):
            told = tr(
                "{name} takes no images. Name a model that does, or pass profile={{'image_inputs': True}} if it can.",
                name=self._place.name,
            )
            raise UnsupportedInputError(told, model=self._place.name)

    # What comes back

    def _convert_chunk_to_generation_chunk(
        self, chunk: dict[str, Any], default_chunk_class: type, base_generation_info: dict[str, Any] | None
    ) -> ChatGenerationChunk | None:
        self._check_reply(chunk)
        if chunk.get("type") == "content.delta" or "chunk" in chunk:  # the SDK's parsed stream, for response_format
            return super()._convert_chunk_to_generation_chunk(chunk, default_chunk_class, base_generation_info)
        chunk = readable(chunk)
        made = super()._convert_chunk_to_generation_chunk(chunk, default_chunk_class, base_generation_info)
        if made is not None and chunk["choices"]:
            delta = chunk["choices"][0].get("delta") or {}
            self._mark(made.message, delta)
        return made

    def _create_chat_result(
        self, response: dict[str, Any] | openai.BaseModel, generation_info: dict[str, Any] | None = None
    ) -> ChatResult:
        if not isinstance(response, dict | openai.BaseModel):
            raise bad_reply(repr(response), self._place)
        parsed = {"choices": {"__all__": {"message": {"parsed"}}}}
        raw = response if isinstance(response, dict) else response.model_dump(exclude=parsed, warnings=False)
        self._check_reply(raw)
        if not raw.get("choices"):
            raise bad_reply(repr(raw), self._place)
        tidy, odd = readable_reply(raw)
        result = super()._create_chat_result(response if tidy == raw else tidy, generation_info)
        for choice, calls, generation in zip(tidy["choices"], odd, result.generations, strict=True):
            message = choice.get("message") or {}
            if calls and isinstance(generation.message, AIMessage):
                generation.message.invalid_tool_calls += calls
            self._mark(generation.message, message)
        return result

    def _mark(self, message: BaseMessage, raw: Mapping[str, Any]) -> None:
        if reasoning := reasoning_field(raw):
            message.additional_kwargs["reasoning_content"] = reasoning
        if isinstance(refusal := raw.get("refusal"), str) and refusal:
            message.additional_kwargs["refusal"] = refusal
        if self.provider != "openai":
            message.response_metadata["model_provider"] = self.provider

    def _check_reply(self, reply: dict[str, Any]) -> None:
        """Some servers send errors with HTTP 200, beside or instead of an answer."""
        error = reply.get("error")
        if error:
            raise bad_reply(str(error.get("message", error) if isinstance(error, dict) else error), self._place)
        if not reply.get("choices") and reply.get("code") not in (None, 0, "0", 200):  # Spark
            raise bad_reply(f"{reply['code']} {reply.get('message', '')}", self._place)

    # Calls

    def _generate(
        self, messages: list[BaseMessage], stop: list[str] | None = None, run_manager: Any = None, **kwargs: Any
    ) -> ChatResult:
        if self._quirks.stream_only:
            return generate_from_stream(self._stream(messages, stop, **kwargs))
        with translated(self._place):
            result = super()._generate(messages, stop, run_manager, **kwargs)
            return self._finished(result, messages, stop, kwargs)

    async def _agenerate(
        self, messages: list[BaseMessage], stop: list[str] | None = None, run_manager: Any = None, **kwargs: Any
    ) -> ChatResult:
        if self._quirks.stream_only:
            return await agenerate_from_stream(self._astream(messages, stop, **kwargs))
        with translated(self._place):
            here = await self._in_this_loop()
            result = await super(OpenAICompatibleChatModel, here)._agenerate(messages, stop, run_manager, **kwargs)
            return self._finished(result, messages, stop, kwargs)

    def _stream(
        self, messages: list[BaseMessage], stop: list[str] | None = None, run_manager: Any = None, **kwargs: Any
    ) -> Iterator[ChatGenerationChunk]:
        tidier = self._tidier(messages, stop, kwargs)
        chunks: Any = super()._stream(messages, stop, **self._streaming(kwargs))
        with translated(self._place), closing(chunks):
            for chunk in chunks:
                yield from tidier.push(chunk)
                if tidier.stopped:
                    break
            yield from tidier.end()
            self._learn(tidier)

    async def _astream(
        self, messages: list[BaseMessage], stop: list[str] | None = None, run_manager: Any = None, **kwargs: Any
    ) -> AsyncIterator[ChatGenerationChunk]:
        tidier = self._tidier(messages, stop, kwargs)
        with translated(self._place):
            here = await self._in_this_loop()
            chunks: Any = super(OpenAICompatibleChatModel, here)._astream(messages, stop, **self._streaming(kwargs))
            async with aclosing(chunks):
                async for chunk in chunks:
                    for tidy in tidier.push(chunk):
                        yield tidy
                    if tidier.stopped:
                        break
            for tidy in tidier.end():
                yield tidy
            self._learn(tidier)

    async def _in_this_loop(self) -> Self:
        """This model with the connections of the running event loop."""
        if self.http_async_client is not None:  # the caller's own, or a proxy's
            return self
        loop = asyncio.get_running_loop()
        if loop not in _pools:
            pool = openai.DefaultAsyncHttpxClient()
            _pools[loop] = pool, _open(pool)
            await anext(_pools[loop][1])
        client = self.root_async_client.copy(http_client=_pools[loop][0])
        return self.model_copy(update={"root_async_client": client, "async_client": client.chat.completions})

    def without_retries(self) -> Self:
        """This model, its connections shared, with each request sent once: whoever asks for it repeats by himself."""
        client, of_loops = self.root_client.copy(max_retries=0), self.root_async_client.copy(max_retries=0)
        clients = {"root_client": client, "client": client.chat.completions}
        clients |= {"root_async_client": of_loops, "async_client": of_loops.chat.completions}
        return self.model_copy(update={"max_retries": 0, **clients})

    def _tidier(self, messages: list[BaseMessage], stop: list[str] | None, kwargs: dict[str, Any]) -> Tidier:
        hold = "unopened" in self._habits or (not self._quirks.splits_reasoning and _REASONS.search(self.model_name))
        tools, tidy = kwargs.get("tools") or (), self._is_chat(kwargs)
        return Tidier(messages, self._stops_to_cut(stop), tools, hold=bool(hold), tidy=tidy)

    def _learn(self, tidier: Tidier) -> None:
        """Remember a model that closes thoughts which its prompt has opened: its next answer is held back for that."""
        if tidier.splitter.unopened:
            self._habits.add("unopened")

    def _streaming(self, kwargs: dict[str, Any]) -> dict[str, Any]:
        if not self._is_chat(kwargs):
            return kwargs
        return {"stream_usage": self._quirks.stream_usage if self.stream_usage is None else self.stream_usage, **kwargs}

    def _is_chat(self, kwargs: dict[str, Any]) -> bool:
        """Whether a call goes to chat completions; some models of OpenAI itself have only the Responses API."""
        return not self._use_responses_api({**self._default_params, **kwargs})

    def _finished(
        self, result: ChatResult, messages: list[BaseMessage], stop: list[str] | None, kwargs: dict[str, Any]
    ) -> ChatResult:
        """Cut at the stop strings that the server was not given, and estimate usage that it did not count."""
        cut = self._stops_to_cut(stop)
        for generation in result.generations:
            message = generation.message
            if not isinstance(message, AIMessage):
                continue
            if cut and isinstance(message.content, str):
                message.content, _ = cut_at(message.content, cut)
            take_calls(message, kwargs.get("tools") or ())
            if message.usage_metadata is None:
                said = message.text + "".join(str(call["args"]) for call in message.tool_calls)
                message.usage_metadata = estimate_usage(messages, said)
                message.response_metadata["usage_estimated"] = True
        return result

    # Conveniences of LangChain

    def with_structured_output(
        self, schema: Any = None, *, method: Any = None, include_raw: bool = False, **kwargs: Any
    ) -> Runnable[LanguageModelInput, Any]:
        """Make the model answer in a schema, asked for by default as the provider supports it; see `structured`."""
        method = method or self._quirks.structured
        asked = as_data(schema) if method == "json_schema" else schema
        if asked is not schema:
            kwargs.setdefault("strict", True)
        chain: Any = super().with_structured_output(asked, method=method, **kwargs)
        return structured(chain.first, schema, self._place.name, include_raw=include_raw)

    def get_num_tokens(self, text: str) -> int:
        """Estimate a text's tokens; tiktoken would fetch its tables from the network."""
        return (self.custom_get_token_ids and len(self.custom_get_token_ids(text))) or estimate(text)

    def get_num_tokens_from_messages(
        self, messages: Sequence[BaseMessage], tools: Sequence[Any] | None = None, **kwargs: Any
    ) -> int:
        """Estimate the tokens of messages and tools."""
        return estimate_usage(messages, str(tools or ""))["total_tokens"]


async def _open(pool: Any) -> AsyncIterator[None]:
    """Stay open until the loop shuts down: it then closes the async generators that have begun in it."""
    try:
        yield
    finally:
        await pool.aclose()
