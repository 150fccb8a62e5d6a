"""The truth of a knowledge base: one SQLite file with documents, chunks and vectors.

Every change of a document is one transaction that also takes the next *generation* number. Chunks carry the
generation that last touched them and removed chunks leave a row in `removed`, so an index that stands at generation g
catches up by reading what came after g. That is the only way an index is ever changed: by a sync, at the next open
after a crash, and in a process that only reads.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from nacre.store.filters import Filter, fields_condition
from nacre.store.folder.database import damaged, open_database
from nacre.store.folder.keyword_index import Entry
from nacre.store.protocol import DocumentStore
from nacre.store.records import (
    PLACES,
    ChunkRecord,
    ChunkSpan,
    DocumentHead,
    DocumentRecord,
    DocumentState,
    Passage,
    PlaceRecord,
    TableRecord,
    unpack_places,
    unpack_tables,
)
from nacre.text.fields import tidy_fields

_BEGINNING = 400  # characters of a chunk that tell its writing
EVER = (1 << 63) - 1  # SQLite's greatest integer


class Catalog(DocumentStore):
    """Documents, their chunks and their vectors, in one SQLite file. Safe to share between threads.

    Args:
        create: make the tables when they are missing; otherwise that is damage.
    """

    def __init__(self, folder: Path, create: bool = False) -> None:
        self.db = open_database(folder, create)

    def close(self) -> None:
        """Close the file."""
        self.db.close()

    # ------------------------------------------------------------------------------------------------ documents

    def meta(self, key: str) -> str | None:
        found = self.db.read("SELECT value FROM meta WHERE key = ?", (key,))
        return found[0][0] if found else None

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

    def text(self, uri: str) -> str | None:
        found = self.db.read("SELECT text FROM documents WHERE uri = ?", (uri,))
        try:
            return zlib.decompress(found[0][0]).decode("utf-8") if found else None
        except (zlib.error, UnicodeDecodeError) as error:
            raise damaged(Path(self.db.path), error) from error

    def tables(self, uri: str) -> list[TableRecord]:
        if not self._has("blocks"):
            return []
        found = self.db.read("SELECT blocks FROM documents WHERE uri = ? AND blocks IS NOT NULL", (uri,))
        return unpack_tables(found[0][0]) if found else []

    def places(self, uri: str) -> list[PlaceRecord]:
        if not self._has("blocks"):
            return []
        end = (uri, -len(PLACES), PLACES)
        found = self.db.read("SELECT blocks FROM documents WHERE uri = ? AND substr(blocks, ?) = ?", end)
        return unpack_places(found[0][0]) if found else []

    def _has(self, column: str) -> bool:
        """Whether documents have a column: not in a catalog of an earlier Nacre that was not synced since."""
        return bool(self.db.read("SELECT 1 FROM pragma_table_info('documents') WHERE name = ?", (column,)))

    def counts(self) -> dict[str, int]:
        tables = ("documents", "chunks", "vectors")
        return {table: int(self.db.read(f"SELECT count(*) FROM {table}")[0][0]) for table in tables}

    def documents(self) -> list[dict[str, Any]]:
        names = self.audiences()
        own = "d.fields" if self._has("fields") else "'{}'"
        rows = self.db.read(
            "SELECT d.uri, d.title, d.mime, d.version, d.audience, d.modified, d.id, d.metadata, d.scope,"
            " (SELECT count(*) FROM chunks c WHERE c.document = d.id),"
            f' (SELECT coalesce(max("end"), 0) FROM chunks c WHERE c.document = d.id), {own}'
            " FROM documents d ORDER BY d.uri"
        )
        return [
            {
                "uri": uri,
                "title": title,
                "mime": mime,
                "version": version,
                "principals": list(names.get(audience, ())),
                "modified": modified,
                "chunks": chunks,
                "characters": characters,
                "document_id": number,
                "metadata": json.loads(metadata),
                "scope": scope,
                "fields": tidy_fields(json.loads(fields), json.loads(metadata)),
            }
            for (
                uri,
                title,
                mime,
                version,
                audience,
                modified,
                number,
                metadata,
                scope,
                chunks,
                characters,
                fields,
            ) in rows
        ]

    def find(self, document: str | int) -> DocumentHead | None:
        key = "uri" if isinstance(document, str) else "id"
        query = f"SELECT id, uri, title, mime, version, audience, metadata FROM documents WHERE {key} = ?"
        for number, uri, title, mime, version, audience, metadata in self.db.read(query, (document,)):
            return DocumentHead(number, uri, title, mime, version, audience, json.loads(metadata))
        return None

    def document(self, uri: str) -> DocumentRecord:
        names = ("scope", "stamp", "hash", "title", "mime", "audience", "modified", "cut", "blocks", "id", "version")
        *row, metadata, fields = self.db.read(
            f"SELECT {', '.join(names)}, metadata, fields FROM documents WHERE uri = ?", (uri,)
        )[0]
        facts = dict(zip(names, row, strict=True))
        return DocumentRecord(
            uri=uri, text=self.text(uri) or "", metadata=json.loads(metadata), fields=json.loads(fields), **facts
        )

    def states(self, not_cut_to: int | None = None) -> list[DocumentState]:
        names = "id, uri, scope, stamp, hash, audience, title, metadata, cut, blocks IS NOT NULL"
        limit, values = ("", ()) if not_cut_to is None else ("WHERE cut <> ?", (not_cut_to,))
        rows = self.db.read(f"SELECT {names} FROM documents {limit} ORDER BY id", values)
        return [DocumentState(*row) for row in rows]

    def matching(self, where: Filter) -> list[int]:
        """The numbers of the documents that a filter lets through, in order."""
        if where.conditions() and not self._has("fields"):
            return []
        condition, values = _condition(where)
        return [row[0] for row in self.db.read(f"SELECT id FROM documents d WHERE {condition} ORDER BY id", values)]

    def audiences(self) -> dict[int, tuple[str, ...]]:
        rows = self.db.read("SELECT id, principals FROM audiences")
        return {number: tuple(json.loads(names)) for number, names in rows}

    def grants(self) -> dict[str, tuple[str, ...]]:
        rows = self.db.read("SELECT scope, principals FROM sources")
        return {scope: tuple(json.loads(names)) for scope, names in rows}

    # ------------------------------------------------------------------------------------------------ chunks

    def passages(self, numbers: Sequence[int], where: Filter) -> dict[int, Passage]:
        condition, values = _condition(where)
        rows = self.db.read(
            'SELECT c.id, c.text, d.uri, d.title, c.heading, c.page, c.start, c."end", d.id, d.version, d.audience'
            f" FROM chunks c JOIN documents d ON d.id = c.document WHERE c.id IN ({_marks(numbers)}) AND {condition}",
            [*numbers, *values],
        )
        return {
            number: Passage(text, uri, title, tuple(json.loads(heading)), *rest)
            for number, text, uri, title, heading, *rest in rows
        }

    def chunks(self, document: int, start: int = 0, end: int | None = None) -> list[ChunkSpan]:
        rows = self.db.read(
            'SELECT id, start, "end" FROM chunks WHERE document = ? AND start < ? AND "end" > ? ORDER BY start',
            (document, EVER if end is None else end, start),
        )
        return [ChunkSpan(*row) for row in rows]

    def chunk_records(self, document: int) -> list[ChunkRecord]:
        rows = self.db.read(
            'SELECT c.id, c.start, c."end", c.heading, c.page, c.context, c.text, c.hash, v.vector'
            " FROM chunks c LEFT JOIN vectors v ON v.chunk = c.id WHERE c.document = ? ORDER BY c.start",
            (document,),
        )
        return [
            ChunkRecord(start, end, tuple(json.loads(heading)), page, context, text, digest, vector, number)
            for number, start, end, heading, page, context, text, digest, vector in rows
        ]

    def neighbours(self, document: int, start: int, count: int) -> tuple[list[ChunkSpan], list[ChunkSpan]]:
        before, after = (
            self.db.read(
                f'SELECT id, start, "end" FROM chunks WHERE document = ? AND start {side} ?'
                f" ORDER BY start {order} LIMIT ?",
                (document, start, count),
            )
            for side, order in (("<", "DESC"), (">", "ASC"))
        )
        return [ChunkSpan(*row) for row in before], [ChunkSpan(*row) for row in after]

    def sample(self, count: int) -> list[tuple[int, str]]:
        """Some chunks: digests are as good as random numbers, and the same at every run."""
        rows = self.db.read("SELECT id, text FROM chunks ORDER BY hash LIMIT ?", (count,))
        return [(number, text) for number, text in rows]

    def vectors_of(self, hashes: Sequence[bytes]) -> dict[bytes, bytes]:
        """Vectors that exist already: of stored chunks, or kept."""
        found: dict[bytes, bytes] = {}
        for at in range(0, len(hashes), 500):
            some = hashes[at : at + 500]
            marks = _marks(some)
            stored = f"SELECT c.hash, v.vector FROM chunks c JOIN vectors v ON v.chunk = c.id WHERE c.hash IN ({marks})"
            for query in (stored, f"SELECT hash, vector FROM kept WHERE hash IN ({marks})"):
                found.update((digest, vector) for digest, vector in self.db.read(query, some))
        return found

    # ------------------------------------------------------------------------------------------------ for the indexes

    def changed(self, since: int, until: int = EVER) -> list[int]:
        """The chunks that were touched after a generation."""
        query = "SELECT id FROM chunks WHERE generation > ? AND generation <= ? ORDER BY id"
        return [row[0] for row in self.db.read(query, (since, until))]

    def removed(self, since: int, until: int = EVER) -> list[int]:
        """The chunks that were removed after a generation."""
        query = "SELECT chunk FROM removed WHERE generation > ? AND generation <= ?"
        return [row[0] for row in self.db.read(query, (since, until))]

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
        rows = self.db.read(
            "SELECT c.id, c.context, c.text, d.audience, d.uri, d.mime, d.modified, d.id FROM chunks c"
            f" JOIN documents d ON d.id = c.document WHERE c.id IN ({_marks(numbers)})",
            numbers,
        )
        return [Entry(*row) for row in rows]

    def vectors(self, numbers: Sequence[int]) -> list[tuple[int, int, int, bytes, str]]:
        """Chunks as the vector index takes them: number, document, audience, vector, the beginning of the text."""
        rows = self.db.read(
            f"SELECT c.id, c.document, d.audience, v.vector, substr(c.text, 1, {_BEGINNING}) FROM chunks c"
            " JOIN documents d ON d.id = c.document"
            f" JOIN vectors v ON v.chunk = c.id WHERE c.id IN ({_marks(numbers)})",
            numbers,
        )
        return [tuple(row) for row in rows]


def _condition(where: Filter) -> tuple[str, list[object]]:
    """A filter as a condition on the table of documents, d."""
    conditions: list[str] = []
    values: list[object] = []
    if where.uri_prefix:
        conditions.append("substr(d.uri, 1, ?) = ?")
        values += [len(where.uri_prefix), where.uri_prefix]
    if where.mime:
        conditions.append("d.mime = ?")
        values.append(where.mime)
    if where.modified_after:
        conditions.append("d.modified >= ?")
        values.append(where.modified_after.timestamp())
    if where.modified_before:
        conditions.append("d.modified < ?")
        values.append(where.modified_before.timestamp())
    of_fields, more = fields_condition(where)
    return " AND ".join([*conditions, *filter(None, [of_fields])]) or "1", [*values, *more]


def _marks(values: Sequence[object]) -> str:
    return ",".join("?" * len(values))
