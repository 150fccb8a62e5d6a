"""Vectors of another embedder, made beside those that are searched, and put in their place in one transaction.

Those that leave are kept until the next time, so that the change can be undone. Nobody sees the shadow before; what an
interruption leaves of it is gone on with.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from typing import Any

from nacre.errors import KnowledgeBaseError
from nacre.store.folder.catalog import Catalog
from nacre.text.language import tr

_NEXT, _BEFORE = "vectors_next", "vectors_before"
_TABLE = "CREATE TABLE IF NOT EXISTS {} (chunk INTEGER PRIMARY KEY, vector BLOB NOT NULL)"
_LACKING = f"FROM chunks WHERE id NOT IN (SELECT chunk FROM {_NEXT})"


class Shadow:
    """The vectors to come of one folder; under its write lock.

    Args:
        identity: of the embedder that makes them.
    """

    def __init__(self, catalog: Catalog, identity: Mapping[str, Any]) -> None:
        self._catalog, self._db = catalog, catalog.db
        self._identity = json.dumps(identity, sort_keys=True)
        if catalog.meta(_NEXT) != self._identity:
            with self._db.write() as db:
                db.execute(f"DROP TABLE IF EXISTS {_NEXT}")
                _remember(db, _NEXT, self._identity)
        self._db.execute(_TABLE.format(_NEXT))

    def lacking(self, count: int) -> list[tuple[int, str, str]]:
        """Chunks that have none yet: number, context, text."""
        rows = self._db.read(f"SELECT id, context, text {_LACKING} ORDER BY id LIMIT ?", (count,))
        return [(number, context, text) for number, context, text in rows]

    def left(self) -> int:
        """How many chunks have none yet."""
        return int(self._db.read(f"SELECT count(*) {_LACKING}")[0][0])

    def keep(self, vectors: Mapping[int, bytes]) -> None:
        """Store some, by chunk number."""
        with self._db.write() as db:
            db.executemany(f"INSERT OR REPLACE INTO {_NEXT} VALUES (?, ?)", list(vectors.items()))

    def switch(self, manifest: str) -> None:
        """Put them in the place of those that were searched so far: all at once, or not at all."""
        with self._db.write() as db:
            db.execute(f"DELETE FROM {_NEXT} WHERE chunk NOT IN (SELECT id FROM chunks)")
            db.execute(f"DROP TABLE IF EXISTS {_BEFORE}")
            _exchange(db, _NEXT, _BEFORE, manifest)
            db.execute("DELETE FROM meta WHERE key = ?", (_NEXT,))


def undo(catalog: Catalog) -> str:
    """Go back to the vectors from before the last switch, if every chunk has one; gives back their manifest."""
    before = catalog.meta(_BEFORE)
    lacking = f"SELECT count(*) FROM chunks WHERE id NOT IN (SELECT chunk FROM {_BEFORE})"
    if before is None or catalog.db.read(lacking)[0][0]:
        raise KnowledgeBaseError(
            tr(
                "{path} cannot go back: it never had other vectors, or was synced since. Name the embedder instead: "
                "nacre reembed --embedder …",
                path=catalog.db.path,
            ),
            path=catalog.db.path,
        )
    with catalog.db.write() as db:
        db.execute(f"DROP TABLE IF EXISTS {_NEXT}")
        db.execute("DELETE FROM meta WHERE key = ?", (_NEXT,))
        db.execute(f"ALTER TABLE {_BEFORE} RENAME TO {_NEXT}")
        _exchange(db, _NEXT, _BEFORE, before)
    return before


def _exchange(db: sqlite3.Connection, new: str, old: str, manifest: str) -> None:
    """The tables change their names, and what was measured of the embedder is void."""
    made = db.execute("SELECT value FROM meta WHERE key = 'manifest'").fetchone()
    db.execute(f"ALTER TABLE vectors RENAME TO {old}")
    db.execute(f"ALTER TABLE {new} RENAME TO vectors")
    db.execute("DELETE FROM kept")
    db.execute("DELETE FROM meta WHERE key IN ('coverage', 'deviation')")
    _remember(db, old, made[0] if made else "")
    _remember(db, "manifest", manifest)
    generation = "SELECT CAST(value AS INTEGER) + 1 FROM meta WHERE key = 'generation'"
    _remember(db, "generation", str(db.execute(generation).fetchone()[0]))
    turns = db.execute("SELECT CAST(value AS INTEGER) FROM meta WHERE key = 'turn'").fetchone()
    _remember(db, "turn", str((turns[0] if turns else 0) + 1))


def _remember(db: sqlite3.Connection, key: str, value: str) -> None:
    db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, value))
