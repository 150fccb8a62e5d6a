"""HTML: what a reader sees, with headings, lists, tables and code; scripts never run and nothing is fetched."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from html import unescape
from typing import Any

from nacre.documents.document import BlockKind, Builder
from nacre.documents.formulas import linear
from nacre.documents.grid import REPEATED, add_rows
from nacre.documents.html_furniture import furniture
from nacre.documents.html_looks import Look, Looks
from nacre.documents.limits import Task
from nacre.documents.lists import word_list
from nacre.documents.normalise import Piece, collapse, marked
from nacre.documents.numerals import counted

_DROPPED = frozenset(word_list("html-dropped"))
_BLOCKS = frozenset(word_list("html-blocks"))
_HEADINGS = {f"h{n}": n for n in range(1, 7)}
_LISTS = {"ul", "ol", "menu", "dl"}
_COUNTING = {"ol", "ul", "menu", "li"}
_BODIES = {"thead", "tbody", "tfoot"}
_MAX_SPAN = 200
_INNER = 300  # characters of tables inside a table of data; with more of them it is the layout of a page
_NO_VALUE = {"hidden", "password", "submit", "button", "reset", "image", "file", "color", "range"}
_COUNTED = {"a": "lowerLetter", "A": "upperLetter", "i": "lowerRoman", "I": "upperRoman"}
_Hanging = dict[int, tuple[int, str]]  # by the column: over how many rows more a cell hangs, and what it says
_INVISIBLE_SIGNS = re.compile("[\u2061-\u2064]")


def parse(text: str, out: Builder, task: Task) -> None:
    """Read an HTML page."""
    from selectolax.lexbor import LexborHTMLParser

    tree = LexborHTMLParser(text)
    title = tree.css_first("title")
    if title is not None and not out.title:
        out.title = collapse(title.text() or "")
    for meta in tree.css("meta[name][content]"):
        name = (meta.attributes.get("name") or "").lower()
        if name in {"description", "keywords", "author", "date"}:
            out.metadata.setdefault(name, collapse(meta.attributes.get("content") or ""))
    if tree.body is None:
        return
    if out.title and not out.length and out.title not in collapse(tree.body.text() or ""):
        # The title of a page is a thing its reader sees; as an aside, for it is indexed with every chunk anyway.
        out.aside(out.title)
    _Walk(out, Looks(tree), furniture(tree.body)).run(tree.body)


def _all_words(node: Any, most: int = 400) -> str:
    """The first words of an element, for a report."""
    said, stack = "", [node]
    while stack and len(said) < most:
        part = stack.pop()
        if part.tag == "-text":
            said += part.text_content[:most] + " "
        elif part.tag not in _DROPPED:
            stack.extend(reversed(list(part.iter(include_text=True))))
    return said


def _value(attributes: Mapping[str, str | None]) -> str:
    """What a field of a form shows: its value, or a box that is ticked or not."""
    kind = (attributes.get("type") or "text").lower()
    if kind in {"checkbox", "radio"}:
        return "☑" if "checked" in attributes else "☐"
    return "" if kind in _NO_VALUE else attributes.get("value") or ""


def _formula(node: Any) -> str:
    """MathML in one line, or what the page says in place of it."""
    from lxml import etree

    markup = unescape((node.html or "").replace("&amp;", "&amp;amp;").replace("&lt;", "&amp;lt;"))
    try:
        root = etree.fromstring(markup, etree.XMLParser(resolve_entities=False, no_network=True, recover=True))
        said = "" if root is None else linear(root)
    except (etree.XMLSyntaxError, ValueError):
        said = ""
    return _INVISIBLE_SIGNS.sub("", said).strip() or node.attributes.get("alttext") or ""


class _Numbers:
    """The ordered lists around a place, and how far each has counted."""

    def __init__(self) -> None:
        self.open: list[tuple[int, int, str] | None] = []  # (next number, step, format); None without numbers

    def step(self, node: Any, leaving: bool, look: Look) -> str:
        """Enter or leave a list or an item."""
        tag = node.tag
        if tag != "li":
            if not leaving:
                self.open.append(_counting(node) if tag == "ol" else None)
            elif self.open:
                self.open.pop()
        elif not leaving and self.open and self.open[-1] and look.marker != "none":
            number, step, form = self.open[-1]
            number = _whole(node.attributes.get("value"), number)
            self.open[-1] = number + step, step, form
            form = look.marker or _COUNTED.get(node.attributes.get("type") or "", form)
            said = counted(number, form)
            return f"{said}、" if form.startswith(("chinese", "ideograph")) else f"{said}. "
        return ""


def _counting(node: Any) -> tuple[int, int, str]:
    attributes = node.attributes
    form = _COUNTED.get(attributes.get("type") or "", "decimal")
    backwards = "reversed" in attributes
    first = sum(part.tag == "li" for part in node.iter()) if backwards else 1
    return _whole(attributes.get("start"), first), -1 if backwards else 1, form


def _whole(value: str | None, usual: int) -> int:
    return int(value) if value and re.fullmatch(r"\s*-?\d{1,9}\s*", value) else usual


class _Walk:
    """The state of one walk over a page."""

    def __init__(self, out: Builder, looks: Looks, aside: frozenset[int]) -> None:
        self.out, self.looks, self.aside = out, looks, aside
        self.done = 0  # the element that is not gone into
        self.line: list[Piece] = []
        self.label = ""
        self.numbers = _Numbers()
        self.level = self.lists = self.quotes = self.pre = self.apart = 0

    def walk(self, root: Any, above: Look) -> Iterator[tuple[Any, str, bool, Look]]:
        """Each node, tag and look on the way in and, but for what is dropped, (True) out; what is hidden is told."""
        stack = [(root, root.tag, False, above)]
        while stack:
            step = node, tag, leaving, look = stack.pop()
            if leaving:
                yield step
            elif tag == "-text":
                if reason := look.unseen():
                    self.out.hide(reason, node.text_content)
                else:
                    yield step
            elif tag[0] != "-":
                look = self.looks.of(node, tag, look)
                if look.gone:
                    self.out.hide(look.gone, _all_words(node))
                    continue
                yield node, tag, False, look
                if tag not in _DROPPED and node.mem_id != self.done:
                    stack.append((node, tag, True, look))
                    child = node.last_child
                    while child is not None:
                        stack.append((child, child.tag, False, look))
                        child = child.prev

    def inline(self, node: Any, tag: str, look: Look) -> Piece | None:
        """What an element without words of its own says within a line."""
        if tag == "-text":
            return Piece(node.text_content, look.place, look.struck)
        if tag == "img":
            return Piece(f" {node.attributes.get('alt') or ''} ")
        if tag == "input":
            return Piece(f" {_value(node.attributes)} ")
        if tag == "select":
            return Piece(f" {', '.join(collapse(option.text()) for option in node.css('option[selected]'))} ")
        return Piece(f" {_formula(node)} ") if tag == "math" else None

    def run(self, root: Any) -> None:
        for node, tag, leaving, look in self.walk(root, Look()):
            apart = tag != "-text" and node.mem_id in self.aside
            if apart:
                self.flush()
                self.apart += -1 if leaving else 1
            if tag == "table" and not leaving and not self.apart and _is_data(node):
                self.flush()
                self.table(node, look)
                # Its cells were read at once. (`==` between nodes would write out and compare their whole HTML.)
                self.done = node.mem_id
            elif tag in _BLOCKS:
                self.border(node, tag, leaving)
                if tag in _COUNTING:
                    self.label = self.numbers.step(node, leaving, look) or self.label
            elif tag == "br" and not leaving:
                self.line.append(Piece("\x0b"))
            elif not leaving and (piece := self.inline(node, tag, look)):
                self.line.append(piece)
        self.flush()

    def border(self, node: Any, tag: str, leaving: bool) -> None:
        """The beginning or the end of a block element ends the line before it."""
        step = -1 if leaving else 1
        if tag in {"td", "th"} and leaving:
            self.line.append(Piece(" "))
            return
        self.flush()
        if tag == "li" and leaving:
            self.label = ""
        if tag in _HEADINGS:
            self.level = 0 if leaving else _HEADINGS[tag]
        elif tag in _LISTS:
            self.lists += step
        elif tag == "blockquote":
            self.quotes += step
        elif tag in {"pre", "textarea"}:
            self.pre += step

    def flush(self) -> None:
        """End the running block."""
        if not self.line:
            return
        raw, self.line = marked(self.line), []
        if self.pre:
            self.out.add("code", raw.replace("\x0b", "\n"))
            return
        text = "\n".join(filter(None, (collapse(part) for part in raw.split("\x0b"))))
        if not text:
            return
        text, self.label = self.label + text, ""
        if self.apart:
            self.out.aside(text)
        elif self.level:
            self.out.add("heading", text.replace("\n", " "), self.level)
        else:
            kind: BlockKind = "list" if self.lists else "quote" if self.quotes else "paragraph"
            self.out.add(kind, text, self.lists if kind == "list" else 0)

    # ------------------------------------------------------------------------------------------------ tables

    def table(self, table: Any, look: Look) -> None:
        rows: list[tuple[list[str], bool]] = []
        hanging: _Hanging = {}
        header_rows = 0
        for row, inner in self._rows(table, look):
            if row.tag == "caption":
                self.out.add("paragraph", self.cell(row, inner))
                continue
            cells, hanging, across = self.row(row, inner, hanging)
            named = (row.parent is not None and row.parent.tag == "thead") or _is_header(row)
            if cells:
                header_rows += named and header_rows == len(rows)
                rows.append((cells, across))
        add_rows(self.out, rows, marked=header_rows)

    def _rows(self, table: Any, look: Look) -> Iterator[tuple[Any, Look]]:
        """Caption and rows of a table that can be seen, not those of tables inside."""
        for part in table.iter():
            if part.tag not in {"tr", "caption", *_BODIES}:
                continue
            inner = self.looks.of(part, part.tag, look)
            if inner.gone:
                self.out.hide(inner.gone, _all_words(part))
            elif part.tag in _BODIES:
                yield from self._rows(part, inner)
            else:
                yield part, inner

    def row(self, row: Any, look: Look, hanging: _Hanging) -> tuple[list[str], _Hanging, bool]:
        """One row on the grid, what hangs down into the next rows, and whether a cell is merged across."""
        cells: list[str] = []
        left: _Hanging = {}
        nodes = [node for node in row.iter() if node.tag in {"td", "th"}]
        across = False

        def fill() -> None:
            while (above := hanging.get(len(cells), (0, "")))[0] > 0:
                left[len(cells)] = above[0] - 1, above[1]
                cells.append(above[1])

        for node in nodes:
            fill()
            width, height = _span(node, "colspan"), _span(node, "rowspan")
            text = self.cell(node, look)
            repeated = text if len(text) <= REPEATED else ""
            wide = width > 1 and (len(nodes) > 1 or any(count for count, _ in hanging.values()))
            across = across or wide
            if height > 1:
                left.update({len(cells) + n: (height - 1, repeated) for n in range(width)})
            cells += [text, *[repeated if wide else ""] * (width - 1)]
        fill()
        return cells, left, across

    def cell(self, cell: Any, above: Look) -> str:
        """The text of a cell in one line; the rows of a table inside stand apart."""
        parts: list[Piece] = []
        numbers = _Numbers()
        for node, tag, leaving, look in self.walk(cell, above):
            if tag in _BLOCKS or tag == "br":
                mark = " "
                if tag == "tr" and not leaving and _follows(node):
                    mark = "; "
                    while parts and not parts[-1].text.strip():
                        parts.pop()
                parts.append(Piece(mark))
                if tag in _COUNTING:
                    parts.append(Piece(numbers.step(node, leaving, look)))
            elif not leaving and (piece := self.inline(node, tag, look)):
                parts.append(piece)
        return collapse(marked(parts))


def _follows(row: Any) -> bool:
    """Whether another row stands before this one."""
    return row.parent is not None and next(one for one in row.parent.iter() if one.tag == "tr").mem_id != row.mem_id


def _is_header(row: Any) -> bool:
    cells = [node for node in row.iter() if node.tag in {"th", "td"}]
    # One cell alone that hangs down names a group of rows.
    alone = len(cells) == 1 and _span(cells[0], "rowspan") > 1
    return bool(cells) and not alone and all(node.tag == "th" for node in cells)


def _is_data(table: Any) -> bool:
    """A table of data has rows of several cells and no heading, form or large table inside; else it is layout."""
    if table.css_first("h1,h2,form") is not None:
        return False
    inner = table.css("table")[1:]
    if not inner:
        return any(len(row.css("td,th")) > 1 for row in table.css("tr"))
    bodies = [table, *(part for part in table.iter() if part.tag in _BODIES)]
    rows = [row for body in bodies for row in body.iter() if row.tag == "tr"]
    several = [row for row in rows if sum(node.tag in {"td", "th"} for node in row.iter()) > 1]
    small = sum(len(collapse(part.text() or "")) for part in inner[:20]) <= _INNER and len(inner) <= 20
    return len(several) > 1 and small and not any(part.css("table")[1:] for part in inner)


def _span(node: Any, name: str) -> int:
    value = (node.attributes.get(name) or "1").strip()
    return max(1, min(_MAX_SPAN, int(value))) if value.isdecimal() and len(value) < 6 else 1
