"""What is done to files in vector stores: filed, read by the ingestion process, told of, taken out."""

from __future__ import annotations

import json
import time
from typing import Annotated, Any

from pydantic import Field, StringConstraints

from nacre.errors import LockedError
from nacre.server.auth import quotas
from nacre.server.bases import MAIN
from nacre.server.context import Visit
from nacre.server.ingestion.worker import uri_of
from nacre.server.journal import insertion
from nacre.server.openai.errors import Problem, not_found
from nacre.server.records import Row
from nacre.server.state import State
from nacre.text.language import tr
from nacre.text.strict_json import to_json

_PATIENCE_S = 30.0
Attributes = Annotated[
    dict[
        Annotated[str, StringConstraints(max_length=64)],
        Annotated[str, StringConstraints(max_length=512)] | float | bool,
    ],
    Field(max_length=16),
]


def file_in(visit: Visit, files: list[Row], attributes: Attributes | None, batch: str | None) -> None:
    """Put files on the list of what is to be read into a store.

    Args:
        files: rows of the table `files`.
        attributes: given to each; `principals` narrows who may see it.
    """
    principals = _audience(visit, attributes)
    # Nobody else writes meanwhile: many requests at once cannot pass the quota together.
    with visit.state.records.db.write() as db:
        quotas.check_entries(visit.state, visit.asker, files)
        for file in files:
            row: Row = {
                "store": visit.store, "file": file["id"], "batch": batch, "owner": visit.asker.id, "bytes": file["bytes"],
                "principals": to_json(principals) if principals else None, "attributes": to_json(attributes or {}),
                "status": "in_progress", "created": int(time.time()),
            }  # fmt: skip
            db.execute(*insertion("entries", row))
    if files:
        visit.state.ingestion.wake()


def take_out(state: State, store: str, file: Row) -> None:
    """Take a file out of a store's knowledge base and its list.

    Args:
        file: row of the table `files`.
    """
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


def nudge(visit: Visit) -> None:
    """Keep the ingestion process alive for a client that waits for a store, should it have died."""
    if visit.state.records.one("entries", "store = ? and status = 'in_progress'", visit.store):
        visit.state.ingestion.wake()


def counts_of(rows: list[Row]) -> dict[str, int]:
    """How many files are in which state."""
    states = [row["status"] for row in rows]
    return {
        **{name: states.count(name) for name in ("in_progress", "completed", "failed", "cancelled")},
        "total": len(rows),
    }


def entry_of(visit: Visit, file: str) -> dict[str, Any]:
    """One file of the asker in a store."""
    row = visit.state.records.one("entries", "store = ? and file = ? and owner = ?", visit.store, file, visit.asker.id)
    if row is None:
        raise not_found(file)
    return describe_entry(row)


def batch_of(visit: Visit, batch: str) -> dict[str, Any]:
    """One batch of the asker's."""
    rows = visit.entries(batch)
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
        "vector_store_id": visit.store,
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


def _audience(visit: Visit, attributes: Attributes | None) -> list[str] | None:
    """Who may see an upload: in "main", without the right to write there for others, its asker alone; else those whom the
    asker names, of the asker's own principals only; else all of these.
    """
    asker, named = visit.asker, (attributes or {}).get("principals")
    alone = visit.store == MAIN and not asker.write_main
    if named is None:
        return [asker.own] if alone else list(asker.principals) if asker.principals else None
    wanted = [name.strip() for name in str(named).split(",") if name.strip()]
    if not wanted or not {*wanted} <= {*(asker.principals or ())}:
        raise Problem(
            403, tr("A file may be given to your own principals only."), "foreign_principals", "attributes.principals"
        )
    if alone:
        raise Problem(
            403,
            tr(
                'Your uploads into "main" are seen by you alone. To give them to others, a key needs the '
                "right to: nacre keys add NAME --write-main"
            ),
            "main_not_writable",
            "attributes.principals",
        )
    return wanted
