"""The cells of a sheet of Excel: what each shows, which are merged, and which nobody sees."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from nacre.documents.builder import Builder
from nacre.documents.marks import Piece, marked, struck
from nacre.documents.number_formats import BUILT_IN, hides, show, show_text
from nacre.documents.ooxml import Package, attribute, child, is_on, local, number, parts
from nacre.documents.sheets import Merge, Row
from nacre.errors import ParseError
from nacre.text.language import tr

COLUMNS = 2048
"""Columns that are read: a cell in the last of 16,384 would make every row that long."""
_ROWS = 1 << 20
_MERGES = 20_000  # of one sheet
_TINY = 2.0  # points
_MERGE = re.compile(rb'<(?:\w+:)?mergeCell\b[^>]*?\bref="\$?([A-Z]{1,3})\$?(\d{1,7}):\$?([A-Z]{1,3})\$?(\d{1,7})"')
_ESCAPE = re.compile(r"_x([0-9A-Fa-f]{4})_")
_ADDRESS = re.compile(r"\$?([A-Z]{1,3})\$?(\d{1,7})")
_WHITE = {"FFFFFFFF", "00FFFFFF", "FFFFFF"}


@dataclass(frozen=True)
class Style:
    """How a cell is shown."""

    code: str = ""
    struck: bool = False
    unseen: str = ""


@dataclass
class Book:
    """What the sheets of a workbook have in common."""

    package: Package
    strings: list[str] = field(default_factory=list)
    styles: list[Style] = field(default_factory=list)
    since_1904: bool = False


def read_book(package: Package, named: dict[str, str], out: Builder) -> Book:
    """Strings and styles."""
    book = Book(package)
    root = package.xml(named.get("sharedStrings", "xl/sharedStrings.xml"))
    book.strings = [rich_text(item) for item in parts(root) if local(item) == "si"]
    try:
        book.styles = _styles(package.xml(named.get("styles", "xl/styles.xml")))
    except ParseError:
        out.warn(tr("the style sheet is damaged: dates may show as numbers"))
    return book


def rich_text(item: Any) -> str:
    """The words of a string whose parts may be struck or raised; readings above the words are left out."""
    return unescaped(marked(_pieces(item)))


def _pieces(item: Any) -> Iterator[Piece]:
    for part in item:
        if local(part) == "t":
            yield Piece(part.text or "")
        elif local(part) == "r":
            words, look = child(part, "t"), child(part, "rPr")
            place, strike = attribute(child(look, "vertAlign")), is_on(child(look, "strike"))
            yield Piece("" if words is None else words.text or "", place, strike)


def unescaped(text: str) -> str:
    """Without the escapes of characters that XML cannot hold: `_x000D_`."""
    return _ESCAPE.sub(lambda found: chr(int(found[1], 16)), text) if "_x" in text else text


def _styles(root: Any | None) -> list[Style]:
    part = {local(node): node for node in parts(root)}
    codes = {number(node, "numFmtId", -1): attribute(node, "formatCode") for node in part.get("numFmts", ())}
    fonts, fills = list(part.get("fonts", ())), list(part.get("fills", ()))
    found = []
    for xf in part.get("cellXfs", ()):
        font, fill = _nth(fonts, number(xf, "fontId")), _nth(fills, number(xf, "fillId"))
        key = number(xf, "numFmtId")
        code = codes.get(key, BUILT_IN.get(key, ""))
        found.append(Style(code, font is not None and is_on(child(font, "strike")), _unseen(font, fill, code)))
    return found


def _nth(nodes: list[Any], place: int) -> Any | None:
    return nodes[place] if place < len(nodes) else None


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
    return (
        attribute(color, "rgb").upper() in _WHITE
        or attribute(color, "theme") == "0"
        or attribute(color, "indexed") in {"1", "9"}
    )


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


@dataclass
class Layout:
    """What a sheet says of itself besides its cells."""

    hidden_columns: set[int] = field(default_factory=set)
    rows_hidden: bool = False
    styled: bool = False


def layout(raw: bytes) -> Layout:
    """Hidden columns (0-based), and whether tables or conditions give cells a ground that their style does not tell."""
    found = Layout(styled=re.search(rb"<(?:\w+:)?(?:tablePart|conditionalFormatting)\b", raw) is not None)
    found.rows_hidden = re.search(rb"<(?:\w+:)?sheetFormatPr\b[^>]*zeroHeight=\"(?:1|true)\"", raw) is not None
    for column in re.findall(rb"<(?:\w+:)?col\b[^>]*>", raw[: raw.find(b"sheetData") + 1 or None])[:COLUMNS]:
        first, last = (re.search(rb'\b%s="(\d{1,5})"' % name, column) for name in (b"min", b"max"))
        if first and last and re.search(rb'\bhidden="(?:1|true)"|\bwidth="0(?:\.0*)?"', column):
            found.hidden_columns.update(range(int(first[1]) - 1, min(int(last[1]), COLUMNS)))
    return found


class Sheet:
    """The cells of one sheet, read row by row."""

    def __init__(self, book: Book, part: str, raw: bytes) -> None:
        self.book, self.part, self.raw = book, part, raw
        self.layout = layout(raw)
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
                    yield Row(count, cells, self._is_hidden(node))
                node.clear()
                while node.getprevious() is not None:
                    del node.getparent()[0]
        except etree.XMLSyntaxError as error:
            raise ParseError(tr("damaged XML inside ({part}: {error})", part=self.part, error=error)) from error

    def _is_hidden(self, row: Any) -> bool:
        if row.get("hidden") in {"1", "true"} or row.get("ht") == "0":
            return True
        return self.layout.rows_hidden and row.get("ht") is None

    def _cells(self, row: Any) -> dict[int, str]:
        found: dict[int, str] = {}
        column = -1
        for cell in row:
            place = _ADDRESS.match(cell.get("r", ""))
            column = column_number(place[1]) - 1 if place else column + 1
            if not len(cell):
                continue
            style = self._style(cell.get("s"))
            text = self._shown(cell, style).strip()
            if not text:
                continue
            if column >= COLUMNS:
                self.too_far = True
            elif style.unseen and not (self.layout.styled and style.unseen == "white text"):
                self.unseen.setdefault(style.unseen, []).append(text)
            else:
                found[column] = struck(text) if style.struck else text
        return found

    def _style(self, index: str | None) -> Style:
        styles = self.book.styles
        place = int(index) if index and index.isdecimal() and len(index) < 7 else 0
        return styles[place] if place < len(styles) else _PLAIN

    def _shown(self, cell: Any, style: Style) -> str:
        kind = cell.get("t", "n")
        if kind == "inlineStr":
            held = child(cell, "is")
            return "" if held is None else show_text(rich_text(held), style.code)
        value = child(cell, "v")
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
