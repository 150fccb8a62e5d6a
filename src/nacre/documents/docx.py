"""Word: paragraphs, headings and lists with their numbers, tables, text boxes, notes, comments, page heads."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Any

from nacre.documents.document import BlockKind, Builder
from nacre.documents.docx_runs import PLAIN, SKIPPED, Look, Runs, is_shaded, look_of
from nacre.documents.drawings import add_graphic
from nacre.documents.grid import REPEATED, TableRow, add_rows, rows_of
from nacre.documents.limits import Task
from nacre.documents.numerals import Numbering
from nacre.documents.ooxml import Package, attribute, child, descend, is_on, local, number, parts, relation_id
from nacre.errors import ParseError
from nacre.text.language import tr

_HEADING = re.compile(r"(?:heading|标题|titre|überschrift|título)\s*(\d)", re.I)
_NOTES: dict[str, BlockKind] = {"footnotes": "note", "endnotes": "note", "comments": "comment"}
_SEPARATORS = {"separator", "continuationSeparator", "continuationNotice"}
_SPANNED = 64  # columns that a cell may span


@dataclass(frozen=True)
class _Style:
    level: int = 0
    listed: bool = False
    code: bool = False
    num: str = ""
    depth: int | None = None
    look: Look = PLAIN


def parse(data: bytes, out: Builder, task: Task) -> None:
    """Read a Word document."""
    package = Package(data, task.limits)
    main = package.main("word/document.xml")
    root = package.xml(main)
    body = child(root, "body")
    if body is None:
        raise ParseError(tr("the Word file has no document inside; save it again in Word"))
    package.properties(out)
    walk = _Walk(package, main, out, task)
    walk.runs.dark = attribute(child(root, "background"), "color").upper() not in {"", "FFFFFF", "AUTO"}
    for kind, block in _NOTES.items():
        for part in walk.named.get(kind, []):
            walk.take_notes(package.xml(part), kind.removesuffix("s"), block)
    walk.blocks(body)
    walk.rest()
    seen: set[str] = set()
    for part in [*walk.named.get("header", []), *walk.named.get("footer", [])]:
        text = walk.lines(package.xml(part))
        if text.strip() and text not in seen:
            seen.add(text)
            out.add("meta", text)


class _Styles(dict[str, _Style]):
    """Heading level, kind and look of each paragraph style, through what it is based on; worked out when it is used."""

    def __init__(self, root: Any | None) -> None:
        super().__init__({"": _Style()})
        self.nodes = {attribute(node, "styleId"): node for node in parts(root) if local(node) == "style"}

    def __missing__(self, key: str) -> _Style:
        asked, made = key, _Style()
        for _ in range(12):
            node = self.nodes.get(key)
            if node is None:
                break
            named = child(node, "name")
            name = key if named is None else attribute(named)
            found = _HEADING.match(name)
            titled = int(found[1]) if found else int(name.lower() in {"title", "标题", "document title"})
            listing = child(node, "pPr", "numPr")
            depth = child(listing, "ilvl")
            made = _Style(
                made.level or titled or _outline(child(node, "pPr", "outlineLvl")),
                made.listed or listing is not None,
                made.code or bool(re.search(r"\bcode\b|preformatted|source", name, re.I)),
                made.num or attribute(child(listing, "numId")),
                made.depth if depth is None or made.depth is not None else number(depth),
                made.look.over(look_of(child(node, "rPr"))),
            )
            key = attribute(child(node, "basedOn"))
        self[asked] = made
        return made


class _Walk:
    """Goes through the body once."""

    def __init__(self, package: Package, main: str, out: Builder, task: Task) -> None:
        self.package, self.out, self.task = package, out, task
        self.relations = package.relations(main)
        self.named: dict[str, list[str]] = {}  # parts by what they are
        for kind, target in self.relations.values():
            self.named.setdefault(kind, []).append(target)
        self.styles = _Styles(package.xml(self.named.get("styles", ["word/styles.xml"])[0]))
        self.numbering = Numbering(package.xml(self.named.get("numbering", ["word/numbering.xml"])[0]))
        self.runs = Runs(out, lambda key: self.styles[key].look)
        self.notes: dict[tuple[str, str], tuple[BlockKind, str]] = {}
        self.carried = ""

    def blocks(self, root: Any) -> None:
        for node in descend(root, SKIPPED, stop={"p", "tbl", "altChunk"}):
            name = local(node)
            if name == "tbl":
                self.table(node)
            elif name == "p":
                self.paragraph(node)
                self.drawn(node)
            elif name == "altChunk":
                self.chunk(node)
            else:
                continue
            self.told()

    def paragraph(self, node: Any) -> None:
        style, num, depth = self._kind(node)
        removed = child(node, "pPr", "rPr", "del") is not None
        text = self.carried + self.runs.text(node)
        # A removed end of a paragraph: what is left of it goes on in the next one.
        self.carried = text if removed else ""
        if removed:
            return
        label = self.numbering.next(num, depth) if num else ""
        level = style.level or _outline(child(node, "pPr", "outlineLvl"))
        if not text.strip():
            return
        text = label + text
        if level:
            self.out.add("heading", " ".join(text.split()), level)
        elif style.code:
            self.out.add("code", text)
        elif num or style.listed:
            self.out.add("list", text, depth + 1)
        else:
            self.out.add("paragraph", text)

    def _kind(self, node: Any) -> tuple[_Style, str, int]:
        """The style of a paragraph, the list that it is in, and how deep."""
        properties = child(node, "pPr")
        if properties is None:
            return _Style(), "", 0
        key = attribute(child(properties, "pStyle"))
        style = self.styles[key]
        listing = child(properties, "numPr")
        own = attribute(child(listing, "numId"))
        num = own or style.num
        if num == "0":  # which takes it out of a list
            return replace(style, listed=False), "", 0
        direct = child(listing, "ilvl")
        kept = self.numbering.level_of(num, key) if num and not own else None
        depth = number(direct) if direct is not None else kept if kept is not None else style.depth or 0
        return style, num, depth

    def drawn(self, paragraph: Any) -> None:
        """What is anchored in a paragraph: text boxes, charts, diagrams."""
        if not any(local(part) in {"drawing", "pict", "object", "AlternateContent"} for part in paragraph.iter()):
            return
        for box in _below(paragraph, "txbxContent", SKIPPED):
            dark, self.runs.dark = self.runs.dark, True  # a box may be filled with any colour
            self.blocks(box)
            self.runs.dark = dark
        for drawing in _below(paragraph, "drawing", SKIPPED | {"txbxContent"}):
            add_graphic(drawing, self.package, self.relations, self.out)

    def chunk(self, node: Any) -> None:
        """A document that was put in as it is, of any format."""
        from nacre.documents.dispatch import parse_into

        _, part = self.relations.get(relation_id(node), ("", ""))
        data = self.package.read(part) if part else None
        if data:
            title = self.out.title
            try:
                parse_into(data, self.out, replace(self.task, name=part, mime="", depth=self.task.depth + 1))
            except ParseError as error:
                self.out.warn(tr("attachment {name}: {error}", name=part, error=error.message))
            self.out.title = title

    # ------------------------------------------------------------------------------------------------ notes

    def take_notes(self, root: Any | None, tag: str, block: BlockKind) -> None:
        for note in parts(root):
            if local(note) == tag and attribute(note, "type") not in _SEPARATORS:
                author = attribute(note, "author")
                text = self.lines(note)
                text = f"{author}: {text}" if author and text else text
                self.notes[tag, attribute(note, "id") or f"?{len(self.notes)}"] = block, text
        self.runs.notes.clear()

    def told(self) -> None:
        """The notes that the last block refers to, right behind it."""
        for key in self.runs.notes:
            if found := self.notes.pop(key, None):
                self.out.add(*found)
        self.runs.notes.clear()

    def rest(self) -> None:
        """What was held back to the end."""
        self.out.add("paragraph", self.carried)
        for block, text in self.notes.values():
            self.out.add(block, text)

    def lines(self, node: Any | None) -> str:
        """The paragraphs below a node; those of text boxes come after the one that holds them."""
        found = (self.runs.text(part) for part in descend(node, SKIPPED) if local(part) == "p")
        return "\n".join(filter(None, found))

    # ------------------------------------------------------------------------------------------------ tables

    def table(self, node: Any) -> None:
        lines = [line for line in _within(node, "tr") if not self._gone(line)]
        styled = attribute(child(node, "tblPr", "tblStyle")) not in {"", "TableGrid", "TableNormal", "a3", "a1"}
        dark, self.runs.dark = self.runs.dark, self.runs.dark or styled
        if len(lines) == 1 and len(_within(lines[0], "tc")) == 1:
            # One cell is a frame around text, not a table.
            for cell in _within(lines[0], "tc"):
                self._in_cell(cell, self.blocks)
        else:
            marked = sum(child(line, "trPr", "tblHeader") is not None for line in lines)
            add_rows(self.out, rows_of(lines, self._row), marked=marked)
        self.runs.dark = dark

    def _gone(self, line: Any) -> bool:
        """Whether a row was deleted, or is hidden."""
        if is_on(child(line, "trPr", "hidden")):
            self.out.hide("hidden row", self.lines(line))
            return True
        return child(line, "trPr", "del") is not None

    def _row(self, line: Any, above: list[str]) -> TableRow:
        """The cells of a row, a merged one in each of its places, and whether one is merged across."""
        row = [""] * min(_SPANNED, number(child(line, "trPr", "gridBefore")))
        cells, across = _within(line, "tc"), False
        for cell in cells:
            properties = child(cell, "tcPr")
            width = number(child(properties, "gridSpan"), default=1)
            down, right = child(properties, "vMerge"), child(properties, "hMerge")
            if down is not None and attribute(down) != "restart":
                text = above[len(row)] if len(row) < len(above) else ""
                text = text if len(text) <= REPEATED else ""
            elif right is not None and attribute(right) != "restart":
                text = row[-1] if row and len(row[-1]) <= REPEATED else ""
            else:
                text = self._in_cell(cell, self._cell)
            wide = width > 1 and len(cells) > 1
            across = across or wide
            row += [text, *[text if wide and len(text) <= REPEATED else ""] * min(_SPANNED, width - 1)]
        return row, across

    def _in_cell(self, cell: Any, read: Any) -> Any:
        dark = self.runs.dark
        self.runs.dark = dark or is_shaded(child(cell, "tcPr", "shd"))
        found = read(cell)
        self.runs.dark = dark
        return found

    def _cell(self, cell: Any) -> str:
        """The text of a cell; the rows of a table inside stand apart."""
        if child(cell, "tcPr", "cellDel") is not None:
            return ""
        said = []
        for node in descend(cell, SKIPPED, stop={"p", "tbl"}):
            if local(node) == "tbl":
                inner = ([self._cell(part) for part in _within(line, "tc")] for line in _within(node, "tr"))
                said.append("; ".join(" ".join(filter(None, row)) for row in inner))
            elif local(node) == "p":
                _, num, depth = self._kind(node)
                label = self.numbering.next(num, depth) if num else ""
                said.append(label + self.runs.text(node))
                said.extend(self._cell(box) for box in _below(node, "txbxContent", SKIPPED))
        return " ".join(" ".join(said).split())


def _outline(node: Any | None) -> int:
    """The level of a heading by its outline, 1 at the top; 0 for text."""
    depth = number(node, default=9)
    return depth + 1 if depth < 9 else 0


def _within(node: Any, name: str) -> list[Any]:
    """Rows of a table or cells of a row, also those inside content controls, not those of inner tables."""
    return _below(node, name, SKIPPED | {"tbl", "p"})


def _below(node: Any, name: str, skip: Collection[str]) -> list[Any]:
    return [part for part in descend(node, skip, stop={name}) if local(part) == name]
