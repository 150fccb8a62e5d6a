"""The truth of a knowledge base: one SQLite file with documents, chunks and vectors.

Every change of a document is one transaction that also takes the next *generation* number. Chunks carry the
generation that last touched them and removed chunks leave a row in `removed`, so an index that stands at generation g
catches up by reading what came after g. That is the only way an index is ever changed: by a sync, at the next open
after a crash, and in a process that only reads.
"""

from __future__ import annotations

import json
import sqlite3
import threading
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nacre.errors import DamagedError, KnowledgeBaseError, LockedError
from nacre.language import tr

NAME = "catalog.sqlite"
PUBLIC = 0  # the audience of documents without principals
_SCHEMA = """
CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS sources (scope TEXT PRIMARY KEY, principals TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS audiences (id INTEGER PRIMARY KEY, principals TEXT NOT NULL UNIQUE);
CREATE TABLE IF NOT EXISTS documents (
    id INTEGER PRIMARY KEY AUTOINCREMENT, uri TEXT NOT NULL UNIQUE, scope TEXT NOT NULL, stamp TEXT NOT NULL,
    hash BLOB NOT NULL, version INTEGER NOT NULL, title TEXT NOT NULL, mime TEXT NOT NULL, audience INTEGER NOT NULL,
    modified REAL, metadata TEXT NOT NULL, text BLOB NOT NULL);
CREATE INDEX IF NOT EXISTS documents_scope ON documents (scope);
CREATE TABLE IF NOT EXISTS chunks (
    id INTEGER PRIMARY KEY AUTOINCREMENT, document INTEGER NOT NULL, start INTEGER NOT NULL, "end" INTEGER NOT NULL,
    heading TEXT NOT NULL, page INTEGER, context TEXT NOT NULL, text TEXT NOT NULL, hash BLOB NOT NULL,
    generation INTEGER NOT NULL);
CREATE INDEX IF NOT EXISTS chunks_document ON chunks (document, start);
CREATE INDEX IF NOT EXISTS chunks_generation ON chunks (generation);
CREATE INDEX IF NOT EXISTS chunks_hash ON chunks (hash);
CREATE TABLE IF NOT EXISTS vectors (chunk INTEGER PRIMARY KEY, vector BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS removed (chunk INTEGER PRIMARY KEY, generation INTEGER NOT NULL);
CREATE INDEX IF NOT EXISTS removed_generation ON removed (generation);
INSERT OR IGNORE INTO meta VALUES ('generation', '0');
INSERT OR IGNORE INTO audiences VALUES (0, '[]');
"""


@dataclass(frozen=True)
class Document:
    """A document as the catalog knows it.

    Args:
        uri: its address, unique.
        hash: digest of its content as the source gave it.
        title: its title, or "".
        mime: its type.
        text: its extracted text.
        scope: the source that listed it last.
        stamp: the source's cheap mark of its state, or "".
        modified: seconds since 1970, or None.
        metadata: further facts from the source.
        audience: number of the set of principals that may see it; 0 is everyone.
        id: its number; 0 before it is stored.
        version: 1, and one more after each change of content.
    """

    uri: str
    hash: bytes
    title: str
    mime: str
    text: str
    scope: str
    stamp: str = ""
    modified: float | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    audience: int = PUBLIC
    id: int = 0
    version: int = 1


@dataclass(frozen=True)
class StoredChunk:
    """A chunk with everything that an index needs.

    Args:
        start: first character in the document's text.
        end: one past the last.
        heading: titles around it.
        page: 1-based, or None.
        context: title and heading path, indexed with the text.
        text: the passage.
        hash: digest of what is embedded.
        vector: little-endian float32 values, or None in a folder of words only.
        id: its number; 0 before it is stored.
    """

    start: int
    end: int
    heading: tuple[str, ...]
    page: int | None
    context: str
    text: str
    hash: bytes
    vector: bytes | None
    id: int = 0


