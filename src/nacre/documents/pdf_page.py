"""One PDF page as pdfium sees it, turned upright: glyphs with boxes, ruling lines, form fields; and what nobody sees.

Hidden text is found by looking, at a picture of the page with the doubtful text and one without.
"""

from __future__ import annotations

import ctypes
import math
import operator
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Container, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from nacre.documents.pdf_lines import Extras, Glyph, Style, lines_of, read_extras, strike
from nacre.documents.pdf_objects import Box, Drawn, Turn, address, around, quick, read_objects

_SAMPLE = 8  # every so many glyphs one is asked for its angle
_SLANTED = 4  # no quarter turn
_SCAN = 0.6  # part of a page that the picture of a scan fills at least; the words that OCR lays under it are not hidden
_SIDE = 900  # pixels of the longer side of the pictures
_SEEN = 20  # difference of grey that an eye notices
_TINY = 2.0  # points
_BLANKS = frozenset(b" \r\n\t\xa0")
# Glyphs whose font does not say what they mean.
_UNMAPPED = frozenset((0, 0xFFFD, 0xFFFE, 0xFFFF))
_NAME, _FLAGS = ctypes.create_string_buffer(128), ctypes.c_int()  # of a font
_HEAVY = re.compile(r"bold|black|heavy|demi|medi(?!um|ac)|bx\d|-bd|simhei|heiti|黑体")
_MONO = re.compile(r"mono|courier|consol|menlo|typewriter|cmtt|sftt|lmtt|[-_ ]code")


def turner(rotation: int, width: float, height: float) -> Turn:
    """Boxes of a turned page as the reader sees them."""

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


def straighten(
    text: Any, glyphs: list[Glyph], rotation: int, width: float, height: float, drawn: Drawn
) -> tuple[int, list[Glyph], float, float]:
    """Turn a page so that most text is upright, the rest in lines: quarters clockwise, glyphs, width, height."""
    boxed = [glyph for glyph in glyphs if glyph.box is not None]
    handle, angle_of = address(text.raw), quick("FPDFText_GetCharAngle")
    if not any(_quarter(angle, rotation) for angle in {angle_of(handle, glyph.index) for glyph in boxed[::_SAMPLE]}):
        return 0, glyphs, width, height
    quarters = {glyph.index: _quarter(angle_of(handle, glyph.index), rotation) for glyph in boxed}
    main = Counter(quarters.values()).most_common(1)[0][0] % _SLANTED
    if main:
        width, height = (width, height) if main == 2 else (height, width)
        _turn_all(glyphs, drawn, turner(90 * main, width, height))
    straight: list[Glyph] = []
    turned: dict[int, list[Glyph]] = {}
    now = 0
    for glyph in glyphs:
        if glyph.box is not None:
            here = quarters[glyph.index]
            now = here if here == _SLANTED else (here - main) % 4
        (turned.setdefault(now, []) if now else straight).append(glyph)
    for quarter, group in turned.items():
        straight += _as_lines(group, quarter, width, height)
    return main, straight, width, height


def _quarter(angle: float, rotation: int) -> int:
    # pdfium's angles are clockwise.
    turns = -(math.degrees(angle) + rotation) / 90
    return round(turns) % 4 if abs(turns - round(turns)) < 0.1 else _SLANTED


def _turn_all(glyphs: Iterable[Glyph], drawn: Drawn, turn: Turn) -> None:
    for glyph in glyphs:
        if glyph.box is not None:
            glyph.box = turn(*glyph.box)
    horizontal = [turn(x0, y, x1, y) for y, x0, x1 in drawn.horizontal]
    vertical = [turn(x, y0, x, y1) for x, y0, y1 in drawn.vertical]
    flat = [box for box in horizontal + vertical if box[1] == box[3]]
    drawn.horizontal = [(y, x0, x1) for x0, y, x1, _ in flat]
    drawn.vertical = [(x, y0, y1) for x, y0, x1, y1 in horizontal + vertical if x == x1 and y0 != y1]


def _as_lines(group: list[Glyph], quarter: int, width: float, height: float) -> Iterable[Glyph]:
    """The lines of turned text, each as one glyph in its place."""
    if quarter == _SLANTED:
        # Watermarks and labels of charts: in the order of the file, a word where pdfium sees one.
        boxes = [glyph.box for glyph in group if glyph.box]
        yield Glyph(" ".join("".join(g.text for g in group).split()), around(boxes), group[0].index, "turned")
        return
    there = turner(90 * quarter, *((width, height) if quarter == 2 else (height, width)))
    back = turner(360 - 90 * quarter, width, height)
    moved = [replace(g, box=g.box and there(*g.box)) for g in group]
    for line in lines_of(moved):
        for words, x0, x1 in line.parts:
            yield Glyph(words, back(x0, line.box[1], x1, line.box[3]), line.index, "turned")


