"""What a store keeps and gives back: documents, chunks, and what the ledger compares."""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from nacre.text.strict_json import to_json
from nacre.text.tables import Mark

if TYPE_CHECKING:
    from nacre.documents.chunking import BlockLike
    from nacre.documents.document import Place, Table

PUBLIC = 0  # the audience of documents without principals


@dataclass(frozen=True)
class DocumentRecord:
    """A document as it is stored.

    Args:
        modified: seconds since 1970, or None.
        audience: number of the set of principals that may see it; 0 is everyone.
        metadata: what its source says of it.
        fields: what it says of itself; a field of its source counts before one of these.
        cut: the size that was set when it was cut into chunks, in tokens; 0 for the default.
    """

    uri: str
    hash: bytes
    title: str
    mime: str
    text: str
    scope: str
    stamp: str = ""
    modified: float | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    fields: Mapping[str, Any] = field(default_factory=dict)
    audience: int = PUBLIC
    cut: int = 0
    blocks: bytes | None = None
    id: int = 0
    version: int = 1


@dataclass(frozen=True)
class ChunkRecord:
    """A chunk with everything that an index needs.

    Args:
        start: first character in the document's text.
        page: 1-based, or None.
        vector: little-endian float32 values, or None in a folder of words only.
    """

    start: int
    end: int
    heading: tuple[str, ...]
    page: int | None
    context: str
    text: str
    hash: bytes
    vector: bytes | None
    id: int = 0


class SupersededText(NamedTuple):
    """What a document said in a version that another one followed, and the audience that it had."""

    version: int
    audience: int
    text: str


@dataclass(frozen=True)
class DocumentState:
    """What the ledger compares a source's item with."""

    id: int
    uri: str
    scope: str
    stamp: str
    hash: bytes
    audience: int
    title: str
    metadata: str
    cut: int
    whole: bool  # its blocks are stored, so that it can be cut anew without its source


class DocumentHead(NamedTuple):
    """A document without its text."""

    id: int
    uri: str
    title: str
    mime: str
    version: int
    audience: int
    metadata: dict[str, str]


class ChunkSpan(NamedTuple):
    """Where a chunk stands in its document's text."""

    id: int
    start: int
    end: int


class Passage(NamedTuple):
    """A chunk with what a hit tells of it."""

    text: str
    uri: str
    title: str
    heading: tuple[str, ...]
    page: int | None
    start: int
    end: int
    document_id: int
    version: int
    audience: int


_FACTS = ("uri", "scope", "stamp", "hash", "title", "mime", "audience", "modified", "cut", "blocks")


def document_facts(document: DocumentRecord) -> dict[str, Any]:
    """What tables keep of a document, by column."""
    facts = {name: getattr(document, name) for name in _FACTS}
    said = {"metadata": dump_metadata(document.metadata), "fields": dump_metadata(document.fields)}
    return {**facts, **said, "text": zlib.compress(document.text.encode(), 1)}


def dump_metadata(metadata: Mapping[str, Any]) -> str:
    """Metadata as a store keeps them."""
    return to_json(dict(metadata), sort_keys=True)


class BlockRecord(NamedTuple):
    """A part of a document, as far as cutting needs it."""

    kind: str
    start: int
    end: int
    level: int
    page: int | None


class TableRecord(NamedTuple):
    """Where a table of a document stands, and what its columns are called: its text gives the cells."""

    start: int
    end: int
    body: int  # first character of the first row below the header
    mark: Mark
    header: tuple[str, ...]


class PlaceRecord(NamedTuple):
    """Where a piece of a document that was read by OCR stands on the picture of its page."""

    start: int
    end: int
    page: int
    box: tuple[float, ...]  # left, top, right, bottom: shares of the page's width and height


_TABLES = 1  # the form of what stands behind the blocks; there is none in what an earlier Nacre stored


PLACES = b"\x00places1"  # the last bytes of what holds places, so that a query can ask for it


def pack_blocks(blocks: Sequence[BlockLike], tables: Sequence[Table] = (), places: Sequence[Place] = ()) -> bytes:
    """Parts of a document as a store keeps them: up to three streams, of which an earlier Nacre reads the first.

    Returns:
        Bytes for `unpack_blocks`, `unpack_tables` and `unpack_places`.
    """
    spots = [(p.start, p.end, p.page, [round(side, 4) for side in p.box]) for p in places]
    rows = [(block.kind, block.start, block.end, block.level, block.page) for block in blocks]
    grids = [(t.start, t.end, t.rows[0][0].start, t.mark, t.header) for t in tables if t.rows and len(t.rows[0]) > 1]
    second = _stream([_TABLES, grids]) if grids or spots else b""
    return _stream(rows) + second + (_stream(spots) + PLACES if spots else b"")


def _stream(data: Any) -> bytes:
    return zlib.compress(json.dumps(data, separators=(",", ":")).encode(), 1)


def unpack_blocks(kept: bytes) -> list[BlockRecord]:
    """Parts of a document as cutting needs them."""
    return [BlockRecord(*row) for row in json.loads(zlib.decompressobj().decompress(kept))]


def unpack_tables(kept: bytes) -> list[TableRecord]:
    """The tables of a document; none of one that was stored before tables were, or in a form of a later Nacre."""
    first = zlib.decompressobj()
    first.decompress(kept)
    form, rows = json.loads(zlib.decompress(first.unused_data)) if first.unused_data else (_TABLES, ())
    if form != _TABLES:
        return []
    return [TableRecord(start, end, body, mark, tuple(header)) for start, end, body, mark, header in rows]


def unpack_places(kept: bytes) -> list[PlaceRecord]:
    """Where the pieces of a scan stand; none of a document that has its own text."""
    if not kept.endswith(PLACES):
        return []
    for _ in range(2):
        stream = zlib.decompressobj()
        stream.decompress(kept)
        kept = stream.unused_data
    return [PlaceRecord(start, end, page, tuple(box)) for start, end, page, box in json.loads(zlib.decompress(kept))]
