"""One SQLite file that many threads and processes may write to: what memory and cache keep their rows in."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from nacre.errors import UsageError
from nacre.system.files import private_file, private_folder
from nacre.text.language import os_reason, tr

_WAIT_S = 30.0


class Database:
    """A SQLite database with one connection behind a lock.

    Args:
        path: the file, created when missing; ":memory:" for none.
    """

    def __init__(self, path: str | Path, schema: str) -> None:
        self.path = str(path)
        self._lock = threading.Lock()
        if not self.path.strip("\0 "):
            raise UsageError(tr("The name of the database is empty. Name a file."))
        try:
            if self.path != ":memory:":
                private_folder(Path(self.path).parent)
                private_file(self.path)
            self._connection = sqlite3.connect(
                self.path, timeout=_WAIT_S, check_same_thread=False, isolation_level=None
            )
            self._connection.execute("pragma journal_mode = wal")
            self._connection.executescript(schema)
        except (sqlite3.Error, OSError, ValueError) as error:
            why = os_reason(error) if isinstance(error, OSError) else _meaning(error)
            raise UsageError(
                tr(
                    "{path} cannot be used as a database: {why}. Name another file, or move this one away.",
                    path=self.path,
                    why=why,
                )
            ) from error

    @property
    def identity(self) -> str:
        """The file's name: two layers that keep rows in the same file are alike in this."""
        return self.path if self.path != ":memory:" else f":memory:{id(self)}"

    def rows(self, sql: str, values: Sequence[Any] | Mapping[str, Any] = ()) -> list[tuple[Any, ...]]:
        """Run one statement."""
        with self._lock:
            return self._connection.execute(sql, values).fetchall()

    def write(self, statements: Iterable[tuple[str, Sequence[Any]]]) -> None:
        """Run statements in one transaction: all of them are kept, or none."""
        with self._lock:
            self._connection.execute("begin immediate")
            try:
                for sql, values in statements:
                    self._connection.execute(sql, values)
            except BaseException:
                self._connection.execute("rollback")
                raise
            self._connection.execute("commit")

    def close(self) -> None:
        """Close the connection; the database is not used after that."""
        with self._lock:
            self._connection.close()

    def __del__(self) -> None:
        # An unclosed connection is a ResourceWarning of its own from Python 3.13 on.
        connection = getattr(self, "_connection", None)
        if connection is not None:
            connection.close()


def _meaning(error: Exception) -> str:
    name = getattr(error, "sqlite_errorname", "")
    known = {
        "SQLITE_NOTADB": tr("it is a file of another kind"),
        "SQLITE_READONLY": tr("it may not be written"),
        "SQLITE_BUSY": tr("another program has locked it"),
        "SQLITE_CORRUPT": tr("it is damaged"),
    }
    return known.get(name, str(error))
