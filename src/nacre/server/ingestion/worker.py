"""The ingestion process: reads uploads into their knowledge bases until the server that started it is gone."""

from __future__ import annotations

import json
import os
import select
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any
from urllib.parse import quote

from nacre.errors import LockedError, NacreError
from nacre.ingest.source import Item
from nacre.retrieval.knowledge_base import KnowledgeBase
from nacre.server.knowledge_bases import MAIN, open_like
from nacre.server.records import Records, Row
from nacre.text.language import tr

_BATCH = 4
_BATCH_BYTES = 1 << 20
_LANES = 2
_LOOK_S = 1.0  # how often a free lane looks for news
_TRIES = 3
_PAUSE_S = 0.5


def uri_of(file: str, name: str) -> str:
    """The address of an upload in a knowledge base; its last part lets the parser see the file's type."""
    return f"upload:///{file}/{quote(name, safe='')}"


class Uploads:
    """Uploaded files as a source of a knowledge base.

    Args:
        entries: rows of the table `entries`.
    """

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
        return Item(
            uri=uri_of(file["id"], file["name"]),
            read=self._records.path(file["id"]).read_bytes,
            stamp=file["id"],
            title=file["name"],
            modified=float(file["created"]),
            principals=tuple(principals) if principals else None,
            metadata={**_attributes(entry), "file_id": file["id"]},
        )


def work(kb: str | Path, records: Records, patient: Callable[[], bool]) -> None:
    """Ingest everything that waits: some files of one user, then of the next, and what came meanwhile among them.

    Two batches run at once, of different users and stores, so that one slow file does not hold up everybody's. A store
    that somebody else is writing waits until the others have had their turn.
    """
    turns, locked = Turns(), set[str]()
    running: dict[Future[bool], list[Row]] = {}
    with ThreadPoolExecutor(_LANES, thread_name_prefix="nacre-ingest") as lanes:
        while True:
            waiting = records.select("entries", "status = 'in_progress'", order="created, rowid")
            free = [row for row in waiting if row["store"] not in locked]
            if len(running) < _LANES and (batch := turns.next(free, list(running.values()))):
                running[lanes.submit(_ingest, kb, records, batch)] = batch
            elif running:
                done = wait(running, _LOOK_S, return_when=FIRST_COMPLETED).done
                ended = [(running.pop(one)[0]["store"], one.result()) for one in done]
                locked = locked | {store for store, written in ended if not written} if ended else set()
            elif not waiting:
                return
            else:
                locked.clear()
                if not patient():
                    return


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


def _ingest(kb: str | Path, records: Records, batch: Sequence[Row]) -> bool:
    """Whether the store could be written: a `nacre sync` of someone else will end."""
    if batch[0]["tries"] >= _TRIES:
        reason = tr("Reading this file brought the process down three times.")
        _finish(records, batch[0], reason, 0.0)
        return True
    store = batch[0]["store"]
    place = kb if store == MAIN else records.folder / "vector_stores" / store
    for row in batch:
        records.change("update entries set tries = tries + 1 where store = ? and file = ?", store, row["file"])
    began = time.monotonic()
    try:
        with open_like(place, kb) as base:
            report = base.sync(Uploads(records, batch), prune=False)
            failed = {_file_of(uri): reason for uri, reason in report.failed}
            seconds = (time.monotonic() - began) / len(batch)
            for row in batch:
                _finish(records, row, failed.get(row["file"]), seconds)
            _forget_deleted(base, records, batch)
    except LockedError:
        undone = "update entries set tries = tries - 1 where store = ? and file = ? and status = 'in_progress'"
        for row in batch:
            records.change(undone, store, row["file"])
        return False
    except NacreError as error:
        for row in batch:
            _finish(records, row, error.message, 0.0)
    return True


def _attributes(entry: Row) -> dict[str, Any]:
    """What the client says of a file; its principals are no field of it."""
    given: dict[str, Any] = json.loads(entry["attributes"] or "{}")
    return {name: value for name, value in given.items() if name != "principals"}


def _file_of(uri: str) -> str:
    return uri.removeprefix("upload:///").partition("/")[0]


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


def main(arguments: list[str] | None = None) -> int:
    """Work, and wait for a byte on standard input before working again; its end is the end of the server.

    Args:
        arguments: the folder of the server's data; None takes the process's own. Where the main knowledge base is, the
            environment says.
    """
    kb, data = os.environ["NACRE_INGESTED"], Path(*(arguments or sys.argv[1:]))
    os.nice(5)  # people who ask go first
    records = Records(data)
    try:
        while os.read(0, 4096):
            work(kb, records, _server_is_there)
    except KeyboardInterrupt:
        pass
    finally:
        records.close()
    return 0
