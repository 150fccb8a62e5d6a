"""A ZIP of documents that a source lists: each file in it becomes an item of its own, `…/a.zip!/inner/name.pdf`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from urllib.parse import quote

from nacre.documents.archive import members
from nacre.documents.dispatch import is_archive
from nacre.documents.limits import Limits
from nacre.documents.ooxml import bomb
from nacre.errors import ParseError
from nacre.ingest.source import Item, Unreachable
from nacre.text.hygiene import clean_text
from nacre.text.language import tr

MARK = "!/"
_MIMES = {"application/zip", "application/x-zip-compressed"}
_DEEP = 3  # archives in archives


def may_be_archive(item: Item) -> bool:
    """Whether an item may hold documents, by what its source says of it."""
    return item.uri.lower().partition("?")[0].endswith(".zip") or item.mime in _MIMES


def archive_of(uri: str) -> str:
    """The address of the outermost archive that a document lies in; empty where it lies in none."""
    return uri.partition(MARK)[0] if MARK in uri else ""


def unpacked(item: Item, limits: Limits) -> Iterator[Item | Unreachable]:
    """What an archive holds; the item itself, with its content, where it is none after all."""
    content = item.read()
    raw = content.encode("utf-8", "surrogatepass") if isinstance(content, str) else content
    if is_archive(raw):
        yield from _inside(item, raw, item.uri, 1, [limits.unpacked_bytes])
    else:
        yield replace(item, read=lambda: content)


def _inside(item: Item, data: bytes, place: str, depth: int, left: list[int]) -> Iterator[Item | Unreachable]:
    """What an archive holds, and the archives in it; `left` holds the bytes that all of them may unpack to."""
    seen: set[str] = set()
    for member in members(data, Limits()):
        uri = clean_text(f"{place}{MARK}{quote(member.name)}")
        if uri in seen:
            continue
        seen.add(uri)
        if not member.name.lower().endswith(".zip"):
            yield replace(item, uri=uri, read=member.read, mime="", title="")
            continue
        try:
            if depth >= _DEEP:
                raise ParseError(tr("archives are nested more than {most} levels deep", most=_DEEP))
            inner = member.read()
            left[0] -= len(inner)
            if left[0] < 0:
                raise ParseError(bomb(Limits().unpacked_bytes))
            if is_archive(inner):
                yield from _inside(item, inner, uri, depth + 1, left)
            else:
                yield replace(item, uri=uri, read=partial(bytes, inner), mime="", title="")
        except ParseError as error:
            yield Unreachable(uri, error.message)