@dataclass(frozen=True)
class State:
    """What the ledger compares a source's item with."""

    id: int
    uri: str
    scope: str
    stamp: str
    hash: bytes
    audience: int
    title: str
    metadata: str


class Catalog:
    """The SQLite file. Safe to share between threads: each call takes the connection's lock.

    Args:
        folder: the knowledge base.
        create: make the tables when they are missing; otherwise that is damage.

    Raises:
        DamagedError: the file is no catalog.
    """

    def __init__(self, folder: Path, create: bool = False) -> None:
        self.path = folder / NAME
        self._lock = threading.RLock()
        with self._guarded():
            self._db = sqlite3.connect(self.path, timeout=30, check_same_thread=False, isolation_level=None)
            try:
                self._db.execute("PRAGMA journal_mode=WAL")
                self._db.execute("PRAGMA synchronous=NORMAL")
                self._db.execute("PRAGMA cache_size=-32000")
                if create and not self._db.execute("SELECT 1 FROM sqlite_master WHERE name = 'audiences'").fetchone():
                    self._db.executescript(f"BEGIN IMMEDIATE; {_SCHEMA} COMMIT;")
                if not self._db.execute("SELECT 1 FROM meta WHERE key = 'generation'").fetchone():
                    raise sqlite3.DatabaseError("no generation")
            except BaseException:
                self._db.close()
                raise

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._db.close()

    # ------------------------------------------------------------------------------------------------ ways in

    @contextmanager
    def _guarded(self) -> Iterator[None]:
        """SQLite's errors as ours."""
        try:
            yield
        except sqlite3.OperationalError as error:
            raise _trouble(self.path, error) from error
        except (sqlite3.DatabaseError, zlib.error, UnicodeDecodeError) as error:
            raise _damaged(self.path, error) from error

    def rows(self, sql: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Run one query.

        Args:
            sql: a query with placeholders.
            values: their values.

        Returns:
            All rows.
        """
        with self._lock, self._guarded():
            return self._db.execute(sql, values).fetchall()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Everything inside happens, or nothing does."""
        with self._lock, self._guarded():
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise

    def checkpoint(self) -> None:
        """Make all commits so far durable, and fold the log into the file when no reader needs it."""
        self.rows("PRAGMA wal_checkpoint(PASSIVE)")

    # ------------------------------------------------------------------------------------------------ facts

    def meta(self, key: str) -> str | None:
        """A remembered value.

        Args:
            key: its name.

        Returns:
            The value, or None.
        """
        found = self.rows("SELECT value FROM meta WHERE key = ?", (key,))
        return found[0][0] if found else None

    def set_meta(self, key: str, value: str) -> None:
        """Remember a value.

        Args:
            key: its name.
            value: any text.
        """
        self.rows("INSERT INTO meta VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value", (key, value))

    @property
    def generation(self) -> int:
        """Number of the last change."""
        return int(self.meta("generation") or 0)

    def data_version(self) -> int:
        """A number that moves when another connection has written: the cheapest test for news there is."""
        return int(self.rows("PRAGMA data_version")[0][0])

    def text(self, uri: str) -> str | None:
        """The extracted text of a document.

        Args:
            uri: its address.

        Returns:
            The text, or None when there is no such document.
        """
        found = self.rows("SELECT text FROM documents WHERE uri = ?", (uri,))
        with self._guarded():
            return zlib.decompress(found[0][0]).decode("utf-8") if found else None

    def count(self, table: str) -> int:
        """Rows of a table.

        Args:
            table: "documents", "chunks" or "vectors".

        Returns:
            How many.
        """
        return int(self.rows(f"SELECT count(*) FROM {table}")[0][0])

    def states(self) -> list[State]:
        """What the ledger compares: one row a document, without texts."""
        return [State(*row) for row in self.rows("SELECT id, uri, scope, stamp, hash, audience, title, metadata FROM documents")]

    # ------------------------------------------------------------------------------------------------ principals

    def audience(self, principals: Sequence[str] | None) -> int:
        """The number of a set of principals, made when new.

        Args:
            principals: names; None or "*" among them means everyone.

        Returns:
            Its number.
        """
        names = sorted(set(principals or ()))
        if not names or "*" in names:
            return PUBLIC
        written = json.dumps(names, ensure_ascii=False)
        self.rows("INSERT OR IGNORE INTO audiences (principals) VALUES (?)", (written,))
        return int(self.rows("SELECT id FROM audiences WHERE principals = ?", (written,))[0][0])

    def audiences(self) -> dict[int, tuple[str, ...]]:
        """All sets of principals by number."""
        return {number: tuple(json.loads(names)) for number, names in self.rows("SELECT id, principals FROM audiences")}

    def scopes(self) -> list[tuple[str, str]]:
        """(scope, principals as JSON) of every source that was ever given principals."""
        return [(scope, names) for scope, names in self.rows("SELECT scope, principals FROM sources")]

    def remember_scope(self, scope: str, principals: str) -> None:
        """Remember who may see a source's documents.

        Args:
            scope: the source.
            principals: JSON.
        """
        self.rows(
            "INSERT INTO sources VALUES (?, ?) ON CONFLICT (scope) DO UPDATE SET principals = excluded.principals", (scope, principals)
        )

    # ------------------------------------------------------------------------------------------------ changes

    def _next_generation(self) -> int:
        self._db.execute("UPDATE meta SET value = CAST(value AS INTEGER) + 1 WHERE key = 'generation'")
        return self.generation

    def put(self, document: Document, chunks: Sequence[StoredChunk]) -> int:
        """Store a document, new or changed, with its chunks; chunks that are the same as before keep their numbers.

        Args:
            document: the document; one of the same uri is replaced.
            chunks: all its chunks, in order.

        Returns:
            The document's number.
        """
        with self.transaction():
            generation = self._next_generation()
            old = self._db.execute("SELECT id, version, hash FROM documents WHERE uri = ?", (document.uri,)).fetchone()
            packed = zlib.compress(document.text.encode("utf-8"), 1)
            facts = (document.scope, document.stamp, document.hash, document.title, document.mime, document.audience,
                     document.modified, written(document.metadata), packed)  # fmt: skip
            if old is None:
                number = self._db.execute(
                    "INSERT INTO documents (scope, stamp, hash, title, mime, audience, modified, metadata, text, uri, version)"
                    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 1)",
                    (*facts, document.uri),
                ).lastrowid
                assert number is not None
            else:
                number = old[0]
                version = old[1] + (old[2] != document.hash)
                self._db.execute(
                    "UPDATE documents SET scope=?, stamp=?, hash=?, title=?, mime=?, audience=?, modified=?, metadata=?, text=?, version=?"
                    " WHERE id = ?",
                    (*facts, version, number),
                )
            self._replace_chunks(int(number), chunks, generation)
            return int(number)

    def _replace_chunks(self, document: int, chunks: Sequence[StoredChunk], generation: int) -> None:
        rows = self._db.execute("SELECT id, hash FROM chunks WHERE document = ? ORDER BY start", (document,)).fetchall()
        kept: dict[bytes, list[int]] = {}
        for number, digest in reversed(rows):
            kept.setdefault(digest, []).append(number)
        for chunk in chunks:
            same = kept.get(chunk.hash)
            facts = (chunk.start, chunk.end, json.dumps(chunk.heading, ensure_ascii=False), chunk.page, chunk.context,
                     chunk.text, generation)  # fmt: skip
            if same:
                self._db.execute(
                    'UPDATE chunks SET start=?, "end"=?, heading=?, page=?, context=?, text=?, generation=? WHERE id = ?',
                    (*facts, same.pop()),
                )
                continue
            number = self._db.execute(
                'INSERT INTO chunks (start, "end", heading, page, context, text, generation, document, hash) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)',
                (*facts, document, chunk.hash),
            ).lastrowid
            if chunk.vector is not None:
                self._db.execute("INSERT INTO vectors VALUES (?, ?)", (number, chunk.vector))
        self._remove_chunks([number for numbers in kept.values() for number in numbers], generation)

    def _remove_chunks(self, numbers: Sequence[int], generation: int) -> None:
        one = [(number,) for number in numbers]
        self._db.executemany("DELETE FROM vectors WHERE chunk = ?", one)
        self._db.executemany("DELETE FROM chunks WHERE id = ?", one)
        self._db.executemany("INSERT INTO removed VALUES (?, ?)", [(number, generation) for number in numbers])

    def refile(self, number: int, **facts: Any) -> None:
        """Change what is known about a document, not what it says.

        Args:
            number: the document.
            **facts: new values of `uri`, `scope`, `stamp`, `audience`, `title` or `metadata` (JSON).
        """
        names = ", ".join(f"{name} = ?" for name in facts)
        with self.transaction():
            before = self._db.execute("SELECT uri, audience FROM documents WHERE id = ?", (number,)).fetchone()
            self._db.execute(f"UPDATE documents SET {names} WHERE id = ?", (*facts.values(), number))
            if self._db.execute("SELECT uri, audience FROM documents WHERE id = ?", (number,)).fetchone() != before:
                self._db.execute("UPDATE chunks SET generation = ? WHERE document = ?", (self._next_generation(), number))

    def delete(self, number: int) -> None:
        """Take a document out, with its chunks and vectors.

        Args:
            number: the document.
        """
        with self.transaction():
            chunks = [row[0] for row in self._db.execute("SELECT id FROM chunks WHERE document = ?", (number,))]
            self._remove_chunks(chunks, self._next_generation())
            self._db.execute("DELETE FROM documents WHERE id = ?", (number,))

    def vectors_of(self, hashes: Sequence[bytes]) -> dict[bytes, bytes]:
        """Vectors that exist already.

        Args:
            hashes: digests of embedded texts.

        Returns:
            Vector by digest, for those that any chunk of any document has.
        """
        found: dict[bytes, bytes] = {}
        for at in range(0, len(hashes), 500):
            some = hashes[at : at + 500]
            marks = ",".join("?" * len(some))
            found.update(
                self.rows(f"SELECT c.hash, v.vector FROM chunks c JOIN vectors v ON v.chunk = c.id WHERE c.hash IN ({marks})", some)
            )
        return found


