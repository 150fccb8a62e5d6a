"""The ingestion process: reads uploads into their knowledge bases until the server that started it is gone."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import quote

from nacre.errors import LockedError, NacreError
from nacre.language import tr
from nacre.retrieval.knowledge_base import KnowledgeBase
from nacre.retrieval.source import Item
from nacre.server.bases import MAIN, open_like
from nacre.server.records import Records, Row

_BATCH = 16
_TRIES = 3


def uri_of(file: str, name: str) -> str:
    """The address of an upload in a knowledge base.

    Args:
        file: its id.
        name: as the client named it.

    Returns:
        A uri; its last part lets the parser see the file's type.
    """
    return f"upload:///{file}/{quote(name, safe='')}"


class Uploads:
    """Uploaded files as a source of a knowledge base.

    Args:
        records: where they are listed.
        entries: rows of the table `entries`.
    """

    def __init__(self, records: Records, entries: Sequence[Row]) -> None:
        self._records, self._entries = records, entries

    scope = "upload:"

    def items(self) -> Iterator[Item]:
        """List the files.

        Returns:
            One item for each that has not been deleted meanwhile.
        """
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
            metadata={"file_id": file["id"]},
        )


def work(kb: Path, records: Records) -> None:
    """Ingest everything that waits.

    Args:
        kb: folder of the main knowledge base.
        records: the work list.
    """
    while waiting := records.select("entries", "status = 'in_progress'", order="created, rowid"):
        first = waiting[0]
        fresh = [row for row in waiting if row["store"] == first["store"] and not row["tries"]]
        batch = (
            fresh[:_BATCH] if fresh and not first["tries"] else [first]
        )  # what once brought the process down goes alone
        if first["tries"] >= _TRIES:
            _finish(
                records,
                first,
                tr("Reading this file brought the process down three times.", "读取该文件三次导致进程崩溃。"),
                0.0,
            )
            continue
        _ingest(kb, records, batch)


def _ingest(kb: Path, records: Records, batch: Sequence[Row]) -> None:
    store = batch[0]["store"]
    folder = kb if store == MAIN else records.folder / "vector_stores" / store
    for row in batch:
        records.change("update entries set tries = tries + 1 where store = ? and file = ?", store, row["file"])
    began = time.monotonic()
    try:
        with open_like(folder, kb) as base:
            failed = _sync(base, records, batch)
            seconds = (time.monotonic() - began) / len(batch)
            for row in batch:
                _finish(records, row, failed.get(row["file"]), seconds)
            _forget_deleted(base, records, batch)
    except NacreError as error:
        for row in batch:
            _finish(records, row, error.message, 0.0)


def _sync(base: KnowledgeBase, records: Records, batch: Sequence[Row]) -> dict[str, str]:
    """Reasons of the files that could not be read, by id."""
    while True:
        try:
            report = base.sync(Uploads(records, batch), prune=False)
        except LockedError:  # a `nacre sync` of someone else: it will end
            time.sleep(0.5)
            continue
        return {_file_of(uri): reason for uri, reason in report.failed}


def _file_of(uri: str) -> str:
    return uri.removeprefix("upload:///").partition("/")[0]


def _finish(records: Records, row: Row, reason: str | None, seconds: float) -> None:
    records.change(
        "update entries set status = ?, reason = ?, seconds = ? where store = ? and file = ? and status = 'in_progress'",
        "failed" if reason else "completed", reason, seconds, row["store"], row["file"],
    )  # fmt: skip


def _forget_deleted(base: KnowledgeBase, records: Records, batch: Sequence[Row]) -> None:
    """Files that were deleted while they were read must not stay."""
    gone = [row for row in batch if records.one("entries", "store = ? and file = ?", row["store"], row["file"]) is None]
    for row in gone:
        for document in base.documents():
            if document["metadata"].get("file_id") == row["file"]:
                base.delete(document["uri"])


def main(arguments: list[str] | None = None) -> int:
    """Work, and wait for a byte on standard input before working again; its end is the end of the server.

    Args:
        arguments: the folders of the main knowledge base and of the server's data; None takes the process's own.

    Returns:
        The exit status.
    """
    kb, data = map(Path, arguments or sys.argv[1:])
    os.nice(5)  # people who ask go first
    records = Records(data)
    try:
        while os.read(0, 4096):
            work(kb, records)
    except KeyboardInterrupt:
        pass
    finally:
        records.close()
    return 0
