"""`ScriptedChatModel`: a chat model that answers what the test says, and remembers what it was asked."""

from __future__ import annotations

import asyncio
import re
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from typing import Any, TypeAlias

from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.messages.ai import UsageMetadata
from langchain_core.outputs import ChatGenerationChunk
from pydantic import ConfigDict, Field, PrivateAttr

from nacre.connectors.models.stops import cut_at
from nacre.connectors.models.streamed import StreamedChatModel
from nacre.errors import UsageError
from nacre.text.han import HAN
from nacre.text.language import tr
from nacre.validation import expect

Reply: TypeAlias = str | AIMessage | BaseException | tuple[str | BaseException, ...]
Replies: TypeAlias = Sequence[Reply] | Callable[[list[BaseMessage], int], Reply]

# A word with the space behind it, one Han character, or leading space: what a stream hands out at a time.
_PIECE = re.compile(rf"[{HAN}]|[^\s{HAN}]+\s*|\s+")
_TOKEN = re.compile(rf"[{HAN}]|[^\s{HAN}]+")


class ScriptedChatModel(StreamedChatModel):
    """A chat model that gives the replies of a script, one a call, and records what it was asked.

    Example:
        >>> model = ScriptedChatModel(["Hello!", "Goodbye!"])
        >>> model.invoke("hi").text
        'Hello!'
        >>> model.calls[0][0].text
        'hi'

    Args:
        replies: a list of replies, used in order; or a function `(messages, n) -> reply` with n the number of calls
            before this one. A reply is a text, an `AIMessage` (tool calls, metadata), an exception to raise,
            or a tuple of pieces: texts to stream one by one, and an exception that breaks the stream where it stands.
        delay_s: seconds to wait before every piece of a reply.
        model: the name that the model reports.
        stop: stop strings for calls that give none; a text is cut before the first of them.
    """

    # It stands in for any model, so it takes any model's settings (temperature, max_tokens, …) and has no use for them.
    model_config = ConfigDict(extra="ignore", arbitrary_types_allowed=True)

    replies: Any = Field(repr=False)
    delay_s: float = 0.0
    model: str = "scripted"
    stop: list[str] | None = None
    calls: list[list[BaseMessage]] = Field(default_factory=list, repr=False)
    """The messages of each call, in the order the calls began."""
    call_kwargs: list[dict[str, Any]] = Field(default_factory=list, repr=False)
    """The arguments of each call: `stop`, the bound `tools`, `tool_choice` and whatever else was given."""

    _lock: threading.Lock = PrivateAttr(default_factory=threading.Lock)

    def __init__(self, replies: Replies, **kwargs: Any) -> None:
        if isinstance(replies, str):
            raise UsageError(tr("Replies must be a list or a function; write ScriptedChatModel([text])."))
        expect(replies, "replies", Sequence, Callable)
        super().__init__(replies=replies, **kwargs)

    @property
    def _llm_type(self) -> str:
        return "nacre-scripted"

    @property
    def _identifying_params(self) -> dict[str, Any]:
        # Two scripts must never answer for each other from a cache.
        script = self.replies if callable(self.replies) else list(self.replies)
        return {"model": self.model, "replies": repr(script)}

    def _next(self, messages: list[BaseMessage], stop: list[str] | None, kwargs: dict[str, Any]) -> Reply:
        with self._lock:
            n = len(self.calls)
            self.calls.append(list(messages))
            self.call_kwargs.append({**({"stop": stop} if stop else {}), **kwargs})
        if not callable(self.replies) and n >= len(self.replies):
            told = tr(
                "The script has {count} replies and this is call {n}. Give ScriptedChatModel more "
                "replies, or a function.",
                count=len(self.replies),
                n=n + 1,
            )
            raise UsageError(told)
        reply: Reply = self.replies(list(messages), n) if callable(self.replies) else self.replies[n]
        return reply

    def _pieces(
        self, messages: list[BaseMessage], stop: list[str] | None, kwargs: dict[str, Any]
    ) -> Iterator[ChatGenerationChunk]:
        """The reply of this call as chunks; an exception of the script is raised where it stands."""
        stop = stop or self.stop
        reply = self._next(messages, stop, kwargs)
        if isinstance(reply, BaseException):
            raise reply
        if isinstance(reply, tuple):
            for piece in reply:
                if isinstance(piece, BaseException):
                    raise piece
                yield ChatGenerationChunk(message=AIMessageChunk(content=piece))
            yield self._last_chunk(AIMessage("".join(map(str, reply))), messages, cut=False)
        elif isinstance(reply, AIMessage | str):
            message = AIMessage(content=reply) if isinstance(reply, str) else reply
            yield from self._chunks_of_message(message, messages, stop)
        else:
            raise UsageError(
                tr(
                    "A scripted reply must be a str, an AIMessage, an exception or a tuple of pieces, not {name__}.",
                    name__=type(reply).__name__,
                )
            )

    def _chunks_of_message(
        self, reply: AIMessage, messages: list[BaseMessage], stop: list[str] | None
    ) -> Iterator[ChatGenerationChunk]:
        if not isinstance(reply.content, str):
            yield ChatGenerationChunk(message=AIMessageChunk(content=reply.model_copy(deep=True).content))
            yield self._last_chunk(reply, messages, cut=False)
            return
        text, cut = cut_at(reply.content, stop)
        for piece in _PIECE.findall(text):
            yield ChatGenerationChunk(message=AIMessageChunk(content=piece))
        yield self._last_chunk(reply.model_copy(update={"content": text}), messages, cut=cut)

    def _last_chunk(self, reply: AIMessage, messages: list[BaseMessage], *, cut: bool) -> ChatGenerationChunk:
        """Everything of a reply but its text: tool calls, usage, metadata."""
        reply = reply.model_copy(deep=True)
        finish = "tool_calls" if reply.tool_calls and not cut else "stop"
        message = AIMessageChunk(
            content="" if isinstance(reply.content, str) else [],
            id=reply.id,
            name=reply.name,
            additional_kwargs=reply.additional_kwargs,
            response_metadata={"model_name": self.model, "finish_reason": finish, **reply.response_metadata},
            tool_calls=reply.tool_calls,
            invalid_tool_calls=reply.invalid_tool_calls,
            usage_metadata=reply.usage_metadata or _usage(messages, reply),
            chunk_position="last",
        )
        return ChatGenerationChunk(message=message)

    def _stream(
        self, messages: list[BaseMessage], stop: list[str] | None = None, run_manager: Any = None, **kwargs: Any
    ) -> Iterator[ChatGenerationChunk]:
        for chunk in self._pieces(messages, stop, kwargs):
            if self.delay_s:
                time.sleep(self.delay_s)
            yield chunk

    async def _astream(
        self, messages: list[BaseMessage], stop: list[str] | None = None, run_manager: Any = None, **kwargs: Any
    ) -> AsyncIterator[ChatGenerationChunk]:
        for chunk in self._pieces(messages, stop, kwargs):
            await asyncio.sleep(self.delay_s)
            yield chunk


def _usage(messages: list[BaseMessage], reply: AIMessage) -> UsageMetadata:
    """Words and Han characters, counted as tokens: simple, and the same every time."""
    asked = sum(len(_TOKEN.findall(message.text)) for message in messages)
    said = len(_TOKEN.findall(reply.text)) + len(reply.tool_calls)
    return UsageMetadata(input_tokens=asked, output_tokens=said, total_tokens=asked + said)
