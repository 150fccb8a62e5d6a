"""Chat models that run on this machine, through transformers."""

from __future__ import annotations

import asyncio
import contextlib
import queue
import threading
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from langchain_core.language_models import BaseChatModel, LanguageModelInput, ModelProfile
from langchain_core.messages import AIMessageChunk, BaseMessage, SystemMessage
from langchain_core.messages.ai import UsageMetadata
from langchain_core.outputs import ChatGenerationChunk
from langchain_core.runnables import Runnable, RunnableLambda
from langchain_core.utils.function_calling import convert_to_openai_tool
from pydantic import ConfigDict, Field, PrivateAttr

from nacre.connectors.models.generation import Finish, Generation, Sampling, opens_thought
from nacre.connectors.models.local_weights import Weights, load_weights, sees
from nacre.connectors.models.model_errors import ContextTooLongError
from nacre.connectors.models.payload import has_images
from nacre.connectors.models.streamed import StreamedChatModel
from nacre.connectors.models.structured import instruction, structured
from nacre.connectors.models.templates import prompt_ids, prompt_with_images, takes_tools
from nacre.connectors.models.written_calls import Parting
from nacre.errors import ModelError, NacreError, UnsupportedInputError, UnsupportedParameterError, UsageError
from nacre.text.language import listed, tr
from nacre.text.messages import with_system

_SAMPLING = {field.name for field in fields(Sampling)}
_TOOLS = ("tools", "tool_choice", "parallel_tool_calls", "strict")


