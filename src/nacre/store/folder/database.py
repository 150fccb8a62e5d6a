"""The file under the catalog: its tables, its transactions, and SQLite's errors as ours."""

from __future__ import annotations

import sqlite3
import threading
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from nacre.errors import DamagedError, KnowledgeBaseError, LockedError
from nacre.store.folder.read_only import not_writable, writable
from nacre.system.files import private_file
from nacre.text.language import tr

NAME = "catalog.sqlite"
_WAIT_SECONDS = 10.0  # for a lock that somebody else holds
_SCHEMA = """
CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS sources (scope TEXT PRIMARY KEY, principals TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS audiences (id INTEGER PRIMARY KEY, principals TEXT NOT NULL UNIQUE);
CREATE TABLE IF NOT EXISTS documents (
    id INTEGER PRIMARY KEY AUTOINCREMENT, uri TEXT NOT NULL UNIQUE, scope TEXT NOT NULL, stamp TEXT NOT NULL,
    hash BLOB NOT NULL, version INTEGER NOT NULL, title TEXT NOT NULL, mime TEXT NOT NULL, audience INTEGER NOT NULL,
    modified REAL, metadata TEXT NOT NULL, text BLOB NOT NULL, cut INTEGER NOT NULL DEFAULT 0, blocks BLOB);
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


class Database:
    """The SQLite file of a knowledge base. Safe to share between threads: each call takes the connection's lock.

    Where the folder may not be written, SQLite can read along with a writer whose log lies beside the file. Without one
    it is told that the file never changes, and the file is opened anew when it did.

    Args:
        create: make the tables when they are missing; otherwise that is damage.
    """

    def __init__(self, folder: Path, create: bool = False) -> None:
        self.path = folder / NAME
        self._lock = threading.RLock()
        self._opened = 0
        with self._guarded():
            if create:
                private_file(self.path)
            self._connect()
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

    def _connect(self) -> None:
        self._opened += 1
        self._frozen: tuple[int, ...] | None = None
        name = str(self.path)
        if not writable(self.path.parent):
            seen = self._looks()
            logged = bool(seen[-1])
            self._frozen = None if logged else seen
            name = f"{self.path.absolute().as_uri()}?mode=ro{'' if logged else '&immutable=1'}"
        self._db = sqlite3.connect(
            name, timeout=_WAIT_SECONDS, check_same_thread=False, isolation_level=None, uri=name != str(self.path)
        )

    def _looks(self) -> tuple[int, ...]:
        """What moves when the file is written, and last the length of its log."""
        log = Path(f"{self.path}-wal")
        facts = self.path.stat() if self.path.exists() else None
        known = (facts.st_ino, facts.st_size, facts.st_mtime_ns) if facts else ()
        return (*known, log.stat().st_size if log.exists() else 0)

    def _renew(self) -> None:
        """Open a file again that was taken for one that never changes, and did."""
        if self._frozen is not None and self._frozen != self._looks():
            self._db.close()
            self._connect()

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
        """Run one query."""
        with self._lock, self._guarded():
            self._renew()
            return self._db.execute(sql, values).fetchall()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Everything inside happens, or nothing does.

        Returns:
            A context; the transaction is committed at its end.
        """
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
        """A remembered value."""
        found = self.rows("SELECT value FROM meta WHERE key = ?", (key,))
        return found[0][0] if found else None

    def set_meta(self, key: str, value: str) -> None:
        """Remember a value."""
        self.rows("INSERT INTO meta VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value", (key, value))

    @property
    def generation(self) -> int:
        """Number of the last change."""
        return int(self.meta("generation") or 0)

    def data_version(self) -> int:
        """The cheapest test for news there is."""
        version = int(self.rows("PRAGMA data_version")[0][0])
        return (self._opened << 32) + version  # SQLite counts for each connection anew


def _trouble(path: Path, error: sqlite3.OperationalError) -> KnowledgeBaseError:
    name = getattr(error, "sqlite_errorname", "") or ""
    if name.startswith("SQLITE_FULL") or name.startswith("SQLITE_IOERR"):
        return KnowledgeBaseError(
            tr(
                "{path} cannot be written ({error}): is the disk full? What was stored before is safe; "
                "free some space and sync again.",
                path=path,
                error=error,
            ),
            path=str(path),
        )
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return LockedError(
            tr("{path} is locked by another program. Close it and try again.", path=path), path=str(path)
        )
    if name.startswith(("SQLITE_CANTOPEN", "SQLITE_READONLY")) and Path(f"{path}-wal").exists():
        return KnowledgeBaseError(
            tr(
                "{path} can only be read here and has changes beside it that are not folded in yet "
                "({name}-wal). Open it once where it may be written: nacre verify --kb {parent}",
                path=path,
                name=path.name,
                parent=path.parent,
            ),
            path=str(path),
        )
    if name == "SQLITE_READONLY":
        return not_writable(path.parent)
    if name.startswith(("SQLITE_CANTOPEN", "SQLITE_READONLY")):
        return KnowledgeBaseError(
            tr("{path} cannot be opened ({error}). Check the folder and its permissions.", path=path, error=error),
            path=str(path),
        )
    return _damaged(path, error)


def _damaged(path: Path, error: Exception) -> DamagedError:
    return DamagedError(
        tr(
            "{path} is damaged ({error}). Restore it from a backup, or sync the sources into a new folder.",
            path=path,
            error=error,
        ),
        path=str(path),
    )
