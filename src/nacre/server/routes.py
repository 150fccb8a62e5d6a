"""What the page and an operator ask beyond OpenAI's API: who asks, sources, verdicts, facts, traces, health."""

from __future__ import annotations

import json
import time
from typing import Any, Literal

from fastapi import APIRouter, Query
from fastapi.responses import PlainTextResponse
from pydantic import BaseModel, Field

from nacre import __version__
from nacre.server.auth import quotas
from nacre.server.knowledge_bases import MAIN
from nacre.server.openai.errors import not_found
from nacre.server.openai.output import address, extension
from nacre.server.records import Row
from nacre.server.state import Reading, RequestContext

always = APIRouter()
"""Also where a server serves MCP clients alone."""
router = APIRouter(prefix="/v1")
_AROUND = 20_000
_SHOWN = 1000
"""Characters of a question that a list of traces shows."""
_MINE = (
    "asker = ? and at < coalesce((select at from traces where request = ? and asker = ?), 9e99)"
    " order by at desc limit ?"
)


@always.get("/healthz")
async def healthz() -> dict[str, str]:
    """The process answers."""
    return {"status": "ok"}


@always.get("/readyz")
def readyz(context: Reading) -> dict[str, str]:
    """The knowledge base and the server's records can be read; a 503 says that they cannot."""
    context.state.bases.main.stats()
    context.state.records.db.read("select 1")
    return {"status": "ready"}


@always.get("/metrics")
async def metrics(context: Reading) -> PlainTextResponse:
    """Figures for Prometheus."""
    return PlainTextResponse(context.state.metrics.text(), media_type="text/plain; version=0.0.4")


@always.get("/v1/me")
async def me(context: Reading) -> dict[str, Any]:
    """Who asks, and whose documents they see."""
    user = context.user
    return {
        "object": "asker",
        "name": user.name,
        "principals": list(user.principals) if user.principals else None,
        "read_only": user.read_only,
        "traces": context.state.settings.server.trace,
    }


@always.get("/v1/sources/{document}")
def source(
    context: Reading,
    document: int,
    start: int = Query(default=0, ge=0),
    end: int = Query(default=0, ge=0),
    store: str = MAIN,
    version: int = Query(default=0, ge=0),
) -> dict[str, Any]:
    """The text of a document around a cited span; `text[start - offset : end - offset]` is the quote.

    `changed` tells that the document says something else since it was cited: "kept" where the text of that version is
    shown, "lost" where it is not kept and today's is, without the span.
    """
    context.vector_store(store)
    return read(context, store, document, start, end, version=version)


def read(
    context: RequestContext, store: str, document: int, start: int, end: int, *, whole: bool = False, version: int = 0
) -> dict[str, Any]:
    """A document around a span, if its reader may see it; `offset` is the place of `text` in the document."""
    with context.state.bases.using(store) as base:
        found = base.document(document)
        if found is None or not base.visible(found["uri"], context.user.sees):
            raise not_found(f"document {document}")
        text, changed = base.text(found["uri"]), ""
        if version and version != found["version"]:
            old = base.text_of_version(document, version, context.user.sees)
            text, changed = (text, "lost") if old is None else (old, "kept")
            start, end = (0, 0) if old is None else (start, end)
    start, end = min(start, len(text)), min(max(start, end), len(text))
    offset, stop = (0, len(text)) if whole else (max(0, start - _AROUND), min(len(text), end + _AROUND))
    return {
        **found,
        "object": "source",
        "document_id": document,
        **({"changed": changed} if changed else {}),
        "offset": offset,
        "length": len(text),
        "start": start,
        "end": end,
        "text": text[offset:stop],
    }


class Source(BaseModel):
    """A place that an answer cited."""

    uri: str = Field(max_length=2_000)
    start: int | None = None
    end: int | None = None


