"""`/v1/vector_stores/{store}/files` and `/file_batches`: what is in a vector store, and how far it has been read."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel, Field

from nacre.server.context import Changed, Visited
from nacre.server.ingestion.filing import Attributes, batch_of, describe_entry, entry_of, file_in, nudge, take_out
from nacre.server.openai.files import own_file
from nacre.server.openai.paging import Paged
from nacre.server.records import new_id

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
def add(visit: Changed, body: NewEntry) -> dict[str, Any]:
    """Add a file; it is read in the background."""
    file_in(visit, [own_file(visit.state, visit.asker, body.file_id)], body.attributes, None)
    return entry_of(visit, body.file_id)


@router.get("/{store}/files")
def entries(visit: Visited, page: Paged, filter: str | None = None) -> dict[str, Any]:
    """List the asker's files in a store, each with its state and, where it failed, the reason."""
    rows = visit.entries()
    return page.of([describe_entry(row) for row in rows if filter in (None, row["status"])])


@router.get("/{store}/files/{file}")
def entry(visit: Visited, file: str) -> dict[str, Any]:
    """One file's state."""
    nudge(visit)
    return entry_of(visit, file)


@router.delete("/{store}/files/{file}")
def remove(visit: Changed, file: str) -> dict[str, Any]:
    """Take a file out of a store: from then on no search finds it."""
    entry_of(visit, file)
    take_out(visit.state, visit.store, own_file(visit.state, visit.asker, file))
    return {"id": file, "object": "vector_store.file.deleted", "deleted": True}


@router.post("/{store}/file_batches")
def add_batch(visit: Changed, body: NewBatch) -> dict[str, Any]:
    """Add many files; they are read in the background."""
    batch = new_id("vsfb")
    file_in(visit, [own_file(visit.state, visit.asker, file) for file in body.file_ids], body.attributes, batch)
    return batch_of(visit, batch)


@router.get("/{store}/file_batches/{batch}")
def batch(visit: Visited, batch: str) -> dict[str, Any]:
    """How far a batch has been read."""
    nudge(visit)
    return batch_of(visit, batch)


@router.post("/{store}/file_batches/{batch}/cancel")
def cancel(visit: Changed, batch: str) -> dict[str, Any]:
    """Leave the rest of a batch unread."""
    sql = "update entries set status = 'cancelled' where store = ? and batch = ? and owner = ? and status = 'in_progress' and tries = 0"
    visit.state.records.change(sql, visit.store, batch, visit.asker.id)
    return batch_of(visit, batch)


@router.get("/{store}/file_batches/{batch}/files")
def batch_entries(visit: Visited, batch: str, page: Paged) -> dict[str, Any]:
    """List the files of a batch."""
    rows = visit.entries(batch)
    return page.of([describe_entry(row) for row in rows])
