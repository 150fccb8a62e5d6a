"""The file under the catalog: its tables, and what SQLite's errors mean for a knowledge base."""

from __future__ import annotations

from pathlib import Path

from nacre.errors import DamagedError, KnowledgeBaseError, LockedError
from nacre.store.folder.access import not_writable, writable
from nacre.system.sqlite import Database
from nacre.text.language import tr

NAME = "catalog.sqlite"
_WAIT_S = 10.0  # for a lock that somebody else holds
_PRAGMAS = ("synchronous = normal", "cache_size = -8000")
# An earlier Nacre kept no fields.
FIELDS_TABLE = (
    "CREATE TABLE IF NOT EXISTS fields"
    " (document INTEGER NOT NULL, name TEXT NOT NULL, text TEXT NOT NULL, number REAL)",
    "CREATE INDEX IF NOT EXISTS fields_name ON fields (name, text)",
    "CREATE INDEX IF NOT EXISTS fields_document ON fields (document)",
)
_SCHEMA = """
CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS sources (scope TEXT PRIMARY KEY, principals TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS audiences (id INTEGER PRIMARY KEY, principals TEXT NOT NULL UNIQUE);
CREATE TABLE IF NOT EXISTS documents (
    id INTEGER PRIMARY KEY AUTOINCREMENT, uri TEXT NOT NULL UNIQUE, scope TEXT NOT NULL, stamp TEXT NOT NULL,
    hash BLOB NOT NULL, version INTEGER NOT NULL, title TEXT NOT NULL, mime TEXT NOT NULL, audience INTEGER NOT NULL,
    modified REAL, metadata TEXT NOT NULL, text BLOB NOT NULL, cut INTEGER NOT NULL DEFAULT 0, blocks BLOB,
    fields TEXT NOT NULL DEFAULT '{}');
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
INSERT OR IGNORE INTO audiences VALUES (0, '[]')
"""


def open_database(folder: Path, create: bool = False) -> Database:
    """The SQLite file of a knowledge base; tables that are missing are damage, unless they are to be made."""
    path, read_only = folder / NAME, not writable(folder)
    database = Database(path, pragmas=_PRAGMAS, wait_s=_WAIT_S, read_only=read_only, trouble=trouble)
    try:
        if create and not database.read("SELECT 1 FROM sqlite_master WHERE name = 'audiences'"):
            with database.write() as connection:
                for statement in (*_SCHEMA.split(";"), *FIELDS_TABLE):
                    connection.execute(statement)
        if not database.read("SELECT 1 FROM meta WHERE key = 'generation'"):
            raise damaged(path, "no generation")
    except BaseException:
        database.close()
        raise
    return database


def trouble(path: Path, error: Exception) -> KnowledgeBaseError:
    """SQLite's error as ours."""
    name = getattr(error, "sqlite_errorname", "") or ""
    if name.startswith(("SQLITE_FULL", "SQLITE_IOERR")):
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
    if name.startswith(("SQLITE_CANTOPEN", "SQLITE_READONLY")) or isinstance(error, OSError):
        return KnowledgeBaseError(
            tr("{path} cannot be opened ({error}). Check the folder and its permissions.", path=path, error=error),
            path=str(path),
        )
    return damaged(path, error)


def damaged(path: Path, why: object) -> DamagedError:
    """For a catalog that cannot be read."""
    return DamagedError(
        tr(
            "{path} is damaged ({why}). Restore it from a backup, or sync the sources into a new folder.",
            path=path,
            why=why,
        ),
        path=str(path),
    )
