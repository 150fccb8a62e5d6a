"""The truth of a knowledge base: one SQLite file with documents, chunks and vectors.

Every change of a document is one transaction that also takes the next *generation* number. Chunks carry the
generation that last touched them and removed chunks leave a row in `removed`, so an index that stands at generation g
catches up by reading what came after g. That is the only way an index is ever changed: by a sync, at the next open
after a crash, and in a process that only reads.
"""

from __future__ import annotations

import json
import sqlite3
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from nacre.store.folder.database import damaged, opened
from nacre.store.records import PUBLIC, Document, State, StoredChunk, StoredTable, unpacked_tables, written


class Catalog:
    """Documents, their chunks and their vectors, in one SQLite file. Safe to share between threads.

    Args:
        create: make the tables when they are missing; otherwise that is damage.
    """

    def __init__(self, folder: Path, create: bool = False) -> None:
        self.db = opened(folder, create)

    def close(self) -> None:
        """Close the file."""
        self.db.close()

    def checkpoint(self) -> None:
        """Make all commits so far durable, and fold the log into the file when no reader needs it."""
        self.db.execute("PRAGMA wal_checkpoint(PASSIVE)")

    # ------------------------------------------------------------------------------------------------ facts

    def meta(self, key: str) -> str | None:
        """A remembered value, or None."""
        found = self.db.read("SELECT value FROM meta WHERE key = ?", (key,))
        return found[0][0] if found else None

    def set_meta(self, key: str, value: str) -> None:
        """Remember a value."""
        self.db.execute(
            "INSERT INTO meta VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value", (key, value)
        )

    @property
    def generation(self) -> int:
        """Number of the last change."""
        return int(self.meta("generation") or 0)

    def text(self, uri: str) -> str | None:
        """The extracted text of a document, or None when there is no such document."""
        found = self.db.read("SELECT text FROM documents WHERE uri = ?", (uri,))
        try:
            return zlib.decompress(found[0][0]).decode("utf-8") if found else None
        except (zlib.error, UnicodeDecodeError) as error:
            raise damaged(Path(self.db.path), error) from error

    def tables(self, uri: str) -> list[StoredTable]:
        """The tables of a document, as far as they are stored."""
        if not self.db.read("SELECT 1 FROM pragma_table_info('documents') WHERE name = 'blocks'"):
            return []  # made by an earlier Nacre, and not synced since
        found = self.db.read("SELECT blocks FROM documents WHERE uri = ? AND blocks IS NOT NULL", (uri,))
        return unpacked_tables(found[0][0]) if found else []

    def count(self, table: str) -> int:
        """Rows of a table."""
        return int(self.db.read(f"SELECT count(*) FROM {table}")[0][0])

    def documents(self) -> list[dict[str, Any]]:
        """All documents, sorted by address."""
        names = self.audiences()
        rows = self.db.read(
            "SELECT d.uri, d.title, d.mime, d.version, d.audience, d.modified, d.id, d.metadata,"
            ' (SELECT count(*) FROM chunks c WHERE c.document = d.id), (SELECT coalesce(max("end"), 0) FROM chunks c WHERE c.document = d.id)'
            " FROM documents d ORDER BY d.uri"
        )
        return [
            {
                "uri": uri,
                "title": title,
                "mime": mime,
                "version": version,
                "principals": list(names.get(audience, ())),
                "modified": modified,
                "chunks": chunks,
                "characters": characters,
                "document_id": number,
                "metadata": json.loads(metadata),
            }
            for uri, title, mime, version, audience, modified, number, metadata, chunks, characters in rows
        ]

    def states(self) -> list[State]:
        """What the ledger compares."""
        return [
            State(*row)
            for row in self.db.read(
                "SELECT id, uri, scope, stamp, hash, audience, title, metadata, cut, blocks IS NOT NULL FROM documents"
            )
        ]

    # ------------------------------------------------------------------------------------------------ principals

    def audience(self, principals: Sequence[str] | None) -> int:
        """The number of a set of principals, made when new.

        Args:
            principals: names; None or "*" among them means everyone.
        """
        names = sorted(set(principals or ()))
        if not names or "*" in names:
            return PUBLIC
        written = json.dumps(names, ensure_ascii=False)
        self.db.execute("INSERT OR IGNORE INTO audiences (principals) VALUES (?)", (written,))
        return int(self.db.read("SELECT id FROM audiences WHERE principals = ?", (written,))[0][0])

    def audiences(self) -> dict[int, tuple[str, ...]]:
        """All sets of principals."""
        return {
            number: tuple(json.loads(names)) for number, names in self.db.read("SELECT id, principals FROM audiences")
        }

    def scopes(self) -> list[tuple[str, str]]:
        """The sources that were ever given principals."""
        return [(scope, names) for scope, names in self.db.read("SELECT scope, principals FROM sources")]

    def remember_scope(self, scope: str, principals: str) -> None:
        """Remember who may see a source's documents."""
        self.db.execute(
            "INSERT INTO sources VALUES (?, ?) ON CONFLICT (scope) DO UPDATE SET principals = excluded.principals",
            (scope, principals),
        )

    # ------------------------------------------------------------------------------------------------ cutting anew

    def complete(self) -> None:
        """Add the columns and the table that a catalog of an earlier Nacre lacks. Its documents were cut to the default size."""
        there = {row[1] for row in self.db.read("PRAGMA table_info(documents)")}
        for name, kind in (("cut", "INTEGER NOT NULL DEFAULT 0"), ("blocks", "BLOB")):
            if name not in there:
                self.db.execute(f"ALTER TABLE documents ADD COLUMN {name} {kind}")
        self.db.execute("CREATE TABLE IF NOT EXISTS kept (hash BLOB PRIMARY KEY, vector BLOB NOT NULL) WITHOUT ROWID")

    def cut_otherwise(self, cut: int) -> list[tuple[str, bool]]:
        """Documents that were cut to another size.

        Args:
            cut: the size that is set, in tokens; 0 for the default.
        """
        rows = self.db.read("SELECT uri, blocks IS NOT NULL FROM documents WHERE cut <> ? ORDER BY id", (cut,))
        return [(uri, bool(whole)) for uri, whole in rows]

    def document(self, uri: str) -> Document:
        """A document as it was stored."""
        names = ("scope", "stamp", "hash", "title", "mime", "audience", "modified", "cut", "blocks", "id", "version")
        *row, metadata = self.db.read(f"SELECT {', '.join(names)}, metadata FROM documents WHERE uri = ?", (uri,))[0]
        facts = dict(zip(names, row, strict=True))
        return Document(uri=uri, text=self.text(uri) or "", metadata=json.loads(metadata), **facts)

    # ------------------------------------------------------------------------------------------------ changes

    def _next_generation(self, db: sqlite3.Connection) -> int:
        took = "UPDATE meta SET value = CAST(value AS INTEGER) + 1 WHERE key = 'generation' RETURNING value"
        return int(db.execute(took).fetchall()[0][0])

    def put(self, document: Document, chunks: Sequence[StoredChunk]) -> int:
        """Store a document, new or changed, with its chunks; chunks that are the same as before keep their numbers.

        Args:
            document: the document; one of the same uri is replaced.
        """
        with self.db.write() as db:
            generation = self._next_generation(db)
            old = db.execute("SELECT id, version, hash FROM documents WHERE uri = ?", (document.uri,)).fetchone()
            packed = zlib.compress(document.text.encode("utf-8"), 1)
            facts = (document.scope, document.stamp, document.hash, document.title, document.mime, document.audience,
                     document.modified, written(document.metadata), packed, document.cut, document.blocks)  # fmt: skip
            if old is None:
                number = db.execute(
                    "INSERT INTO documents (scope, stamp, hash, title, mime, audience, modified, metadata, text, cut, blocks, uri, version)"
                    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 1)",
                    (*facts, document.uri),
                ).lastrowid
                assert number is not None
            else:
                number = old[0]
                version = old[1] + (old[2] != document.hash)
                db.execute(
                    "UPDATE documents SET scope=?, stamp=?, hash=?, title=?, mime=?, audience=?, modified=?, metadata=?, text=?, cut=?, blocks=?, version=?"
                    " WHERE id = ?",
                    (*facts, version, number),
                )
            self._replace_chunks(db, int(number), chunks, generation)
            return int(number)

    def _replace_chunks(
        self, db: sqlite3.Connection, document: int, chunks: Sequence[StoredChunk], generation: int
    ) -> None:
        rows = db.execute("SELECT id, hash FROM chunks WHERE document = ? ORDER BY start", (document,)).fetchall()
        kept: dict[bytes, list[int]] = {}
        for number, digest in reversed(rows):
            kept.setdefault(digest, []).append(number)
        for chunk in chunks:
            same = kept.get(chunk.hash)
            facts = (chunk.start, chunk.end, json.dumps(chunk.heading, ensure_ascii=False), chunk.page, chunk.context,
                     chunk.text, generation)  # fmt: skip
            if same:
                db.execute(
                    'UPDATE chunks SET start=?, "end"=?, heading=?, page=?, context=?, text=?, generation=? WHERE id = ?',
                    (*facts, same.pop()),
                )
                continue
            number = db.execute(
                'INSERT INTO chunks (start, "end", heading, page, context, text, generation, document, hash) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)',
                (*facts, document, chunk.hash),
            ).lastrowid
            if chunk.vector is not None:
                db.execute("INSERT INTO vectors VALUES (?, ?)", (number, chunk.vector))
        self._remove_chunks(db, [number for numbers in kept.values() for number in numbers], generation)

    def _remove_chunks(self, db: sqlite3.Connection, numbers: Sequence[int], generation: int) -> None:
        one = [(number,) for number in numbers]
        db.executemany("DELETE FROM vectors WHERE chunk = ?", one)
        db.executemany("DELETE FROM chunks WHERE id = ?", one)
        db.executemany("INSERT INTO removed VALUES (?, ?)", [(number, generation) for number in numbers])

    def refile(self, number: int, **facts: Any) -> None:
        """Change what is known about a document, not what it says."""
        names = ", ".join(f"{name} = ?" for name in facts)
        with self.db.write() as db:
            before = db.execute("SELECT uri, audience FROM documents WHERE id = ?", (number,)).fetchone()
            db.execute(f"UPDATE documents SET {names} WHERE id = ?", (*facts.values(), number))
            if db.execute("SELECT uri, audience FROM documents WHERE id = ?", (number,)).fetchone() != before:
                db.execute("UPDATE chunks SET generation = ? WHERE document = ?", (self._next_generation(db), number))

    def delete(self, number: int) -> None:
        """Take a document out, with its chunks and vectors."""
        with self.db.write() as db:
            chunks = [row[0] for row in db.execute("SELECT id FROM chunks WHERE document = ?", (number,))]
            self._remove_chunks(db, chunks, self._next_generation(db))
            db.execute("DELETE FROM documents WHERE id = ?", (number,))

    def vectors_of(self, hashes: Sequence[bytes]) -> dict[bytes, bytes]:
        """Vectors that exist already: of stored chunks, or kept."""
        found: dict[bytes, bytes] = {}
        for at in range(0, len(hashes), 500):
            some = hashes[at : at + 500]
            marks = ",".join("?" * len(some))
            stored = f"SELECT c.hash, v.vector FROM chunks c JOIN vectors v ON v.chunk = c.id WHERE c.hash IN ({marks})"
            for query in (stored, f"SELECT hash, vector FROM kept WHERE hash IN ({marks})"):
                found.update((digest, vector) for digest, vector in self.db.read(query, some))
        return found

    def keep_vectors(self, vectors: Mapping[bytes, bytes]) -> None:
        """Keep what was embedded of a document that is not stored yet: nobody finds it, an interruption does not lose it."""
        with self.db.write() as db:
            db.executemany("INSERT OR REPLACE INTO kept VALUES (?, ?)", list(vectors.items()))

    def drop_kept_vectors(self) -> None:
        """Forget them: all documents are stored."""
        self.db.execute("DELETE FROM kept")
