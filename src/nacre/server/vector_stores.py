"""`/v1/vector_stores`: knowledge bases that a client fills and searches. "main" is the server's own."""

from __future__ import annotations

import json
import time
from typing import Any

from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel, Field

from nacre.errors import LockedError
from nacre.language import tr
from nacre.server.bases import MAIN
from nacre.server.context import asker_of, state_of, store_of
from nacre.server.ingest import uri_of
from nacre.server.keys import Asker
from nacre.server.paging import Paged
from nacre.server.problems import Problem, not_found
from nacre.server.records import Row, new_id
from nacre.server.state import State
from nacre.server.uploads import own_file

router = APIRouter(prefix="/v1/vector_stores")
_PATIENCE_S = 30.0
Attributes = dict[str, str | float | bool]


class NewStore(BaseModel):
    """The body that makes a vector store."""

    name: str | None = Field(default=None, max_length=256)
    file_ids: list[str] = Field(default_factory=list, max_length=500)
    metadata: dict[str, str] | None = None


class ChangedStore(BaseModel):
    """The body that renames a vector store."""

    name: str | None = Field(default=None, max_length=256)
    metadata: dict[str, str] | None = None


class NewEntry(BaseModel):
    """The body that adds a file. `attributes.principals`, a comma separated list, narrows who may see it."""

    file_id: str
    attributes: Attributes | None = None


class NewBatch(BaseModel):
    """The body that adds files."""

    file_ids: list[str] = Field(min_length=1, max_length=500)
    attributes: Attributes | None = None


class Search(BaseModel):
    """The body of a search."""

    query: str | list[str]
    max_num_results: int = Field(default=10, ge=1, le=50)


@router.post("")
async def create(request: Request, body: NewStore) -> dict[str, Any]:
    """Make a vector store."""
    state, asker = state_of(request), asker_of(request, writing=True)
    files = [own_file(state, asker, file) for file in body.file_ids]
    store: Row = {"id": new_id("vs"), "owner": asker.id, "name": body.name or "", "metadata": json.dumps(body.metadata or {}), "created": int(time.time())}
    state.records.insert("stores", store)
    await run_in_threadpool(state.bases.get, store["id"])
    _add(state, asker, store["id"], files, None, None)
    return describe(state, store, asker)


@router.get("")
async def stores(request: Request, page: Paged) -> dict[str, Any]:
    """List "main" and the asker's vector stores."""
    state, asker = state_of(request), asker_of(request)
    rows = [store_of(state, asker, MAIN), *state.records.select("stores", "owner = ?", (asker.id,))]
    return page.of([describe(state, row, asker) for row in rows])


@router.get("/{store}")
async def store(request: Request, store: str) -> dict[str, Any]:
    """One vector store, and how far its files have been read."""
    state, asker = state_of(request), asker_of(request)
    row = store_of(state, asker, store)
    _nudge(state, store)
    return describe(state, row, asker)


@router.post("/{store}")
async def change(request: Request, store: str, body: ChangedStore) -> dict[str, Any]:
    """Rename a vector store."""
    state, asker = state_of(request), asker_of(request, writing=True)
    row = _own(state, asker, store)
    row |= {"name": row["name"] if body.name is None else body.name}
    row |= {"metadata": row["metadata"] if body.metadata is None else json.dumps(body.metadata)}
    state.records.insert("stores", row)
    return describe(state, row, asker)


@router.delete("/{store}")
async def delete(request: Request, store: str) -> dict[str, Any]:
    """Delete a vector store; its files stay."""
    state, asker = state_of(request), asker_of(request, writing=True)
    _own(state, asker, store)
    state.records.db.write([("delete from entries where store = ?", (store,)), ("delete from stores where id = ?", (store,))])
    await run_in_threadpool(state.bases.drop, store)
    return {"id": store, "object": "vector_store.deleted", "deleted": True}


@router.post("/{store}/files")
async def add(request: Request, store: str, body: NewEntry) -> dict[str, Any]:
    """Add a file; it is read in the background."""
    state, asker = state_of(request), asker_of(request, writing=True)
    store_of(state, asker, store)
    _add(state, asker, store, [own_file(state, asker, body.file_id)], body.attributes, None)
    return _entry(state, asker, store, body.file_id)