def split_hidden(
    page: Any, text: Any, drawn: Drawn, glyphs: list[Glyph], size: tuple[float, float]
) -> tuple[list[Glyph], Mapping[str, list[Glyph]]]:
    """The glyphs that are seen, and for each way of hiding those that are not."""
    width, height = size
    why: dict[int, str] = {}
    boxes = [glyph.box for glyph in glyphs if glyph.box]
    if boxes:
        lefts, bottoms, rights, tops = zip(*boxes, strict=True)
        tiny = min(map(operator.sub, tops, bottoms)) < _TINY
        if tiny or min(rights) < 0 or min(tops) < 0 or max(lefts) > width or max(bottoms) > height:  # seldom
            why = {glyph.index: how for glyph in glyphs if glyph.box and (how := _lost(glyph.box, width, height))}
    if drawn.suspects:
        for how, group in _unseen(page, text, drawn, glyphs, why, size):
            why.update((glyph.index, how) for glyph in group)
    return _parted(glyphs, why) if why else (glyphs, {})


def _lost(box: Box, width: float, height: float) -> str:
    if box[2] < 0 or box[3] < 0 or box[0] > width or box[1] > height:
        return "text off the page"
    return "tiny text" if box[3] - box[1] < _TINY and box[2] - box[0] < _TINY else ""


def _parted(glyphs: list[Glyph], why: Mapping[int, str]) -> tuple[list[Glyph], dict[str, list[Glyph]]]:
    """Seen and unseen glyphs; blanks that pdfium inferred go with the glyph before them."""
    seen: list[Glyph] = []
    hidden: dict[str, list[Glyph]] = defaultdict(list)
    now = ""
    for glyph in glyphs:
        if glyph.box is not None:
            now = why.get(glyph.index, "")
        (hidden[now] if now else seen).append(glyph)
    return seen, hidden


def _unseen(
    page: Any, text: Any, drawn: Drawn, glyphs: list[Glyph], lost: Container[int], size: tuple[float, float]
) -> Iterable[tuple[str, list[Glyph]]]:
    object_of, handle = quick("FPDFText_GetTextObject"), address(text.raw)
    groups: dict[int, list[Glyph]] = {shape: [] for shape in drawn.suspects}
    boxed = [glyph for glyph in glyphs if glyph.box is not None]
    for glyph in boxed:
        if glyph.index not in lost and (group := groups.get(object_of(handle, glyph.index))) is not None:
            group.append(glyph)
    suspects = {shape: why for shape, why in drawn.suspects.items() if groups[shape]}
    layer = sum(len(groups[shape]) for shape, why in suspects.items() if why != "white text")
    if drawn.pictures >= _SCAN and 2 * layer >= len(boxed):
        suspects = {shape: why for shape, why in suspects.items() if why == "white text"}
    if not suspects:
        return
    differs = _difference(page, list(suspects), size)
    for shape, why in suspects.items():
        if not any(differs(glyph.box) for glyph in groups[shape] if glyph.box):
            yield why, groups[shape]


def _difference(page: Any, shapes: list[int], size: tuple[float, float]) -> Callable[[Box], bool]:
    """Says of a box, as displayed, whether leaving out the shapes changes it visibly."""
    width, height = size
    scale = _SIDE / max(width, height, 1.0)
    stride, rows, first = _picture(page, scale)
    for shape in shapes:
        quick("FPDFPageObj_SetIsActive")(shape, False)
    second = _picture(page, scale)[2]
    for shape in shapes:
        quick("FPDFPageObj_SetIsActive")(shape, True)

    def differs(box: Box) -> bool:
        x0, x1 = max(0, int(box[0] * scale)), min(stride, int(box[2] * scale) + 1)
        y0, y1 = max(0, int((height - box[3]) * scale)), min(rows, int((height - box[1]) * scale) + 1)
        for row in range(y0, y1):
            a, b = first[row * stride + x0 : row * stride + x1], second[row * stride + x0 : row * stride + x1]
            if a != b and any(abs(p - q) > _SEEN for p, q in zip(a, b, strict=True)):
                return True
        return False

    return differs


