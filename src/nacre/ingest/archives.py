"""A ZIP of documents that a source lists: each file in it becomes an item of its own, `…/a.zip!/inner/name.pdf`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from urllib.parse import quote

from nacre.documents.archive import Member, members
from nacre.documents.detect import is_archive
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
        yield from _Opened(item, limits.unpacked_bytes).items(raw, item.uri, 1)
    else:
        yield replace(item, read=lambda: content)


class _Opened:
    """One archive and the archives in it."""

    def __init__(self, item: Item, most: int) -> None:
        self.item, self.left, self.limits = item, most, Limits()

    def items(self, data: bytes, place: str, depth: int) -> Iterator[Item | Unreachable]:
        seen: set[str] = set()
        for member in members(data, self.limits):
            uri = clean_text(f"{place}{MARK}{quote(member.name)}")
            if uri in seen:
                continue
            seen.add(uri)
            if member.name.lower().endswith(".zip"):
                yield from self.inner(member, uri, depth)
            else:
                yield replace(self.item, uri=uri, read=member.read, mime="", title="")

    def inner(self, member: Member, uri: str, depth: int) -> Iterator[Item | Unreachable]:
        try:
            if depth >= _DEEP:
                raise ParseError(tr("archives are nested more than {most} levels deep", most=_DEEP))
            data = member.read()
            self.left -= len(data)
            if self.left < 0:
                raise ParseError(bomb(self.limits.unpacked_bytes))
            if is_archive(data):
                yield from self.items(data, uri, depth + 1)
            else:
                yield replace(self.item, uri=uri, read=lambda: data, mime="", title="")
        except ParseError as error:
            yield Unreachable(uri, error.message)
