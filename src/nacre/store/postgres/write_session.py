"""One who writes a base: every change of a document is one transaction, in all tables, that also takes the next
generation, and is refused to whom somebody else has followed.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from hashlib import blake2b
from typing import Any

import numpy as np

from nacre.errors import LockedError
from nacre.store import bm25
from nacre.store.filters import rows_of_fields
from nacre.store.postgres import textsearch
from nacre.store.postgres.catalog import PostgresCatalog
from nacre.store.postgres.keyword_index import CHUNKS, audience_key, tallies
from nacre.store.postgres.postings import fold_tallies, move, tally, write_words
from nacre.store.postgres.shadow import PostgresShadow, before, come_back, exchange, make_graph, make_room
from nacre.store.postgres.vector_index import literal, read_moments, received
from nacre.store.protocol import ShadowVectors, WriteSession
from nacre.store.records import PUBLIC, ChunkRecord, DocumentRecord, SupersededText, document_facts
from nacre.text.language import tr
from nacre.text.writing import WRITINGS, writing_of

_FOLDED = 5000  # vectors read at a time
_MUCH = 1000  # chunks


class PostgresSession(WriteSession):
    """What may be done while the locks are held.

    Args:
        connection: the one whose session holds them.
        fences: the numbers that were taken with them, by scope.
        dim: length of the vectors; None for words only.
        push: lets arms elsewhere follow.
    """

    graph = False
    """Whether there is to be the index of a graph."""
    extension = False
    """Whether pg_textsearch follows too, where it is there."""

    def __init__(
        self,
        connection: Any,
        fences: Mapping[str, int],
        dim: int | None,
        place: str,
        push: Callable[[Any, Callable[[str, str], None]], None],
    ) -> None:
        self._connection, self._fences, self._dim, self._place = connection, dict(fences), dim, place
        self._push, self._written = push, 0

    @contextmanager
    def _change(self) -> Iterator[Any]:
        with self._connection.transaction():
            scopes = list(self._fences)
            rows = self._connection.execute(
                "SELECT scope, fence FROM fences WHERE scope = ANY(%s) FOR SHARE", (scopes,)
            ).fetchall()
            if dict(rows) != self._fences:
                raise LockedError(
                    tr(
                        "{place} is being written by somebody else since this connection was lost. What was stored "
                        "before is safe; sync again.",
                        place=self._place,
                    ),
                    path=self._place,
                )
            yield self._connection

    def remember(self, key: str, value: str) -> None:
        with self._change() as db:
            db.execute(
                "INSERT INTO meta VALUES (%s, %s) ON CONFLICT (key) DO UPDATE SET value = excluded.value", (key, value)
            )

    def audience(self, principals: Sequence[str] | None) -> int:
        names = sorted(set(principals or ()))
        if not names or "*" in names:
            return PUBLIC
        written = json.dumps(names, ensure_ascii=False)
        with self._change() as db:
            db.execute("INSERT INTO audiences (principals) VALUES (%s) ON CONFLICT DO NOTHING", (written,))
            return int(db.execute("SELECT id FROM audiences WHERE principals = %s", (written,)).fetchone()[0])

    def grant(self, scope: str, principals: Sequence[str]) -> None:
        with self._change() as db:
            db.execute(
                "INSERT INTO sources VALUES (%s, %s) ON CONFLICT (scope)"
                " DO UPDATE SET principals = excluded.principals",
                (scope, json.dumps(principals, ensure_ascii=False)),
            )

    # ------------------------------------------------------------------------------------------------ documents

    def put(self, document: DocumentRecord, chunks: Sequence[ChunkRecord]) -> int:
        facts = {**document_facts(document), "key": _key(document.uri)}
        new = ", ".join(f"{name} = excluded.{name}" for name in facts)
        with self._change() as db:
            before = db.execute("SELECT audience FROM documents WHERE uri = %s FOR UPDATE", (document.uri,)).fetchone()
            number = db.execute(
                f"INSERT INTO documents ({', '.join(facts)}) VALUES ({_marks(facts)}) ON CONFLICT (key) DO UPDATE SET"
                f" version = documents.version + (documents.hash <> excluded.hash)::int, {new} RETURNING id",
                list(facts.values()),
            ).fetchone()[0]
            if before and before[0] != document.audience:
                move(db, number, before[0], document.audience, self._dim)
            self._replace_chunks(db, number, document.audience, chunks)
            _list_fields(db, number)
            return int(number)

    def restore(self, document: DocumentRecord, chunks: Sequence[ChunkRecord]) -> None:
        facts = {**document_facts(document), "key": _key(document.uri), "id": document.id, "version": document.version}
        with self._change() as db:
            for (number,) in db.execute(
                "SELECT id FROM documents WHERE uri = %s OR id = %s", (document.uri, document.id)
            ).fetchall():
                self._delete(db, number)
            db.execute(f"INSERT INTO documents ({', '.join(facts)}) VALUES ({_marks(facts)})", list(facts.values()))
            self._insert(db, document.id, document.audience, chunks)
            _list_fields(db, document.id)
            self._date(db, document.id, [])
            for table, most in (("documents", document.id), ("chunks", max((c.id for c in chunks), default=0))):
                db.execute(
                    f"SELECT setval(s, greatest(%s, nextval(s))) FROM pg_get_serial_sequence('{table}', 'id') AS s",
                    (most,),
                )

    def _replace_chunks(self, db: Any, document: int, audience: int, chunks: Sequence[ChunkRecord]) -> None:
        """The new chunks in the place of the old ones; those that say the same keep their numbers."""
        rows = db.execute("SELECT id, hash FROM chunks WHERE document = %s ORDER BY start DESC", (document,)).fetchall()
        kept: dict[bytes, list[int]] = {}
        for number, digest in rows:
            kept.setdefault(digest, []).append(number)
        same = [(kept[chunk.hash].pop(), chunk) for chunk in chunks if kept.get(chunk.hash)]
        known = {id(chunk) for _, chunk in same}
        new = [chunk for chunk in chunks if id(chunk) not in known]
        numbers = db.execute(
            "SELECT nextval(pg_get_serial_sequence('chunks', 'id')) FROM generate_series(1, %s)", (len(new),)
        ).fetchall()
        self._remove(db, [number for numbers in kept.values() for number in numbers], audience)
        self._insert(db, document, audience, [replace(one, id=n) for (n,), one in zip(numbers, new, strict=True)])
        self._date(db, document, [(*_span(chunk), number) for number, chunk in same])

    def _insert(self, db: Any, document: int, audience: int, chunks: Sequence[ChunkRecord]) -> None:
        fields = 'id, document, start, "end", heading, page, context, text, hash, generation'
        with db.cursor() as cursor:
            with cursor.copy(f"COPY chunks ({fields}) FROM STDIN") as copy:
                for chunk in chunks:
                    copy.write_row((chunk.id, document, *_span(chunk), chunk.hash, 0))
            if self._dim:
                with cursor.copy("COPY vectors (chunk, document, audience, writing, embedding) FROM STDIN") as copy:
                    for chunk in chunks:
                        if chunk.vector is not None:
                            vector = literal(np.frombuffer(chunk.vector, "<f4"))
                            copy.write_row((chunk.id, document, audience, _writing(chunk), vector))
                numbers = [chunk.id for chunk in chunks]
                cursor.execute(
                    "INSERT INTO drift (chunk, writing) SELECT chunk, writing FROM vectors WHERE chunk = ANY(%s)",
                    (numbers,),
                )
        write_words(db, audience, chunks)
        self._written += len(chunks)

    def _remove(self, db: Any, numbers: Sequence[int], audience: int) -> None:
        if not numbers:
            return
        gone = list(numbers)
        if self._dim:
            db.execute(
                "WITH unseen AS (DELETE FROM drift WHERE chunk = ANY(%(gone)s) AND leaving IS NULL RETURNING chunk)"
                " INSERT INTO drift (chunk, writing, leaving) SELECT chunk, writing, embedding FROM vectors"
                " WHERE chunk = ANY(%(gone)s) AND chunk NOT IN (SELECT chunk FROM unseen)",
                {"gone": gone},
            )
            db.execute("DELETE FROM vectors WHERE chunk = ANY(%s)", (gone,))
        db.execute(
            "WITH gone AS (DELETE FROM postings WHERE chunk = ANY(%s) RETURNING word, count)"
            " INSERT INTO tallied SELECT 'w:' || word, -count(*) FROM gone GROUP BY word UNION ALL"
            " SELECT 'length', -coalesce(sum(count), 0) FROM gone",
            (gone,),
        )
        db.execute("DELETE FROM chunks WHERE id = ANY(%s)", (gone,))
        db.execute(
            "INSERT INTO removed (chunk, generation) SELECT unnest(%s::bigint[]), %s"
            " ON CONFLICT (chunk) DO UPDATE SET generation = excluded.generation",  # it was restored since
            (gone, EVER_LATER),
        )
        tally(db, {CHUNKS: -len(gone), audience_key(audience): -len(gone)})

    def _date(self, db: Any, document: int, same: Sequence[tuple[Any, ...]]) -> None:
        """The last thing of a change: the next generation, whose row lets one commit at a time pass."""
        generation = db.execute("UPDATE state SET generation = generation + 1 RETURNING generation").fetchone()[0]
        with db.cursor() as cursor:
            cursor.executemany(
                'UPDATE chunks SET start=%s, "end"=%s, heading=%s, page=%s, context=%s, text=%s WHERE id = %s', same
            )
        db.execute("UPDATE chunks SET generation = %s WHERE document = %s", (generation, document))
        db.execute("UPDATE removed SET generation = %s WHERE generation = %s", (generation, EVER_LATER))

    def refile(self, number: int, **facts: Any) -> None:
        if "uri" in facts:
            facts["key"] = _key(facts["uri"])
        names = ", ".join(f"{name} = %s" for name in facts)
        with self._change() as db:
            uri, audience = db.execute(
                "SELECT uri, audience FROM documents WHERE id = %s FOR UPDATE", (number,)
            ).fetchone()
            db.execute(f"UPDATE documents SET {names} WHERE id = %s", (*facts.values(), number))
            if "metadata" in facts:
                _list_fields(db, number)
            now = facts.get("audience", audience)
            if now != audience:
                move(db, number, audience, now, self._dim)
            if now != audience or facts.get("uri", uri) != uri:
                self._date(db, number, [])

    def delete(self, number: int) -> None:
        with self._change() as db:
            self._delete(db, number)
            self._date(db, number, [])

    def _delete(self, db: Any, number: int) -> None:
        chunks = [row[0] for row in db.execute("SELECT id FROM chunks WHERE document = %s", (number,)).fetchall()]
        audience = db.execute("DELETE FROM documents WHERE id = %s RETURNING audience", (number,)).fetchone()
        db.execute("DELETE FROM fields WHERE document = %s", (number,))
        if db.execute("SELECT to_regclass('versions') IS NOT NULL").fetchone()[0]:
            db.execute("DELETE FROM versions WHERE document = %s", (number,))
        self._remove(db, chunks, audience[0] if audience else PUBLIC)

    def keep_version(self, number: int, old: SupersededText, most: int) -> None:
        row = (number, old.version, old.audience, zlib.compress(old.text.encode("utf-8"), 1))
        with self._change() as db:
            # Made with the first version that is kept: a base of an earlier Nacre lacks it.
            db.execute(
                "CREATE TABLE IF NOT EXISTS versions (document bigint NOT NULL, version int NOT NULL,"
                " audience int NOT NULL, text bytea NOT NULL, PRIMARY KEY (document, version))"
            )
            db.execute(
                "INSERT INTO versions VALUES (%s, %s, %s, %s) ON CONFLICT (document, version)"
                " DO UPDATE SET audience = excluded.audience, text = excluded.text",
                row,
            )
            db.execute(
                "DELETE FROM versions WHERE document = %s AND version NOT IN"
                " (SELECT version FROM versions WHERE document = %s ORDER BY version DESC LIMIT %s)",
                (number, number, most),
            )

    def follow_rules(self, catalog: PostgresCatalog) -> None:
        """Make the words anew where they were written by other rules than `bm25.RULES`."""
        if self._connection.execute("SELECT words FROM state").fetchone()[0] != int(bm25.RULES):
            self.rebuild(catalog)

    def rebuild(self, catalog: PostgresCatalog) -> None:
        """Make postings, tallies and moments anew from the chunks; searches see the old ones until it is done."""
        with self._change() as db:
            for table in ("postings", "tallies", "tallied"):
                db.execute(f"DELETE FROM {table}")
            if self._dim:
                db.execute("DELETE FROM moments")
                db.execute("DELETE FROM drift")
                db.execute("INSERT INTO drift (chunk, writing) SELECT chunk, writing FROM vectors")
            for state in catalog.states():
                write_words(db, state.audience, catalog.chunk_records(state.id))
            db.execute("DELETE FROM meta WHERE key IN ('arms', 'said')")  # they are made anew too
            db.execute("UPDATE state SET words = %s", (int(bm25.RULES),))
        self.publish()

    # ------------------------------------------------------------------------------------------------ vectors

    def keep_vectors(self, vectors: Mapping[bytes, bytes]) -> None:
        with self._change() as db, db.cursor() as cursor:
            cursor.executemany(
                "INSERT INTO kept VALUES (%s, %s) ON CONFLICT (hash) DO NOTHING", sorted(vectors.items())
            )

    def drop_kept_vectors(self) -> None:
        with self._change() as db:
            db.execute("DELETE FROM kept")

    def shadow(self, identity: Mapping[str, Any]) -> PostgresShadow:
        return PostgresShadow(self._change, identity)

    def switch(self, shadow: ShadowVectors, identity: Mapping[str, Any]) -> None:
        self._turn(identity)

    def undo_switch(self) -> None:
        with self._change() as db:
            identity = before(db, self._place)
        self._turn(identity, come_back)

    def _turn(self, identity: Mapping[str, Any], first: Callable[[Any], None] = lambda db: None) -> None:
        with self._change() as db:
            make_room(db, int(identity["dim"]))
        with self._change() as db:
            first(db)
            exchange(db, identity)
            self._dim = int(identity["dim"])
            self._fold_moments(db)
        self.publish()

    def publish(self) -> None:
        """Every change is there already; fold what they left, so that searches read little."""
        with self._change() as db:
            fold_tallies(db)
            if self._dim:
                self._fold_moments(db)
            if self.extension:
                textsearch.follow(db)
        self._tend()
        if self.graph and self._dim:
            make_graph(self._connection, self._dim)
        self._push(self._connection, self.remember)

    def _tend(self) -> None:
        """After much was written, do at once what autovacuum does in time: until then searches read far more."""
        if self._written >= max(_MUCH, tallies(self._connection, [CHUNKS]).get(CHUNKS, 0) / 10):
            tables = "documents, chunks, postings" + (", vectors" if self._dim else "")
            self._connection.execute(f"VACUUM (ANALYZE) {tables}")
            self._written = 0

    def _fold_moments(self, db: Any) -> None:
        db.execute("LOCK TABLE moments IN SHARE ROW EXCLUSIVE MODE")
        folded = read_moments(db)
        while rows := db.execute(
            "WITH gone AS (DELETE FROM drift WHERE id IN (SELECT id FROM drift LIMIT %s)"
            " RETURNING chunk, writing, leaving) SELECT leaving IS NOT NULL, gone.writing,"
            " vector_send(coalesce(leaving, embedding)) FROM gone LEFT JOIN vectors USING (chunk)",
            (_FOLDED,),
        ).fetchall():
            for leaving, sign in ((False, 1), (True, -1)):
                some = [(writing, received(sent)) for gone, writing, sent in rows if gone is leaving and sent]
                if some:
                    writings, vectors = zip(*some, strict=True)
                    folded.count(np.stack(vectors), np.array(writings, np.int64), sign)
        db.execute("DELETE FROM moments")
        for writing, count in folded.counts.items():
            db.execute(
                "INSERT INTO moments SELECT %s, %s, %s, generation FROM state",
                (writing, count, folded.sums[writing].astype("<f8").tobytes()),
            )


def _writing(chunk: ChunkRecord) -> int:
    return WRITINGS.index(writing_of(chunk.text))


EVER_LATER = (1 << 62) - 1
"""Stands for the generation of a change that has not taken it yet."""


def _key(uri: str) -> bytes:
    return blake2b(uri.encode(), digest_size=20).digest()


def _marks(facts: Mapping[str, Any]) -> str:
    return ", ".join(["%s"] * len(facts))


def _span(chunk: ChunkRecord) -> tuple[Any, ...]:
    heading = json.dumps(chunk.heading, ensure_ascii=False)
    return chunk.start, chunk.end, heading, chunk.page, chunk.context.encode(), chunk.text.encode()


def _list_fields(db: Any, number: int) -> None:
    """Write down the fields of a document as filters compare them."""
    db.execute("DELETE FROM fields WHERE document = %s", (number,))
    told = db.execute("SELECT fields, metadata FROM documents WHERE id = %s", (number,)).fetchone()
    with db.cursor() as cursor:
        cursor.executemany("INSERT INTO fields VALUES (%s, %s, %s, %s)", rows_of_fields(number, *told))
