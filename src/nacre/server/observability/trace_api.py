"""`/v1/traces`: how the answers to one's own questions came about, where the server keeps traces."""

from __future__ import annotations

import json
from typing import Any

from fastapi import APIRouter, Query

from nacre.server.dependencies import Reading
from nacre.server.openai.annotations import address, extension
from nacre.server.openai.errors import not_found
from nacre.server.records import Row

router = APIRouter(prefix="/v1")
_SHOWN = 1000
"""Characters of a question that a list of traces shows."""
_MINE = (
    "asker = ? and at < coalesce((select at from traces where request = ? and asker = ?), 9e99)"
    " order by at desc limit ?"
)


@router.get("/traces")
def traces(context: Reading, limit: int = Query(default=20, ge=1, le=100), after: str = "") -> dict[str, Any]:
    """The user's own questions, the newest first."""
    user = context.user.id
    rows = context.state.records.select(
        "traces", f"rowid in (select rowid from traces where {_MINE})", (user, after, user, limit + 1), "at desc"
    )
    return {
        "object": "list",
        "data": [_brief(_head(row, json.loads(row["record"]))) for row in rows[:limit]],
        "has_more": len(rows) > limit,
    }


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


def _brief(head: dict[str, Any]) -> dict[str, Any]:
    return {**head, "question": head["question"][:_SHOWN]}


def _placed(hits: list[dict[str, Any]], url: str, store: str) -> list[dict[str, Any]]:
    return [{**hit, **({"url": address(url, hit, store)} if "document_id" in hit else {})} for hit in hits]
