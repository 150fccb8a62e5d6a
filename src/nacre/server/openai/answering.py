"""One answer of a stack, as the routes of chat completions and responses both need it."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import aclosing, asynccontextmanager, contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any, Self, cast

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, message_to_dict
from langchain_core.messages.ai import UsageMetadata, add_usage
from langchain_core.runnables import Runnable

from nacre.server.knowledge_bases import MAIN
from nacre.server.observability import traces
from nacre.server.observability.traces import CallLog, hit_of
from nacre.server.openai.errors import code_of
from nacre.server.openai.messages import ChatRequest, messages_of, options_of
from nacre.server.openai.output import next_within
from nacre.server.state import RequestContext
from nacre.telemetry.calls import RunTree
from nacre.text.messages import nacre_of, text_of


@dataclass
class Outcome:
    """What a stream has brought so far."""

    text: list[str] = field(default_factory=list)
    reasoning: list[str] = field(default_factory=list)
    own: dict[str, Any] = field(default_factory=dict)
    usage: UsageMetadata | None = None
    finish: str = ""
    refusing: str = ""
    """What the last chunk said of a refusal; `refused` is all of it."""
    refused: str | None = None

    def take(self, chunk: AIMessageChunk) -> tuple[str, str]:
        """Take a chunk in."""
        said, thought = text_of(chunk), str(chunk.additional_kwargs.get("reasoning_content") or "")
        self.text.append(said)
        self.reasoning.append(thought)
        self.refusing = str(chunk.additional_kwargs.get("refusal") or "")
        if self.refusing and self.refusing != self.refused:
            self.refused = (self.refused or "") + self.refusing
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


@dataclass
class Question:
    """A question on its way to a stack."""

    context: RequestContext
    model: str
    messages: list[BaseMessage]
    options: dict[str, Any] = field(default_factory=dict)
    tools: list[dict[str, Any]] = field(default_factory=list)
    tool_choice: Any = None
    store: str = MAIN
    session: str = ""
    began: float = field(default_factory=time.perf_counter)

    @classmethod
    async def of(cls, context: RequestContext, asked: ChatRequest) -> Self:
        """The question of a request."""
        model, store = await context.check_model(asked.model)
        options, tools = options_of(asked), asked.tools or []
        return cls(context, model, messages_of(asked), options, tools, asked.tool_choice, store, asked.session)

    def __post_init__(self) -> None:
        self.state, self.user = self.context.state, self.context.user
        self.calls = CallLog() if self.state.settings.server.trace else None
        spans = self.state.telemetry.spans() if self.state.telemetry else None
        handlers = (self.calls, spans, self.state.meter(self.user))
        self._handlers: list[RunTree] = [handler for handler in handlers if handler is not None]

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
        if self.store == MAIN and (built := self.state.served.built(self.model, self.user, tools=bool(self.tools))):
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
            return self.state.served.model(self.model, self.user, self.store, tools=bool(self.tools))
        except BaseException:
            self.state.bases.give_back(self.store)
            raise

    def _unwanted(self, prepared: asyncio.Future[BaseChatModel]) -> None:
        if not prepared.cancelled() and prepared.exception() is None:
            self.state.bases.give_back(self.store)

    @property
    def _config(self) -> dict[str, Any]:
        # Sessions of two keys never meet; a request without one is a session of its own.
        session = self.session or self.context.request_id
        config: dict[str, Any] = {
            "configurable": {"session_id": json.dumps([self.user.id, session]), "owner": self.user.id},
            "callbacks": self._handlers,
        }
        return {**config, "metadata": {"session_id": self.session}} if self.session else config

    async def answer(self) -> AIMessage:
        """Ask, and wait for the whole answer."""
        outcome = Outcome()
        with self.noted(outcome):
            async with self._target() as target:
                reply = cast(AIMessage, await target.ainvoke(self.messages, cast(Any, self._config), **self.options))
            outcome.take(cast(AIMessageChunk, reply))
        return reply

    async def stream(self) -> AsyncGenerator[AIMessageChunk, None]:
        """Ask, and pass on the chunks."""
        async with self._target() as target:
            chunks = cast(Any, target.astream(self.messages, cast(Any, self._config), **self.options))
            async with aclosing(chunks):
                while (chunk := await next_within(chunks, self.state.settings.server.timeout_s)) is not None:
                    yield cast(AIMessageChunk, chunk)

    @contextmanager
    def noted(self, outcome: Outcome, *, stream: bool = False) -> Iterator[None]:
        """Note an answer however it ends: a client that leaves is noted too."""
        status = "ok"
        try:
            with self.state.metrics.streaming() if stream else nullcontext():
                yield
        except BaseException as error:
            status = code_of(error)
            raise
        finally:
            self.note(outcome, status)

    def note(self, outcome: Outcome, status: str) -> None:
        """Queue for the audit log and, where it is wanted, the trace; count in the figures. Nothing is waited for."""
        for handler in self._handlers:
            handler.close()
        request, seconds, own = self.context.request_id, time.perf_counter() - self.began, outcome.own
        cited = sorted(
            {f"{self.store}/{hit.get('document_id', '')}" for hit in own.get("hits") or own.get("citations") or []}
        )
        usage = outcome.usage or UsageMetadata(input_tokens=0, output_tokens=0, total_tokens=0)
        records, metrics = self.state.records, self.state.metrics
        records.log(request, self.user.id, self.model, cited, usage["total_tokens"], seconds, status)
        metrics.answered(self.model, usage["input_tokens"], usage["output_tokens"], bool(own.get("abstained")))
        if self.calls is not None:
            size = sum(len(str(message.content)) for message in self.messages) + sum(map(len, outcome.text))
            row = {"request": request, "asker": self.user.id, "model": self.model}
            traces.keep(records, row, lambda: self._trace(outcome, seconds, status), 20_000 + 4 * size)

    def _trace(self, outcome: Outcome, seconds: float, status: str) -> dict[str, Any]:
        return {
            "messages": [message_to_dict(message) for message in self.messages],
            "answer": "".join(outcome.text),
            "reasoning": "".join(outcome.reasoning),
            "nacre": {name: value for name, value in outcome.own.items() if name != "hits"},
            "hits": [hit_of(hit) for hit in outcome.own.get("hits") or []],
            "calls": self.calls.rows() if self.calls else [],
            "store": self.store,
            "usage": outcome.usage,
            "seconds": round(seconds, 4),
            "status": status,
        }
