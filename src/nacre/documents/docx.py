"""Word: paragraphs, headings, lists, tables, text boxes, notes, comments, page headers, in the order of the text."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from nacre.documents.builder import Builder
from nacre.documents.charts import add_chart
from nacre.documents.limits import Task
from nacre.documents.ooxml import Package, attribute, child, descend, local, number
from nacre.errors import ParseError
from nacre.text.language import tr

_HEADING = re.compile(r"(?:heading|标题|titre|überschrift|título)\s*(\d)", re.I)
# Removed text, field codes, and the twin of a drawing for old readers.
_SKIPPED = {
    "del", "moveFrom", "instrText", "delText", "Fallback", "pPr", "rPr", "sectPr", "tblPr", "tcPr", "trPr", "sdtPr",
    "oMathParaPr",
}  # fmt: skip
# Formulas in one line: E=mc^2, a_1, (1)/(2).
_FORMULA = {"sup": ("^", ""), "sub": ("_", ""), "num": ("(", ")"), "den": ("/(", ")"), "d": ("(", ")")}
_CHARACTERS = {"tab": "\t", "ptab": "\t", "br": "\n", "cr": "\n", "noBreakHyphen": "-"}
_NOTES = (("footnotes", "footnote", "note"), ("endnotes", "endnote", "note"), ("comments", "comment", "comment"))


@dataclass(frozen=True)
class _Style:
    level: int
    listed: bool
    code: bool


def parse(data: bytes, out: Builder, task: Task) -> None:
    """Read a Word document."""
    package = Package(data, task.limits)
    main = package.main("word/document.xml")
    root = package.xml(main)
    body = None if root is None else child(root, "body")
    if body is None:
        raise ParseError(tr("the Word file has no document inside"))
    package.properties(out)
    relations = package.relations(main)
    by_kind: dict[str, list[str]] = {}
    for kind, target in relations.values():
        by_kind.setdefault(kind, []).append(target)
    styles = _styles(package, (by_kind.get("styles") or ["word/styles.xml"])[0])
    walk = _Walk(out, styles)
    walk.blocks(body)
    for part in by_kind.get("chart", []):
        add_chart(package.xml(part), out)
    for kind, tag, block in _NOTES:
        for part in by_kind.get(kind, []):
            _notes(package.xml(part), tag, block, out)
    seen: set[str] = set()
    for part in [*by_kind.get("header", []), *by_kind.get("footer", [])]:
        text = "\n".join(filter(None, map(_text, _paragraphs(package.xml(part)))))
        if text.strip() and text not in seen:
            seen.add(text)
            out.add("meta", text)


def _notes(root: Any | None, tag: str, block: Any, out: Builder) -> None:
    for note in [] if root is None else root:
        if local(note) == tag and attribute(note, "type") not in {
            "separator",
            "continuationSeparator",
            "continuationNotice",
        }:
            author = attribute(note, "author")
            text = "\n".join(filter(None, map(_text, _paragraphs(note))))
            out.add(block, f"{author}: {text}" if author and text else text)


def _styles(package: Package, part: str) -> dict[str, _Style]:
    """Heading level and kind of each paragraph style, through what it is based on."""
    root = package.xml(part)
    nodes = {attribute(node, "styleId"): node for node in descend(root, stop={"style"}) if local(node) == "style"}
    nodes.pop("", None)
    return {key: _style(key, nodes) for key in nodes}


def _style(key: str, nodes: dict[str, Any]) -> _Style:
    level, listed, code = 0, False, False
    for _ in range(12):
        node = nodes.get(key)
        if node is None:
            break
        named = child(node, "name")
        name = key if named is None else attribute(named)
        found = _HEADING.match(name)
        titled = int(found[1]) if found else int(name.lower() in {"title", "标题", "document title"})
        level = level or titled or _outline(child(node, "pPr", "outlineLvl"))
        listed = listed or child(node, "pPr", "numPr") is not None
        code = code or bool(re.search(r"\bcode\b|preformatted|source", name, re.I))
        key = attribute(child(node, "basedOn"))
    return _Style(level, listed, code)


def _paragraphs(node: Any | None) -> list[Any]:
    """Paragraphs below a node in order; those of text boxes come after the paragraph that holds them."""
    return [part for part in descend(node, _SKIPPED) if local(part) == "p"]


def _text(paragraph: Any) -> str:
    """The words of one paragraph, without those of text boxes inside it."""
    return "".join(map(_said, descend(paragraph, _SKIPPED | {"txbxContent", "p"}, stop=_FORMULA)))


def _said(node: Any) -> str:
    name = local(node)
    if name in _FORMULA:
        before, after = _FORMULA[name]
        return f"{before}{_text(node)}{after}"
    if name == "t":
        return node.text or ""
    return _symbol(node) if name == "sym" else _CHARACTERS.get(name, "")


def _symbol(node: Any) -> str:
    code = attribute(node, "char")
    number = int(code, 16) if re.fullmatch(r"[0-9A-Fa-f]{1,5}", code) else 0x20
    # Symbol fonts live in the private area; a reader without the font sees a bullet.
    return "•" if 0xF000 <= number <= 0xF8FF else chr(number) if not 0xD800 <= number < 0xE000 else ""


class _Walk:
    """Goes through the body once."""

    def __init__(self, out: Builder, styles: dict[str, _Style]) -> None:
        self.out, self.styles = out, styles

    def blocks(self, root: Any) -> None:
        for node in descend(root, _SKIPPED, stop={"p", "tbl"}):
            if local(node) == "tbl":
                self.table(node)
            elif local(node) == "p":
                self.paragraph(node)
                for box in _below(node, "txbxContent", _SKIPPED):
                    self.blocks(box)

    def paragraph(self, node: Any) -> None:
        text = _text(node)
        style = _Style(0, False, False)
        level, listed, depth = 0, False, 0
        properties = child(node, "pPr")
        if properties is not None:
            style = self.styles.get(attribute(child(properties, "pStyle")), style)
            level = _outline(child(properties, "outlineLvl"))
            listing = child(properties, "numPr")
            listed = listing is not None and attribute(child(listing, "numId")) != "0"  # which takes it out of a list
            depth = number(None if listing is None else child(listing, "ilvl"))
        level = style.level or level
        if level:
            self.out.add("heading", " ".join(text.split()), level)
        elif style.code:
            self.out.add("code", text)
        elif listed or style.listed:
            self.out.add("list", text, depth + 1)
        else:
            self.out.add("paragraph", text)

    def table(self, node: Any) -> None:
        lines = _within(node, "tr")
        rows = [self.row(line) for line in lines]
        if len(rows) == 1 and len(rows[0]) == 1:
            # One cell is a frame around text, not a table.
            for cell in _within(node, "tc"):
                self.blocks(cell)
            return
        marked = sum(child(line, "trPr", "tblHeader") is not None for line in lines)
        self.out.table(rows, header_rows=min(marked or (len(rows) > 1), 4))

    def row(self, node: Any) -> list[str]:
        cells = [""] * min(64, number(child(node, "trPr", "gridBefore")))
        for cell in _within(node, "tc"):
            width = number(child(cell, "tcPr", "gridSpan"), default=1)
            merged = child(cell, "tcPr", "vMerge")
            swallowed = merged is not None and attribute(merged) != "restart"
            text = "" if swallowed else "\n".join(filter(None, map(_text, _paragraphs(cell))))
            cells += [text, *[""] * min(64, width - 1)]
        return cells


def _outline(node: Any | None) -> int:
    """The level of a heading by its outline, 1 at the top; 0 for text."""
    depth = number(node, default=9)
    return depth + 1 if depth < 9 else 0


def _within(node: Any, name: str) -> list[Any]:
    """Rows of a table or cells of a row, also those inside content controls, not those of inner tables."""
    return _below(node, name, _SKIPPED | {"tbl", "p"})


def _below(node: Any, name: str, skip: Collection[str]) -> list[Any]:
    return [part for part in descend(node, skip, stop={name}) if local(part) == name]
