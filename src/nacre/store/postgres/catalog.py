"""The truth of a base in PostgreSQL. All is read on the primary: a replica may not know yet who may see what."""

from __future__ import annotations

import json
import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from nacre.errors import DamagedError
from nacre.store.filters import Filter, fields_condition
from nacre.store.postgres.database import Database
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
from nacre.text.language import tr

EVER = (1 << 63) - 1


class PostgresCatalog(DocumentStore):
    """Documents, their chunks and who may see them. Safe to share between threads."""

    def __init__(self, db: Database) -> None:
        self.db = db

    # ------------------------------------------------------------------------------------------------ documents

    def meta(self, key: str) -> str | None:
        found = self.db.rows("SELECT value FROM meta WHERE key = %s", (key,))
        return found[0][0] if found else None

    @property
    def generation(self) -> int:
        return int(self.db.rows("SELECT generation FROM state")[0][0])

    def text(self, uri: str) -> str | None:
        found = self.db.rows("SELECT text FROM documents WHERE uri = %s", (uri,))
        try:
            return zlib.decompress(found[0][0]).decode() if found else None
        except (zlib.error, UnicodeDecodeError) as error:
            raise DamagedError(
                tr(
                    "{place}: the text of {uri} is damaged ({error}). Restore the base from a backup.",
                    place=self.db.address.shown,
                    uri=uri,
                    error=error,
                ),
                path=self.db.address.shown,
            ) from error

    def tables(self, uri: str) -> list[TableRecord]:
        found = self.db.rows("SELECT blocks FROM documents WHERE uri = %s AND blocks IS NOT NULL", (uri,))
        return unpack_tables(found[0][0]) if found else []

    def places(self, uri: str) -> list[PlaceRecord]:
        end = (uri, len(PLACES) - 1, PLACES)
        found = self.db.rows(
            "SELECT blocks FROM documents WHERE uri = %s AND substring(blocks FROM length(blocks) - %s) = %s", end
        )
        return unpack_places(found[0][0]) if found else []

    def counts(self) -> dict[str, int]:
        vectors = "count(*) FROM vectors" if self._has_vectors() else "0"
        names = ("documents", "chunks")
        found = self.db.rows(
            "SELECT (SELECT count(*) FROM documents), (SELECT count(*) FROM chunks), (SELECT " + vectors + ")"
        )
        return dict(zip((*names, "vectors"), found[0], strict=True))

    def documents(self) -> list[dict[str, Any]]:
        names = self.audiences()
        rows = self.db.rows(
            "SELECT d.uri, d.title, d.mime, d.version, d.audience, d.modified, d.id, d.metadata, d.scope, count(c.id),"
            ' coalesce(max(c."end"), 0), d.fields FROM documents d LEFT JOIN chunks c ON c.document = d.id'
            ' GROUP BY d.id ORDER BY d.uri COLLATE "C"'
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
                "fields": tidy_fields(json.loads(own), json.loads(metadata)),
            }
            for uri, title, mime, version, audience, modified, number, metadata, scope, chunks, characters, own in rows
        ]

    def find(self, document: str | int) -> DocumentHead | None:
        key = "uri" if isinstance(document, str) else "id"
        query = f"SELECT id, uri, title, mime, version, audience, metadata FROM documents WHERE {key} = %s"
        for number, uri, title, mime, version, audience, metadata in self.db.rows(query, (document,)):
            return DocumentHead(number, uri, title, mime, version, audience, json.loads(metadata))
        return None

    def document(self, uri: str) -> DocumentRecord:
        names = ("scope", "stamp", "hash", "title", "mime", "audience", "modified", "cut", "blocks", "id", "version")
        query = f"SELECT {', '.join(names)}, metadata, fields FROM documents WHERE uri = %s"
        *row, metadata, fields = self.db.rows(query, (uri,))[0]
        facts = dict(zip(names, row, strict=True))
        said = {"metadata": json.loads(metadata), "fields": json.loads(fields)}
        return DocumentRecord(uri=uri, text=self.text(uri) or "", **said, **facts)

    def states(self, not_cut_to: int | None = None) -> list[DocumentState]:
        names = "id, uri, scope, stamp, hash, audience, title, metadata, cut, blocks IS NOT NULL"
        limit, values = ("", ()) if not_cut_to is None else ("WHERE cut <> %s", (not_cut_to,))
        rows = self.db.rows(f"SELECT {names} FROM documents {limit} ORDER BY id", values)
        return [DocumentState(*row) for row in rows]

    def audiences(self) -> dict[int, tuple[str, ...]]:
        rows = self.db.rows("SELECT id, principals FROM audiences")
        return {number: tuple(json.loads(names)) for number, names in rows}

    def grants(self) -> dict[str, tuple[str, ...]]:
        rows = self.db.rows("SELECT scope, principals FROM sources")
        return {scope: tuple(json.loads(names)) for scope, names in rows}

    # ------------------------------------------------------------------------------------------------ chunks

    def passages(self, numbers: Sequence[int], where: Filter) -> dict[int, Passage]:
        condition, values = condition_of(where)
        rows = self.db.rows(
            'SELECT c.id, c.text, d.uri, d.title, c.heading, c.page, c.start, c."end", d.id, d.version, d.audience'
            f" FROM chunks c JOIN documents d ON d.id = c.document WHERE c.id = ANY(%(ids)s) AND {condition}",
            {"ids": list(numbers), **values},
        )
        return {
            number: Passage(text.decode(), uri, title, tuple(json.loads(heading)), *rest)
            for number, text, uri, title, heading, *rest in rows
        }

    def chunks(self, document: int, start: int = 0, end: int | None = None) -> list[ChunkSpan]:
        rows = self.db.rows(
            'SELECT id, start, "end" FROM chunks WHERE document = %s AND start < %s AND "end" > %s ORDER BY start',
            (document, EVER if end is None else end, start),
        )
        return [ChunkSpan(*row) for row in rows]

    def chunk_records(self, document: int) -> list[ChunkRecord]:
        vector = "vector_send(v.embedding) FROM chunks c LEFT JOIN vectors v ON v.chunk = c.id"
        rows = self.db.rows(
            'SELECT c.id, c.start, c."end", c.heading, c.page, c.context, c.text, c.hash, '
            + (vector if self._has_vectors() else "NULL FROM chunks c")
            + " WHERE c.document = %s ORDER BY c.start",
            (document,),
        )
        return [
            ChunkRecord(
                start, end, tuple(json.loads(heading)), page, context.decode(), text.decode(), digest, _f4(vector), id
            )
            for id, start, end, heading, page, context, text, digest, vector in rows
        ]

    def neighbours(self, document: int, start: int, count: int) -> tuple[list[ChunkSpan], list[ChunkSpan]]:
        before, after = (
            self.db.rows(
                f'SELECT id, start, "end" FROM chunks WHERE document = %s AND start {side} %s'
                f" ORDER BY start {order} LIMIT %s",
                (document, start, count),
            )
            for side, order in (("<", "DESC"), (">", "ASC"))
        )
        return [ChunkSpan(*row) for row in before], [ChunkSpan(*row) for row in after]

    def sample(self, count: int) -> list[tuple[int, str]]:
        rows = self.db.rows("SELECT id, text FROM chunks ORDER BY hash LIMIT %s", (count,))
        return [(number, text.decode()) for number, text in rows]

    def vectors_of(self, hashes: Sequence[bytes]) -> dict[bytes, bytes]:
        found: dict[bytes, bytes] = {}
        if self._has_vectors():
            stored = "SELECT c.hash, vector_send(v.embedding) FROM chunks c JOIN vectors v ON v.chunk = c.id"
            for digest, vector in self.db.rows(f"{stored} WHERE c.hash = ANY(%s)", (list(hashes),)):
                found[digest] = _f4(vector) or b""
        found.update(self.db.rows("SELECT hash, vector FROM kept WHERE hash = ANY(%s)", (list(hashes),)))
        return found

    def changed(self, since: int, until: int = EVER) -> list[int]:
        """The chunks that were touched after a generation."""
        query = "SELECT id FROM chunks WHERE generation > %s AND generation <= %s ORDER BY id"
        return [row[0] for row in self.db.rows(query, (since, until))]

    def removed(self, since: int, until: int = EVER) -> list[int]:
        """The chunks that were removed after a generation."""
        query = "SELECT chunk FROM removed WHERE generation > %s AND generation <= %s"
        return [row[0] for row in self.db.rows(query, (since, until))]

    def _has_vectors(self) -> bool:
        return self.db.rows("SELECT to_regclass('vectors') IS NOT NULL")[0][0] is True


def _f4(sent: bytes | None) -> bytes | None:
    """A vector as pgvector sends it (two short numbers, then big-endian float32) as we keep it."""
    return None if sent is None else np.frombuffer(sent[4:], ">f4").astype("<f4").tobytes()


def condition_of(where: Filter) -> tuple[str, dict[str, Any]]:
    """A filter as a condition on the table of documents, d."""
    conditions = {
        "d.uri ^@ %(prefix)s": ("prefix", where.uri_prefix or None),
        "d.mime = %(mime)s": ("mime", where.mime or None),
        "d.modified >= %(after)s": ("after", where.modified_after and where.modified_after.timestamp()),
        "d.modified < %(before)s": ("before", where.modified_before and where.modified_before.timestamp()),
    }
    held = {condition: pair for condition, pair in conditions.items() if pair[1] is not None}
    of_fields, values = fields_condition(where)
    first, *rest = of_fields.split("?")
    named = first + "".join(f"%(field{n})s{part}" for n, part in enumerate(rest))
    return " AND ".join([*held, *filter(None, [named])]) or "true", {
        **dict(held.values()),
        **{f"field{n}": value for n, value in enumerate(values)},
    }
