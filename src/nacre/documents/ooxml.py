"""The package under .docx, .pptx and .xlsx: a ZIP of XML parts, opened with suspicion.

Parts are read one at a time and only when asked for (a film in a slide is never unpacked), a bomb is refused by the
sizes in its directory and by what really comes out, and XML with a DTD is not parsed at all.
"""

from __future__ import annotations

import io
import posixpath
import zipfile
import zlib
from collections.abc import Callable, Collection, Iterable, Iterator
from functools import cache, lru_cache
from typing import Any

from nacre.documents.document import Builder
from nacre.documents.limits import Limits
from nacre.documents.lists import pairs
from nacre.errors import ParseError
from nacre.text.language import tr

_WELL_BELOW_A_BOMB = 8 << 20
BROKEN = (zipfile.BadZipFile, zlib.error, ValueError, OverflowError, EOFError, RuntimeError, KeyError, OSError)
"""What reading a damaged ZIP raises."""
_RELATIONS = "{http://schemas.openxmlformats.org/package/2006/relationships}Relationship"


_waiting: list[tuple[bytes, zipfile.ZipFile]] = []


def damaged(why: object) -> str:
    """Why an office file is not read."""
    return tr("the office file is damaged or cut off ({why}); copy it again, or save it anew", why=why)


def bomb(size: int) -> str:
    """Why a package is not unpacked."""
    mib = size >> 20
    return tr("it unpacks to {mib} MiB, which looks like a decompression bomb; unpack it and take its files", mib=mib)


def opened(data: bytes, *, again: bool = False, why: Callable[[object], str] = damaged) -> zipfile.ZipFile:
    """A ZIP, opened once for both who asks for its kind (and will open it again) and who reads it then."""
    try:
        package = next((one for known, one in _waiting if known is data), None) or zipfile.ZipFile(io.BytesIO(data))
    except BROKEN as error:
        raise ParseError(why(error)) from error
    _waiting[:] = [(data, package)] if again else []
    return package


def unpacked(package: zipfile.ZipFile, info: zipfile.ZipInfo, why: Callable[[object], str] = damaged) -> bytes:
    """One file of a ZIP, no more of it than the directory says."""
    try:
        with package.open(info) as stream:
            data = stream.read(info.file_size + 1)
    except BROKEN as error:
        raise ParseError(why(error)) from error
    if len(data) > info.file_size:
        raise ParseError(bomb(len(data)))
    return data


def is_bomb(info: zipfile.ZipInfo, limits: Limits) -> bool:
    """Whether a file of a ZIP is packed too well to be a document."""
    ratio = info.file_size / max(1, info.compress_size)
    return info.file_size > _WELL_BELOW_A_BOMB and ratio > limits.unpacked_ratio


class Package:
    """An office file."""

    def __init__(self, data: bytes, limits: Limits) -> None:
        self.limits = limits
        self.unpacked = 0
        self.zip = opened(data)
        # Some writers use backslashes, a leading slash or another case.
        self.names = {info.filename.replace("\\", "/").lstrip("/").lower(): info for info in self.zip.infolist()}
        for info in self.zip.infolist():
            too_big = info.file_size > limits.unpacked_bytes or is_bomb(info, limits)
            if too_big and info.filename.lower().endswith((".xml", ".rels")):
                raise ParseError(bomb(info.file_size))

    def read(self, part: str) -> bytes | None:
        """One part, unpacked."""
        info = self.names.get(part.lstrip("/").lower())
        if info is None:
            return None
        data = unpacked(self.zip, info, lambda error: damaged(f"{info.filename}: {error}"))
        self.unpacked += len(data)
        if self.unpacked > self.limits.unpacked_bytes:
            raise ParseError(bomb(self.unpacked))
        return data

    def xml(self, part: str) -> Any | None:
        """The root element of an XML part."""
        data = self.read(part)
        return None if data is None else parse_xml(data, part)

    def refuse_dtds(self) -> None:
        """Look at the head of every XML part before a library parses them its own way."""
        for name, info in self.names.items():
            if name.endswith((".xml", ".rels")):
                with self.zip.open(info) as stream:
                    head = stream.read(1 << 16).replace(b"\x00", b"")
                if b"<!doctype" in head.lower():
                    raise ParseError(_dtd(name))

    def relations(self, part: str) -> dict[str, tuple[str, str]]:
        """What a part points to: id → (last word of the type, name of the target part or an outside address)."""
        folder, name = posixpath.split(part)
        root = self.xml(f"{folder}/_rels/{name}.rels")
        found: dict[str, tuple[str, str]] = {}
        for node in [] if root is None else root.iter(_RELATIONS):
            target, kind = node.get("Target", ""), node.get("Type", "").rpartition("/")[2]
            if node.get("TargetMode") != "External":
                target = posixpath.normpath(posixpath.join("/", folder, target.replace("\\", "/"))).lstrip("/")
            found[node.get("Id", "")] = (kind, target)
        return found

    def main(self, fallback: str) -> str:
        """Name of the main part."""
        for kind, target in self.relations("").values():
            if kind == "officeDocument" and target.lower() in self.names:
                return target
        return fallback

    def properties(self, out: Builder) -> None:
        """Take over title, author and dates from docProps/core.xml."""
        take_over(out, parts(self.xml("docProps/core.xml")))
        for node in parts(self.xml("docProps/custom.xml")):
            if name := attribute(node, "name"):
                out.fields.setdefault(name, "".join(node.itertext()).strip())


