"""OFD (GB/T 33190), the fixed pages of Chinese offices and invoices: text by its place on the page, pages in order."""

from __future__ import annotations

import posixpath
from typing import Any, NamedTuple

from nacre.documents.document import Builder
from nacre.documents.limits import Task
from nacre.documents.normalise import is_cjk
from nacre.documents.ooxml import Package, attribute, child, descend, local, parts, take_over
from nacre.errors import ParseError
from nacre.text.language import tr

_PAGES = 5000


class _Piece(NamedTuple):
    """A run of text where it begins, in millimetres from the top left."""

    x: float
    y: float
    end: float
    size: float
    text: str


def parse(data: bytes, out: Builder, task: Task) -> None:
    """Read an OFD file."""
    package = Package(data, task.limits)
    root = package.xml("OFD.xml")
    place = child(root, "DocBody", "DocRoot")
    if place is None or not (place.text or "").strip():
        raise ParseError(tr("the OFD file has no document inside"))
    about = child(root, "DocBody", "DocInfo")
    take_over(out, parts(about), "ofd")
    for custom in parts(about, "CustomDatas"):
        out.fields.setdefault(attribute(custom, "Name"), (custom.text or "").strip())
    main = place.text.strip().lstrip("/")
    document = package.xml(main)
    folder = posixpath.dirname(main)
    pages = [node for node in parts(document, "Pages") if local(node) == "Page"][:_PAGES]
    below = [node for node in descend(document) if local(node) == "TemplatePage"]
    templates = {attribute(node, "ID"): attribute(node, "BaseLoc") for node in below}
    out.pages = len(pages)
    for out.page, page in enumerate(pages, start=1):
        _page(package, folder, attribute(page, "BaseLoc"), templates, out)
    out.page = None


def _page(package: Package, folder: str, location: str, templates: dict[str, str], out: Builder) -> None:
    root = package.xml(_joined(folder, location))
    if root is None:
        out.warn(tr("page {page} cannot be read", page=out.page))
        return
    layers = [root]
    for node in root:
        if local(node) == "Template" and (part := templates.get(attribute(node, "TemplateID"))):
            below = package.xml(_joined(folder, part))
            layers += [] if below is None else [below]
    pieces = [piece for layer in layers for piece in _pieces(layer, out)]
    if not pieces and any(local(node) == "ImageObject" for node in root.iter()):
        out.warn(tr("page {page} has no text layer: needs OCR", page=out.page))
    for block in _blocks(pieces):
        rows = [[piece.text for piece in line] for line in block]
        if len(rows) > 1 and len({len(row) for row in rows}) == 1 and len(rows[0]) > 1:
            out.table(rows)
        else:
            out.add("paragraph", "\n".join("\t".join(row) for row in rows))


def _joined(folder: str, location: str) -> str:
    return posixpath.normpath(posixpath.join("/", folder, location)).lstrip("/")


def _pieces(root: Any, out: Builder) -> list[_Piece]:
    found = []
    for node in root.iter("{*}TextObject"):
        left, top, _, _ = (*_numbers(attribute(node, "Boundary")), 0.0, 0.0, 0.0, 0.0)[:4]
        size = next(iter(_numbers(attribute(node, "Size"))), 3.0)
        hidden = attribute(node, "Visible") == "false" or attribute(node, "Alpha") == "0"
        for code in node.iterchildren("{*}TextCode"):
            text = code.text or ""
            if hidden:
                out.hide("invisible text", text)
            elif text.strip():
                x = left + next(iter(_numbers(attribute(code, "X"))), 0.0)
                y = top + next(iter(_numbers(attribute(code, "Y"))), 0.0)
                width = sum(size if is_cjk(char) else size / 2 for char in text)
                found.append(_Piece(x, y, x + width, size, text.strip()))
    return found


def _numbers(text: str) -> list[float]:
    try:
        return [float(part) for part in text.split()[:4]]
    except ValueError:
        return []


def _blocks(pieces: list[_Piece]) -> list[list[list[_Piece]]]:
    """Pieces as lines, and lines as blocks: what a gap of more than a line parts."""
    lines: list[list[_Piece]] = []
    for piece in sorted(pieces, key=lambda one: (one.y, one.x)):
        if lines and abs(lines[-1][0].y - piece.y) < piece.size / 2:
            lines[-1].append(piece)
        else:
            lines.append([piece])
    blocks: list[list[list[_Piece]]] = []
    for line in lines:
        joined = _cells(sorted(line, key=lambda one: one.x))
        if blocks and line[0].y - blocks[-1][-1][0].y < 1.8 * line[0].size:
            blocks[-1].append(joined)
        else:
            blocks.append([joined])
    return blocks


def _cells(line: list[_Piece]) -> list[_Piece]:
    """Runs that touch are one; a wide gap parts cells."""
    found: list[_Piece] = []
    for piece in line:
        gap = piece.x - found[-1].end if found else 0.0
        if found and gap < 1.5 * piece.size:
            last = found.pop()
            blank = " " if gap > 0.3 * piece.size and not (is_cjk(last.text[-1]) and is_cjk(piece.text[0])) else ""
            piece = _Piece(last.x, last.y, piece.end, piece.size, last.text + blank + piece.text)
        found.append(piece)
    return found
