"""Rows that nobody waits for (audit log, money, traces): queued by whoever answers, written in batches by a thread."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from nacre.server.openai.errors import Problem
from nacre.system.sqlite import Statement, Tables
from nacre.text.language import tr

_log = logging.getLogger(__name__)
_BATCH = 500  # rows of one transaction
_AGAIN_S = 1.0
_LAST_S = 30.0  # patience with a locked file when the server ends
_READERS_S = 5.0
_KEYS = {"files": "id", "stores": "id", "entries": "store, file", "responses": "id", "traces": "request, asker"}

Row = Mapping[str, Any]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Waiting:
    table: str
    row: Row | Callable[[], Row]
    size: int


class Journal:
    """What was queued counts at once (see `exactly`) and is in the file a moment later, in the order in which it came.

    It never keeps its caller waiting. Where the file cannot be written for long, `check_room` refuses new questions
    before rows would have to be thrown away; those of answers under way are still taken. `close` writes all that is
    queued. A process that is killed loses what had not been written by then: the rows of the last moments.
    """

    def __init__(self, database: Tables, *, most_rows: int = 20_000, most_bytes: int = 64 << 20) -> None:
        self._database, self._after = database, dict[str, Callable[[], Statement]]()
        self._most_rows, self._most_bytes = most_rows, most_bytes
        self._changed = threading.Condition()
        self._queue: deque[_Waiting] = deque()
        self._bytes = self._added = self._written = 0
        self._closed = self._ended = False
        self._thread: threading.Thread | None = None
        self._commit = threading.Lock()
        """Held from the commit of a batch until it is off the queue, so that no row is counted twice or missed."""

    def tidy(self, table: str, statement: Callable[[], Statement]) -> None:
        """Run a statement whenever a batch has put rows into a table."""
        self._after[table] = statement

    def add(self, table: str, row: Row | Callable[[], Row], size: int = 500) -> None:
        """Queue a row of about so many bytes, or what makes it, which is called on the journal's own thread."""
        with self._changed:
            if self._ended:
                _log.error("a row of %s came after the end, and is lost", table)
                return
            self._queue.append(_Waiting(table, row, size))
            self._bytes += size
            self._added += 1
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="nacre-journal", daemon=True)
                self._thread.start()
            self._changed.notify_all()

    def check_room(self) -> None:
        """Whether another question may be asked."""
        if len(self._queue) >= self._most_rows or self._bytes >= self._most_bytes:
            told = tr("The server cannot write its records: is its disk full, or the file locked? Try again later.")
            raise Problem(503, told, "storage_error", retry_after_s=5)

    def exactly(self, read: Callable[[], T]) -> tuple[T, list[tuple[str, Row]]]:
        """What a query finds in the file, and the rows that are not there yet; each row is in one of the two."""
        with self._commit:
            found = read()
            with self._changed:
                return found, [(one.table, one.row) for one in self._queue if not callable(one.row)]

    def settle(self) -> None:
        """Wait, but not for ever, until what was queued by now is in the file."""
        with self._changed:
            until = self._added
            self._changed.wait_for(lambda: self._written >= until, _READERS_S)

    def close(self) -> None:
        """Write what is queued, and end."""
        with self._changed:
            self._closed = True
            self._ended = self._thread is None
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join()

    # ----------------------------------------------------------------------------------------- the writing thread

    def _work(self) -> None:
        until: float | None = None
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._queue or self._closed)
                if not self._queue or (until is not None and time.monotonic() > until):
                    self._ended = True
                    if self._queue:
                        _log.error("%d rows of the server's records could not be written", len(self._queue))
                    return
                batch = [self._queue[at] for at in range(min(len(self._queue), _BATCH))]
                until = time.monotonic() + _LAST_S if self._closed and until is None else until
            try:
                self._write(batch)
            except Exception as error:  # whatever it is, the rows are still there
                _log.warning("records cannot be written, and are kept for another try: %s", error)
                time.sleep(_AGAIN_S)

    def _write(self, batch: Sequence[_Waiting]) -> None:
        statements = [statement for one in batch for statement in _statements(one)]
        try:
            self._commit_all(batch, statements)
        except _WrongRow as error:  # whatever the state of the file: it must not hold up the others
            if len(batch) == 1:
                # Its name alone: the message of a database may hold the row.
                _log.error("a row of %s could not be written: %s", batch[0].table, type(error.__cause__).__name__)
                self._commit_all(batch, [])
            else:
                for one in batch:
                    self._write([one])

    def _commit_all(self, batch: Sequence[_Waiting], statements: list[Statement]) -> None:
        """Run the statements of some rows, and take them off the queue."""
        statements = [*statements, *(self._after[name]() for name in {one.table for one in batch} & {*self._after})]
        with contextlib.ExitStack() as held:
            with self._database.write() as connection:
                for statement in statements:
                    try:
                        connection.execute(*statement)
                    except self._database.wrong as error:
                        raise _WrongRow from error
                held.enter_context(self._commit)
            with self._changed:
                for one in batch:
                    self._queue.popleft()
                    self._bytes -= one.size
                self._written += len(batch)
                self._changed.notify_all()


def insertion(table: str, row: Row) -> Statement:
    """The statement that adds a row, or puts its values into the one with its key."""
    sql = f"insert into {table} ({', '.join(row)}) values ({', '.join('?' * len(row))})"
    if key := _KEYS.get(table):
        sql += f" on conflict ({key}) do update set " + ", ".join(f"{name} = excluded.{name}" for name in row)
    return sql, tuple(row.values())


class _WrongRow(Exception):
    """What is wrong with a statement is its own."""


def _statements(one: _Waiting) -> list[Statement]:
    """None for a row that cannot be made."""
    try:
        return [insertion(one.table, one.row() if callable(one.row) else one.row)]
    except Exception:
        _log.exception("a row of %s could not be made", one.table)
        return []
