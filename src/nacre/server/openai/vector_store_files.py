"""`/v1/vector_stores/{store}/files` and `/file_batches`: what is in a vector store, and how far it has been read."""

from __future__ import annotations

import json
from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel, Field

from nacre.server.dependencies import StoreContext, StoreToRead, StoreToWrite
from nacre.server.ingestion.queue import Attributes, enqueue, take_out, wake_for
from nacre.server.openai.errors import not_found
from nacre.server.openai.paging import Paged
from nacre.server.records import Row, new_id

router = APIRouter(prefix="/v1/vector_stores")


class NewEntry(BaseModel):
    """The body that adds a file. `attributes.principals`, a comma separated list, narrows who may see it."""

    file_id: str
    attributes: Attributes | None = None


class NewBatch(BaseModel):
    """The body that adds files."""

    file_ids: list[str] = Field(min_length=1, max_length=500)
    attributes: Attributes | None = None


@router.post("/{store}/files")
def add(context: StoreToWrite, body: NewEntry) -> dict[str, Any]:
    """Add a file; it is read in the background."""
    enqueue(context, [context.own("files", body.file_id)], body.attributes, None)
    return entry_of(context, body.file_id)


@router.get("/{store}/files")
def entries(context: StoreToRead, page: Paged, filter: str | None = None) -> dict[str, Any]:
    """List the user's files in a store, each with its state and, where it failed, the reason."""
    rows = context.entries()
    return page.of([describe_entry(row) for row in rows if filter in (None, row["status"])])


@router.get("/{store}/files/{file}")
def entry(context: StoreToRead, file: str) -> dict[str, Any]:
    """One file's state."""
    wake_for(context)
    return entry_of(context, file)


@router.delete("/{store}/files/{file}")
def remove(context: StoreToWrite, file: str) -> dict[str, Any]:
    """Take a file out of a store: from then on no search finds it."""
    entry_of(context, file)
    take_out(context.state, context.store, context.own("files", file))
    return {"id": file, "object": "vector_store.file.deleted", "deleted": True}


@router.post("/{store}/file_batches")
def add_batch(context: StoreToWrite, body: NewBatch) -> dict[str, Any]:
    """Add many files; they are read in the background."""
    batch = new_id("vsfb")
    enqueue(context, [context.own("files", file) for file in body.file_ids], body.attributes, batch)
    return batch_of(context, batch)


@router.get("/{store}/file_batches/{batch}")
def batch(context: StoreToRead, batch: str) -> dict[str, Any]:
    """How far a batch has been read."""
    wake_for(context)
    return batch_of(context, batch)


@router.post("/{store}/file_batches/{batch}/cancel")
def cancel(context: StoreToWrite, batch: str) -> dict[str, Any]:
    """Leave the rest of a batch unread."""
    sql = (
        "update entries set status = 'cancelled' where store = ? and batch = ? and owner = ?"
        " and status = 'in_progress' and tries = 0"
    )
    context.state.records.change(sql, context.store, batch, context.user.id)
    return batch_of(context, batch)


@router.get("/{store}/file_batches/{batch}/files")
def batch_entries(context: StoreToRead, batch: str, page: Paged) -> dict[str, Any]:
    """List the files of a batch."""
    return page.of([describe_entry(row) for row in context.entries(batch)])


def counts_of(rows: list[Row]) -> dict[str, int]:
    """How many files are in which state."""
    states = [row["status"] for row in rows]
    return {
        **{name: states.count(name) for name in ("in_progress", "completed", "failed", "cancelled")},
        "total": len(rows),
    }


def entry_of(context: StoreContext, file: str) -> dict[str, Any]:
    """One file of the user in a store."""
    row = context.state.records.one(
        "entries", "store = ? and file = ? and owner = ?", context.store, file, context.user.id
    )
    if row is None:
        raise not_found(file)
    return describe_entry(row)


def batch_of(context: StoreContext, batch: str) -> dict[str, Any]:
    """One batch of the user's."""
    rows = context.entries(batch)
    if not rows:
        raise not_found(batch)
    counts = counts_of(rows)
    status = (
        "in_progress" if counts["in_progress"] else "cancelled" if counts["cancelled"] == len(rows) else "completed"
    )
    return {
        "id": batch,
        "object": "vector_store.files_batch",
        "created_at": rows[0]["created"],
        "vector_store_id": context.store,
        "status": status,
        "file_counts": counts,
    }


def describe_entry(row: Row) -> dict[str, Any]:
    """A file in a store as OpenAI describes it."""
    error = {"code": "invalid_file", "message": row["reason"]} if row["status"] == "failed" else None
    return {
        "id": row["file"],
        "object": "vector_store.file",
        "created_at": row["created"],
        "vector_store_id": row["store"],
        "status": row["status"],
        "usage_bytes": row["bytes"],
        "last_error": error,
        "attributes": json.loads(row["attributes"]),
    }
