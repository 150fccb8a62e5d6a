"""Excel: each sheet is a heading and its tables, numbers as it shows them, formulas by their last result, drawings."""

from __future__ import annotations

import io
import re
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from nacre.documents.document import Builder
from nacre.documents.drawings import add_drawing
from nacre.documents.grid import COLUMNS, LAST, Merge, Row, add_cells, is_far, warn_far, words
from nacre.documents.limits import Task
from nacre.documents.normalise import Piece, marked, struck
from nacre.documents.number_formats import BUILT_IN, hides, show, show_text
from nacre.documents.ooxml import Package, attribute, child, descend, is_on, local, number, parts, relation_id, text_in
from nacre.errors import ParseError
from nacre.text.language import tr

_ROWS = 1 << 20
_MERGES = 20_000  # of one sheet
_TINY = 2.0  # points
_MERGE = re.compile(rb'<(?:\w+:)?mergeCell\b[^>]*?\bref="\$?([A-Z]{1,3})\$?(\d{1,7}):\$?([A-Z]{1,3})\$?(\d{1,7})"')
_ESCAPE = re.compile(r"_x([0-9A-Fa-f]{4})_")
_ADDRESS = re.compile(r"\$?([A-Z]{1,3})\$?(\d{1,7})")
_WHITE = {"FFFFFFFF", "00FFFFFF", "FFFFFF"}
_THREADED = "[Threaded comment]"  # what stands in an old comment for readers without the new ones


@dataclass(frozen=True)
class Style:
    """How a cell is shown."""

    code: str = ""
    struck: bool = False
    unseen: str = ""


class Book:
    """What the sheets of a workbook have in common: strings, and styles by their number."""

    def __init__(self, package: Package, named: dict[str, str], since_1904: bool, out: Builder) -> None:
        self.package, self.since_1904 = package, since_1904
        root = package.xml(named.get("sharedStrings", "xl/sharedStrings.xml"))
        self.strings = [rich_text(item) for item in parts(root) if local(item) == "si"]
        self.styles: dict[str, Style] = {}
        try:
            self.styles = _styles(package.xml(named.get("styles", "xl/styles.xml")))
        except ParseError:
            out.warn(tr("the style sheet is damaged: dates may show as numbers"))


def rich_text(item: Any) -> str:
    """The words of a string whose parts may be struck or raised; readings above the words are left out."""
    return unescaped(marked(_pieces(item)))


def _pieces(item: Any) -> Iterator[Piece]:
    for part in item:
        if local(part) == "t":
            yield Piece(part.text or "")
        elif local(part) == "r":
            place, strike = attribute(child(part, "rPr", "vertAlign")), is_on(child(part, "rPr", "strike"))
            yield Piece(text_in(part, "t"), place, strike)


def unescaped(text: str) -> str:
    """Without the escapes of characters that XML cannot hold: `_x000D_`."""
    return _ESCAPE.sub(lambda found: chr(int(found[1], 16)), text) if "_x" in text else text


def _styles(root: Any | None) -> dict[str, Style]:
    part = {local(node): node for node in parts(root)}
    codes = {number(node, "numFmtId", -1): attribute(node, "formatCode") for node in part.get("numFmts", ())}
    fonts, fills = (dict(enumerate(part.get(name, ()))) for name in ("fonts", "fills"))
    found = {}
    for place, xf in enumerate(part.get("cellXfs", ())):
        font, fill = fonts.get(number(xf, "fontId")), fills.get(number(xf, "fillId"))
        key = number(xf, "numFmtId")
        code = codes.get(key, BUILT_IN.get(key, ""))
        found[str(place)] = Style(code, is_on(child(font, "strike")), _unseen(font, fill, code))
    return found


def _unseen(font: Any | None, fill: Any | None, code: str) -> str:
    """How a style hides what stands in its cells; empty where it does not."""
    if hides(code):
        return "hidden by its format"
    if font is None:
        return ""
    size = attribute(child(font, "sz"))
    if re.fullmatch(r"\d+(\.\d+)?", size) and float(size) <= _TINY:
        return "tiny text"
    color = child(font, "color")
    ground = child(fill, "patternFill")
    filled = fill is not None and (ground is None or attribute(ground, "patternType") not in {"", "none"})
    shade = child(ground, "fgColor")
    return "white text" if _white(color) and (not filled or _white(shade)) else ""