@router.get("/{store}/files")
async def entries(request: Request, store: str, page: Paged, filter: str | None = None) -> dict[str, Any]:
    """List the asker's files in a store, each with its state and, where it failed, the reason."""
    state, asker = state_of(request), asker_of(request)
    store_of(state, asker, store)
    rows = state.records.select("entries", "store = ? and owner = ?", (store, asker.id))
    return page.of([describe_entry(row) for row in rows if filter in (None, row["status"])])


@router.get("/{store}/files/{file}")
async def entry(request: Request, store: str, file: str) -> dict[str, Any]:
    """One file's state."""
    state, asker = state_of(request), asker_of(request)
    store_of(state, asker, store)
    _nudge(state, store)
    return _entry(state, asker, store, file)


@router.delete("/{store}/files/{file}")
async def remove(request: Request, store: str, file: str) -> dict[str, Any]:
    """Take a file out of a store: from then on no search finds it."""
    state, asker = state_of(request), asker_of(request, writing=True)
    store_of(state, asker, store)
    _entry(state, asker, store, file)
    await run_in_threadpool(take_out, state, store, own_file(state, asker, file))
    return {"id": file, "object": "vector_store.file.deleted", "deleted": True}


@router.post("/{store}/file_batches")
async def add_batch(request: Request, store: str, body: NewBatch) -> dict[str, Any]:
    """Add many files; they are read in the background."""
    state, asker = state_of(request), asker_of(request, writing=True)
    store_of(state, asker, store)
    batch = new_id("vsfb")
    _add(state, asker, store, [own_file(state, asker, file) for file in body.file_ids], body.attributes, batch)
    return _batch(state, asker, store, batch)


@router.get("/{store}/file_batches/{batch}")
async def batch(request: Request, store: str, batch: str) -> dict[str, Any]:
    """How far a batch has been read."""
    state, asker = state_of(request), asker_of(request)
    store_of(state, asker, store)
    _nudge(state, store)
    return _batch(state, asker, store, batch)


@router.post("/{store}/file_batches/{batch}/cancel")
async def cancel(request: Request, store: str, batch: str) -> dict[str, Any]:
    """Leave the rest of a batch unread."""
    state, asker = state_of(request), asker_of(request, writing=True)
    store_of(state, asker, store)
    sql = "update entries set status = 'cancelled' where store = ? and batch = ? and owner = ? and status = 'in_progress' and tries = 0"
    state.records.change(sql, store, batch, asker.id)
    return _batch(state, asker, store, batch)


@router.get("/{store}/file_batches/{batch}/files")
async def batch_entries(request: Request, store: str, batch: str, page: Paged) -> dict[str, Any]:
    """List the files of a batch."""
    state, asker = state_of(request), asker_of(request)
    store_of(state, asker, store)
    rows = state.records.select("entries", "store = ? and batch = ? and owner = ?", (store, batch, asker.id))
    return page.of([describe_entry(row) for row in rows])


@router.post("/{store}/search")
async def search(request: Request, store: str, body: Search) -> dict[str, Any]:
    """Search a store, as the asker."""
    state, asker = state_of(request), asker_of(request)
    store_of(state, asker, store)
    queries = [body.query] if isinstance(body.query, str) else body.query
    hits = await run_in_threadpool(_search, state, asker, store, " ".join(queries), body.max_num_results)
    return {"object": "vector_store.search_results.page", "search_query": queries, "data": hits, "has_more": False, "next_page": None}


# ---------------------------------------------------------------------------------------------------- the work behind


def take_out(state: State, store: str, file: Row) -> None:
    """Take a file out of a store's knowledge base and its list.

    Args:
        state: the server's.
        store: its id.
        file: row of the table `files`.

    Raises:
        LockedError: the knowledge base was being written all the while.
    """
    # First the entry: a file that is being read right now is then forgotten by whoever reads it.
    state.records.change("delete from entries where store = ? and file = ?", store, file["id"])
    until = time.monotonic() + _PATIENCE_S
    while True:
        try:
            state.bases.get(store).delete(uri_of(file["id"], file["name"]))
            return
        except LockedError:
            if time.monotonic() > until:
                raise
            time.sleep(0.1)


def _add(state: State, asker: Asker, store: str, files: list[Row], attributes: Attributes | None, batch: str | None) -> None:
    principals = _audience(asker, attributes)
    for file in files:
        row = {
            "store": store, "file": file["id"], "batch": batch, "owner": asker.id, "bytes": file["bytes"],
            "principals": json.dumps(principals) if principals else None, "attributes": json.dumps(attributes or {}),
            "status": "in_progress", "created": int(time.time()),
        }  # fmt: skip
        state.records.insert("entries", row)
    if files:
        state.ingestion.wake()


