"""Whose files are read next, and by whom: servers that share their tables read each file once."""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from typing import Any

from nacre.errors import UnreachableError
from nacre.server.records import Records, Row

_BATCH = 4
_BATCH_BYTES = 1 << 20
_LEASE_S = 20.0
_BEAT_S = 5.0
_WAITING = "select * from entries where status = 'in_progress' order by created, rowid"
_TAKEN = "update entries set tries = tries + ? where store = ? and file = ? and status = 'in_progress'"
Batch = Sequence[Row]


class Claims:
    """Takes files off the work list for one process, a batch of one user and store at a time, and says every few
    seconds what it is at. A store and a user of whom another process has a batch are left to it, until it has not
    spoken for long: then it is dead, and its files are anybody's. What it had put into a knowledge base is there, and
    is not read again.

    Args:
        name: of this process; what a forerunner of this name had taken is free at once.
    """

    def __init__(self, records: Records, name: str) -> None:
        self._records, self._name = records, name
        self._turns, self._spoke = Turns(), float("-inf")
        self._unread: list[Batch] = []

    def take(self, running: Sequence[Batch], locked: Collection[str], *, more: bool) -> tuple[bool, Batch]:
        """Whether anything waits, here or elsewhere, and the next batch; empty where there is none for us.

        Args:
            running: batches that this process is at.
            locked: stores that are to be left out.
            more: whether there may be another.
        """
        if not more and time.monotonic() - self._spoke < _BEAT_S:
            return True, []
        try:
            with self._records.db.write() as db:
                taken = self._speak(db, running)
                waiting = [dict(row) for row in db.execute(_WAITING).fetchall()]
                free = [r for r in waiting if r["store"] not in {*locked, *taken} and r["owner"] not in taken.values()]
                batch = self._turns.next(free, running) if more else []
                for row in batch:
                    db.execute(_TAKEN, (1, row["store"], row["file"]))
                self._hold(db, batch)
        except UnreachableError:  # it will be there again
            return True, []
        self._unread.clear()
        self._spoke = time.monotonic()
        return bool(waiting), batch

    def unread(self, batch: Batch) -> None:
        """A batch could not be tried: it waits again."""
        self._unread.append(batch)

    def _speak(self, db: Any, running: Sequence[Batch]) -> dict[str, str]:
        """Say anew what this process is at; gives the stores that others are at, each with its user."""
        for row in (row for batch in self._unread for row in batch):
            db.execute(_TAKEN, (-1, row["store"], row["file"]))
        sql = f"delete from leases where worker = :name or until < {self._records.db.clock}"
        db.execute(sql, {"name": self._name, "now": time.time()})
        others = dict(db.execute("select store, owner from leases").fetchall())
        for batch in running:
            self._hold(db, batch)
        return others

    def _hold(self, db: Any, batch: Batch) -> None:
        until = f"{self._records.db.clock} + {_LEASE_S}"
        sql = f"insert into leases (store, owner, worker, until) values (:store, :owner, :name, {until})"
        for row in batch[:1]:
            values = {"store": row["store"], "owner": row["owner"], "name": self._name, "now": time.time()}
            db.execute(f"{sql} on conflict (store) do nothing", values)


class Turns:
    """Whose files are read next: of those who wait, whoever was served longest ago."""

    def __init__(self) -> None:
        self._served: dict[str, int] = {}

    def next(self, waiting: Sequence[Row], running: Sequence[Sequence[Row]]) -> list[Row]:
        """Choose a batch: of one user and store, neither of which has one running.

        Args:
            waiting: rows of the table `entries`, the oldest first; those that are being read are among them.
        """
        if any(row["tries"] for batch in running for row in batch):
            return []
        stores, owners = ({row[name] for batch in running for row in batch} for name in ("store", "owner"))
        fresh = [
            row for row in waiting if not row["tries"] and row["store"] not in stores and row["owner"] not in owners
        ]
        if not fresh:  # what once brought the process down goes last and alone, so that nobody else is blamed
            return [] if running else list(waiting[:1])
        first = min(fresh, key=lambda row: self._served.get(row["owner"], 0))
        self._served[first["owner"]] = max(self._served.values(), default=0) + 1
        return _small([row for row in fresh if row["owner"] == first["owner"] and row["store"] == first["store"]])


def _small(rows: list[Row]) -> list[Row]:
    """The smallest files, a few at a time; a large one goes alone."""
    batch: list[Row] = []
    for row in sorted(rows, key=lambda row: int(row["bytes"])):
        if batch and (len(batch) == _BATCH or sum(each["bytes"] for each in batch) + row["bytes"] > _BATCH_BYTES):
            break
        batch.append(row)
    return batch
