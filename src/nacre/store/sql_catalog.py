"""What a catalog in SQL asks in the same words, whether SQLite or PostgreSQL answers."""

from __future__ import annotations

import json
import zlib
from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

from nacre.errors import DamagedError
from nacre.store.filters import Filter, by_document, documents_condition
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
    SupersededText,
    TableRecord,
    unpack_places,
    unpack_tables,
)
from nacre.text.fields import tidy_fields
from nacre.text.language import tr

EVER = (1 << 63) - 1  # the greatest integer of both


class SqlCatalog(DocumentStore):
    """Documents and their chunks in tables. Safe to share between threads."""

    @abstractmethod
    def _rows(self, query: str, values: Sequence[Any] = ()) -> Sequence[Any]:
        """What a query finds; a parameter is written as ?."""

    @abstractmethod
    def _there(self, table: str) -> bool:
        """Whether there is such a table."""

    @abstractmethod
    def _damaged(self, uri: str, error: Exception) -> DamagedError:
        """For a text that cannot be read."""

    @abstractmethod
    def _among(self, column: str, values: Sequence[Any]) -> tuple[str, list[Any]]:
        """That a column has one of some values, and the parameters of that."""

    @abstractmethod
    def _vectors(self) -> tuple[str, str]:
        """What gives the vector of a chunk, c, or NULL, and the join that it needs."""

    def _vector(self, sent: bytes) -> bytes:
        """A vector as we keep it."""
        return sent

    def _has(self, column: str) -> bool:
        """Whether documents have a column."""
        return True

    def _said(self, stored: Any) -> str:
        """The text of a chunk as it is stored."""
        return str(stored)

    # ------------------------------------------------------------------------------------------------ documents

    def meta(self, key: str) -> str | None:
        found = self._rows("SELECT value FROM meta WHERE key = ?", (key,))
        return found[0][0] if found else None

    def text(self, uri: str) -> str | None:
        found = self._rows("SELECT text FROM documents WHERE uri = ?", (uri,))
        try:
            return zlib.decompress(found[0][0]).decode("utf-8") if found else None
        except (zlib.error, UnicodeDecodeError) as error:
            raise self._damaged(uri, error) from error

    def versions(self, number: int) -> list[SupersededText]:
        if not self._there("versions"):  # none was ever kept
            return []
        query = "SELECT version, audience, text FROM versions WHERE document = ? ORDER BY version DESC"
        rows = self._rows(query, (number,))
        return [SupersededText(version, who, zlib.decompress(text).decode()) for version, who, text in rows]

    def tables(self, uri: str) -> list[TableRecord]:
        if not self._has("blocks"):
            return []
        found = self._rows("SELECT blocks FROM documents WHERE uri = ? AND blocks IS NOT NULL", (uri,))
        return unpack_tables(found[0][0]) if found else []

    def places(self, uri: str) -> list[PlaceRecord]:
        if not self._has("blocks"):
            return []
        end = (uri, len(PLACES) - 1, PLACES)
        found = self._rows("SELECT blocks FROM documents WHERE uri = ? AND substr(blocks, length(blocks) - ?) = ?", end)
        return unpack_places(found[0][0]) if found else []

    def counts(self) -> dict[str, int]:
        tables = ("documents", "chunks", "vectors")
        return {
            name: int(self._rows(f"SELECT count(*) FROM {name}")[0][0]) if self._there(name) else 0 for name in tables
        }

    def documents(self) -> list[dict[str, Any]]:
        who, own = self.audiences(), "d.fields" if self._has("fields") else "'{}'"
        named = "uri title mime version principals modified chunks characters document_id metadata scope fields"
        rows = self._rows(
            "SELECT d.uri, d.title, d.mime, d.version, d.audience, d.modified, count(c.id),"
            f' coalesce(max(c."end"), 0), d.id, d.metadata, d.scope, {own}'
            " FROM documents d LEFT JOIN chunks c ON c.document = d.id GROUP BY d.id"
        )
        found = [dict(zip(named.split(), row, strict=True)) for row in rows]
        for document in found:
            document["principals"] = list(who.get(document["principals"], ()))
            document["metadata"] = json.loads(document["metadata"])
            document["fields"] = tidy_fields(json.loads(document["fields"]), document["metadata"])
        return sorted(found, key=lambda document: str(document["uri"]))

    def find(self, document: str | int) -> DocumentHead | None:
        key = "uri" if isinstance(document, str) else "id"
        query = f"SELECT id, uri, title, mime, version, audience, metadata FROM documents WHERE {key} = ?"
        for number, uri, title, mime, version, audience, metadata in self._rows(query, (document,)):
            return DocumentHead(number, uri, title, mime, version, audience, json.loads(metadata))
        return None

    def document(self, uri: str) -> DocumentRecord:
        names = ("scope", "stamp", "hash", "title", "mime", "audience", "modified", "cut", "blocks", "id", "version")
        *row, metadata, fields = self._rows(
            f"SELECT {', '.join(names)}, metadata, fields FROM documents WHERE uri = ?", (uri,)
        )[0]
        facts = dict(zip(names, row, strict=True))
        return DocumentRecord(
            uri=uri, text=self.text(uri) or "", metadata=json.loads(metadata), fields=json.loads(fields), **facts
        )

    def states(self, not_cut_to: int | None = None) -> list[DocumentState]:
        names = "id, uri, scope, stamp, hash, audience, title, metadata, cut, blocks IS NOT NULL"
        limit, values = ("", ()) if not_cut_to is None else ("WHERE cut <> ?", (not_cut_to,))
        rows = self._rows(f"SELECT {names} FROM documents {limit} ORDER BY id", values)
        return [DocumentState(*row) for row in rows]

    def audiences(self) -> dict[int, tuple[str, ...]]:
        rows = self._rows("SELECT id, principals FROM audiences")
        return {number: tuple(json.loads(names)) for number, names in rows}

    def grants(self) -> dict[str, tuple[str, ...]]:
        rows = self._rows("SELECT scope, principals FROM sources")
        return {scope: tuple(json.loads(names)) for scope, names in rows}

    # ------------------------------------------------------------------------------------------------ chunks

    def passages(self, numbers: Sequence[int], where: Filter) -> dict[int, Passage]:
        (these, values), (condition, more) = self._among("c.id", numbers), documents_condition(where)
        rows = self._rows(
            'SELECT c.id, c.text, d.uri, d.title, c.heading, c.page, c.start, c."end", d.id, d.version, d.audience'
            f" FROM chunks c JOIN documents d ON d.id = c.document WHERE {these} AND {condition}",
            [*values, *more],
        )
        return {
            number: Passage(self._said(text), uri, title, tuple(json.loads(heading)), *rest)
            for number, text, uri, title, heading, *rest in rows
        }

    def fields_of(self, numbers: Sequence[int], names: Sequence[str]) -> dict[int, dict[str, str]]:
        if not self._has("fields"):
            return {}
        (these, values), (called, more) = self._among("document", numbers), self._among("name", names)
        rows = self._rows(f"SELECT document, name, text FROM fields WHERE {these} AND {called}", [*values, *more])
        return by_document(rows)

    def chunks(self, document: int, start: int = 0, end: int | None = None) -> list[ChunkSpan]:
        rows = self._rows(
            'SELECT id, start, "end" FROM chunks WHERE document = ? AND start < ? AND "end" > ? ORDER BY start',
            (document, EVER if end is None else end, start),
        )
        return [ChunkSpan(*row) for row in rows]

    def chunk_records(self, document: int) -> list[ChunkRecord]:
        vector, joined = self._vectors()
        rows = self._rows(
            f'SELECT c.id, {vector}, c.context, c.text, c.heading, c.start, c."end", c.page, c.hash'
            f" FROM chunks c {joined} WHERE c.document = ? ORDER BY c.start",
            (document,),
        )
        found = []
        for number, sent, context, text, heading, start, end, page, digest in rows:
            said, kept = (self._said(context), self._said(text)), None if sent is None else self._vector(sent)
            found.append(ChunkRecord(start, end, tuple(json.loads(heading)), page, *said, digest, kept, number))
        return found

    def vectors_of(self, hashes: Sequence[bytes]) -> dict[bytes, bytes]:
        found: dict[bytes, bytes] = {}
        vector, joined = self._vectors()
        for at in range(0, len(hashes), 500):
            these, values = self._among("hash", hashes[at : at + 500])
            for digest, sent in self._rows(f"SELECT c.hash, {vector} FROM chunks c {joined} WHERE {these}", values):
                if sent is not None:
                    found[digest] = self._vector(sent)
            found.update(map(tuple, self._rows(f"SELECT hash, vector FROM kept WHERE {these}", values)))
        return found

    def neighbours(self, document: int, start: int, count: int) -> tuple[list[ChunkSpan], list[ChunkSpan]]:
        before, after = (
            self._rows(
                f'SELECT id, start, "end" FROM chunks WHERE document = ? AND start {side} ?'
                f" ORDER BY start {order} LIMIT ?",
                (document, start, count),
            )
            for side, order in (("<", "DESC"), (">", "ASC"))
        )
        return [ChunkSpan(*row) for row in before], [ChunkSpan(*row) for row in after]

    def sample(self, count: int) -> list[tuple[int, str]]:
        """Some chunks: digests are as good as random numbers, and the same at every run."""
        rows = self._rows("SELECT id, text FROM chunks ORDER BY hash LIMIT ?", (count,))
        return [(number, self._said(text)) for number, text in rows]

    def misplaced(self) -> list[str]:
        """The documents of which a chunk is not what stands at its place."""
        found = []
        for number, uri in self._rows("SELECT id, uri FROM documents ORDER BY id"):
            text = self.text(uri) or ""
            spans = self._rows('SELECT start, "end", text FROM chunks WHERE document = ?', (number,))
            if any(text[start:end] != self._said(passage) for start, end, passage in spans):
                found.append(tr("catalog: a chunk of {uri} is not what stands at its place", uri=uri))
        return found

    def changed(self, since: int, until: int = EVER) -> list[int]:
        """The chunks that were touched after a generation."""
        query = "SELECT id FROM chunks WHERE generation > ? AND generation <= ? ORDER BY id"
        return [row[0] for row in self._rows(query, (since, until))]

    def removed(self, since: int, until: int = EVER) -> list[int]:
        """The chunks that were removed after a generation."""
        query = "SELECT chunk FROM removed WHERE generation > ? AND generation <= ?"
        return [row[0] for row in self._rows(query, (since, until))]