def _audience(asker: Asker, attributes: Attributes | None) -> list[str] | None:
    """Who may see an upload: those whom the asker names, but only of the asker's own principals; else all of these."""
    named = (attributes or {}).get("principals")
    if named is None:
        return list(asker.principals) if asker.principals else None
    wanted = [name.strip() for name in str(named).split(",") if name.strip()]
    if not wanted or not {*wanted} <= {*(asker.principals or ())}:
        raise Problem(
            403,
            tr("A file may be given to your own principals only.", "文件只能授权给您自己的主体。"),
            "foreign_principals",
            "attributes.principals",
        )
    return wanted


def _search(state: State, asker: Asker, store: str, query: str, k: int) -> list[dict[str, Any]]:
    base = state.bases.get(store)
    found = []
    for hit in base.search(query, k=k, principals=asker.principals):
        place = {"uri": hit.uri, "document_id": hit.document_id, "page": hit.page, "start": hit.start, "end": hit.end, "title": hit.title}
        found.append(
            {
                "file_id": base.metadata(hit.uri).get("file_id") or f"document-{hit.document_id}",
                "filename": hit.uri.rpartition("/")[2] or hit.title,
                "score": max(0.0, min(1.0, float(hit.score))),
                "attributes": {name: value for name, value in place.items() if value is not None},
                "content": [{"type": "text", "text": hit.text}],
            }
        )
    return found


def _own(state: State, asker: Asker, store: str) -> Row:
    if store == MAIN:
        raise Problem(403, tr('"main" is the server\'s own and stays as it is.', "“main” 属于服务器本身，不能更改。"), "main_store")
    return store_of(state, asker, store)


def _nudge(state: State, store: str) -> None:
    """A client that waits for a store keeps the ingestion process alive, should it have died."""
    if state.records.one("entries", "store = ? and status = 'in_progress'", store):
        state.ingestion.wake()


def _counts(rows: list[Row]) -> dict[str, int]:
    states = [row["status"] for row in rows]
    return {**{name: states.count(name) for name in ("in_progress", "completed", "failed", "cancelled")}, "total": len(rows)}


def describe(state: State, store: Row, asker: Asker) -> dict[str, Any]:
    """A vector store as OpenAI describes it.

    Args:
        state: the server's.
        store: row of the table `stores`.
        asker: who asks: only their own files are counted.

    Returns:
        A vector store object; `eta_s` says in how many seconds its files may be read.
    """
    rows = state.records.select("entries", "store = ? and owner = ?", (store["id"], asker.id))
    counts = _counts(rows)
    pace = [row["seconds"] for row in rows if row["seconds"]][-20:]
    eta = counts["in_progress"] * sum(pace) / len(pace) if pace and counts["in_progress"] else None
    return {
        "id": store["id"],
        "object": "vector_store",
        "created_at": store["created"],
        "last_active_at": max((row["created"] for row in rows), default=store["created"]),
        "name": store["name"],
        "status": "in_progress" if counts["in_progress"] else "completed",
        "usage_bytes": sum(row["bytes"] for row in rows if row["status"] == "completed"),
        "file_counts": counts,
        "metadata": json.loads(store["metadata"]),
        "eta_s": None if eta is None else round(eta, 1),
    }


def describe_entry(row: Row) -> dict[str, Any]:
    """A file in a store as OpenAI describes it.

    Args:
        row: of the table `entries`.

    Returns:
        A vector store file object.
    """
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


def _entry(state: State, asker: Asker, store: str, file: str) -> dict[str, Any]:
    row = state.records.one("entries", "store = ? and file = ? and owner = ?", store, file, asker.id)
    if row is None:
        raise not_found(file)
    return describe_entry(row)


def _batch(state: State, asker: Asker, store: str, batch: str) -> dict[str, Any]:
    rows = state.records.select("entries", "store = ? and batch = ? and owner = ?", (store, batch, asker.id))
    if not rows:
        raise not_found(batch)
    counts = _counts(rows)
    status = "in_progress" if counts["in_progress"] else "cancelled" if counts["cancelled"] == len(rows) else "completed"
    return {
        "id": batch,
        "object": "vector_store.files_batch",
        "created_at": rows[0]["created"],
        "vector_store_id": store,
        "status": status,
        "file_counts": counts,
    }
