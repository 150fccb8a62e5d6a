"""A server's own tables in PostgreSQL, for any number of processes and machines: the SQL is that of a SQLite file."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import lru_cache
from typing import Any, ClassVar

from nacre.errors import LockedError
from nacre.store.postgres.address import parse_address
from nacre.store.postgres.database import Database
from nacre.text.language import tr

VERSION = 1
"""Of the tables. Those of a later one are refused."""
_WAIT_S = 30.0
_TYPES = {"integer": "bigint", "real": "double precision", "blob": "bytea"}
# One writes at a time, on all machines, as into a file: so what is counted in a transaction still holds when it ends.
# Whoever stands still in the middle of one loses it.
_TURN = (
    f"SELECT set_config('lock_timeout', '{_WAIT_S:.0f}s', true),"
    " set_config('idle_in_transaction_session_timeout', '60s', true), pg_advisory_xact_lock(hashtextextended(%s, 0))"
)


class Row(tuple[Any, ...]):
    """A row whose values are found by place and by name, as those of SQLite are."""

    names: Sequence[str] = ()

    def keys(self) -> list[str]:
        """The names; that of the row's number stays inside."""
        return [name for name in self.names if name != "rowid"]

    def __getitem__(self, at: Any) -> Any:
        return super().__getitem__(self.names.index(at) if isinstance(at, str) else at)


class PostgresTables:
    """Some tables of a schema that belongs to the servers of a place; see `nacre.system.sqlite.Tables`.

    Args:
        name: of these tables together.
        schema: makes them where they are missing, in SQLite's types; empty for tables that are there.
    """

    clock: ClassVar[str] = "extract(epoch FROM clock_timestamp())::float8"

    def __init__(self, place: str, name: str, schema: str = "") -> None:
        self._address = replace(parse_address(place), prefix="nacreserver_")
        self._database = Database(self._address)
        self._writing = threading.Lock()
        errors = self._database.driver.errors
        self.wrong = (errors.DataError, errors.IntegrityError, ValueError, OverflowError)
        try:
            if self._made(name) is None and schema:
                self._make(name, schema)
        except BaseException:
            self._database.close()
            raise

    @property
    def identity(self) -> str:
        """The place, as people may see it."""
        return self._address.shown

    def read(self, sql: str, values: Sequence[Any] | Mapping[str, Any] = ()) -> list[Row]:
        """All rows of a query."""
        return self.execute(sql, values)

    def execute(self, sql: str, values: Sequence[Any] | Mapping[str, Any] = ()) -> list[Row]:
        """Run one statement, in a transaction of its own, and give the rows that it returns."""
        with self._database.connection() as connection:
            found = _Turn(connection).execute(sql, values)
            return list(found.fetchall()) if found.description else []

    @contextmanager
    def write(self) -> Iterator[_Turn]:
        """A transaction: everything inside happens, or nothing does, and nobody else has one meanwhile."""
        if not self._writing.acquire(timeout=_WAIT_S):
            raise LockedError(
                tr(
                    "{place} is busy with another change ({why}). Try again.",
                    place=self.identity,
                    why=f"{_WAIT_S:.0f} s",
                )
            )
        try:
            with self._database.connection() as connection, connection.transaction():
                connection.execute(_TURN, (self._address.schema,))
                yield _Turn(connection)
        finally:
            self._writing.release()

    def close(self) -> None:
        """Close the connections of this process."""
        self._database.close()

    def _made(self, name: str) -> int | None:
        """Of which version the tables are; None where they are not there."""
        place = f"{self._address.schema}.made"
        if not self.read("SELECT to_regclass(?) IS NOT NULL", (place,))[0][0]:
            return None
        rows = self.read("SELECT version FROM made WHERE part = ?", (name,))
        if not rows:
            return None
        self._database.check_format(rows[0][0], VERSION)
        return int(rows[0][0])

    def _make(self, name: str, schema: str) -> None:
        """Make the tables; who comes second finds the first one's."""
        for short, long in _TYPES.items():
            schema = re.sub(rf"\b{short}\b", long, schema)
        with self.write() as db:
            db.execute(f"CREATE SCHEMA IF NOT EXISTS {self._address.schema}")
            db.execute("CREATE TABLE IF NOT EXISTS made (part text PRIMARY KEY, version int NOT NULL)")
            if self._made(name) is None:
                for statement in filter(str.strip, schema.split(";")):
                    db.execute(statement)
                for table in re.findall(r"create table if not exists (\w+)", schema):
                    db.execute(f"ALTER TABLE {table} ADD COLUMN rowid bigint GENERATED ALWAYS AS IDENTITY")
                db.execute("INSERT INTO made VALUES (?, ?)", (name, VERSION))


class _Turn:
    """Runs SQLite's SQL on a connection."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    def execute(self, sql: str, values: Sequence[Any] | Mapping[str, Any] = ()) -> Any:
        """Run a statement; gives a cursor."""
        cursor = self._connection.cursor(row_factory=_named)
        if isinstance(values, Mapping):
            return cursor.execute(_translated(sql), {name: _text(value) for name, value in values.items()})
        return cursor.execute(_translated(sql), [_text(value) for value in values])


@lru_cache(256)
def _translated(sql: str) -> str:
    sql = sql.replace("%", "%%").replace("cast(record as blob)", "convert_to(record, 'UTF8')")
    return re.sub(r"(?<!:):([a-z_]+)", r"%(\1)s", sql).replace("?", "%s")


def _text(value: Any) -> Any:
    """PostgreSQL's texts know no NUL."""
    return value.replace("\0", "\N{REPLACEMENT CHARACTER}") if isinstance(value, str) else value


def _named(cursor: Any) -> Any:
    names = [column.name for column in cursor.description or ()]

    def make(values: Sequence[Any]) -> Row:
        row = Row(values)
        row.names = names
        return row

    return make
