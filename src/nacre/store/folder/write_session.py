"""The one who writes a folder: every change of a document is one transaction, which also takes the next generation."""

from __future__ import annotations

import json
import sqlite3
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from nacre.store.filters import rows_of_fields
from nacre.store.folder.catalog import Catalog
from nacre.store.folder.database import FIELDS_TABLE
from nacre.store.folder.indexes import Indexes
from nacre.store.folder.manifest import Manifest, parse_manifest, write_manifest
from nacre.store.folder.shadow import Shadow, undo
from nacre.store.protocol import ShadowVectors, WriteSession
from nacre.store.records import PUBLIC, ChunkRecord, DocumentRecord, SupersededText, document_facts


class FolderSession(WriteSession):
    """What may be done under the folder's write lock."""

    def __init__(self, catalog: Catalog, indexes: Indexes) -> None:
        self._catalog, self._db, self._indexes = catalog, catalog.db, indexes
        self._complete()

    def _complete(self) -> None:
        """Add what a catalog of an earlier Nacre lacks. Its documents were cut to the default size."""
        there = {row[1] for row in self._db.read("PRAGMA table_info(documents)")}
        columns = (("cut", "INTEGER NOT NULL DEFAULT 0"), ("blocks", "BLOB"), ("fields", "TEXT NOT NULL DEFAULT '{}'"))
        for name, kind in columns:
            if name not in there:
                self._db.execute(f"ALTER TABLE documents ADD COLUMN {name} {kind}")
        for statement in FIELDS_TABLE:
            self._db.execute(statement)
        self._db.execute("CREATE TABLE IF NOT EXISTS kept (hash BLOB PRIMARY KEY, vector BLOB NOT NULL) WITHOUT ROWID")
        self._db.execute(
            "CREATE TABLE IF NOT EXISTS versions (document INTEGER NOT NULL, version INTEGER NOT NULL,"
            " audience INTEGER NOT NULL, text BLOB NOT NULL, PRIMARY KEY (document, version))"
        )

    def publish(self) -> None:
        """Make all commits so far durable, fold the log into the file when no reader needs it, and let searches see
        it.
        """
        self._db.execute("PRAGMA wal_checkpoint(PASSIVE)")
        self._indexes.catch_up()

    def shadow(self, identity: Mapping[str, Any]) -> Shadow:
        return Shadow(self._catalog, identity)

    def switch(self, shadow: ShadowVectors, identity: Mapping[str, Any]) -> None:
        assert isinstance(shadow, Shadow)
        manifest = Manifest(dict(identity))
        shadow.switch(manifest.to_json())
        self._turned(manifest)

    def undo_switch(self) -> None:
        self._turned(parse_manifest(undo(self._catalog), Path(self._db.path)))

    def _turned(self, manifest: Manifest) -> None:
        """The file follows the catalog; where this is interrupted, opening the folder does it."""
        write_manifest(Path(self._db.path).parent, manifest)
        self.publish()

    def remember(self, key: str, value: str) -> None:
        self._catalog.remember(key, value)

    def audience(self, principals: Sequence[str] | None) -> int:
        names = sorted(set(principals or ()))
        if not names or "*" in names:
            return PUBLIC
        written = json.dumps(names, ensure_ascii=False)
        self._db.execute("INSERT OR IGNORE INTO audiences (principals) VALUES (?)", (written,))
        return int(self._db.read("SELECT id FROM audiences WHERE principals = ?", (written,))[0][0])

    def grant(self, scope: str, principals: Sequence[str]) -> None:
        self._db.execute(
            "INSERT INTO sources VALUES (?, ?) ON CONFLICT (scope) DO UPDATE SET principals = excluded.principals",
            (scope, json.dumps(principals, ensure_ascii=False)),
        )

    def _next_generation(self, db: sqlite3.Connection) -> int:
        took = "UPDATE meta SET value = CAST(value AS INTEGER) + 1 WHERE key = 'generation' RETURNING value"
        return int(db.execute(took).fetchall()[0][0])

    def put(self, document: DocumentRecord, chunks: Sequence[ChunkRecord]) -> int:
        with self._db.write() as db:
            generation = self._next_generation(db)
            facts = document_facts(document)
            new = ", ".join(f"{name} = excluded.{name}" for name in facts)
            number = db.execute(
                f"INSERT INTO documents (version, {', '.join(facts)}) VALUES (1{', ?' * len(facts)})"
                f" ON CONFLICT (uri) DO UPDATE SET version = version + (hash <> excluded.hash), {new} RETURNING id",
                tuple(facts.values()),
            ).fetchall()[0][0]
            self._replace_chunks(db, int(number), chunks, generation)
            self._list_fields(db, int(number))
            return int(number)

    def _list_fields(self, db: sqlite3.Connection, number: int) -> None:
        """Write down the fields of a document as filters compare them."""
        db.execute("DELETE FROM fields WHERE document = ?", (number,))
        told = db.execute("SELECT fields, metadata FROM documents WHERE id = ?", (number,)).fetchone()
        db.executemany("INSERT INTO fields VALUES (?, ?, ?, ?)", rows_of_fields(number, *told))

    def _replace_chunks(
        self, db: sqlite3.Connection, document: int, chunks: Sequence[ChunkRecord], generation: int
    ) -> None:
        rows = db.execute("SELECT id, hash FROM chunks WHERE document = ? ORDER BY start", (document,)).fetchall()
        kept: dict[bytes, list[int]] = {}
        for number, digest in reversed(rows):
            kept.setdefault(digest, []).append(number)
        for chunk in chunks:
            same = kept.get(chunk.hash)
            if same:
                db.execute(
                    'UPDATE chunks SET start=?, "end"=?, heading=?, page=?, context=?, text=?, generation=?'
                    " WHERE id = ?",
                    (*_placed(chunk), generation, same.pop()),
                )
                continue
            self._insert(db, document, chunk, generation)
        self._remove_chunks(db, [number for numbers in kept.values() for number in numbers], generation)

    def _insert(
        self, db: sqlite3.Connection, document: int, chunk: ChunkRecord, generation: int, number: int | None = None
    ) -> None:
        made = db.execute(
            'INSERT INTO chunks (start, "end", heading, page, context, text, generation, document, hash, id)'
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (*_placed(chunk), generation, document, chunk.hash, number),
        ).lastrowid
        if chunk.vector is not None:
            db.execute("INSERT INTO vectors VALUES (?, ?)", (made, chunk.vector))

    def _remove_chunks(self, db: sqlite3.Connection, numbers: Sequence[int], generation: int) -> None:
        one = [(number,) for number in numbers]
        db.executemany("DELETE FROM vectors WHERE chunk = ?", one)
        db.executemany("DELETE FROM chunks WHERE id = ?", one)
        db.executemany("INSERT INTO removed VALUES (?, ?)", [(number, generation) for number in numbers])

    def restore(self, document: DocumentRecord, chunks: Sequence[ChunkRecord]) -> None:
        facts = {**document_facts(document), "id": document.id, "version": document.version}
        with self._db.write() as db:
            generation = self._next_generation(db)
            rows = db.execute("SELECT id FROM documents WHERE uri = ? OR id = ?", (document.uri, document.id))
            for (number,) in rows.fetchall():
                gone = [row[0] for row in db.execute("SELECT id FROM chunks WHERE document = ?", (number,))]
                self._remove_chunks(db, gone, generation)
                db.execute("DELETE FROM documents WHERE id = ?", (number,))
                db.execute("DELETE FROM versions WHERE document = ?", (number,))
            marks = ", ".join("?" * len(facts))
            db.execute(f"INSERT INTO documents ({', '.join(facts)}) VALUES ({marks})", tuple(facts.values()))
            db.executemany("DELETE FROM removed WHERE chunk = ?", [(chunk.id,) for chunk in chunks])
            for chunk in chunks:
                self._insert(db, document.id, chunk, generation, chunk.id)
            self._list_fields(db, document.id)

    def refile(self, number: int, **facts: Any) -> None:
        names = ", ".join(f"{name} = ?" for name in facts)
        with self._db.write() as db:
            before = db.execute("SELECT uri, audience FROM documents WHERE id = ?", (number,)).fetchone()
            db.execute(f"UPDATE documents SET {names} WHERE id = ?", (*facts.values(), number))
            if "metadata" in facts:
                self._list_fields(db, number)
            if db.execute("SELECT uri, audience FROM documents WHERE id = ?", (number,)).fetchone() != before:
                db.execute("UPDATE chunks SET generation = ? WHERE document = ?", (self._next_generation(db), number))

    def delete(self, number: int) -> None:
        with self._db.write() as db:
            chunks = [row[0] for row in db.execute("SELECT id FROM chunks WHERE document = ?", (number,))]
            self._remove_chunks(db, chunks, self._next_generation(db))
            db.execute("DELETE FROM documents WHERE id = ?", (number,))
            db.execute("DELETE FROM fields WHERE document = ?", (number,))
            db.execute("DELETE FROM versions WHERE document = ?", (number,))

    def keep_version(self, number: int, old: SupersededText, most: int) -> None:
        row = (number, old.version, old.audience, zlib.compress(old.text.encode("utf-8"), 1))
        with self._db.write() as db:
            db.execute("INSERT OR REPLACE INTO versions VALUES (?, ?, ?, ?)", row)
            db.execute(
                "DELETE FROM versions WHERE document = ? AND version NOT IN"
                " (SELECT version FROM versions WHERE document = ? ORDER BY version DESC LIMIT ?)",
                (number, number, most),
            )

    def keep_vectors(self, vectors: Mapping[bytes, bytes]) -> None:
        with self._db.write() as db:
            db.executemany("INSERT OR REPLACE INTO kept VALUES (?, ?)", list(vectors.items()))

    def drop_kept_vectors(self) -> None:
        self._db.execute("DELETE FROM kept")


def _placed(chunk: ChunkRecord) -> tuple[Any, ...]:
    heading = json.dumps(chunk.heading, ensure_ascii=False)
    return chunk.start, chunk.end, heading, chunk.page, chunk.context, chunk.text
