"""`/v1/vector_stores/{store}/files` and `/file_batches`: what is in a vector store, and how far it has been read."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel, Field

from nacre.server.context import asker_of, state_of, store_of
from nacre.server.filing import Attributes, batch_of, describe_entry, entry_of, file_in, nudge, take_out
from nacre.server.paging import Paged
from nacre.server.records import new_id
from nacre.server.uploads import own_file

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
async def add(request: Request, store: str, body: NewEntry) -> dict[str, Any]:
    """Add a file; it is read in the background.

    Args:
        request: the client's.
        store: id of the vector store.
        body: what is asked for.

    Returns:
        A vector store file object.
    """
    state, asker = state_of(request), asker_of(request, writing=True)
    store_of(state, asker, store)
    file_in(state, asker, store, [own_file(state, asker, body.file_id)], body.attributes, None)
    return entry_of(state, asker, store, body.file_id)


@router.get("/{store}/files")
async def entries(request: Request, store: str, page: Paged, filter: str | None = None) -> dict[str, Any]:
    """List the asker's files in a store, each with its state and, where it failed, the reason.

    Args:
        request: the client's.
        store: id of the vector store.
        page: which part of the list.
        filter: only files of this state.

    Returns:
        A list of vector store file objects.
    """
    state, asker = state_of(request), asker_of(request)
    store_of(state, asker, store)
    rows = state.records.select("entries", "store = ? and owner = ?", (store, asker.id))
    return page.of([describe_entry(row) for row in rows if filter in (None, row["status"])])


@router.get("/{store}/files/{file}")
async def entry(request: Request, store: str, file: str) -> dict[str, Any]:
    """One file's state.

    Args:
        request: the client's.
        store: id of the vector store.
        file: id of the file.

    Returns:
        A vector store file object.
    """
    state, asker = state_of(request), asker_of(request)
    store_of(state, asker, store)
    nudge(state, store)
    return entry_of(state, asker, store, file)


@router.delete("/{store}/files/{file}")
async def remove(request: Request, store: str, file: str) -> dict[str, Any]:
    """Take a file out of a store: from then on no search finds it.

    Args:
        request: the client's.
        store: id of the vector store.
        file: id of the file.

    Returns:
        What was taken out.
    """
    state, asker = state_of(request), asker_of(request, writing=True)
    store_of(state, asker, store)
    entry_of(state, asker, store, file)
    await run_in_threadpool(take_out, state, store, own_file(state, asker, file))
    return {"id": file, "object": "vector_store.file.deleted", "deleted": True}


@router.post("/{store}/file_batches")
async def add_batch(request: Request, store: str, body: NewBatch) -> dict[str, Any]:
    """Add many files; they are read in the background.

    Args:
        request: the client's.
        store: id of the vector store.
        body: what is asked for.

    Returns:
        A batch object.
    """
    state, asker = state_of(request), asker_of(request, writing=True)
    store_of(state, asker, store)
    batch = new_id("vsfb")
    file_in(state, asker, store, [own_file(state, asker, file) for file in body.file_ids], body.attributes, batch)
    return batch_of(state, asker, store, batch)


@router.get("/{store}/file_batches/{batch}")
async def batch(request: Request, store: str, batch: str) -> dict[str, Any]:
    """How far a batch has been read.

    Args:
        request: the client's.
        store: id of the vector store.
        batch: id of the batch.

    Returns:
        A batch object.
    """
    state, asker = state_of(request), asker_of(request)
    store_of(state, asker, store)
    nudge(state, store)
    return batch_of(state, asker, store, batch)


@router.post("/{store}/file_batches/{batch}/cancel")
async def cancel(request: Request, store: str, batch: str) -> dict[str, Any]:
    """Leave the rest of a batch unread.

    Args:
        request: the client's.
        store: id of the vector store.
        batch: id of the batch.

    Returns:
        A batch object.
    """
    state, asker = state_of(request), asker_of(request, writing=True)
    store_of(state, asker, store)
    sql = "update entries set status = 'cancelled' where store = ? and batch = ? and owner = ? and status = 'in_progress' and tries = 0"
    state.records.change(sql, store, batch, asker.id)
    return batch_of(state, asker, store, batch)


@router.get("/{store}/file_batches/{batch}/files")
async def batch_entries(request: Request, store: str, batch: str, page: Paged) -> dict[str, Any]:
    """List the files of a batch.

    Args:
        request: the client's.
        store: id of the vector store.
        batch: id of the batch.
        page: which part of the list.

    Returns:
        A list of vector store file objects.
    """
    state, asker = state_of(request), asker_of(request)
    store_of(state, asker, store)
    rows = state.records.select("entries", "store = ? and batch = ? and owner = ?", (store, batch, asker.id))
    return page.of([describe_entry(row) for row in rows])
