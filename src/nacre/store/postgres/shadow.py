"""Vectors of another embedder, made beside those that are searched, and put in their place in one transaction.

A search sees one state of the server, and so the old vectors with the old embedder, or the new ones with the new. Those
that leave are kept until the next time, so that the change can be undone.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import Any

import numpy as np

from nacre.errors import KnowledgeBaseError
from nacre.store.calibration import MEASURED
from nacre.store.postgres import schema
from nacre.store.postgres.vector_index import literal
from nacre.store.protocol import ShadowVectors
from nacre.text.language import tr
from nacre.text.writing import WRITINGS, writing_of

_log = logging.getLogger(__name__)
_NEXT, _BEFORE = "vectors_next", "vectors_before"
"""Tables, and the keys of `meta` for the embedder of the first and the manifest of the second."""
TURN = "turn"
"""The key of `meta` that counts the changes of embedder."""
_LACKING = f"FROM chunks c WHERE NOT EXISTS (SELECT FROM {_NEXT} n WHERE n.chunk = c.id)"
_WAITS_S = (0.1, 0.5, 2.0)
_THERE = "SELECT to_regclass(%s) IS NOT NULL"


class PostgresShadow(ShadowVectors):
    """The vectors to come of one base; its writer alone has them.

    Args:
        change: begins a transaction of the writer.
        identity: of the embedder that makes them.
    """

    def __init__(self, change: Callable[[], AbstractContextManager[Any]], identity: Mapping[str, Any]) -> None:
        self._change = change
        self._writings: dict[int, int] = {}
        self._after = 0  # up to this number all were kept: what is done is not looked through again
        self._left: int | None = None
        told = json.dumps(identity, sort_keys=True)
        with change() as db:
            if _meta(db, _NEXT) != told:
                db.execute(f"DROP TABLE IF EXISTS {_NEXT}")
                _remember(db, _NEXT, told)
            db.execute(
                f"CREATE TABLE IF NOT EXISTS {_NEXT}"
                " (chunk bigint PRIMARY KEY, writing smallint NOT NULL, embedding vector NOT NULL)"
            )

    def lacking(self, count: int) -> list[tuple[int, str, str]]:
        with self._change() as db:
            query = f"SELECT c.id, c.context, c.text {_LACKING} AND c.id > %s ORDER BY c.id LIMIT %s"
            rows = db.execute(query, (self._after, count)).fetchall()
            if not rows and self._after:  # sure of it
                rows = db.execute(query, (0, count)).fetchall()
        found = [(number, bytes(context).decode(), bytes(text).decode()) for number, context, text in rows]
        self._writings = {number: WRITINGS.index(writing_of(text)) for number, _, text in found}
        return found

    def left(self) -> int:
        if self._left is None:
            with self._change() as db:
                self._left = int(db.execute(f"SELECT count(*) {_LACKING}").fetchone()[0])
        return self._left

    def keep(self, vectors: Mapping[int, bytes]) -> None:
        made = {number: literal(np.frombuffer(vector, "<f4")) for number, vector in vectors.items()}
        rows = [(number, self._writings[number], vector) for number, vector in made.items()]
        with self._change() as db, db.cursor() as cursor:
            cursor.executemany(f"INSERT INTO {_NEXT} VALUES (%s, %s, %s) ON CONFLICT DO NOTHING", rows)
        if self._left is not None:
            self._left -= len(rows)
        if vectors.keys() == self._writings.keys():
            self._after = max(vectors, default=self._after)


def make_room(db: Any, dim: int) -> None:
    """Let the table hold vectors of any length. A graph is of one: it is made again with the next publication, and
    until then all are looked at.
    """
    if not db.execute(_THERE, ("vectors",)).fetchone()[0]:
        db.execute(schema.vectors(dim))
    db.execute("DROP INDEX IF EXISTS vectors_graph, vectors_hnsw")
    for table, column in (("vectors", "embedding"), ("drift", "leaving")):
        db.execute(f"ALTER TABLE {table} ALTER COLUMN {column} TYPE vector")


def make_graph(connection: Any, dim: int) -> None:
    """Make the index of a graph, where it is missing. Vectors of another length, which a search that began before them
    still sees, would be in it too: that search is waited for, or all are looked at until the next time.
    """
    from psycopg.errors import DataError

    for wait in (*_WAITS_S, None):
        try:
            for statement in schema.graph(dim):
                connection.execute(statement)
            return
        except DataError as error:
            if wait is None:
                _log.warning("no graph yet, vectors are scanned until the next sync: %s", error)
            else:
                time.sleep(wait)


def exchange(db: Any, identity: Mapping[str, Any]) -> None:
    """Put the shadow in the place of the vectors, and keep those."""
    before = db.execute("SELECT manifest FROM state").fetchone()[0]
    db.execute(f"DROP TABLE IF EXISTS {_BEFORE}")
    db.execute(f"CREATE TABLE {_BEFORE} AS SELECT chunk, writing, embedding FROM vectors")
    for table in ("vectors", "drift", "moments", "kept"):
        db.execute(f"DELETE FROM {table}")
    db.execute(
        "INSERT INTO vectors SELECT c.id, c.document, d.audience, n.writing, n.embedding"
        f" FROM {_NEXT} n JOIN chunks c ON c.id = n.chunk JOIN documents d ON d.id = c.document"
    )
    db.execute("INSERT INTO drift (chunk, writing) SELECT chunk, writing FROM vectors")
    db.execute(f"DROP TABLE {_NEXT}")
    # What was measured of the embedder is void.
    db.execute("DELETE FROM meta WHERE key = ANY(%s)", ([_NEXT, *MEASURED],))
    _remember(db, _BEFORE, before)
    _remember(db, TURN, str(int(_meta(db, TURN) or 0) + 1))
    db.execute("UPDATE state SET generation = generation + 1, manifest = %s", (json.dumps({"embedder": identity}),))


def before(db: Any, place: str) -> dict[str, Any]:
    """The embedder of the vectors from before the last exchange, if every chunk has one."""
    kept = _meta(db, _BEFORE)
    lacking = f"SELECT count(*) FROM chunks WHERE id NOT IN (SELECT chunk FROM {_BEFORE})"
    found: dict[str, Any] | None = json.loads(kept)["embedder"] if kept else None
    if found is None or db.execute(lacking).fetchone()[0]:
        raise KnowledgeBaseError(
            tr(
                "{path} cannot go back: it never had other vectors, or was synced since. Name the embedder instead: "
                "nacre reembed --embedder …",
                path=place,
            ),
            path=place,
        )
    return found


def come_back(db: Any) -> None:
    """Make the vectors from before the last exchange the shadow."""
    db.execute(f"DROP TABLE IF EXISTS {_NEXT}")
    db.execute(f"ALTER TABLE {_BEFORE} RENAME TO {_NEXT}")


def _meta(db: Any, key: str) -> str | None:
    row = db.execute("SELECT value FROM meta WHERE key = %s", (key,)).fetchone()
    return row[0] if row else None


def _remember(db: Any, key: str, value: str) -> None:
    db.execute("INSERT INTO meta VALUES (%s, %s) ON CONFLICT (key) DO UPDATE SET value = excluded.value", (key, value))
