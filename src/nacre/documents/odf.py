"""OpenDocument: text, sheets and slides (.odt, .ods, .odp), their templates, and the same in one flat XML file.

Cells are taken as they are shown, for the file holds that text beside the value. Deleted text of tracked changes stands
apart in the file and is left out; what is hidden is told.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator
from typing import Any

from nacre.documents import ooxml
from nacre.documents.document import Builder
from nacre.documents.grid import COLUMNS, LAST, Merge, Row, add_cells, add_rows, is_far, spread, warn_far, words
from nacre.documents.limits import Task
from nacre.documents.lists import word_list
from nacre.documents.normalise import joined_strikes, told
from nacre.documents.numerals import Numbers
from nacre.documents.ooxml import attribute, child, descend, local, number, parts, text_in
from nacre.errors import ParseError
from nacre.text.language import tr

_REPEATED = 2048  # times that a row may be meant to be repeated
_CELLS = 1 << 21  # of them together
_ROWS = 1 << 16
_DROPPED = frozenset(word_list("odf-dropped"))
_APART = {"note", "annotation", "table", "text-box"}  # stands in a paragraph and is no word of it
_BLOCKS = {"p", "h", "list", "table", "page", "frame", "section", "annotation", "custom-shape", "g"}
_OUTLINE = " outline"  # the key of the style that numbers headings; no style has such a name


def parse(data: bytes, out: Builder, task: Task) -> None:
    """Read an OpenDocument file."""
    if data[:2] == b"PK":
        package = ooxml.Package(data, task.limits)
        manifest = package.xml("META-INF/manifest.xml")
        if any(local(node) == "encryption-data" for node in descend(manifest)):
            raise ParseError(tr("the office file is encrypted; save it without a password"))
        roots = [package.xml(part) for part in ("content.xml", "meta.xml", "styles.xml")]
    else:  # all in one file
        roots = [ooxml.parse_xml(data, task.name)] * 3
    content, about, looks = roots
    body = child(content, "body")
    if body is None:
        raise ParseError(tr("the OpenDocument file has no content inside"))
    ooxml.take_over(out, parts(about, "meta"), "odf")
    for node in parts(about, "meta"):
        if local(node) == "user-defined":
            out.fields.setdefault(attribute(node, "name"), (node.text or "").strip())
    walk = _Walk(out, _styles(content, looks), task.options.include_hidden)
    for kind in body:
        name = local(kind)
        if name == "spreadsheet":
            walk.sheets(kind)
        elif name in {"presentation", "drawing"}:
            walk.slides(kind)
        elif name in {"text", "chart", "image"}:
            walk.blocks(kind)
            walk.furniture(looks)


def _styles(*roots: Any | None) -> dict[str, Any]:
    """What of a style matters here, by its name: whether it hides, strikes, raises or lowers."""
    found: dict[str, Any] = {}
    for node in (node for root in roots if root is not None for node in root.iter()):
        if local(node) in {"style", "list-style"} and attribute(node, "name"):
            found.setdefault(attribute(node, "name"), node)
        elif local(node) == "outline-style":
            found[_OUTLINE] = node
    return found


class _Walk:
    """Goes through a body once."""

    def __init__(self, out: Builder, styles: dict[str, Any], hidden: bool) -> None:
        self.out, self.styles, self.all = out, styles, hidden
        self.notes: list[Any] = []  # of the cells of a sheet, told behind it
        self.looks: dict[str, str] = {}
        self.numbers: dict[str, Numbers] = {}
        self.dark = False  # the ground is, or may be, of another colour than white

    def blocks(self, root: Any | None, depth: int = 0) -> None:
        for node in descend(root, _DROPPED, stop=_BLOCKS):
            name = local(node)
            if name in {"p", "h"}:
                self.paragraph(node, depth)
            elif name == "list":
                self.items(node, depth + 1)
            elif name == "table":
                self.table(node)
            elif name == "section" and attribute(node, "display") == "none":
                self.out.hide("hidden section", "".join(node.itertext()))
            elif name in {"frame", "custom-shape", "g"}:
                self.frame(node, depth)
            elif name == "annotation":
                self.annotation(node)
            elif name in {"section", "page"}:
                self.blocks(node, depth)

    def furniture(self, looks: Any | None) -> None:
        """The heads and feet of pages, each once."""
        pages = (node for node in descend(looks) if local(node) == "master-page")
        found = [part for page in pages for part in page if local(part).startswith(("header", "footer"))]
        for text in dict.fromkeys(map(self.lines, found)):
            self.out.add("meta", text)

    def lines(self, node: Any) -> str:
        """The paragraphs below an element that say something."""
        return "\n".join(filter(None, map(self.text, _paragraphs(node))))

    def frame(self, node: Any, depth: int) -> None:
        """A picture says what its alternative text says; a box what stands in it."""
        above, self.dark = self.dark, self.dark or self.shaded(node)
        for part in node:
            if local(part) in {"title", "desc"}:
                self.out.add("paragraph", part.text or "")
        self.blocks(node, depth)
        self.dark = above

    def paragraph(self, node: Any, depth: int = 0) -> None:
        text = self.text(node)
        style = attribute(node, "style-name")
        level = number(node, "outline-level", 1) if local(node) == "h" else 1 if style in {"Title"} else 0
        if level and text.strip():
            numbered = local(node) == "h" and attribute(node, "is-list-header") != "true"
            mark = self.counter(_OUTLINE).next(level, number(node, "start-value")) if numbered else ""
            self.out.add("heading", mark + " ".join(text.split()), min(level, 9))
        else:
            self.out.add("list" if depth else "paragraph", text, depth)
        for part in descend(node, _DROPPED, stop=_APART | {"frame", "custom-shape"}):
            if local(part) == "note":
                self.out.add("note", "\n".join(map(self.text, _paragraphs(child(part, "note-body")))))
            elif local(part) == "annotation":
                self.annotation(part)
            elif local(part) in {"frame", "custom-shape"}:
                self.frame(part, depth)

    def annotation(self, node: Any) -> None:
        who, said = text_in(node, "creator"), self.lines(node)
        self.out.add("comment", f"{who}: {said}" if who and said else said)

    def items(self, root: Any, depth: int, style: str = "") -> None:
        """A list and those inside it; where it is numbered, with its numbers."""
        if depth > 40:
            return
        style = attribute(root, "style-name") or style
        numbers = self.counter(style)
        if depth == 1 and attribute(root, "continue-numbering") != "true" and not attribute(root, "continue-list"):
            numbers.counts.clear()
        for item in root.iterchildren("{*}list-item", "{*}list-header"):
            own = [part for part in item if local(part) in {"p", "h"}]
            counts = local(item) == "list-item" and own and local(own[0]) == "p"
            mark = numbers.next(depth, number(item, "start-value")) if counts else ""
            for part in item:
                if local(part) == "list":
                    self.items(part, depth + 1, style)
                elif local(part) == "h":
                    self.paragraph(part)
                elif local(part) == "p":
                    text = self.text(part)
                    self.out.add("list", mark + text if text.strip() else "", depth)
                    mark = ""

    def counter(self, style: str) -> Numbers:
        if style not in self.numbers:
            self.numbers[style] = Numbers(self.styles.get(style))
        return self.numbers[style]

    # ------------------------------------------------------------------------------------------------ words

    def text(self, node: Any) -> str:
        """The words of one paragraph, without those of notes and boxes in it."""
        said = [node.text or ""]
        stack = [(part, "") for part in reversed(node)]
        while stack:
            part, after = stack.pop()
            if after:
                said.append(after)
                continue
            if part.tail:
                stack.append((part, part.tail))
            name = local(part)
            if not name or name in _DROPPED or name in _APART | {"frame", "custom-shape"}:
                continue
            if name in {"s", "tab", "line-break"}:
                said.append(" " * min(number(part, "c", 1), 100) if name == "s" else "\t" if name == "tab" else "\n")
            elif name in {"hidden-text", "hidden-paragraph"} or (name == "span" and self.look(part) == "hidden"):
                self.out.hide("hidden text", "".join(part.itertext()))
            elif name == "span" and self.look(part) == "white" and not (self.dark or self.shaded(node)):
                self.out.hide("white text", "".join(part.itertext()))
            elif name == "span" and (look := self.look(part)) not in {"", "white"}:
                said.append(told("".join(part.itertext()), look, "".join(said[-3:])))
            else:
                said.append(part.text or "")
                stack += [(inner, "") for inner in reversed(part)]
        return joined_strikes("".join(said))

    def look(self, span: Any) -> str:
        """How a span's own style shows it, in one word."""
        name = attribute(span, "style-name")
        if name not in self.looks:
            node = self.styles.get(name)
            about = child(node, "text-properties")
            place = attribute(about, "text-position")
            line = attribute(about, "text-line-through-style")
            self.looks[name] = (
                "hidden" if attribute(about, "display") == "none" or _tiny(about)
                else "white" if attribute(about, "color").lower() == "#ffffff" and not _shaded(about)
                else "strike" if line and line != "none"
                else "super" if place.startswith("super") or re.match(r"[1-9]\d*%", place)
                else "sub" if place.startswith(("sub", "-")) else ""
            )  # fmt: skip
        return self.looks[name]

    def shaded(self, node: Any) -> bool:
        """Whether the style of an element, or one that it is made from, fills its ground."""
        style = self.styles.get(attribute(node, "style-name"))
        for _ in range(9):
            if style is None:
                return False
            if any(_shaded(part) for part in style):
                return True
            style = self.styles.get(attribute(style, "parent-style-name"))
        return False

    # ------------------------------------------------------------------------------------------------ tables

    def table(self, node: Any) -> None:
        ranges: deque[Merge] = deque()
        head = child(node, "table-header-rows")
        rows = ((row.texts(), across) for row, across in spread(self.rows(node, ranges), ranges))
        add_rows(self.out, rows, usual=1 if head is None else min(4, len(head)))

    def rows(self, table: Any, ranges: deque[Merge]) -> Iterator[Row]:
        """The rows with their cells as shown; merged ranges are noted as they come."""
        at = 0
        for row in descend(table, {"shapes", "forms"}, stop={"table-row"}):
            if local(row) != "table-row":
                continue
            cells = self.row(row, at + 1, ranges)
            # A million empty rows are written as one that is repeated.
            said = number(row, "number-rows-repeated", 1)
            times = min(said, _REPEATED, max(1, _CELLS // len(cells))) if cells else min(said, _ROWS)
            if cells and times < said:
                sheet = self.out.sheet
                self.out.warn(
                    tr("sheet {sheet}: of {said} equal rows {times} are read", sheet=sheet, said=said, times=times)
                )
            if cells and at + times > _ROWS:
                self.out.warn(tr("sheet {sheet}: rows beyond {rows} are left out", sheet=self.out.sheet, rows=_ROWS))
                break
            hidden = attribute(row, "visibility") in {"collapse", "filter"}
            for place in range(at + 1, at + 1 + times) if cells else ():
                yield Row(place, dict(cells), hidden)
            at += times

    def row(self, row: Any, at: int, ranges: deque[Merge]) -> dict[int, str]:
        cells: dict[int, str] = {}
        column = 0
        for cell in row.iterchildren("{*}table-cell", "{*}covered-table-cell"):
            text = self.cell(cell) if len(cell) and local(cell) == "table-cell" else ""
            width = min(number(cell, "number-columns-spanned", 1), COLUMNS)
            height = min(number(cell, "number-rows-spanned", 1), _ROWS)
            if width > 1 or height > 1:
                ranges.append(Merge(at, column + 1, at + height - 1, column + width))
            times = min(number(cell, "number-columns-repeated", 1), LAST - column)
            if text and is_far(column, cells):
                warn_far(self.out)
            elif text:
                cells.update(dict.fromkeys(range(column, column + times), text))
            column += times
        return cells

    def cell(self, cell: Any) -> str:
        above, self.dark = self.dark, self.dark or self.shaded(cell) or self.shaded(cell.getparent())
        found = list(descend(cell, _DROPPED, stop={"p", "h", "annotation", "frame"}))
        self.notes += [part for part in found if local(part) == "annotation"]
        said = "\n".join(self.text(part) for part in found if local(part) in {"p", "h"})
        self.dark = above
        return said

    def sheets(self, root: Any) -> None:
        for table in root.iterchildren("{*}table"):
            self.out.sheet, self.notes = attribute(table, "name"), []
            if not self.all and _hides(self.styles.get(attribute(table, "style-name"))):
                self.out.hide("hidden sheet", words(row.cells for row in self.rows(table, deque())))
                continue
            self.out.sheets.append(self.out.sheet)
            self.out.add("heading", self.out.sheet, 1)
            ranges: deque[Merge] = deque()
            add_cells(self.out, self.rows(table, ranges), ranges, _hidden_columns(table), all=self.all)
            for note in self.notes:
                self.annotation(note)
            self.blocks(child(table, "shapes"))
        self.out.sheet = ""

    def slides(self, root: Any) -> None:
        pages = [page for page in root if local(page) == "page"]
        self.out.pages = len(pages)
        self.dark = True  # what lies below a box is a matter of masters, pictures and other boxes
        for self.out.page, page in enumerate(pages, start=1):
            if not self.all and _hides(self.styles.get(attribute(page, "style-name"))):
                self.out.hide("hidden slide", " ".join(page.itertext()))
                continue
            frames = [part for part in page if local(part) in {"frame", "custom-shape", "g"}]
            # The title first, then from the top down and from left to right.
            places = [
                (attribute(one, "class") != "title", round(_length(one, "y")), _length(one, "x")) for one in frames
            ]
            for _, frame in sorted(zip(places, frames, strict=True), key=lambda one: one[0]):
                if attribute(frame, "class") == "title":
                    box = child(frame, "text-box")
                    self.out.add("heading", " ".join(map(self.text, _paragraphs(box))), 1)
                elif attribute(frame, "class") not in {"date-time", "footer", "page-number", "header"}:
                    self.frame(frame, 0)
            for frame in parts(page, "notes"):
                self.out.add("note", self.lines(frame) if attribute(frame, "class") == "notes" else "")
        self.out.page = None


def _paragraphs(node: Any | None) -> list[Any]:
    return [part for part in descend(node, _DROPPED - {"title"}, stop={"p", "h"}) if local(part) in {"p", "h"}]


def _tiny(about: Any | None) -> bool:
    size = re.fullmatch(r"([\d.]{1,9})pt", attribute(about, "font-size"))
    return size is not None and size.group(1).count(".") < 2 and float(size.group(1)) < 2


def _shaded(about: Any | None) -> bool:
    """Whether properties fill the ground with a colour, or with what is not known."""
    fill = attribute(about, "fill")
    color = attribute(about, "fill-color" if fill == "solid" else "background-color").lower()
    return fill in {"gradient", "bitmap", "hatch"} or color not in {"", "transparent", "#ffffff"}


def _hides(style: Any | None) -> bool:
    """Whether the style of a sheet or a slide says that it is not shown."""
    said = [(attribute(part, "display"), attribute(part, "visibility")) for part in parts(style)]
    return any(display == "false" or visibility == "hidden" for display, visibility in said)


def _hidden_columns(table: Any) -> set[int]:
    hidden: set[int] = set()
    at = 0
    for column in descend(table, stop={"table-row"}):
        if local(column) == "table-column":
            times = min(number(column, "number-columns-repeated", 1), LAST)
            if attribute(column, "visibility") in {"collapse", "filter"}:
                hidden.update(range(at, at + times))
            at += times
    return hidden


def _length(node: Any, name: str) -> float:
    found = re.fullmatch(r"(-?\d+(?:\.\d+)?)(cm|mm|in|pt|px)?", attribute(node, name))
    scale = {"mm": 0.1, "in": 2.54, "pt": 0.0353, "px": 0.0265}
    return float(found[1]) * scale.get(found[2], 1.0) if found else 0.0
