"""Drawings of office files: charts with the numbers they were drawn from, diagrams, text boxes, alternative texts."""

from __future__ import annotations

import re
from collections.abc import Container, Iterator
from typing import Any

from nacre.documents.document import Builder
from nacre.documents.formulas import linear
from nacre.documents.lists import pairs
from nacre.documents.normalise import Piece, marked
from nacre.documents.number_formats import show
from nacre.documents.numerals import counted
from nacre.documents.ooxml import Package, attribute, child, descend, local, number, text_in

_SHAPES = {"sp", "graphicFrame", "pic", "cxnSp"}
_FILE_NAME = re.compile(r"\S+\.(png|jpe?g|gif|bmp|svg|emf|wmf|tiff?)", re.I)
_FORMS = pairs("drawing-numbers")
_AUTO = re.compile(f"({'|'.join(_FORMS)})(?:Db|Wd|Kor|Chs)*(Period|ParenR|ParenBoth|Minus)?(?:Plain)?")
# What office programs add to descriptions that they made themselves.
_MADE = re.compile(r"\s*(?:Description automatically generated.*|描述已自动生成.*)", re.S)


def described(properties: Any | None) -> str:
    """The alternative text of a picture or a drawing."""
    text = _MADE.sub("", attribute(properties, "descr")).strip()
    return "" if _FILE_NAME.fullmatch(text) else text


def add_drawing(package: Package, part: str, out: Builder) -> None:
    """Append what was drawn over a sheet: text boxes, charts, pictures."""
    relations = package.relations(part)
    for shape in descend(package.xml(part), skip={"Fallback", "extLst"}, stop=_SHAPES):
        name = local(shape)
        properties = next((part for part in descend(shape) if local(part) == "cNvPr"), None)
        if name not in _SHAPES:
            continue
        if attribute(properties, "hidden") in {"1", "true"}:
            out.hide("hidden shape", " ".join(paragraphs(shape)))
            continue
        if name == "pic":
            out.add("paragraph", described(properties))
        for text in paragraphs(shape):
            out.add("paragraph", text)
        add_graphic(shape, package, relations, out)


def add_graphic(shape: Any, package: Package, relations: dict[str, tuple[str, str]], out: Builder) -> None:
    """Append a chart or a diagram, whose words and numbers stand in a part of their own."""
    for node in descend(shape):
        for key, value in node.attrib.items() if local(node) in {"chart", "relIds"} else ():
            kind, target = relations.get(str(value), ("", "")) if key.endswith(("}id", "}dm")) else ("", "")
            if kind in {"chart", "chartEx"}:
                add_chart(package.xml(target), out)
            elif kind == "diagramData":
                add_diagram(package.xml(target), out)


def add_diagram(root: Any | None, out: Builder) -> None:
    """Append the words of a diagram (SmartArt), each at the depth of its branch."""
    points = {attribute(node, "modelId"): node for node in descend(root) if local(node) == "pt"}
    above = {
        attribute(node, "destId"): attribute(node, "srcId")
        for node in descend(root)
        if local(node) == "cxn" and attribute(node, "type") in {"", "parOf"}
    }
    for key, point in points.items():
        depth, at = 0, above.get(key, "")
        while at in points and depth < 6:
            depth, at = depth + bool(paragraphs(points[at])), above.get(at, "")
        out.add("list", " ".join(paragraphs(point)), depth + 1)


def paragraphs(node: Any) -> list[str]:
    """The words of each paragraph of a drawing that has any."""
    return [text for text in map(words_of, node.iter("{*}p")) if text]


def add_chart(root: Any | None, out: Builder) -> None:
    """Append a chart: its title, and its series as columns of a table."""
    if root is None:
        return
    title = next(root.iter("{*}title"), None)
    if title is not None:
        out.add("paragraph", " ".join(map(words_of, title.iter("{*}p"))))
    columns: dict[str, dict[str, str]] = {}
    categories: dict[str, str] = {}
    for series in root.iter("{*}ser"):
        name = " ".join(_points(child(series, "tx")).values()) or text_in(series, "tx", "v") or str(len(columns) + 1)
        categories |= _points(child(series, "cat"))
        columns[name] = _points(child(series, "val"))
    places = {key for points in (categories, *columns.values()) for key in points}
    indexes = sorted(places, key=lambda key: (len(key), key))
    if columns:
        rows = [[categories.get(key, ""), *(points.get(key, "") for points in columns.values())] for key in indexes]
        out.table([["", *columns], *rows])


def _points(node: Any | None) -> dict[str, str]:
    found: dict[str, str] = {}
    code = ""
    for point in descend(node):
        if local(point) == "formatCode":
            code = point.text or ""
        elif local(point) == "pt":
            found[attribute(point, "idx")] = show(text_in(point, "v"), attribute(point, "formatCode") or code)
    return found


def words_of(paragraph: Any, unseen: Container[Any] = ()) -> str:
    """The words of a drawing's paragraph: raised, lowered and struck ones marked, formulas in one line."""
    return marked(_pieces(paragraph, unseen)).replace("\x0b", "\n").strip()


class Numbers:
    """Automatic numbers of the paragraphs of one text box."""

    def __init__(self) -> None:
        self.counts: dict[int, tuple[str, int]] = {}

    def next(self, properties: Any | None, depth: int) -> str:
        """The number of the next paragraph, with the gap behind it; empty where it has none."""
        auto = child(properties, "buAutoNum")
        if auto is None and not self.counts:  # nearly always
            return ""
        form, begin = attribute(auto, "type"), number(auto, "startAt", 1)
        known, count = self.counts.get(depth, ("", 0))
        self.counts = {level: one for level, one in self.counts.items() if level < depth}
        found = _AUTO.fullmatch(form)
        if found is None:
            return ""
        key = f"{form} {begin}"
        self.counts[depth] = key, count + 1 if known == key else begin
        said = counted(self.counts[depth][1], _FORMS[found[1]])
        shape = {"Period": "{}. ", "ParenBoth": "({}) ", "ParenR": "{}) ", "Minus": "{}- "}.get(found[2], "{} ")
        return shape.format(said)


def _pieces(paragraph: Any, unseen: Container[Any]) -> Iterator[Piece]:
    for node in descend(paragraph, skip={"rPr", "pPr", "endParaRPr", "Fallback"}, stop={"r", "oMath"}):
        name = local(node)
        if name == "r":
            text, look = "" if node in unseen else text_in(node, "t"), child(node, "rPr")
            if look is None:
                yield Piece(text)
                continue
            height = look.get("baseline", "")
            place = "" if height.strip("-0") == "" else "subscript" if height.startswith("-") else "superscript"
            yield Piece(text, place, look.get("strike") in {"sngStrike", "dblStrike"})
        elif name == "oMath":
            yield Piece(linear(node))
        elif name in {"br", "tab"}:
            yield Piece("\n" if name == "br" else "\t")
        elif name == "t":
            yield Piece(node.text or "")
