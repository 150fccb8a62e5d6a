"""LangChain's typed event streams (`stream_events(version="v3")`) over a layer's own stream.

LangChain's driver for them opens a model run, in which a layer's tokens would be counted a second time. This one
only turns the chunks of `stream` into events.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import aclosing, closing
from typing import Any, cast

from langchain_core.language_models._compat_bridge import achunks_to_events, chunks_to_events
from langchain_core.language_models.chat_model_stream import AsyncChatModelStream, ChatModelStream
from langchain_core.messages import AIMessageChunk
from langchain_core.outputs import ChatGenerationChunk


def event_stream(start: Callable[[], Iterator[AIMessageChunk]]) -> ChatModelStream:
    """Chunks as an event stream that pulls them when it is read."""
    stream = ChatModelStream()

    def told() -> Iterator[Any]:
        with closing(cast(Any, start())) as chunks:
            yield from chunks_to_events(ChatGenerationChunk(message=chunk) for chunk in chunks)

    events = told()

    def pump() -> bool:
        try:
            stream.dispatch(next(events))
        except StopIteration:
            return False
        except BaseException as error:
            stream.fail(error)
            return False
        return True

    stream.bind_pump(pump)
    return stream


async def aevent_stream(start: Callable[[], AsyncIterator[AIMessageChunk]]) -> AsyncChatModelStream:
    """Chunks as an event stream, filled by a task that begins when it is first read; its `aclose` ends the task."""
    stream = AsyncChatModelStream()

    async def produce() -> None:
        try:
            async with aclosing(cast(Any, start())) as chunks:
                async for event in achunks_to_events(ChatGenerationChunk(message=chunk) async for chunk in chunks):
                    stream.dispatch(event)
        except BaseException as error:
            stream.fail(error)
            if isinstance(error, asyncio.CancelledError):
                raise

    async def begin() -> None:
        if stream._producer_task is None:
            stream._producer_task = asyncio.get_running_loop().create_task(produce())

    stream.set_start(begin)
    return stream
