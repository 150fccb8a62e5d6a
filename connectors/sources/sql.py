"""Databases, by SQLAlchemy: each row a document, or a whole table or query as one."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from hashlib import blake2b
from typing import Any, Literal
from urllib.parse import quote

from nacre.errors import SourceError, UsageError
from nacre.extras import need
from nacre.ingest.source import Item
from nacre.text.language import listed, tr


class Sql:
    """Rows of a table or of a query.

    Args:
        mode: "row" makes each row a document of "column: value" lines; "table" makes one document of all rows.
        key: columns that name a row for good; else the primary key, else the first column.
        modified: column that changes with the row; without one the row's own content tells.
    """

    def __init__(
        self,
        url: str,
        *,
        table: str = "",
        query: str = "",
        mode: Literal["row", "table"] = "row",
        key: Sequence[str] | str = (),
        text: Sequence[str] = (),
        title: str = "",
        modified: str = "",
        max_rows: int = 1_000_000,
        **options: Any,
    ) -> None:
        if bool(table) == bool(query):
            raise UsageError(tr("an SQL source needs a table or a query: sql:URL#table, sql:URL#SELECT …"))
        self.url, self.table, self.query, self.mode = url, table, query, mode
        self.key = [key] if isinstance(key, str) and key else list(key)
        self.text, self.title, self.modified = list(text), title, modified
        self.max_rows = max_rows
        self.options = options

    @property
    def scope(self) -> str:
        """Database without its login, and the table or a fingerprint of the query."""
        sqlalchemy = need("sqlalchemy", extra="sql")
        parts = sqlalchemy.engine.make_url(self.url)
        place = (
            f"{parts.host or ''}{f':{parts.port}' if parts.port else ''}/{quote(str(parts.database or ''), safe='/')}"
        )
        name = self.table or blake2b(self.query.encode(), digest_size=6).hexdigest()
        return f"sql://{parts.get_backend_name()}/{place}/{quote(name)}/"

    def items(self) -> Iterator[Item]:
        """Run the query."""
        columns, key, rows = self._fetch()
        if self.mode == "table":
            yield self._whole(columns, rows)
            return
        unknown = [name for name in (*self.text, *self.key, self.title, self.modified) if name and name not in columns]
        if unknown:
            told = tr("no column {unknown!r}; there are {columns}", unknown=unknown[0], columns=listed(columns))
            raise SourceError(told, uri=self.scope)
        seen: set[str] = set()
        for row in rows:
            facts = dict(zip(columns, row, strict=True))
            name = ",".join(quote(str(facts[part]), safe="") for part in self.key or key)
            if name in seen:
                raise SourceError(tr("two rows have the key {name}; name the key columns", name=name), uri=self.scope)
            seen.add(name)
            yield self._row(name, facts)

    def _fetch(self) -> tuple[list[str], list[str], list[tuple[Any, ...]]]:
        sqlalchemy = need("sqlalchemy", extra="sql")
        try:
            engine = sqlalchemy.create_engine(self.url, **self.options)
        except ImportError as error:
            need(str(error.name or "sqlalchemy"), install=f"pip install {error.name}")
            raise
        except Exception as error:
            told = tr("the database cannot be opened: {error}", error=error)
            raise SourceError(told, uri=self.url.split("@")[-1]) from error
        try:
            key: list[str] = []
            if self.table:
                # Reflected, so that the name is quoted by the dialect and cannot be a statement.
                schema, _, name = self.table.rpartition(".")
                found = sqlalchemy.Table(name, sqlalchemy.MetaData(), schema=schema or None, autoload_with=engine)
                key = [column.name for column in found.primary_key.columns]
                statement = sqlalchemy.select(found).order_by(*found.primary_key.columns)
            else:
                statement = sqlalchemy.text(self.query)
            with engine.connect() as connection:
                # Never committed: a query that writes leaves nothing behind.
                result = connection.execute(statement)
                columns = [str(name) for name in result.keys()]  # noqa: SIM118 - a result iterates over its rows
                rows = [tuple(row) for row in result.fetchmany(self.max_rows + 1)]
        except Exception as error:  # each driver has its own
            raise SourceError(tr("the query fails: {error}", error=error), uri=self.scope) from error
        finally:
            engine.dispose()
        if len(rows) > self.max_rows:
            raise SourceError(tr("more than {max_rows} rows", max_rows=self.max_rows), uri=self.scope)
        return columns, key or columns[:1], rows

    def _row(self, name: str, facts: dict[str, Any]) -> Item:
        text = "\n".join(
            f"{column}: {facts[column]}" for column in self.text or facts if facts[column] not in (None, "")
        )
        changed = str(facts[self.modified]) if self.modified else ""
        digest = blake2b(text.encode("utf-8", "replace"), digest_size=10).hexdigest()
        shown = {
            column: str(value)
            for column, value in facts.items()
            if column not in self.text and isinstance(value, str | int | float) and len(str(value)) <= 200
        }
        return Item(
            uri=f"{self.scope}{name}",
            read=lambda: text,
            mime="text/plain",
            stamp=f"{changed}-{digest}",
            title=str(facts[self.title] or "") if self.title else "",
            metadata=shown,
        )

    def _whole(self, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> Item:
        page = io.StringIO()
        writer = csv.writer(page)
        writer.writerow(columns)
        writer.writerows([["" if value is None else value for value in row] for row in rows])
        data = page.getvalue().encode()
        digest = blake2b(data, digest_size=10).hexdigest()
        return Item(
            uri=f"{self.scope}table.csv",
            read=lambda: data,
            mime="text/csv",
            stamp=digest,
            title=self.title or self.table,
        )
