"""One PDF page as pdfium sees it: glyphs with boxes, gathered into lines; and the ruling lines of tables."""

from __future__ import annotations

import ctypes
import math
import re
import statistics
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from nacre.documents.normalise import is_cjk, plain_forms

Box = tuple[float, float, float, float]
"""x0, y0, x1, y1 in points as displayed; y grows upwards."""

Style = Callable[[int], tuple[bool, bool, bool]]
_HYPHEN = "\x02"
_BLANKS = frozenset(b" \r\n\t\xa0")
# Glyphs whose font does not say what they mean.
_UNMAPPED = frozenset((0, 0xFFFD, 0xFFFE, 0xFFFF))
_HEAVY = re.compile(r"bold|black|heavy|demi|medi(?!um|ac)|bx\d|-bd|simhei|heiti|黑体")
_MONO = re.compile(r"mono|courier|consol|menlo|typewriter|cmtt|sftt|lmtt|[-_ ]code")
_RIGHT_TO_LEFT = re.compile("[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc]")
_MOST_PATHS = 20_000
_SECTION = re.compile(r"\d{1,2}(\.\d{1,2})*\.?|[A-Z]\.?|[IVX]{1,5}\.?")


@dataclass(slots=True)
class Glyph:
    """One character; blanks that pdfium inferred have no box."""

    text: str
    box: Box | None
    index: int


@dataclass(slots=True)
class Line:
    """Characters on one baseline, in the order of the file.

    Args:
        text: the words; a tab stands for a gap as wide as between columns.
        size: median height of the glyph boxes, points.
    """

    text: str
    box: Box
    size: float
    index: int = 0
    parts: list[tuple[str, float, float]] = field(default_factory=list)
    hyphen: bool = False
    bold: bool = False
    mono: bool = False
    turned: bool = False


@dataclass(slots=True)
class Page:
    """Glyphs and rulings of a page.

    Args:
        width: points, as displayed.
        height: points, as displayed.
        unmapped: glyphs whose font does not say what they mean; they are left out.
        style: (bold, mono, turned) of the glyph of an index; only while the text page is open.
    """

    width: float
    height: float
    glyphs: list[Glyph]
    horizontal: list[tuple[float, float, float]]
    vertical: list[tuple[float, float, float]]
    drawn: bool
    unmapped: int
    style: Style


def read_page(page: Any, text: Any) -> Page:
    """Everything needed from one page."""
    import pypdfium2.raw as pdfium

    width, height = page.get_size()
    rotation = page.get_rotation()
    turn = _turner(rotation, width, height)
    # The hot loop of a PDF, thousands of times a page: names are bound once, and most pages are not turned.
    glyphs: list[Glyph] = []
    rect, handle = pdfium.FS_RECTF(), text.raw
    where = ctypes.byref(rect)
    code_of, box_of = pdfium.FPDFText_GetUnicode, pdfium.FPDFText_GetLooseCharBox
    for index in range(text.count_chars()):
        code = code_of(handle, index)
        if code in _BLANKS or not box_of(handle, index, where):
            glyphs.append(Glyph(" ", None, index))
        elif code not in _UNMAPPED and not 0xD800 <= code < 0xE000:
            box = (rect.left, rect.bottom, rect.right, rect.top)
            glyphs.append(Glyph(chr(code), turn(*box) if rotation or box[0] > box[2] else box, index))
    horizontal, vertical = _rulings(page, turn)
    drawn = pdfium.FPDFPage_CountObjects(page) > 0

    def style(index: int) -> tuple[bool, bool, bool]:
        font = _font(pdfium, text, index)
        bold = bool(pdfium.FPDFText_GetFontWeight(text, index) >= 600 or _HEAVY.search(font))
        return bold, bool(_MONO.search(font)), abs(math.sin(pdfium.FPDFText_GetCharAngle(text, index))) > 0.7

    return Page(width, height, glyphs, horizontal, vertical, drawn, text.count_chars() - len(glyphs), style)


def _font(pdfium: Any, text: Any, index: int) -> str:
    name = ctypes.create_string_buffer(128)
    flags = ctypes.c_int()
    pdfium.FPDFText_GetFontInfo(text, index, name, 128, flags)
    return name.value.decode("utf-8", "replace").lower()


