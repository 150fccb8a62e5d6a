"""Server-sent events, and what is to happen when the client has left."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from typing import Any, TypeVar

from starlette.requests import Request
from starlette.responses import JSONResponse

from nacre.server.openai.errors import Problem
from nacre.text.language import tr
from nacre.text.strict_json import to_json

T = TypeVar("T")
DONE = b"data: [DONE]\n\n"
HEADERS = {"cache-control": "no-store", "x-accel-buffering": "no"}


def event(data: Any, name: str = "") -> bytes:
    """One event."""
    head = f"event: {name}\n" if name else ""
    return f"{head}data: {to_json(data, ensure_ascii=False, separators=(',', ':'))}\n\n".encode("utf-8", "replace")


class StrictJSON(JSONResponse):
    """A JSON response that every client can read: what JSON has no number for is text."""

    def render(self, content: Any) -> bytes:
        """The body."""
        return to_json(content, ensure_ascii=False, separators=(",", ":")).encode("utf-8")


async def while_connected(request: Request, work: Coroutine[Any, Any, T], timeout_s: float | None) -> T:
    """Wait for work, but not longer than the client does.

    Args:
        timeout_s: the most seconds it may take; None where the work has its own patience.
    """
    task, gone = asyncio.ensure_future(work), asyncio.ensure_future(_gone(request))
    try:
        done, _ = await asyncio.wait({task, gone}, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
        if task in done:
            return task.result()
        if gone in done:
            raise Problem(499, tr("The client has left."), "cancelled")
        raise TimeoutError
    finally:
        for pending in (task, gone):
            pending.cancel()
        await asyncio.gather(task, gone, return_exceptions=True)


async def _gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def next_within(chunks: AsyncIterator[T], timeout_s: float) -> T | None:
    """The next item of a stream.

    Args:
        timeout_s: the most seconds of silence.
    """
    async with asyncio.timeout(timeout_s):
        return await anext(chunks, None)
