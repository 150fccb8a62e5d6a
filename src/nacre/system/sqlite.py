"""One SQLite file that many threads and processes use: under the catalog, memory, cache and the server's tables."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, ClassVar, Protocol

from nacre.errors import NacreError, StorageError, UsageError
from nacre.system.files import private_file, private_folder
from nacre.text.language import os_reason, tr

Values = Sequence[Any] | Mapping[str, Any]
Statement = tuple[str, Values]
_WAIT_S = 30.0
_IDLE = 3  # connections for reading that are kept open


class Tables(Protocol):
    """Tables that many threads and processes share, in a SQLite file or in PostgreSQL. The SQL is one: SQLite's, as far
    as PostgreSQL has it too; `?` and `:name` stand for values.
    """

    clock: ClassVar[str]
    """SQL for the time that all who share the tables agree on, in seconds since 1970; SQLite takes it from `:now`."""

    @property
    def wrong(self) -> tuple[type[Exception], ...]:
        """The errors of a statement that are its own, and would come again."""

    @property
    def identity(self) -> str:
        """Which tables they are."""

    def read(self, sql: str, values: Values = ()) -> list[Any]:
        """All rows of a query."""

    def execute(self, sql: str, values: Values = ()) -> list[Any]:
        """Run one statement in a transaction of its own, and give the rows that it returns."""

    def write(self) -> AbstractContextManager[Any]:
        """A transaction on the connection that is given; nobody else has one meanwhile."""

    def close(self) -> None:
        """Close the connections."""


class Database(Tables):
    """A SQLite file with one connection that writes and some that read, which never wait for it.

    Where the file may not be written, SQLite can read along with a writer whose log lies beside it. Without one it is
    told that the file never changes, and the file is opened anew when it did.

    Args:
        path: the file, created when missing, for its owner alone; ":memory:" for none.
        trouble: makes our error of SQLite's; None tells of the file as one of the user's own choice.
    """

    clock: ClassVar[str] = ":now"
    wrong = (sqlite3.IntegrityError, sqlite3.InterfaceError, sqlite3.ProgrammingError, ValueError, OverflowError)

    def __init__(
        self,
        path: str | Path,
        schema: str = "",
        *,
        pragmas: Sequence[str] = (),
        wait_s: float = _WAIT_S,
        read_only: bool = False,
        trouble: Callable[[Path, Exception], NacreError] | None = None,
    ) -> None:
        self.path = str(path)
        self._pragmas, self._wait_s, self._read_only = pragmas, wait_s, read_only
        self._trouble = trouble or _failed
        self._writing, self._pool = threading.Lock(), threading.Lock()
        self._idle: list[sqlite3.Connection] = []
        self._closed = False
        if not self.path.strip("\0 "):
            raise UsageError(tr("The name of the database is empty. Name a file."))
        try:
            self._seen = self._looks() if read_only else ()
            if self.path != ":memory:" and not read_only:
                private_folder(Path(self.path).parent)
                private_file(self.path)
            self._writer = self._connect()
            if not read_only:
                self._writer.execute("pragma journal_mode = wal")
                self._writer.executescript(schema)
        except (sqlite3.Error, OSError, ValueError) as error:
            raise (trouble or _unusable)(Path(self.path), error) from error

    @property
    def identity(self) -> str:
        """The file's name: two layers that keep rows in the same file are alike in this."""
        return self.path if self.path != ":memory:" else f":memory:{id(self)}"

    def read(self, sql: str, values: Values = ()) -> list[sqlite3.Row]:
        if self.path == ":memory:":  # another connection would see another database
            return self.execute(sql, values)
        with self._told(), self._reader() as connection:
            return connection.execute(sql, values).fetchall()

    def execute(self, sql: str, values: Values = ()) -> list[sqlite3.Row]:
        if self._read_only:  # there is nobody to wait for, and the file may have to be opened anew
            return self.read(sql, values)
        with self._told(), self._turn():
            return self._writer.execute(sql, values).fetchall()

    @contextmanager
    def write(self) -> Iterator[sqlite3.Connection]:
        with self._told(), self._turn():
            self._writer.execute("begin immediate")
            try:
                yield self._writer
                self._writer.execute("commit")
            except BaseException:
                if self._writer.in_transaction:
                    self._writer.execute("rollback")
                raise

    def close(self) -> None:
        """Close the file, after whoever is writing; those who read finish."""
        with self._writing, self._pool:
            self._shut()

    def __del__(self) -> None:
        # An unclosed connection is a ResourceWarning of its own from Python 3.13 on.
        if hasattr(self, "_writer"):
            self._shut()

    def _shut(self) -> None:
        self._closed = True
        for connection in (self._writer, *self._idle):
            connection.close()
        self._idle.clear()

    # ------------------------------------------------------------------------------------------------ connections

    def _connect(self) -> sqlite3.Connection:
        name = self.path
        if self._read_only:
            logged = bool(self._seen[-1])
            name = f"{Path(name).absolute().as_uri()}?mode=ro{'' if logged else '&immutable=1'}"
        connection = sqlite3.connect(
            name, timeout=self._wait_s, check_same_thread=False, isolation_level=None, uri=self._read_only
        )
        try:
            connection.row_factory = sqlite3.Row
            for pragma in self._pragmas:
                connection.execute(f"pragma {pragma}")
        except BaseException:
            connection.close()
            raise
        return connection

    @contextmanager
    def _reader(self) -> Iterator[sqlite3.Connection]:
        """A connection that nobody else uses meanwhile; a thread waits for no other."""
        with self._pool:
            self._check_open()
            self._renew()
            seen = self._seen
            connection = self._idle.pop() if self._idle else None
        if connection is None:
            connection = self._connect()
            if not self._read_only:
                connection.execute("pragma query_only = 1")
        try:
            yield connection
        finally:
            with self._pool:
                keep = len(self._idle) < _IDLE and not self._closed and seen == self._seen
                if keep:
                    self._idle.append(connection)
            if not keep:
                connection.close()

    @contextmanager
    def _turn(self) -> Iterator[None]:
        """One writer at a time; those who wait for it lose patience as with a lock of the file."""
        if not self._writing.acquire(timeout=self._wait_s):
            busy = sqlite3.OperationalError("database is locked")
            busy.sqlite_errorname = "SQLITE_BUSY"
            raise busy
        try:
            self._check_open()
            yield
        finally:
            self._writing.release()

    def _check_open(self) -> None:
        if self._closed:
            raise UsageError(tr("{path} is closed. Open it again.", path=self.path))

    def _looks(self) -> tuple[int, ...]:
        """What moves when the file is written, and last the length of its log."""
        log, file = Path(f"{self.path}-wal"), Path(self.path)
        facts = file.stat() if file.exists() else None
        known = (facts.st_ino, facts.st_size, facts.st_mtime_ns) if facts else ()
        return (*known, log.stat().st_size if log.exists() else 0)

    def _renew(self) -> None:
        """Open a file again that was taken for one that never changes, and did."""
        if self._read_only and not self._seen[-1] and self._seen != (seen := self._looks()):
            for connection in self._idle:
                connection.close()
            self._idle.clear()
            self._seen = seen

    # ------------------------------------------------------------------------------------------------ errors

    @contextmanager
    def _told(self) -> Iterator[None]:
        """SQLite's errors as ours."""
        try:
            yield
        except sqlite3.Error as error:
            raise self._trouble(Path(self.path), error) from error


def _unusable(path: Path, error: Exception) -> NacreError:
    """For a file that cannot be opened."""
    told = tr(
        "{path} cannot be used as a database: {error}. Name another file, or move this one away.",
        path=path,
        error=_meaning(error),
    )
    return UsageError(told)


def _failed(path: Path, error: Exception) -> NacreError:
    """For a file that was opened, and then could not be read or written."""
    told = tr(
        "{path} cannot be read or written: {error}. Nothing of what was being written is kept; mend that and try "
        "again.",
        path=path,
        error=_meaning(error),
    )
    return StorageError(told, path=str(path))


def _meaning(error: Exception) -> str:
    if isinstance(error, OSError):
        return os_reason(error)
    known = {
        "SQLITE_NOTADB": tr("it is a file of another kind"),
        "SQLITE_READONLY": tr("it may not be written"),
        "SQLITE_BUSY": tr("another program has locked it"),
        "SQLITE_CORRUPT": tr("it is damaged"),
        "SQLITE_FULL": tr("the disk is full"),
    }
    return known.get(getattr(error, "sqlite_errorname", ""), str(error))
