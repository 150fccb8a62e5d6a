"""The truth of a knowledge base: one SQLite file with documents, chunks and vectors.

Every change of a document is one transaction that also takes the next *generation* number. Chunks carry the
generation that last touched them and removed chunks leave a row in `removed`, so an index that stands at generation g
catches up by reading what came after g. That is the only way an index is ever changed: by a sync, at the next open
after a crash, and in a process that only reads.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from nacre.errors import DamagedError
from nacre.store.filters import Filter, documents_condition
from nacre.store.folder.database import damaged, open_database
from nacre.store.folder.keyword_index import Entry
from nacre.store.sql_catalog import SqlCatalog

_BEGINNING = 400  # characters of a chunk that tell its writing


class Catalog(SqlCatalog):
    """Documents, their chunks and their vectors, in one SQLite file. Safe to share between threads.

    Args:
        create: make the tables when they are missing; otherwise that is damage.
    """

    def __init__(self, folder: Path, create: bool = False) -> None:
        self.db = open_database(folder, create)

    def close(self) -> None:
        """Close the file."""
        self.db.close()

    def _rows(self, query: str, values: Sequence[Any] = ()) -> list[Any]:
        return self.db.read(query, values)

    def _there(self, table: str) -> bool:
        return bool(self.db.read("SELECT 1 FROM sqlite_master WHERE name = ?", (table,)))

    def _damaged(self, uri: str, error: Exception) -> DamagedError:
        return damaged(Path(self.db.path), error)

    def _vectors(self) -> tuple[str, str]:
        return "v.vector", "LEFT JOIN vectors v ON v.chunk = c.id"

    def _among(self, column: str, values: Sequence[Any]) -> tuple[str, list[Any]]:
        return f"{column} IN ({','.join('?' * len(values))})", list(values)

    def remember(self, key: str, value: str) -> None:
        """Keep a value."""
        self.db.execute(
            "INSERT INTO meta VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value", (key, value)
        )

    @property
    def turn(self) -> int:
        """How often the base was given other vectors."""
        return int(self.meta("turn") or 0)

    def dimension(self) -> int:
        """Numbers in a vector."""
        found = self.db.read("SELECT length(vector) FROM vectors LIMIT 1")
        return int(found[0][0]) // 4 if found else 1

    @property
    def generation(self) -> int:
        return int(self.meta("generation") or 0)

    def _has(self, column: str) -> bool:
        """Whether documents have a column: not in a catalog of an earlier Nacre that was not synced since."""
        return bool(self.db.read("SELECT 1 FROM pragma_table_info('documents') WHERE name = ?", (column,)))

    def matching(self, where: Filter) -> list[int]:
        """The numbers of the documents that a filter lets through, in order."""
        if where.conditions() and not self._has("fields"):
            return []
        condition, values = documents_condition(where)
        return [row[0] for row in self.db.read(f"SELECT id FROM documents d WHERE {condition} ORDER BY id", values)]

    # ------------------------------------------------------------------------------------------------ for the indexes

    @property
    def floor(self) -> int:
        """Removals up to this generation are no longer on record."""
        return int(self.meta("floor") or 0)

    def forget_removed(self, until: int) -> None:
        """Drop the record of removals that every index on disk has made."""
        with self.db.write() as db:
            db.execute("DELETE FROM removed WHERE generation <= ?", (until,))
            db.execute("INSERT OR REPLACE INTO meta VALUES ('floor', ?)", (str(until),))

    def entries(self, numbers: Sequence[int]) -> list[Entry]:
        """Chunks as the word index takes them."""
        these, values = self._among("c.id", numbers)
        query = "SELECT c.id, c.context, c.text, d.audience, d.uri, d.mime, d.modified, d.id FROM chunks c"
        rows = self.db.read(f"{query} JOIN documents d ON d.id = c.document WHERE {these}", values)
        return [Entry(*row) for row in rows]

    def vectors(self, numbers: Sequence[int]) -> list[tuple[int, int, int, bytes, str]]:
        """Chunks as the vector index takes them: number, document, audience, vector, the beginning of the text."""
        these, values = self._among("c.id", numbers)
        rows = self.db.read(
            f"SELECT c.id, c.document, d.audience, v.vector, substr(c.text, 1, {_BEGINNING}) FROM chunks c"
            f" JOIN documents d ON d.id = c.document JOIN vectors v ON v.chunk = c.id WHERE {these}",
            values,
        )
        return [tuple(row) for row in rows]
