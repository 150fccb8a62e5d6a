"""The ingestion process: reads uploads into their knowledge bases until the server that started it is gone.

Servers that share their tables read each file once.
"""

from __future__ import annotations

import json
import os
import select
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import closing, suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

from nacre.errors import LockedError, NacreError, UnreachableError
from nacre.ingest.source import Item
from nacre.retrieval.knowledge_base import KnowledgeBase
from nacre.server.knowledge_bases import MAIN, open_like, place_of
from nacre.server.records import Records, Row
from nacre.text.language import tr

_BATCH = 4
_BATCH_BYTES = 1 << 20
_LEASE_S = 20.0
_BEAT_S = 5.0
_WAITING = "select * from entries where status = 'in_progress' order by created, rowid"
_TAKEN = "update entries set tries = tries + ? where store = ? and file = ? and status = 'in_progress'"
Batch = Sequence[Row]
_LANES = 2
_LOOK_S = 1.0  # how often a free lane looks for news
_TRIES = 3
_PAUSE_S = 0.5


class Claims:
    """Takes files off the work list for one process, a batch of one user and store at a time, and says every few
    seconds what it is at. A store and a user of whom another process has a batch are left to it, until it has not
    spoken for long: then it is dead, and its files are anybody's. A forerunner's of the same name are free at once.
    """

    def __init__(self, records: Records, name: str) -> None:
        self._records, self._name = records, name
        self._turns, self._spoke = Turns(), float("-inf")
        self._unread: list[Batch] = []

    def take(self, running: Sequence[Batch], locked: Collection[str], *, more: bool) -> tuple[bool, Batch]:
        """Whether anything waits, here or elsewhere, and the next batch, if there is one in an unlocked store."""
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
        """Choose a batch of those that wait, oldest first: of one user and store, neither of which has one running."""
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


def uri_of(file: str, name: str) -> str:
    """The address of an upload in a knowledge base; its last part lets the parser see the file's type."""
    return f"upload:///{file}/{quote(name, safe='')}"


class Uploads:
    """Uploaded files as a source of a knowledge base."""

    def __init__(self, records: Records, entries: Sequence[Row]) -> None:
        self._records, self._entries = records, entries

    scope = "upload:"

    def items(self) -> Iterator[Item]:
        """List the files."""
        for entry in self._entries:
            file = self._records.one("files", "id = ?", entry["file"])
            if file is not None:
                yield self._item(entry, file)

    def _item(self, entry: Row, file: Row) -> Item:
        principals = json.loads(entry["principals"]) if entry["principals"] else None
        given = json.loads(entry["attributes"] or "{}")
        return Item(
            uri=uri_of(file["id"], file["name"]),
            read=lambda: b"".join(self._records.uploads.pieces(file["id"])),
            stamp=file["id"],
            title=file["name"],
            modified=float(file["created"]),
            principals=tuple(principals) if principals else None,
            metadata={name: given[name] for name in given if name != "principals"} | {"file_id": file["id"]},
        )


def work(kb: str | Path, records: Records, patient: Callable[[], bool], name: str = "local") -> None:
    """Ingest everything that waits: some files of one user, then of the next, and what came meanwhile among them.

    Two batches run at once, of different users and stores, so that one slow file does not hold up everybody's. A store
    that somebody else is writing waits until the others have had their turn.
    """
    claims, locked = Claims(records, name), set[str]()
    running: dict[Future[bool], Sequence[Row]] = {}
    with ThreadPoolExecutor(_LANES, thread_name_prefix="nacre-ingest") as lanes:
        while True:
            waiting, batch = claims.take(list(running.values()), locked, more=len(running) < _LANES)
            if batch:
                running[lanes.submit(_ingest, kb, records, batch)] = batch
            elif running:
                done = wait(running, _LOOK_S, return_when=FIRST_COMPLETED).done
                ended = [(running.pop(one), one.result()) for one in done]
                for unread in (taken for taken, read in ended if not read):
                    claims.unread(unread)
                locked = locked | {taken[0]["store"] for taken, read in ended if not read} if ended else set()
            elif not waiting:
                return
            else:
                locked.clear()
                if not patient():
                    return


def _ingest(kb: str | Path, records: Records, batch: Sequence[Row]) -> bool:
    """Whether it is done: a `nacre sync` of someone else will end, and a server that is away comes back."""
    store = batch[0]["store"]
    place = kb if store == MAIN else place_of(records.place, store)
    began = time.monotonic()
    try:
        if batch[0]["tries"] >= _TRIES:
            _finish(records, batch[0], tr("Reading this file brought the process down three times."), 0.0)
            return True
        with open_like(place, kb) as base:
            report = base.sync(Uploads(records, batch), prune=False)
            failed = {uri.removeprefix("upload:///").partition("/")[0]: reason for uri, reason in report.failed}
            seconds = (time.monotonic() - began) / len(batch)
            for row in batch:
                _finish(records, row, failed.get(row["file"]), seconds)
            _forget_deleted(base, records, batch)
    except (LockedError, UnreachableError):
        return False
    except NacreError as error:
        for row in batch:
            _finish(records, row, error.message, 0.0)
    return True


def _finish(records: Records, row: Row, reason: str | None, seconds: float) -> None:
    records.change(
        "update entries set status = ?, reason = ?, seconds = ? where store = ? and file = ?"
        " and status = 'in_progress'",
        "failed" if reason else "completed", reason, seconds, row["store"], row["file"],
    )  # fmt: skip


def _forget_deleted(base: KnowledgeBase, records: Records, batch: Sequence[Row]) -> None:
    """Files that were deleted while they were read must not stay."""
    gone = [row for row in batch if records.one("entries", "store = ? and file = ?", row["store"], row["file"]) is None]
    for row in gone:
        for document in base.documents():
            if document["metadata"].get("file_id") == row["file"]:
                base.delete(document["uri"])


def _server_is_there() -> bool:
    """Pause, and see whether the server that started this process is still there."""
    ready, _, _ = select.select([0], [], [], _PAUSE_S)
    return not ready or bool(os.read(0, 4096))


def main() -> int:
    """Work at each byte on standard input, whose end is the end of the server; the environment says where."""
    kb, store, name = (os.environ[f"NACRE_INGESTED{part}"] for part in ("", "_FROM", "_BY"))
    os.nice(5)  # people who ask go first
    with closing(Records(store)) as records, suppress(KeyboardInterrupt):
        while os.read(0, 4096):
            work(kb, records, _server_is_there, name)
    return 0
