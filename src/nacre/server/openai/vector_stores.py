"""`/v1/vector_stores`: knowledge bases that clients fill and search, their files, and the work list of the ingestion
process: files that are to be read into one, or taken out.
"""

from __future__ import annotations

import json
import time
from typing import Annotated, Any

from fastapi import APIRouter
from pydantic import BaseModel, Field, StringConstraints

from nacre.errors import LockedError
from nacre.server.auth import quotas
from nacre.server.ingestion.worker import uri_of
from nacre.server.journal import insertion
from nacre.server.knowledge_bases import MAIN
from nacre.server.openai.errors import Problem, not_found
from nacre.server.openai.output import Paged
from nacre.server.records import Row, new_id
from nacre.server.state import Reading, State, StoreContext, StoreToRead, StoreToWrite, Writing
from nacre.store.filters import Filter, condition_of
from nacre.text.language import tr
from nacre.text.strict_json import to_json

_PATIENCE_S = 30.0
router = APIRouter(prefix="/v1/vector_stores")
_PLACE = ("uri", "document_id", "page", "start", "end", "title")
_Name = Annotated[str, StringConstraints(max_length=64)]
_Text = Annotated[str, StringConstraints(max_length=512)]
Attributes = Annotated[dict[_Name, _Text | float | bool], Field(max_length=16)]
Metadata = Annotated[dict[_Name, _Text], Field(max_length=16)]


def enqueue(context: StoreContext, files: list[Row], attributes: Attributes | None, batch: str | None) -> None:
    """Put files on the list of what is to be read into a store; the attribute `principals` narrows who may see them."""
    principals = _audience(context, attributes)
    # Nobody else writes meanwhile: many requests at once cannot pass the quota together.
    with context.state.records.db.write() as db:
        quotas.check_entries(context, files)
        for file in files:
            row: Row = {
                "store": context.store, "file": file["id"], "batch": batch, "owner": context.user.id,
                "bytes": file["bytes"],
                "principals": to_json(principals) if principals else None, "attributes": to_json(attributes or {}),
                "status": "in_progress", "created": int(time.time()), "reason": None, "seconds": None, "tries": 0,
            }  # fmt: skip
            db.execute(*insertion("entries", row))
    if files:
        context.state.ingestion.wake()


def take_out(state: State, store: str, file: Row) -> None:
    """Take a file out of a store's knowledge base and its list."""
    # First the entry: a file that is being read right now is then forgotten by whoever reads it.
    state.records.change("delete from entries where store = ? and file = ?", store, file["id"])
    until = time.monotonic() + _PATIENCE_S
    while True:
        try:
            with state.bases.using(store) as base:
                base.delete(uri_of(file["id"], file["name"]))
            return
        except LockedError:
            if time.monotonic() > until:
                raise
            time.sleep(0.1)


def wake_for(context: StoreContext) -> None:
    """Keep the ingestion process alive for a client that waits for a store, should it have died."""
    if context.state.records.one("entries", "store = ? and status = 'in_progress'", context.store):
        context.state.ingestion.wake()


def _audience(context: StoreContext, attributes: Attributes | None) -> list[str] | None:
    """Who may see an upload: in "main", without the right to write there for others, its user alone; else those whom
    the user names, of the user's own principals only; else all of these.
    """
    user, named = context.user, (attributes or {}).get("principals")
    alone = context.store == MAIN and not user.write_main
    if named is None:
        return [user.own] if alone else list(user.principals) if user.principals else None
    wanted = [name.strip() for name in str(named).split(",") if name.strip()]
    if not wanted or not {*wanted} <= {*(user.principals or ())}:
        told = tr("A file may be given to your own principals only.")
        raise Problem(403, told, "foreign_principals", "attributes.principals")
    if alone:
        told = tr(
            'Your uploads into "main" are seen by you alone. To give them to others, a key needs the right to: nacre '
            "keys add NAME --write-main"
        )
        raise Problem(403, told, "main_not_writable", "attributes.principals")
    return wanted


class NewStore(BaseModel):
    """The body that makes a vector store."""

    name: str | None = Field(default=None, max_length=256)
    file_ids: list[str] = Field(default_factory=list, max_length=500)
    metadata: Metadata | None = None


