"""PowerPoint: slides in order, titles as headings, text in reading order, tables, charts' and diagrams' words, notes,
comments.
"""

from __future__ import annotations

import re
from typing import Any

from nacre.documents.builder import Builder
from nacre.documents.charts import add_chart, words_of
from nacre.documents.limits import Task
from nacre.documents.ooxml import Package, attribute, child, descend, local, number
from nacre.errors import ParseError
from nacre.text.language import tr

_SHAPES = {"sp", "graphicFrame", "pic", "cxnSp"}
_FILE_NAME = re.compile(r"\S+\.(png|jpe?g|gif|bmp|svg|emf|wmf|tiff?)", re.I)
_FURNITURE = {"sldNum", "dt", "ftr", "hdr", "sldImg"}


def parse(data: bytes, out: Builder, task: Task) -> None:
    """Read a presentation."""
    package = Package(data, task.limits)
    main = package.main("ppt/presentation.xml")
    root = package.xml(main)
    if root is None:
        raise ParseError(tr("the PowerPoint file has no presentation inside"))
    package.properties(out)
    relations = package.relations(main)
    listed = child(root, "sldIdLst")
    slides = [relations.get(_relation(node), ("", ""))[1] for node in ([] if listed is None else listed)]
    out.pages = len(slides)
    for out.page, part in enumerate(slides, start=1):
        _slide(package, part, out)
    out.page = None


def _relation(node: Any) -> str:
    """The `r:id` of a slide; its own `id` has no namespace."""
    return next((str(value) for key, value in node.attrib.items() if key.endswith("}id")), "")


def _slide(package: Package, part: str, out: Builder) -> None:
    root = package.xml(part)
    tree = None if root is None else child(root, "cSld", "spTree")
    if tree is None:
        out.warn(tr("slide {page} cannot be read", page=out.page))
        return
    relations = package.relations(part)
    _shapes(tree, package, relations, out)
    for kind, target in relations.values():
        if kind == "notesSlide":
            notes = package.xml(target)
            tree = None if notes is None else child(notes, "cSld", "spTree")
            for shape in descend(tree):
                if local(shape) == "sp" and _placeholder(shape) == "body":
                    out.add("note", "\n".join(_paragraphs(shape)))
        elif kind == "comments":
            for comment in descend(package.xml(target)):
                if local(comment) in {"cm", "reply"}:
                    out.add(
                        "comment", "".join(node.text or "" for node in comment.iter() if local(node) in {"text", "t"})
                    )


def _shapes(tree: Any, package: Package, relations: dict[str, tuple[str, str]], out: Builder) -> None:
    """Title first, then the rest in the order of the file; groups are opened, however deep."""
    found = descend(tree, skip={"Fallback", "extLst"}, stop=_SHAPES)
    flat = [node for node in found if local(node) in _SHAPES]
    flat.sort(key=lambda shape: _placeholder(shape) not in {"title", "ctrTitle"})
    for shape in flat:
        _shape(shape, package, relations, out)


def _placeholder(shape: Any) -> str:
    for part in shape:
        if local(part) in {"nvSpPr", "nvPicPr", "nvGraphicFramePr"}:
            found = child(part, "nvPr", "ph")
            return attribute(found, "type") or "obj" if found is not None else ""
    return ""


def _shape(shape: Any, package: Package, relations: dict[str, tuple[str, str]], out: Builder) -> None:
    kind = _placeholder(shape)
    if kind in _FURNITURE:
        return
    if kind in {"title", "ctrTitle"}:
        out.add("heading", " ".join(_paragraphs(shape)), 1)
    elif local(shape) == "graphicFrame":
        _frame(shape, package, relations, out)
    elif local(shape) == "pic":
        described = attribute(child(shape, "nvPicPr", "cNvPr"), "descr")
        out.add("paragraph", "" if _FILE_NAME.fullmatch(described) else described)
    else:
        body = child(shape, "txBody")
        listed = kind in {"body", "obj"} and sum(1 for text in _paragraphs(shape) if text.strip()) > 1
        for paragraph in [] if body is None else body:
            if local(paragraph) == "p":
                depth = number(child(paragraph, "pPr"), "lvl")
                out.add("list" if listed else "paragraph", words_of(paragraph), depth + 1 if listed else 0)


def _frame(shape: Any, package: Package, relations: dict[str, tuple[str, str]], out: Builder) -> None:
    data = child(shape, "graphic", "graphicData")
    table = None if data is None else child(data, "tbl")
    if table is not None:
        rows = [
            ["\n".join(_paragraphs(cell)) for cell in row if local(cell) == "tc"] for row in table if local(row) == "tr"
        ]
        named = attribute(child(table, "tblPr"), "firstRow") != "0"
        out.table(rows, header_rows=int(named and len(rows) > 1))
        return
    # A chart or a diagram: its words and numbers stand in a part of their own.
    for node in descend(data):
        for key, value in node.attrib.items():
            kind, target = relations.get(str(value), ("", "")) if key.endswith(("}id", "}dm")) else ("", "")
            if kind == "chart":
                add_chart(package.xml(target), out)
            elif kind == "diagramData":
                for point in descend(package.xml(target)):
                    if local(point) == "pt":
                        out.add("list", " ".join(_paragraphs(point)), 1)


def _paragraphs(node: Any) -> list[str]:
    return [words_of(part) for part in node.iter() if local(part) == "p"]
