"""Word: paragraphs, headings, lists, tables, text boxes, notes, comments, page headers, in the order of the text."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from nacre.documents.builder import Builder
from nacre.documents.charts import add_chart
from nacre.documents.limits import Task
from nacre.documents.ooxml import Package, attribute, child, local
from nacre.errors import ParseError
from nacre.text.language import tr

_HEADING = re.compile(r"(?:heading|标题|titre|überschrift|título)\s*(\d)", re.I)
# Removed text, field codes, and the twin of a drawing for old readers.
_SKIPPED = {
    "del",
    "moveFrom",
    "instrText",
    "delText",
    "Fallback",
    "pPr",
    "rPr",
    "sectPr",
    "tblPr",
    "tcPr",
    "trPr",
    "sdtPr",
    "oMathParaPr",
}
# Formulas in one line: E=mc^2, a_1, (1)/(2).
_FORMULA = {"sup": ("^", ""), "sub": ("_", ""), "num": ("(", ")"), "den": ("/(", ")"), "d": ("(", ")")}
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
    nodes = {attribute(node, "styleId"): node for node in ([] if root is None else root) if local(node) == "style"}
    return {key: _style(key, nodes) for key in nodes}


def _style(key: str, nodes: dict[str, Any]) -> _Style:
    level, listed, code = 0, False, False
    for _ in range(12):
        node = nodes.get(key)
        if node is None:
            break
        named = child(node, "name")
        name = attribute(named, "val") if named is not None else key
        found = _HEADING.match(name)
        outline = child(node, "pPr", "outlineLvl")
        if not level and found:
            level = int(found.group(1))
        elif not level and name.lower() in {"title", "标题", "document title"}:
            level = 1
        elif (
            not level
            and outline is not None
            and attribute(outline, "val").isdecimal()
            and int(attribute(outline, "val")) < 9
        ):
            level = int(attribute(outline, "val")) + 1
        listed = listed or child(node, "pPr", "numPr") is not None
        code = code or bool(re.search(r"\bcode\b|preformatted|source", name, re.I))
        based = child(node, "basedOn")
        key = attribute(based, "val") if based is not None else ""
    return _Style(level, listed, code)


def _paragraphs(node: Any | None) -> list[Any]:
    """Paragraphs below a node in order; those of text boxes come after the paragraph that holds them."""
    found: list[Any] = []
    stack = [] if node is None else [node]
    while stack:
        part = stack.pop()
        if local(part) == "p":
            found.append(part)
        if local(part) not in _SKIPPED:
            stack.extend(reversed(part))
    return found


def _text(paragraph: Any) -> str:
    """The words of one paragraph, without those of text boxes inside it."""
    parts: list[str] = []
    stack = list(reversed(paragraph))
    while stack:
        node = stack.pop()
        name = "" if isinstance(node, str) else local(node)
        if isinstance(node, str):
            parts.append(node)
        elif name == "t":
            parts.append(node.text or "")
        elif name in _FORMULA:
            before, after = _FORMULA[name]
            stack.extend([after, *reversed(node), before])
        elif name in {"tab", "ptab"}:
            parts.append("\t")
        elif name in {"br", "cr"}:
            parts.append("\n")
        elif name == "noBreakHyphen":
            parts.append("-")
        elif name == "sym":
            parts.append(_symbol(node))
        elif name not in _SKIPPED and name not in {"txbxContent", "p"}:
            stack.extend(reversed(node))
    return "".join(parts)


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
        stack = list(reversed(root))
        while stack:
            node = stack.pop()
            name = local(node)
            if name == "p":
                self.paragraph(node)
                stack.extend(reversed(_boxes(node)))
            elif name == "tbl":
                self.table(node)
            elif name not in _SKIPPED:
                stack.extend(reversed(node))

    def paragraph(self, node: Any) -> None:
        text = _text(node)
        properties = child(node, "pPr")
        style = _Style(0, False, False)
        level, listed, depth = 0, False, 0
        if properties is not None:
            named = child(properties, "pStyle")
            style = self.styles.get(attribute(named, "val"), style) if named is not None else style
            outline, number = child(properties, "outlineLvl"), child(properties, "numPr")
            listed = number is not None and not _unnumbered(number)
            indent = None if number is None else child(number, "ilvl")
            depth = (
                int(attribute(indent, "val") or 0) if indent is not None and attribute(indent, "val").isdecimal() else 0
            )
            if outline is not None and attribute(outline, "val").isdecimal() and int(attribute(outline, "val")) < 9:
                level = int(attribute(outline, "val")) + 1
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
        rows = [self.row(part) for part in _within(node, "tr")]
        if len(rows) == 1 and len(rows[0]) == 1:
            # One cell is a frame around text, not a table.
            for cell in _within(node, "tc"):
                self.blocks(cell)
            return
        marked = sum(child(part, "trPr", "tblHeader") is not None for part in _within(node, "tr"))
        self.out.table(rows, header_rows=min(marked or (len(rows) > 1), 4))

    def row(self, node: Any) -> list[str]:
        cells: list[str] = []
        before = child(node, "trPr", "gridBefore")
        if before is not None and attribute(before, "val").isdecimal():
            cells += [""] * min(64, int(attribute(before, "val")))
        for cell in _within(node, "tc"):
            span = child(cell, "tcPr", "gridSpan")
            width = int(attribute(span, "val")) if span is not None and attribute(span, "val").isdecimal() else 1
            merged = child(cell, "tcPr", "vMerge")
            swallowed = merged is not None and attribute(merged, "val") != "restart"
            text = "" if swallowed else "\n".join(filter(None, map(_text, _paragraphs(cell))))
            cells += [text, *[""] * min(64, width - 1)]
        return cells


def _unnumbered(number: Any) -> bool:
    """`numId` 0 takes a paragraph out of the list that its style puts it in."""
    identity = child(number, "numId")
    return identity is not None and attribute(identity, "val") == "0"


def _boxes(paragraph: Any) -> list[Any]:
    """Contents of text boxes anchored in a paragraph."""
    found: list[Any] = []
    stack = list(reversed(paragraph))
    while stack:
        node = stack.pop()
        if local(node) == "txbxContent":
            found.append(node)
        elif local(node) not in _SKIPPED:
            stack.extend(reversed(node))
    return found


def _within(node: Any, name: str) -> list[Any]:
    """Rows of a table or cells of a row, also those inside content controls, not those of inner tables."""
    found: list[Any] = []
    stack = list(reversed(node))
    while stack:
        part = stack.pop()
        if local(part) == name:
            found.append(part)
        elif local(part) not in _SKIPPED and local(part) not in {"tbl", "p"}:
            stack.extend(reversed(part))
    return found