def _white(color: Any | None) -> bool:
    if color is None or attribute(color, "tint").strip("0.") not in {"", "-"}:
        return False
    # The first colour of a theme is the window's, white in all that programs bring along.
    named = attribute(color, "theme") == "0" or attribute(color, "indexed") in {"1", "9"}
    return named or attribute(color, "rgb").upper() in _WHITE


def merges(raw: bytes) -> list[Merge]:
    """The merged ranges of a sheet, from the top; what is no range is passed over."""
    found = []
    for left, top, right, bottom in _MERGE.findall(raw)[:_MERGES]:
        merge = Merge(int(top), column_number(left.decode()), int(bottom), column_number(right.decode()))
        if merge.top <= merge.bottom and merge.left <= merge.right <= COLUMNS:
            found.append(merge)
    return sorted(found)


def column_number(letters: str) -> int:
    """The 1-based number of column "AB"."""
    value = 0
    for letter in letters:
        value = value * 26 + ord(letter) - 64
    return value


def hidden_columns(raw: bytes) -> set[int]:
    """Columns of a sheet that are hidden, from 0."""
    found: set[int] = set()
    for column in re.findall(rb"<(?:\w+:)?col\b[^>]*>", raw[: raw.find(b"sheetData") + 1 or None])[:LAST]:
        first, last = (re.search(rb'\b%s="(\d{1,5})"' % name, column) for name in (b"min", b"max"))
        if first and last and re.search(rb'\bhidden="(?:1|true)"|\bwidth="0(?:\.0*)?"', column):
            found.update(range(int(first[1]) - 1, min(int(last[1]), LAST)))
    return found


class Sheet:
    """The cells of one sheet, read row by row."""

    def __init__(self, book: Book, part: str, raw: bytes) -> None:
        self.book, self.part, self.raw = book, part, raw
        # Tables and conditions may give cells a ground that their style does not tell.
        self.styled = re.search(rb"<(?:\w+:)?(?:tablePart|conditionalFormatting)\b", raw) is not None
        self.rows_hidden = re.search(rb"<(?:\w+:)?sheetFormatPr\b[^>]*zeroHeight=\"(?:1|true)\"", raw) is not None
        self.too_far = False
        self.missing = 0
        self.unseen: dict[str, list[str]] = {}

    def rows(self) -> Iterator[Row]:
        """Rows that hold a value, from the top."""
        from lxml import etree

        options = {"resolve_entities": False, "no_network": True, "load_dtd": False, "remove_comments": True}
        count = 0
        try:
            for _, node in etree.iterparse(io.BytesIO(self.raw), events=("end",), tag="{*}row", **options):
                digits = node.get("r", "")
                count = int(digits) if digits.isdecimal() and len(digits) < 8 else count + 1
                cells = self._cells(node)
                if cells and count <= _ROWS:
                    no_height = self.rows_hidden and node.get("ht") is None
                    yield Row(count, cells, no_height or node.get("hidden") in {"1", "true"} or node.get("ht") == "0")
                node.clear()
                while node.getprevious() is not None:
                    del node.getparent()[0]
        except etree.XMLSyntaxError as error:
            raise ParseError(tr("damaged XML inside ({part}: {error})", part=self.part, error=error)) from error

    def _cells(self, row: Any) -> dict[int, str]:
        found: dict[int, str] = {}
        column = -1
        for cell in row:
            place = _ADDRESS.match(cell.get("r", ""))
            column = column_number(place[1]) - 1 if place else column + 1
            if not len(cell):
                continue
            style = self.book.styles.get(cell.get("s", "0"), _PLAIN)
            text = self._shown(cell, style).strip()
            if not text:
                continue
            if is_far(column, found):
                self.too_far = True
            elif style.unseen and not (self.styled and style.unseen == "white text"):
                self.unseen.setdefault(style.unseen, []).append(text)
            else:
                found[column] = struck(text) if style.struck else text
        return found

    def _shown(self, cell: Any, style: Style) -> str:
        kind = cell.get("t", "n")
        if kind == "inlineStr":
            return show_text(rich_text(parts(cell, "is")), style.code)
        value = child(cell, "v")  # not by `text_in`: a sheet has a million cells
        raw = "" if value is None else value.text or ""
        if not raw:
            self.missing += child(cell, "f") is not None and kind != "str"
            return ""
        if kind == "n":
            return show(raw, "" if style.unseen else style.code, since_1904=self.book.since_1904)
        if kind == "s":
            place = int(raw) if raw.isdecimal() and len(raw) < 9 else -1
            text = self.book.strings[place] if 0 <= place < len(self.book.strings) else ""
            return show_text(text, style.code) if "@" in style.code else text
        if kind == "b":
            return "TRUE" if raw.strip() in {"1", "true"} else "FALSE"
        if kind == "d":
            return raw.removesuffix("T00:00:00").replace("T", " ")
        return unescaped(raw)