class Feedback(BaseModel):
    """What a person thinks of an answer."""

    verdict: Literal["up", "down"]
    question: str = Field(max_length=20_000)
    answer: str = Field(max_length=100_000)
    comment: str = Field(default="", max_length=5_000)
    request: str = Field(default="", max_length=200)
    """The id of the request that was answered, from the header `x-request-id`."""
    sources: list[Source] = Field(default_factory=list, max_length=100)
    """What the answer cited."""
    abstained: bool = False
    model: str = Field(default="", max_length=200)
    consent: bool | None = None
    """Whether the verdict may become a question of an evaluation; None: it was not asked."""


@router.post("/feedback")
def give(context: Reading, body: Feedback) -> dict[str, Any]:
    """Keep a verdict on an answer."""
    versions = {"nacre": __version__, **({"model": body.model} if body.model else {})}
    told = body.model_dump(exclude={"verdict", "model"})
    kept = json.dumps({**told, "versions": versions, "principals": context.user.principals}, ensure_ascii=False)
    row = {"at": time.time(), "asker": context.user.id, "verdict": body.verdict, "record": kept}
    quotas.keep(context, "feedback", row)
    return {"object": "feedback", "verdict": body.verdict}


@router.get("/feedback", name="mine")
def verdicts(context: Reading) -> dict[str, Any]:
    """The user's own verdicts, as rows for an evaluation."""
    rows = context.state.records.select("feedback", "asker = ?", (context.user.id,))
    told = [{"verdict": row["verdict"], "at": row["at"], **json.loads(row["record"])} for row in rows]
    return {"object": "list", "data": told}


@router.get("/facts", name="mine")
def facts(context: Reading) -> dict[str, Any]:
    """The user's own facts, the newest first."""
    return {"object": "list", "data": context.state.served.facts.all(context.user.id)}


@router.delete("/facts/{fact}", name="delete")
def forget(context: Reading, fact: str) -> dict[str, Any]:
    """Forget one."""
    if not context.state.served.facts.delete(context.user.id, fact):
        raise not_found(fact)
    return {"id": fact, "object": "fact", "deleted": True}


@router.get("/traces")
def traces(context: Reading, limit: int = Query(default=20, ge=1, le=100), after: str = "") -> dict[str, Any]:
    """The user's own questions, the newest first."""
    user = context.user.id
    rows = context.state.records.select(
        "traces", f"rowid in (select rowid from traces where {_MINE})", (user, after, user, limit + 1), "at desc"
    )
    heads = [_head(row, json.loads(row["record"])) for row in rows[:limit]]
    shown = [{**head, "question": head["question"][:_SHOWN]} for head in heads]
    return {"object": "list", "data": shown, "has_more": len(rows) > limit}


@router.get("/traces/{trace}")
def trace(context: Reading, trace: str) -> dict[str, Any]:
    """How one answer came about; only for the key that asked."""
    row = context.state.records.one("traces", "request = ? and asker = ?", trace, context.user.id)
    if row is None:
        raise not_found(trace)
    record, url = json.loads(row["record"]), context.base_url
    store = record.get("store", "main")
    calls = [
        {**call, **({"hits": _placed(call["hits"], url, store)} if "hits" in call else {})}
        for call in record.get("calls", [])
    ]
    return {
        **_head(row, record),
        "answer": record["answer"],
        "calls": calls,
        "hits": _placed(record["hits"], url, store),
        "nacre": extension(url, record["nacre"], store),
    }


def _head(row: Row, record: dict[str, Any]) -> dict[str, Any]:
    said = record["messages"][-1]["data"]["content"] if record["messages"] else ""
    usage = record["usage"] or {}
    return {
        "object": "trace",
        "id": row["request"],
        "created_at": int(row["at"]),
        "model": row["model"],
        "status": record["status"],
        "seconds": record["seconds"],
        "question": said if isinstance(said, str) else "",
        "tokens": [usage.get("input_tokens", 0), usage.get("output_tokens", 0)],
    }


def _placed(hits: list[dict[str, Any]], url: str, store: str) -> list[dict[str, Any]]:
    return [{**hit, **({"url": address(url, hit, store)} if "document_id" in hit else {})} for hit in hits]