def written(metadata: Mapping[str, str]) -> str:
    """Metadata as the catalog keeps them.

    Args:
        metadata: facts by name.

    Returns:
        JSON, the same for equal facts.
    """
    return json.dumps(dict(metadata), sort_keys=True)


def _trouble(path: Path, error: sqlite3.OperationalError) -> KnowledgeBaseError:
    name = getattr(error, "sqlite_errorname", "") or ""
    if name.startswith("SQLITE_FULL") or name.startswith("SQLITE_IOERR"):
        return KnowledgeBaseError(
            tr(
                f"{path} cannot be written ({error}): is the disk full? What was stored before is safe; free some space and sync again.",
                f"{path} 无法写入（{error}）：磁盘是否已满？此前存入的内容不受影响；请腾出空间后重新同步。",
            ),
            path=str(path),
        )
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return LockedError(
            tr(f"{path} is locked by another program. Close it and try again.", f"{path} 被其他程序锁定。请关闭该程序后重试。"), path=str(path)
        )
    if name.startswith(("SQLITE_CANTOPEN", "SQLITE_READONLY")):
        return KnowledgeBaseError(
            tr(f"{path} cannot be opened ({error}). Check the folder and its permissions.", f"{path} 无法打开（{error}）。请检查文件夹及其权限。"),
            path=str(path),
        )
    return _damaged(path, error)


def _damaged(path: Path, error: Exception) -> DamagedError:
    return DamagedError(
        tr(
            f"{path} is damaged ({error}). Restore it from a backup, or sync the sources into a new folder.",
            f"{path} 已损坏（{error}）。请从备份恢复，或将来源同步到新的文件夹。",
        ),
        path=str(path),
    )
