"""One answer of a stack, as the routes of chat completions and responses both need it."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.messages.ai import UsageMetadata, add_usage
from langchain_core.runnables import Runnable

from nacre.server.auth.keys import Asker
from nacre.server.bases import MAIN
from nacre.server.observability.calls import Calls
from nacre.server.openai.errors import code_of
from nacre.server.openai.sse import next_within
from nacre.server.state import State
from nacre.text.messages import nacre_of, text_of

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

    from nacre.server.observability.spending import Meter
    from nacre.telemetry import GenAISpans


@dataclass
class Question:
    """A question on its way to a stack."""

    state: State
    asker: Asker
    request_id: str
    model: str
    messages: list[BaseMessage]
    options: dict[str, Any] = field(default_factory=dict)
    tools: list[dict[str, Any]] = field(default_factory=list)
    tool_choice: Any = None
    store: str = MAIN
    session: str = ""
    base_url: str = ""
    calls: Calls | None = field(init=False)
    spans: GenAISpans | None = field(init=False)
    meter: Meter | None = field(init=False)
    began: float = field(default_factory=time.perf_counter)

    def __post_init__(self) -> None:
        self.calls = Calls() if self.state.settings.server.trace else None
        self.spans = self.state.telemetry.spans() if self.state.telemetry else None
        self.meter = self.state.meter(self.asker)

    @asynccontextmanager
    async def _target(self) -> AsyncIterator[Runnable[Any, Any]]:
        """The stack, with what it searches open for as long as it is asked; opened and built off the event loop."""
        self.state.records.journal.check_room()
        model = await self._prepared()
        try:
            choice = {} if self.tool_choice is None else {"tool_choice": self.tool_choice}
            yield model.bind_tools(self.tools, **choice) if self.tools else model
        finally:
            self.state.bases.give_back(self.store)

    async def _prepared(self) -> BaseChatModel:
        """The stack; where nobody waits for it any more once it is built, the knowledge base is given back."""
        if self.store == MAIN and (built := self.state.served.built(self.model, self.asker)):
            return built
        preparing = asyncio.ensure_future(self.state.blocking(self._prepare))
        try:
            return await asyncio.shield(preparing)
        except asyncio.CancelledError:
            preparing.add_done_callback(self._unwanted)
            raise

    def _prepare(self) -> BaseChatModel:
        self.state.bases.take(self.store)
        try:
            return self.state.served.model(self.model, self.asker, self.store)
        except BaseException:
            self.state.bases.give_back(self.store)
            raise

    def _unwanted(self, prepared: asyncio.Future[BaseChatModel]) -> None:
        if not prepared.cancelled() and prepared.exception() is None:
            self.state.bases.give_back(self.store)

    @property
    def _callbacks(self) -> list[Any]:
        return [handler for handler in (self.calls, self.spans, self.meter) if handler is not None]

    @property
    def _config(self) -> dict[str, Any]:
        # Sessions of two keys never meet; a request without one is a session of its own.
        session = self.session or self.request_id
        config: dict[str, Any] = {
            "configurable": {"session_id": json.dumps([self.asker.id, session])},
            "callbacks": self._callbacks,
        }
        return {**config, "metadata": {"session_id": self.session}} if self.session else config

    async def answer(self) -> AIMessage:
        """Ask, and wait for the whole answer."""
        try:
            async with self._target() as target:
                reply = cast(AIMessage, await target.ainvoke(self.messages, cast(Any, self._config), **self.options))
        except BaseException as error:  # a client that leaves is noted too
            self.note(Outcome(), code_of(error))
            raise
        outcome = Outcome()
        outcome.take(cast(AIMessageChunk, reply))
        self.note(outcome, "ok")
        return reply

    async def stream(self) -> AsyncGenerator[AIMessageChunk, None]:
        """Ask, and pass on the chunks."""
        async with self._target() as target:
            chunks = cast(Any, target.astream(self.messages, cast(Any, self._config), **self.options))
            async with aclosing(chunks):
                while (chunk := await next_within(chunks, self.state.settings.server.timeout_s)) is not None:
                    yield cast(AIMessageChunk, chunk)

    def note(self, outcome: Outcome, status: str) -> None:
        """Queue for the audit log and, where it is wanted, the trace; count in the figures. Nothing is waited for."""
        for handler in (self.spans, self.meter):
            if handler is not None:
                handler.close()
        seconds, own = time.perf_counter() - self.began, outcome.own
        cited = sorted(
            {f"{self.store}/{hit.get('document_id', '')}" for hit in own.get("hits") or own.get("citations") or []}
        )
        usage = outcome.usage or UsageMetadata(input_tokens=0, output_tokens=0, total_tokens=0)
        self.state.records.log(
            self.request_id, self.asker.id, self.model, cited, usage["total_tokens"], seconds, status
        )
        self.state.metrics.answered(
            self.model, usage["input_tokens"], usage["output_tokens"], bool(own.get("abstained"))
        )
        if self.state.settings.server.trace:
            from nacre.server.observability.traces import keep

            keep(self.state, self, outcome, seconds, status)


@dataclass
class Outcome:
    """What a stream has brought so far."""

    text: list[str] = field(default_factory=list)
    reasoning: list[str] = field(default_factory=list)
    own: dict[str, Any] = field(default_factory=dict)
    usage: UsageMetadata | None = None
    finish: str = ""

    def take(self, chunk: AIMessageChunk) -> tuple[str, str]:
        """Take a chunk in."""
        said, thought = text_of(chunk), str(chunk.additional_kwargs.get("reasoning_content") or "")
        self.text.append(said)
        self.reasoning.append(thought)
        self.own.update(nacre_of(chunk))
        if chunk.usage_metadata:
            self.usage = add_usage(self.usage, chunk.usage_metadata)
        self.finish = str(chunk.response_metadata.get("finish_reason") or self.finish)
        return said, thought

    def finish_reason(self, called_tools: bool) -> str:
        """Why the answer ended, as OpenAI names it."""
        if called_tools:
            return "tool_calls"
        return {"length": "length", "max_tokens": "length", "content_filter": "content_filter"}.get(self.finish, "stop")
