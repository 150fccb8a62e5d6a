"""What the server remembers: uploads, vector stores, the state of each file in them, an audit log, traces, responses
and feedback: in SQLite files of a folder, or in PostgreSQL for several servers at once.
"""

from __future__ import annotations

import json
import secrets
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, BinaryIO

from nacre.agents import fact_store, runs
from nacre.errors import UsageError
from nacre.server.journal import Journal, insertion
from nacre.store.places import scheme_of
from nacre.system.files import private_folder, private_opener
from nacre.system.sqlite import Database, Tables
from nacre.text.language import tr

_PIECE = 1 << 20
CONTENTS = """
create table if not exists contents (file text not null, part integer not null, bytes blob not null,
    primary key (file, part));
"""
_SCHEMA = f"""
create table if not exists files (id text primary key, owner text not null, name text not null, bytes integer not null,
    purpose text not null, created integer not null);
create table if not exists stores (id text primary key, owner text not null, name text not null, metadata text not null,
    created integer not null);
create table if not exists entries (store text not null, file text not null, batch text, owner text not null,
    principals text, attributes text not null, status text not null, reason text, bytes integer not null,
    created integer not null, seconds real, tries integer not null default 0, primary key (store, file));
create index if not exists by_status on entries (status);
create table if not exists audit (at real not null, request text not null, asker text not null, model text not null,
    documents text not null, tokens integer not null, seconds real not null, status text not null);
create index if not exists audit_by_asker on audit (asker, at);
create table if not exists traces (request text not null, at real not null, asker text not null, model text not null,
    record text not null, primary key (request, asker));
create table if not exists responses (id text primary key, owner text not null, previous text, used real not null,
    bytes integer not null, record blob not null);
create index if not exists responses_by_owner on responses (owner, used);
create table if not exists spend (at real not null, asker text not null, model text not null, currency text not null,
    input integer not null, output integer not null, nanos integer not null);
create index if not exists spend_by_asker on spend (asker, at);
create table if not exists rates (asker text primary key, "left" real not null, at real not null);
create table if not exists leases (store text primary key, owner text not null, worker text not null,
    until real not null);
{runs.TABLE};
{fact_store.TABLE};
create table if not exists feedback (at real not null, asker text not null, verdict text not null,
    record text not null);
create index if not exists files_by_owner on files (owner);
create index if not exists entries_by_owner on entries (owner);
create index if not exists feedback_by_asker on feedback (asker);
"""
_JOURNALLED = frozenset({"audit", "spend", "traces"})
Row = dict[str, Any]


def open_tables(place: str | Path, name: str, schema: str) -> Tables:
    """Some tables of a server in its data folder or database, made where they are missing."""
    if scheme_of(place):
        from nacre.store.postgres.tables import PostgresTables

        return PostgresTables(str(place), name, schema)
    return Database(Path(place) / f"{name}.sqlite", schema)


class FolderUploads:
    """The bytes of uploads as files of the data folder, under their ids, never under a name from outside."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "files"

    def path(self, file: str) -> Path:
        """Where the content of an upload lies."""
        return self._folder / file

    def keep(self, file: str, content: BinaryIO) -> None:
        """Keep the content of an upload."""
        private_folder(self._folder)
        with open(self.path(file), "xb", opener=private_opener) as kept:
            shutil.copyfileobj(content, kept)

    def pieces(self, file: str) -> Iterator[bytes]:
        """The content again."""
        with self.path(file).open("rb") as kept:
            yield from iter(lambda: kept.read(_PIECE), b"")

    def delete(self, file: str) -> None:
        """Forget it."""
        self.path(file).unlink(missing_ok=True)


class TableUploads:
    """As `FolderUploads`, as rows of a piece each: no server needs the disk of another."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    def keep(self, file: str, content: BinaryIO) -> None:
        """Keep the content of an upload."""
        for part, piece in enumerate(iter(lambda: content.read(_PIECE), b"")):
            self._tables.execute("insert into contents (file, part, bytes) values (?, ?, ?)", (file, part, piece))

    def pieces(self, file: str) -> Iterator[bytes]:
        """The content again."""
        part = 0
        while rows := self._tables.read("select bytes from contents where file = ? and part = ?", (file, part)):
            yield bytes(rows[0][0])
            part += 1

    def delete(self, file: str) -> None:
        """Forget it."""
        self._tables.execute("delete from contents where file = ?", (file,))


def new_id(kind: str) -> str:
    """An id that cannot be guessed, in OpenAI's form."""
    return f"{kind}{'-' if kind == 'file' else '_'}{secrets.token_hex(12)}"


class Records:
    """The server's tables, which its ingestion process shares."""

    def __init__(self, place: str | Path) -> None:
        self.place = place
        elsewhere = bool(scheme_of(place))
        self.db = open_tables(place, "records", _SCHEMA + CONTENTS * elsewhere)
        self.uploads: Any = TableUploads(self.db) if elsewhere else FolderUploads(Path(place))
        self.journal = Journal(self.db)

    def select(self, table: str, where: str = "1 = 1", values: Sequence[Any] = (), order: str = "rowid") -> list[Row]:
        """Rows of a table (its name is never from outside), those that are queued in the journal among them."""
        if table in _JOURNALLED:
            self.journal.settle()
        rows = self.db.read(f"select * from {table} where {where} order by {order}", values)
        return [dict(row) for row in rows]

    def one(self, table: str, where: str, *values: Any) -> Row | None:
        """The first row that fits, None when there is none."""
        rows = self.select(table, where, values)
        return rows[0] if rows else None

    def insert(self, table: str, row: Row) -> None:
        """Add a row, or replace the one with its key."""
        self.db.execute(*insertion(table, row))

    def change(self, sql: str, *values: Any) -> None:
        """Run one writing statement."""
        self.db.execute(sql, values)

    def total(self, table: str, column: str, asker: str, since: float, **equal: str) -> int:
        """What an asker's rows sum up to since a time, those that are queued among them."""
        more = "".join(f" and {name} = ?" for name in equal)
        sql = f"select coalesce(sum({column}), 0) from {table} where asker = ? and at >= ?{more}"
        wanted = {"asker": asker, **equal}
        rows, queued = self.journal.exactly(lambda: self.db.read(sql, (asker, since, *equal.values())))
        return int(rows[0][0]) + sum(
            int(row[column])
            for place, row in queued
            if place == table and row["at"] >= since and all(row[name] == value for name, value in wanted.items())
        )

    def log(
        self, request: str, asker: str, model: str, documents: Sequence[Any], tokens: int, seconds: float, status: str
    ) -> None:
        """Queue for the audit log who asked which model, and which documents the answer drew on; no contents."""
        self.journal.add(
            "audit",
            {"at": time.time(), "request": request, "asker": asker, "model": model,
             "documents": json.dumps(list(documents)),
             "tokens": tokens, "seconds": round(seconds, 4), "status": status},
        )  # fmt: skip

    def close(self) -> None:
        """Write what is queued, and close the file."""
        self.journal.close()
        self.db.close()


def kept_rows(place: str | Path, table: str) -> list[Row]:
    """The rows that a server has kept in a table, the oldest first; an error where there is no server's data."""
    if not scheme_of(place) and not (Path(place) / "records.sqlite").is_file():
        raise UsageError(tr("{data} holds no records of a server.", data=place))
    with closing(Records(place)) as records:
        return records.select(table, order="at")