def take_over(out: Builder, nodes: Iterable[Any], kind: str = "office") -> None:
    """Note what a file says of itself in elements of these names."""
    names = pairs(f"about-{kind}")
    for node in nodes:
        name, text = names.get(local(node)), (node.text or "").strip()
        if name and text:
            out.metadata.setdefault(name, text)
    out.title = out.title or out.metadata.get("title", "")


def parse_xml(data: bytes, part: str, *, doctype: bool = False) -> Any:
    """Parse XML that may be hostile: no entities, no network; a document type, if let, stays unread."""
    from lxml import etree

    try:
        root = etree.fromstring(data, _reader())
    except etree.XMLSyntaxError as error:
        raise ParseError(tr("damaged XML inside ({part}: {error})", part=part, error=error)) from error
    if root.getroottree().docinfo.doctype and not doctype:
        raise ParseError(_dtd(part))
    return root


@cache
def _reader() -> Any:
    from lxml import etree

    return etree.XMLParser(resolve_entities=False, no_network=True, remove_comments=True, remove_pis=True)


def local(node: Any) -> str:
    """The name of an element without its namespace, in which alone two dialects differ; empty for a comment."""
    return _local(node.tag)


@lru_cache(maxsize=4096)
def _local(tag: Any) -> str:
    return tag.rpartition("}")[2] if isinstance(tag, str) else ""


def attribute(node: Any | None, name: str = "val") -> str:
    """An attribute whatever its namespace; empty where the node or the attribute is missing."""
    for key, value in () if node is None else node.items():
        if key.endswith(name) and (key == name or key.endswith("}" + name)):
            return str(value)
    return ""


def is_on(node: Any | None) -> bool:
    """Whether a switch such as `w:vanish` is there and not turned off."""
    return node is not None and attribute(node).lower() not in {"0", "false", "none", "off"}


def relation_id(node: Any) -> str:
    """The `r:id` of an element; its own `id` has no namespace."""
    return next((str(value) for key, value in node.attrib.items() if key.endswith("}id")), "")


def number(node: Any | None, name: str = "val", default: int = 0) -> int:
    """A whole number in an attribute."""
    digits = attribute(node, name)
    return int(digits) if digits.isdecimal() and len(digits) < 10 else default


def descend(node: Any | None, skip: Collection[str] = (), stop: Collection[str] = ()) -> Iterator[Any]:
    """The elements below a node in order: those of `skip` left out with all below, those of `stop` given without it."""
    if node is not None and not skip and not stop:
        yield from node.iterdescendants()  # in C
        return
    stack = [] if node is None else list(reversed(node))
    while stack:
        part = stack.pop()
        name = local(part)
        if name not in skip:
            yield part
            if name not in stop:
                stack.extend(reversed(part))


def child(node: Any | None, *path: str) -> Any | None:
    """The first descendant along a path of local names; None of nothing."""
    for name in path:
        if node is None:
            return None
        node = next(node.iterchildren("{*}" + name), None)
    return node


def text_in(node: Any | None, *path: str) -> str:
    """The text right inside the first descendant along a path of local names."""
    found = child(node, *path)
    return "" if found is None else found.text or ""


def parts(node: Any | None, *path: str) -> Any:
    """What the first descendant along a path of local names holds."""
    found = child(node, *path)
    return () if found is None else found


def _dtd(part: str) -> str:
    return tr("{part} declares entities (DTD), which office files never do; refused", part=part)