class ChangedStore(BaseModel):
    """The body that renames a vector store."""

    name: str | None = Field(default=None, max_length=256)
    metadata: Metadata | None = None


class Search(BaseModel):
    """The body of a search."""

    query: str | list[str]
    max_num_results: int = Field(default=10, ge=1, le=50)
    filters: dict[str, Any] | None = None


@router.post("")
def create(context: Writing, body: NewStore) -> dict[str, Any]:
    """Make a vector store."""
    files = [context.own("files", file) for file in body.file_ids]
    store: Row = {
        "id": new_id("vs"),
        "owner": context.user.id,
        "name": body.name or "",
        "metadata": to_json(body.metadata or {}),
        "created": int(time.time()),
    }
    quotas.check_entries(context, files)
    quotas.keep(context, "stores", store)
    context.state.bases.get(store["id"])
    made = context.in_store(store)
    enqueue(made, files, None, None)
    return describe(made)


@router.get("")
def stores(context: Reading, page: Paged) -> dict[str, Any]:
    """List "main" and the user's vector stores."""
    rows = [context.vector_store(MAIN), *context.state.records.select("stores", "owner = ?", (context.user.id,))]
    return page.of([describe(context.in_store(row)) for row in rows])


@router.get("/{store}")
def store(context: StoreToRead) -> dict[str, Any]:
    """One vector store, and how far its files have been read."""
    wake_for(context)
    return describe(context)


@router.post("/{store}")
def change(context: StoreToWrite, body: ChangedStore) -> dict[str, Any]:
    """Rename a vector store."""
    row = _own(context)
    row |= {"name": row["name"] if body.name is None else body.name}
    row |= {"metadata": row["metadata"] if body.metadata is None else to_json(body.metadata)}
    context.state.records.insert("stores", row)
    return describe(context)


@router.delete("/{store}")
def delete(context: StoreToWrite) -> dict[str, Any]:
    """Delete a vector store; its files stay."""
    store, records = str(_own(context)["id"]), context.state.records
    with records.db.write() as db:
        db.execute("delete from entries where store = ?", (store,))
        db.execute("delete from stores where id = ?", (store,))
    context.state.bases.drop(store)
    return {"id": store, "object": "vector_store.deleted", "deleted": True}


@router.post("/{store}/search")
def search(context: StoreToRead, body: Search) -> dict[str, Any]:
    """Search a store, as the user."""
    queries = [body.query] if isinstance(body.query, str) else body.query
    where = Filter(condition=condition_of(body.filters)) if body.filters else None
    hits = _search(context, " ".join(queries), body.max_num_results, where)
    return {
        "object": "vector_store.search_results.page",
        "search_query": queries,
        "data": hits,
        "has_more": False,
        "next_page": None,
    }


def describe(context: StoreContext) -> dict[str, Any]:
    """A vector store with the user's own files, as OpenAI has it; `eta_s`: until they may have been read."""
    store, rows = context.row, context.entries()
    counts = counts_of(rows)
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


def _search(context: StoreContext, query: str, k: int, where: Filter | None) -> list[dict[str, Any]]:
    with context.state.bases.using(context.store) as base:
        hits = base.search(query, k=k, principals=context.user.sees, where=where)
        facts = {hit.uri: base.metadata(hit.uri) for hit in hits}
    return [
        {
            "file_id": facts[hit.uri].get("file_id") or f"document-{hit.document_id}",
            "filename": hit.uri.rpartition("/")[2] or hit.title,
            "score": max(0.0, min(1.0, float(hit.score))),
            # As OpenAI has attributes: of one value each; and the place.
            "attributes": {
                n: v for n, v in facts[hit.uri].items() if n != "file_id" and isinstance(v, str | int | float)
            }
            | {name: value for name in _PLACE if (value := getattr(hit, name)) is not None},
            "content": [{"type": "text", "text": hit.text}],
        }
        for hit in hits
    ]


def _own(context: StoreContext) -> Row:
    if context.store == MAIN:
        raise Problem(403, tr('"main" is the server\'s own and stays as it is.'), "main_store")
    return context.row


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
