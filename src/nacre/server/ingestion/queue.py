"""The work list of the ingestion process: files that are to be read into a vector store, or taken out."""

from __future__ import annotations

import time
from typing import Annotated

from pydantic import Field, StringConstraints

from nacre.errors import LockedError
from nacre.server.auth import quotas
from nacre.server.ingestion.worker import uri_of
from nacre.server.journal import insertion
from nacre.server.knowledge_bases import MAIN
from nacre.server.openai.errors import Problem
from nacre.server.records import Row
from nacre.server.state import State, StoreContext
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