def _picture(page: Any, scale: float) -> tuple[int, int, bytes]:
    """(bytes a row, rows, grey values) of the page."""
    bitmap = page.render(scale=scale, grayscale=True, may_draw_forms=False)
    try:
        return bitmap.stride, bitmap.height, bytes(bitmap.buffer)
    finally:
        bitmap.close()


@dataclass(slots=True)
class Page:
    """Glyphs and rulings of a page, in points as displayed.

    Args:
        unmapped: how many glyphs have a font that does not say what they mean; they are left out.
        style: (bold, mono, turned) of the glyph of an index; only while the text page is open.
        hidden: what nobody sees, by the way it is hidden; it is left out too.
    """

    width: float
    height: float
    glyphs: list[Glyph]
    drawn: Drawn
    unmapped: int
    style: Style
    extras: Extras
    hidden: Mapping[str, list[Glyph]] = field(default_factory=dict)


def read_page(page: Any, text: Any, forms: Any = None) -> Page:
    """Everything needed from one page."""
    import pypdfium2.raw as pdfium

    width, height = page.get_size()
    rotation = page.get_rotation()
    left, bottom = _origin(pdfium, page)
    place = turner(rotation, width, height)

    def turn(x0: float, y0: float, x1: float, y1: float) -> Box:
        return place(x0 - left, y0 - bottom, x1 - left, y1 - bottom)

    glyphs, unmapped = _glyphs(pdfium, text, turn, straight=not (rotation or left or bottom))
    drawn = read_objects(page, turn)
    extras = read_extras(page, forms, turn)
    strike(glyphs, drawn.horizontal, extras.struck)
    glyphs, hidden = split_hidden(page, text, drawn, glyphs, (width, height))
    quarter, glyphs, width, height = straighten(text, glyphs, rotation, width, height, drawn)
    base = -math.radians(rotation + 90 * quarter)
    handle, font_of = address(text.raw), quick("FPDFText_GetFontInfo")
    weight_of, angle_of = quick("FPDFText_GetFontWeight"), quick("FPDFText_GetCharAngle")

    def style(index: int) -> tuple[bool, bool, bool]:
        font_of(handle, index, ctypes.addressof(_NAME), 128, ctypes.addressof(_FLAGS))
        font = _NAME.value.decode("utf-8", "replace").lower()
        bold = bool(weight_of(handle, index) >= 600 or _HEAVY.search(font))
        return bold, bool(_MONO.search(font)), abs(math.sin(angle_of(handle, index) - base)) > 0.7

    return Page(width, height, glyphs, drawn, unmapped, style, extras, hidden)


def _origin(pdfium: Any, page: Any) -> tuple[float, float]:
    """The lower left corner of what is shown of a page."""
    rect = pdfium.FS_RECTF()
    return (rect.left, rect.bottom) if pdfium.FPDF_GetPageBoundingBox(page, rect) else (0.0, 0.0)


def _glyphs(pdfium: Any, text: Any, turn: Turn, straight: bool) -> tuple[list[Glyph], int]:
    """All glyphs, and how many there are whose font does not say what they mean; those are left out."""
    # The hot loop of a PDF, thousands of times a page: names are bound once, and most pages are not turned.
    glyphs: list[Glyph] = []
    rect, handle = pdfium.FS_RECTF(), address(text.raw)
    where = ctypes.addressof(rect)
    code_of, box_of = quick("FPDFText_GetUnicode"), quick("FPDFText_GetLooseCharBox")
    high = halves = 0
    count = text.count_chars()
    for index in range(count):
        code = code_of(handle, index)
        if code in _BLANKS or not box_of(handle, index, where):
            glyphs.append(Glyph(" ", None, index))
            continue
        if code >= 0xD800:
            # A character beyond U+FFFF comes as two halves.
            high, code = (code, 0) if code < 0xDC00 else (0, _whole(high, code))
            halves += high > 0
        if code:
            box = (rect.left, rect.bottom, rect.right, rect.top)
            glyphs.append(Glyph(chr(code), box if straight and box[0] <= box[2] else turn(*box), index))
    return glyphs, count - len(glyphs) - halves


def _whole(high: int, code: int) -> int:
    """The character of two halves, or of one code above them; 0 for what is none."""
    if code < 0xE000:
        return 0x10000 + ((high - 0xD800) << 10) + (code - 0xDC00) if high else 0
    return 0 if code in _UNMAPPED or code > 0x10FFFF else code
