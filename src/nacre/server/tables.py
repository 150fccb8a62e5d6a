"""Where a server keeps what it remembers: in SQLite files of a folder, or in PostgreSQL for several servers at once."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from nacre.store.places import scheme_of
from nacre.system.files import private_folder, private_opener
from nacre.system.sqlite import Database, Tables

_PIECE = 1 << 20
CONTENTS = """
create table if not exists contents (file text not null, part integer not null, bytes blob not null,
    primary key (file, part));
"""


def open_tables(place: str | Path, name: str, schema: str) -> Tables:
    """Some tables of a server, made where they are missing.

    Args:
        place: its data folder, or a database's address.
    """
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