def _turner(rotation: int, width: float, height: float) -> Callable[[float, float, float, float], Box]:
    """Boxes of a turned page as the reader sees them; width and height are the displayed ones."""

    def turn(x0: float, y0: float, x1: float, y1: float) -> Box:
        x0, x1, y0, y1 = min(x0, x1), max(x0, x1), min(y0, y1), max(y0, y1)
        if rotation == 90:
            return y0, height - x1, y1, height - x0
        if rotation == 180:
            return width - x1, height - y1, width - x0, height - y0
        if rotation == 270:
            return width - y1, x0, width - y0, x1
        return x0, y0, x1, y1

    return turn


def _rulings(page: Any, turn: Callable[[float, float, float, float], Box]) -> tuple[list[Any], list[Any]]:
    import pypdfium2.raw as pdfium

    horizontal: list[tuple[float, float, float]] = []
    vertical: list[tuple[float, float, float]] = []
    edges = [ctypes.c_float() for _ in range(4)]
    for number in range(min(_MOST_PATHS, pdfium.FPDFPage_CountObjects(page))):
        shape = pdfium.FPDFPage_GetObject(page, number)
        if pdfium.FPDFPageObj_GetType(shape) != pdfium.FPDF_PAGEOBJ_PATH or not pdfium.FPDFPageObj_GetBounds(
            shape, *edges
        ):
            continue
        x0, y0, x1, y1 = turn(*(edge.value for edge in edges))
        if pdfium.FPDFPath_CountSegments(shape) > 12:
            _segments(pdfium, shape, turn, horizontal, vertical)
        elif y1 - y0 < 3 and x1 - x0 > 6:
            horizontal.append(((y0 + y1) / 2, x0, x1))
        elif x1 - x0 < 3 and y1 - y0 > 4:
            vertical.append(((x0 + x1) / 2, y0, y1))
        elif x1 - x0 > 6 and y1 - y0 > 4 and pdfium.FPDFPath_CountSegments(shape) <= 6:
            horizontal += [(y0, x0, x1), (y1, x0, x1)]
            vertical += [(x0, y0, y1), (x1, y0, y1)]
    return horizontal, vertical


def _segments(pdfium: Any, shape: Any, turn: Any, horizontal: list[Any], vertical: list[Any]) -> None:
    """A whole grid drawn as one path: its straight segments one by one."""
    matrix = pdfium.FS_MATRIX()
    pdfium.FPDFPageObj_GetMatrix(shape, matrix)
    x, y = ctypes.c_float(), ctypes.c_float()
    last: tuple[float, float] | None = None
    for number in range(min(4000, pdfium.FPDFPath_CountSegments(shape))):
        segment = pdfium.FPDFPath_GetPathSegment(shape, number)
        pdfium.FPDFPathSegment_GetPoint(segment, x, y)
        here = (matrix.a * x.value + matrix.c * y.value + matrix.e, matrix.b * x.value + matrix.d * y.value + matrix.f)
        if last is not None and pdfium.FPDFPathSegment_GetType(segment) == pdfium.FPDF_SEGMENT_LINETO:
            x0, y0, x1, y1 = turn(*last, *here)
            if y1 - y0 < 1 and x1 - x0 > 6:
                horizontal.append((y0, x0, x1))
            elif x1 - x0 < 1 and y1 - y0 > 4:
                vertical.append((x0, y0, y1))
        last = here


def plain_style(index: int) -> tuple[bool, bool, bool]:
    """The style of glyphs whose font does not matter."""
    return False, False, False


def lines_of(glyphs: Iterable[Glyph], style: Style = plain_style) -> list[Line]:
    """Glyphs gathered into lines: a new one after a hyphen and where the next glyph is not on the right of the last.

    pdfium's own line breaks are not enough: it breaks around superscripts and between the cells of a row.
    """
    lines: list[Line] = []
    run: list[Glyph] = []
    tallest: Box | None = None
    last: Box | None = None
    for glyph in glyphs:
        if glyph.box is None:
            run.append(glyph)
            continue
        here = glyph.box
        # Most glyphs stand right beside the last one, as high as it.
        same = last is not None and here[1] == last[1] and here[3] == last[3] and here[0] >= last[0]
        if not (same and tallest is not None):
            if (
                tallest is not None
                and last is not None
                and _breaks(tallest, last, here, leftwards=_RIGHT_TO_LEFT.match(glyph.text) is not None)
            ):
                _close(run, lines, style)
                run, tallest = [], None
            tallest = here if tallest is None or here[3] - here[1] > tallest[3] - tallest[1] else tallest
        run.append(glyph)
        last = here
        if glyph.text == _HYPHEN:
            _close(run, lines, style)
            run, tallest = [], None
    _close(run, lines, style)
    return lines


