"""`/v1/vector_stores`: knowledge bases that a client fills and searches. "main" is the server's own."""

from __future__ import annotations

import json
import time
from typing import Annotated, Any

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field, StringConstraints

from nacre.server.auth import quotas
from nacre.server.bases import MAIN
from nacre.server.context import Changed, Visit, Visited, asker_of, state_of, store_of
from nacre.server.ingestion.filing import counts_of, file_in, nudge
from nacre.server.openai.errors import Problem
from nacre.server.openai.files import own_file
from nacre.server.openai.paging import Paged
from nacre.server.records import Row, new_id
from nacre.text.language import tr
from nacre.text.strict_json import to_json

router = APIRouter(prefix="/v1/vector_stores")


Metadata = Annotated[
    dict[Annotated[str, StringConstraints(max_length=64)], Annotated[str, StringConstraints(max_length=512)]],
    Field(max_length=16),
]


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


@router.post("")
def create(request: Request, body: NewStore) -> dict[str, Any]:
    """Make a vector store."""
    state, asker = state_of(request), asker_of(request, writing=True)
    files = [own_file(state, asker, file) for file in body.file_ids]
    store: Row = {
        "id": new_id("vs"),
        "owner": asker.id,
        "name": body.name or "",
        "metadata": to_json(body.metadata or {}),
        "created": int(time.time()),
    }
    quotas.check_entries(state, asker, files)
    quotas.keep_store(state, asker, store)
    state.bases.get(store["id"])
    made = Visit(state, asker, store)
    file_in(made, files, None, None)
    return describe(made)


@router.get("")
def stores(request: Request, page: Paged) -> dict[str, Any]:
    """List "main" and the asker's vector stores."""
    state, asker = state_of(request), asker_of(request)
    rows = [store_of(state, asker, MAIN), *state.records.select("stores", "owner = ?", (asker.id,))]
    return page.of([describe(Visit(state, asker, row)) for row in rows])


@router.get("/{store}")
def store(visit: Visited) -> dict[str, Any]:
    """One vector store, and how far its files have been read."""
    nudge(visit)
    return describe(visit)


@router.post("/{store}")
def change(visit: Changed, body: ChangedStore) -> dict[str, Any]:
    """Rename a vector store."""
    row = _own(visit)
    row |= {"name": row["name"] if body.name is None else body.name}
    row |= {"metadata": row["metadata"] if body.metadata is None else to_json(body.metadata)}
    visit.state.records.insert("stores", row)
    return describe(visit)


@router.delete("/{store}")
def delete(visit: Changed) -> dict[str, Any]:
    """Delete a vector store; its files stay."""
    store, records = str(_own(visit)["id"]), visit.state.records
    with records.db.write() as db:
        db.execute("delete from entries where store = ?", (store,))
        db.execute("delete from stores where id = ?", (store,))
    visit.state.bases.drop(store)
    return {"id": store, "object": "vector_store.deleted", "deleted": True}


@router.post("/{store}/search")
def search(visit: Visited, body: Search) -> dict[str, Any]:
    """Search a store, as the asker."""
    queries = [body.query] if isinstance(body.query, str) else body.query
    hits = _search(visit, " ".join(queries), body.max_num_results)
    return {
        "object": "vector_store.search_results.page",
        "search_query": queries,
        "data": hits,
        "has_more": False,
        "next_page": None,
    }


def describe(visit: Visit) -> dict[str, Any]:
    """A vector store as OpenAI describes it.

    Args:
        visit: to it; only the asker's own files are counted.

    Returns:
        A vector store object; `eta_s` says in how many seconds its files may be read.
    """
    store, rows = visit.row, visit.entries()
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


def _search(visit: Visit, query: str, k: int) -> list[dict[str, Any]]:
    with visit.state.bases.using(visit.store) as base:
        hits = base.search(query, k=k, principals=visit.asker.sees)
        files = {hit.uri: base.metadata(hit.uri).get("file_id") for hit in hits}
    found = []
    for hit in hits:
        place = {
            "uri": hit.uri,
            "document_id": hit.document_id,
            "page": hit.page,
            "start": hit.start,
            "end": hit.end,
            "title": hit.title,
        }
        found.append(
            {
                "file_id": files[hit.uri] or f"document-{hit.document_id}",
                "filename": hit.uri.rpartition("/")[2] or hit.title,
                "score": max(0.0, min(1.0, float(hit.score))),
                "attributes": {name: value for name, value in place.items() if value is not None},
                "content": [{"type": "text", "text": hit.text}],
            }
        )
    return found


def _own(visit: Visit) -> Row:
    if visit.store == MAIN:
        raise Problem(403, tr('"main" is the server\'s own and stays as it is.'), "main_store")
    return visit.row
