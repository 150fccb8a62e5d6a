"""What the catalog holds: documents, chunks, and what the ledger compares."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

PUBLIC = 0  # the audience of documents without principals


@dataclass(frozen=True)
class Document:
    """A document as the catalog knows it.

    Args:
        uri: its address, unique.
        hash: digest of its content as the source gave it.
        title: its title, or "".
        mime: its type.
        text: its extracted text.
        scope: the source that listed it last.
        stamp: the source's cheap mark of its state, or "".
        modified: seconds since 1970, or None.
        metadata: further facts from the source.
        audience: number of the set of principals that may see it; 0 is everyone.
        id: its number; 0 before it is stored.
        version: 1, and one more after each change of content.
    """

    uri: str
    hash: bytes
    title: str
    mime: str
    text: str
    scope: str
    stamp: str = ""
    modified: float | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    audience: int = PUBLIC
    id: int = 0
    version: int = 1


@dataclass(frozen=True)
class StoredChunk:
    """A chunk with everything that an index needs.

    Args:
        start: first character in the document's text.
        end: one past the last.
        heading: titles around it.
        page: 1-based, or None.
        context: title and heading path, indexed with the text.
        text: the passage.
        hash: digest of what is embedded.
        vector: little-endian float32 values, or None in a folder of words only.
        id: its number; 0 before it is stored.
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


@dataclass(frozen=True)
class State:
    """What the ledger compares a source's item with."""

    id: int
    uri: str
    scope: str
    stamp: str
    hash: bytes
    audience: int
    title: str
    metadata: str


def written(metadata: Mapping[str, str]) -> str:
    """Metadata as the catalog keeps them.

    Args:
        metadata: facts by name.

    Returns:
        JSON, the same for equal facts.
    """
    return json.dumps(dict(metadata), sort_keys=True)