def _breaks(tallest: Box, last: Box, here: Box, leftwards: bool) -> bool:
    height = tallest[3] - tallest[1]
    middle = (here[1] + here[3]) / 2
    level = (
        tallest[1] - 0.1 * height <= middle <= tallest[3] + 0.1 * height
        or here[1] <= (tallest[1] + tallest[3]) / 2 <= here[3]
    )
    return not level or (here[0] < last[0] - 0.5 * height and not leftwards)


def upright(lines: list[Line]) -> list[Line]:
    """Join turned text, and Chinese set from top to bottom, which comes one glyph a line."""
    joined: list[Line] = []
    column: list[Line] = []

    def close() -> None:
        chinese = all(is_cjk(line.text[0]) for line in column)
        if len(column) < 3 or not (chinese or all(line.turned for line in column)):
            joined.extend(column)
        else:
            boxes = [line.box for line in column]
            box = (
                min(b[0] for b in boxes),
                min(b[1] for b in boxes),
                max(b[2] for b in boxes),
                max(b[3] for b in boxes),
            )
            text = "".join(line.text for line in column)
            joined.append(Line(text, box, column[0].size, column[0].index, [(text, box[0], box[2])], turned=True))
        column.clear()

    for line in lines:
        if column and not (len(line.text) <= 2 and abs(line.box[0] - column[-1].box[0]) < column[-1].size):
            close()
        if len(line.text) <= 2:
            column.append(line)
        else:
            joined.append(line)
    close()
    return joined


def _close(run: list[Glyph], lines: list[Line], style: Style) -> None:
    boxed = [glyph for glyph in run if glyph.box is not None]
    boxes = [glyph.box for glyph in boxed if glyph.box]
    if not boxes:
        return
    size = statistics.median(box[3] - box[1] for box in boxes) or 1.0
    styles = [style(boxed[place].index) for place in {0, len(boxed) // 2, len(boxed) - 1}]
    heavy, mono, turned = (all(values) for values in zip(*styles, strict=True))
    parts = _parts(run, size)
    if heavy and len(parts) == 2 and _SECTION.fullmatch(parts[0][0]) and parts[1][1] - parts[0][2] < 3 * size:
        parts = [(f"{parts[0][0]} {parts[1][0]}", parts[0][1], parts[1][2])]
    if not parts:
        return
    box = (min(b[0] for b in boxes), min(b[1] for b in boxes), max(b[2] for b in boxes), max(b[3] for b in boxes))
    words = "\t".join(part[0] for part in parts)
    lines.append(Line(words, box, size, boxed[0].index, parts, boxed[-1].text == _HYPHEN, heavy, mono, turned))


def _parts(run: list[Glyph], size: float) -> list[tuple[str, float, float]]:
    """The words between gaps as wide as between columns."""
    parts: list[tuple[str, float, float]] = []
    text: list[str] = []
    start = 0.0
    last: Box | None = None
    blank = False
    for glyph in run:
        if glyph.box is None:
            blank = True
            continue
        gap = (
            max(glyph.box[0] - last[2], last[0] - glyph.box[2] if _RIGHT_TO_LEFT.match(glyph.text) else 0.0)
            if last is not None
            else 0.0
        )
        if last is None or gap > 0.85 * size:
            parts.append((_words(text), start, last[2] if last else 0.0))
            text, start, blank = [], glyph.box[0], False
        # Between Chinese characters a blank counts only when it is seen: justified text is full of inferred ones.
        if blank and text and not (gap < 0.35 * size and is_cjk(text[-1][-1]) and is_cjk(glyph.text)):
            text.append(" ")
        text.append("-" if glyph.text == _HYPHEN else glyph.text)
        last, blank = glyph.box, False
    parts.append((_words(text), start, last[2] if last else start))
    return [part for part in parts if part[0]]


def _words(text: list[str]) -> str:
    return " ".join(plain_forms("".join(text)).split())
