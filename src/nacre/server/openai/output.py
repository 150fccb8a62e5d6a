"""What goes out: events, JSON, lists, and citations with an address that opens the source at the quoted place."""

import asyncio
from collections.abc import AsyncIterator, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypeVar
from urllib.parse import urlencode

from fastapi import Depends, Query
from starlette.requests import Request
from starlette.responses import JSONResponse

from nacre.server.openai.errors import Problem
from nacre.text.language import tr
from nacre.text.strict_json import to_json

T = TypeVar("T")
DONE = b"data: [DONE]\n\n"
HEADERS = {"cache-control": "no-store", "x-accel-buffering": "no"}
Order = Literal["asc", "desc"]
_SHOWN = (
    *("n", "uri", "title", "heading", "page", "start", "end", "quote", "version"),
    *("document_id", "answer_start", "answer_end", "support"),
)
# What of `response_metadata["nacre"]` the page and other clients are told.
_OWN = (
    *("abstained", "closest", "uncited", "asked_back", "question", "parts", "suggestions"),
    *("program", "value", "execution", "attempts", "trajectory", "stopped", "cached", "run_id", "pending"),
)


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
    """Wait for work, but not longer than the client does, and not for more seconds where some are given."""
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
    """The next item of a stream, after at most so many seconds of silence."""
    async with asyncio.timeout(timeout_s):
        return await anext(chunks, None)


@dataclass
class Page:
    """Which part of a list is wanted, by the query parameters."""

    limit: Annotated[int, Query(ge=1, le=10_000)] = 20
    order: Order = "desc"
    after: str | None = None
    before: str | None = None

    def of(self, items: Sequence[dict[str, Any]]) -> dict[str, Any]:
        """That part."""
        rows = list(items if self.order == "asc" else reversed(items))
        ids = [row["id"] for row in rows]
        if self.after in ids:
            rows = rows[ids.index(self.after) + 1 :]
        if self.before in ids:
            rows = rows[: ids.index(self.before)]
        shown = rows[: self.limit]
        return {
            "object": "list",
            "data": shown,
            "first_id": shown[0]["id"] if shown else None,
            "last_id": shown[-1]["id"] if shown else None,
            "has_more": len(rows) > len(shown),
        }


Paged = Annotated[Page, Depends(Page)]


def address(base_url: str, citation: Mapping[str, Any], store: str) -> str:
    """Where a cited place can be read."""
    place = {
        "start": citation["start"],
        "end": citation["end"],
        **({} if store == "main" else {"store": store}),
        **({"version": citation["version"]} if citation.get("version") else {}),
    }
    return f"{base_url}sources/{citation['document_id']}?{urlencode(place)}"


def url_citations(base_url: str, own: Mapping[str, Any], store: str) -> list[dict[str, Any]]:
    """The citations of an answer as OpenAI's annotations have them."""
    return [
        {
            "url": address(base_url, citation, store),
            "title": citation["title"] or citation["uri"],
            "start_index": citation["answer_start"],
            "end_index": citation["answer_end"],
        }
        for citation in own.get("citations") or []
    ]


def extension(base_url: str, own: Mapping[str, Any], store: str) -> dict[str, Any]:
    """What Nacre says of an answer beyond OpenAI's form: the field `nacre` of a response."""
    cited = [
        {**{name: citation[name] for name in _SHOWN if name in citation}, "url": address(base_url, citation, store)}
        for citation in own.get("citations") or []
    ]
    return {"citations": cited, **{name: own[name] for name in _OWN if name in own}}
