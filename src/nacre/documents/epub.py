"""EPUB: the chapters of a book in the order of its spine, each as the page of HTML that it is."""

from __future__ import annotations

import posixpath
from urllib.parse import unquote

from nacre.documents import html
from nacre.documents.document import Builder
from nacre.documents.encodings import decode
from nacre.documents.limits import Task
from nacre.documents.ooxml import Package, attribute, descend, local, take_over
from nacre.errors import ParseError
from nacre.text.language import tr


def parse(data: bytes, out: Builder, task: Task) -> None:
    """Read a book."""
    package = Package(data, task.limits)
    if package.read("META-INF/encryption.xml") is not None and package.read("META-INF/rights.xml") is not None:
        raise ParseError(tr("the book is protected (DRM) and cannot be read; use a copy without it"))
    container = package.xml("META-INF/container.xml")
    main = next((attribute(node, "full-path") for node in descend(container) if local(node) == "rootfile"), "")
    root = package.xml(main) if main else None
    if root is None:
        raise ParseError(tr("the book has no list of its chapters inside"))
    items = [node for node in root.iter("{*}item") if "html" in attribute(node, "media-type")]
    chapters = {attribute(node, "id"): attribute(node, "href") for node in items}
    take_over(out, descend(root), "epub")
    book = out.title
    read: set[str] = set()
    for node in root.iter("{*}itemref"):
        target = chapters.get(attribute(node, "idref"), "")
        part = posixpath.normpath(posixpath.join(posixpath.dirname(main), unquote(target.partition("#")[0])))
        if target and part not in read:
            read.add(part)
            page = package.read(part)
            if page is None:
                out.warn(tr("{part} is missing in the file", part=part))
            else:
                html.parse(decode(page)[0], out, task)
            out.title = book
    if not read:
        raise ParseError(tr("the book has no list of its chapters inside"))