_PLAIN = Style()


def parse(data: bytes, out: Builder, task: Task) -> None:
    """Read a workbook."""
    package = Package(data, task.limits)
    package.refuse_dtds()
    package.properties(out)
    main = package.main("xl/workbook.xml")
    root = package.xml(main)
    listed = child(root, "sheets")
    if listed is None:
        raise ParseError(tr("the workbook is damaged") + f" ({main})")
    relations = package.relations(main)
    since_1904 = attribute(child(root, "workbookPr"), "date1904") in {"1", "true"}
    book = Book(package, dict(relations.values()), since_1904, out)
    for node in listed:
        _, part = relations.get(relation_id(node), ("", ""))
        _page(book, attribute(node, "name"), part, attribute(node, "state"), out, task)
    out.sheet = ""


def _page(book: Book, name: str, part: str, state: str, out: Builder, task: Task) -> None:
    """One sheet of the workbook, as it stands in its list."""
    raw = book.package.read(part) or b""
    chart = b"<sheetData" not in raw and b":sheetData" not in raw
    if state in {"hidden", "veryHidden"} and not task.options.include_hidden:
        sheet = Sheet(book, part, raw)
        out.hide("hidden sheet", f"{name}: {words(row.cells for row in sheet.rows())}" if raw and not chart else name)
        return
    out.sheet = name
    out.sheets.append(name)
    if chart:
        _extras(book.package, part, out)
        return
    out.add("heading", name, 1)
    sheet = Sheet(book, part, raw)
    add_cells(out, sheet.rows(), deque(merges(raw)), hidden_columns(raw), all=task.options.include_hidden)
    for what, texts in sheet.unseen.items():
        out.hide(what, f"{name}: {' '.join(texts)}")
    if sheet.missing:
        out.warn(
            tr(
                "sheet {sheet}: {missing} formulas have no stored result; open and save it in a spreadsheet program",
                sheet=name,
                missing=sheet.missing,
            )
        )
    if sheet.too_far:
        warn_far(out)
    _extras(book.package, part, out)


def _extras(package: Package, part: str, out: Builder) -> None:
    """Text boxes, charts and pictures of a sheet, and its comments."""
    relations = package.relations(part)
    threaded = any(kind == "threadedComment" for kind, _ in relations.values())
    for kind, target in relations.values():
        if kind == "drawing":
            add_drawing(package, target, out)
        elif kind == "comments":
            _comments(package.xml(target), threaded, out)
        elif kind == "threadedComment":
            for comment in descend(package.xml(target)):
                text = text_in(comment, "text") if local(comment) == "threadedComment" else ""
                out.add("comment", f"{attribute(comment, 'ref')}: {text}" if text.strip() else "")


def _comments(root: Any | None, threaded: bool, out: Builder) -> None:
    for comment in parts(root, "commentList"):
        text = rich_text(parts(comment, "text"))
        if text.strip() and not (threaded and text.startswith(_THREADED)):
            out.add("comment", f"{attribute(comment, 'ref')}: {text}")
