"""The truth of a base in PostgreSQL. All is read on the primary: a replica may not know yet who may see what."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from nacre.errors import DamagedError
from nacre.store.filters import Filter, documents_condition
from nacre.store.postgres.database import Database
from nacre.store.sql_catalog import SqlCatalog
from nacre.text.language import tr


class PostgresCatalog(SqlCatalog):
    """Documents, their chunks and who may see them. Safe to share between threads."""

    def __init__(self, db: Database) -> None:
        self.db = db

    def _rows(self, query: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        return self.db.rows(query.replace("?", "%s"), values)

    def _there(self, table: str) -> bool:
        return self.db.rows("SELECT to_regclass(%s) IS NOT NULL", (table,))[0][0] is True

    def _damaged(self, uri: str, error: Exception) -> DamagedError:
        place = self.db.address.shown
        told = tr(
            "{place}: the text of {uri} is damaged ({error}). Restore the base from a backup.",
            place=place,
            uri=uri,
            error=error,
        )
        return DamagedError(told, path=place)

    def _vectors(self) -> tuple[str, str]:
        if self._there("vectors"):
            return "vector_send(v.embedding)", "LEFT JOIN vectors v ON v.chunk = c.id"
        return "NULL", ""

    def _among(self, column: str, values: Sequence[Any]) -> tuple[str, list[Any]]:
        return f"{column} = ANY(?)", [list(values)]

    def _said(self, stored: Any) -> str:
        return bytes(stored).decode()

    def _vector(self, sent: bytes) -> bytes:
        return np.frombuffer(sent[4:], ">f4").astype("<f4").tobytes()  # after two short numbers

    @property
    def generation(self) -> int:
        return int(self.db.rows("SELECT generation FROM state")[0][0])


def condition_of(where: Filter) -> tuple[str, dict[str, Any]]:
    """A filter as a condition on the table of documents, d, whose parameters have names."""
    condition, values = documents_condition(where)
    first, *rest = condition.split("?")
    named = first + "".join(f"%(where{n})s{part}" for n, part in enumerate(rest))
    return named, {f"where{n}": value for n, value in enumerate(values)}