class TransformersChatModel(StreamedChatModel):
    """A causal language model of transformers as a chat model: Llama, Qwen, GLM, Mistral, …

    The weights are loaded at the first call, once, whoever calls. One generation runs at a time. Bound tools are given
    by the chat template, and a template without a place for them is told at the first call; the choice "none" leaves
    tools out, one's name all others: no local model can be forced to call.

    Args:
        device: "cpu", "cuda", "cuda:1", "mps" or "auto" (all GPUs); None: the first GPU, else the CPU.
        dtype: "float32", "bfloat16", …; None: as stored on a GPU, float32 on a CPU.
        max_tokens, temperature, top_k, top_p, repetition_penalty: see `Sampling`.
        chat_template: a Jinja template in place of the tokeniser's own.
        template_options: variables for the template, such as `{"enable_thinking": False}`.
    """

    model_config = ConfigDict(extra="forbid", protected_namespaces=())

    model: str
    adapter: str | None = None
    device: str | None = None
    dtype: str | None = None
    revision: str | None = None
    max_tokens: int = 512
    temperature: float | None = None
    top_k: int | None = None
    top_p: float | None = None
    repetition_penalty: float | None = None
    seed: int | None = None
    stop: list[str] | None = None
    streaming: bool = False
    chat_template: str | None = None
    template_options: dict[str, Any] = Field(default_factory=dict)

    _weights: Weights | None = PrivateAttr(default=None)
    _loading: threading.Lock = PrivateAttr(default_factory=threading.Lock)

    @property
    def spec(self) -> str:
        """The name by which `load_model` loads it again."""
        return f"transformers:{self.model}"

    @property
    def _llm_type(self) -> str:
        return "nacre-transformers"

    @property
    def _identifying_params(self) -> dict[str, Any]:
        names = set(type(self).model_fields) - set(BaseChatModel.model_fields)
        return {name: getattr(self, name) for name in sorted(names)}

    def _resolve_model_profile(self) -> ModelProfile | None:
        # Whether it calls tools is in its template, which may not be here yet.
        return ModelProfile(image_inputs=sees(self.model))

    @property
    def weights(self) -> Weights:
        """The model and its tokeniser, loaded now if they are not yet."""
        with self._loading:
            if self._weights is None:
                self._weights = load_weights(
                    self.model, adapter=self.adapter, device=self.device, dtype=self.dtype, revision=self.revision
                )
            return self._weights

    def get_num_tokens(self, text: str) -> int:
        """Count a text's tokens with the model's own tokeniser, without control tokens."""
        return len(self.weights.tokenizer(text, add_special_tokens=False)["input_ids"])

    def get_num_tokens_from_messages(self, messages: list[BaseMessage], tools: Any = None, **kwargs: Any) -> int:
        """Count the tokens of messages as they are put to the model, the chat template's included."""
        given = self._given({"tools": [convert_to_openai_tool(tool) for tool in tools]}) if tools else None
        return len(self._prompt(messages, given)[0])

    def _prompt(
        self, messages: Sequence[BaseMessage], tools: list[dict[str, Any]] | None
    ) -> tuple[list[int], list[str], dict[str, Any]]:
        """The ids of a prompt, stop strings of its form, and what the model is given of images."""
        weights = self.weights
        if weights.processor is None:
            return *prompt_ids(weights.tokenizer, messages, self.chat_template, self.template_options, tools), {}
        return prompt_with_images(weights.processor, messages, self.chat_template, self.template_options, tools)

    def with_structured_output(
        self, schema: Any = None, *, include_raw: bool = False, **kwargs: Any
    ) -> Runnable[LanguageModelInput, Any]:
        """Make the model answer in a schema, by telling it so; see `structured`."""
        told = [SystemMessage(instruction(schema))]
        asked: Runnable[Any, Any] = RunnableLambda(
            lambda given: with_system(self._convert_input(given).to_messages(), told)
        )
        return structured(asked | self, schema, self.spec, include_raw=include_raw)

    def _start(
        self, messages: list[BaseMessage], stop: list[str] | None, kwargs: dict[str, Any], emit: Any
    ) -> tuple[Generation, int, bool]:
        """Begin to generate; returns the generation, the length of its prompt, and whether that opens a thought."""
        self._check(messages, kwargs)
        weights, tools = self.weights, self._given(kwargs)
        ids, own_stops, seen = self._prompt(messages, tools)
        settings = {name: kwargs.get(name, getattr(self, name)) for name in _SAMPLING}
        settings["stop"] = [*(stop or self.stop or []), *own_stops]
        if weights.window is not None:
            if len(ids) >= weights.window:
                told = tr(
                    "The messages have {length} tokens and the window of {model} {window}. Send less history "
                    "or fewer sources.",
                    length=len(ids),
                    model=Path(self.model).name,
                    window=weights.window,
                )
                raise ContextTooLongError(told, model=self.model)
            settings["max_tokens"] = min(settings["max_tokens"], weights.window - len(ids))
        inside = opens_thought(weights.tokenizer, ids)
        return Generation(weights, ids, Sampling(**settings), emit, *([seen] if seen else [])), len(ids), inside

    def _given(self, kwargs: dict[str, Any]) -> list[dict[str, Any]] | None:
        """The tools that the model is to see."""
        tools, choice = kwargs.get("tools") or [], kwargs.get("tool_choice")
        name = choice.get("function", {}).get("name") if isinstance(choice, dict) else choice
        named = [tool for tool in tools if tool.get("function", {}).get("name") == name]
        if not tools or choice == "none":
            return None
        if not takes_tools(self.weights.tokenizer, self.chat_template):
            told = tr(
                "The chat template of transformers:{model} has no place for tools. Use ReAct with protocol='text'.",
                model=Path(self.model).name,
            )
            raise UnsupportedParameterError(told, model=self.model, parameter="tools")
        return named or tools

    def _check(self, messages: list[BaseMessage], kwargs: dict[str, Any]) -> None:
        if has_images(messages) and (self.weights.processor is None or self.weights.prompt is not None):
            told = tr("transformers:{model} takes text only, no images.", model=Path(self.model).name)
            raise UnsupportedInputError(told, model=self.model)
        known = {*_SAMPLING, *_TOOLS, "stream"}
        if strangers := sorted(key for key in kwargs if key not in known and not key.startswith("ls_")):
            told = tr(
                "Unknown setting of the model: {strangers}. Known: {sampling}.",
                strangers=listed(strangers),
                sampling=listed(sorted(_SAMPLING)),
            )
            raise UsageError(told)

    def _stream(
        self, messages: list[BaseMessage], stop: list[str] | None = None, run_manager: Any = None, **kwargs: Any
    ) -> Iterator[ChatGenerationChunk]:
        pieces: queue.SimpleQueue[str | Finish] = queue.SimpleQueue()
        generation, asked, inside = self._start(messages, stop, kwargs, pieces.put)
        parting = Parting(kwargs.get("tools") or (), inside)
        try:
            while not isinstance(piece := pieces.get(), Finish):
                yield from parting.push(piece)
            yield self._last(piece, asked, parting)
        finally:
            generation.cancel()
            generation.join()

    async def _astream(
        self, messages: list[BaseMessage], stop: list[str] | None = None, run_manager: Any = None, **kwargs: Any
    ) -> AsyncIterator[ChatGenerationChunk]:
        loop, pieces = asyncio.get_running_loop(), asyncio.Queue[str | Finish]()

        def emit(piece: str | Finish) -> None:
            with contextlib.suppress(RuntimeError):  # the loop may have ended before the thread did
                loop.call_soon_threadsafe(pieces.put_nowait, piece)

        generation, asked, inside = await asyncio.to_thread(self._start, messages, stop, kwargs, emit)
        parting = Parting(kwargs.get("tools") or (), inside)
        try:
            while not isinstance(piece := await pieces.get(), Finish):
                for chunk in parting.push(piece):
                    yield chunk
            yield self._last(piece, asked, parting)
        finally:
            generation.cancel()

    def _last(self, finish: Finish, asked: int, parting: Parting) -> ChatGenerationChunk:
        if finish.error is not None:
            if isinstance(finish.error, NacreError):
                raise finish.error
            told = tr(
                "transformers:{model} failed: {name__}: {error}",
                model=Path(self.model).name,
                name__=type(finish.error).__name__,
                error=finish.error,
            )
            raise ModelError(told, model=self.model) from finish.error
        usage = UsageMetadata(input_tokens=asked, output_tokens=finish.tokens, total_tokens=asked + finish.tokens)
        text, thought, called = parting.close(cut=finish.reason == "length")
        reason = "tool_calls" if called else finish.reason
        metadata = {"model_name": self.model, "model_provider": "transformers", "finish_reason": reason}
        return ChatGenerationChunk(
            message=AIMessageChunk(
                content=text,
                additional_kwargs={"reasoning_content": thought} if thought else {},
                tool_calls=called,
                response_metadata=metadata,
                usage_metadata=usage,
                chunk_position="last",
            )
        )
