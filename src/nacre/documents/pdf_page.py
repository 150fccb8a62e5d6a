"""One PDF page as pdfium sees it: glyphs with boxes, ruling lines, form fields; and what of it nobody sees."""

from __future__ import annotations

import ctypes
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from nacre.documents.pdf_calls import address, quick
from nacre.documents.pdf_fields import Extras, read_extras, strike
from nacre.documents.pdf_hidden import split_hidden
from nacre.documents.pdf_lines import Glyph, Style
from nacre.documents.pdf_objects import Box, Drawn, Turn, read_objects
from nacre.documents.pdf_turned import straighten, turner

_BLANKS = frozenset(b" \r\n\t\xa0")
# Glyphs whose font does not say what they mean.
_UNMAPPED = frozenset((0, 0xFFFD, 0xFFFE, 0xFFFF))
_HEAVY = re.compile(r"bold|black|heavy|demi|medi(?!um|ac)|bx\d|-bd|simhei|heiti|黑体")
_MONO = re.compile(r"mono|courier|consol|menlo|typewriter|cmtt|sftt|lmtt|[-_ ]code")


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
    handle, weight_of, angle_of = address(text.raw), quick("FPDFText_GetFontWeight"), quick("FPDFText_GetCharAngle")

    def style(index: int) -> tuple[bool, bool, bool]:
        font = _font(handle, index)
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


_NAME, _FLAGS = ctypes.create_string_buffer(128), ctypes.c_int()


def _font(handle: int, index: int) -> str:
    quick("FPDFText_GetFontInfo")(handle, index, ctypes.addressof(_NAME), 128, ctypes.addressof(_FLAGS))
    return _NAME.value.decode("utf-8", "replace").lower()
