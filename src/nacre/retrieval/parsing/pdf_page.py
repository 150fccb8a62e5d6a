"""One PDF page as pdfium sees it: glyphs with boxes, gathered into lines; and the ruling lines of tables."""

from __future__ import annotations

import ctypes
import statistics
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from nacre.retrieval.parsing.normalise import plain_forms, tighten

Box = tuple[float, float, float, float]
"""x0, y0, x1, y1 in points as displayed; y grows upwards."""

_HYPHEN = "\x02"
_MOST_PATHS = 20_000


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
        box: around all of it.
        size: median height of the glyph boxes, points.
        parts: (text, x0, x1) between the wide gaps.
        hyphen: the line ends in the middle of a word.
        bold: first glyph is from a bold font.
    """

    text: str
    box: Box
    size: float
    parts: list[tuple[str, float, float]] = field(default_factory=list)
    hyphen: bool = False
    bold: bool = False


@dataclass(slots=True)
class Page:
    """Glyphs and rulings of a page.

    Args:
        width: points, as displayed.
        height: points, as displayed.
        glyphs: in the order of the file.
        horizontal: rulings (y, x0, x1).
        vertical: rulings (x, y0, y1).
        images: whether an image covers a good part of the page.
    """

    width: float
    height: float
    glyphs: list[Glyph]
    horizontal: list[tuple[float, float, float]]
    vertical: list[tuple[float, float, float]]
    images: bool
    bold: Callable[[int], bool]


def read_page(page: Any, text: Any) -> Page:
    """Everything needed from one page; call `Page.bold` only while its text page is open.

    Args:
        page: a pypdfium2 page.
        text: its text page.

    Returns:
        Glyphs and rulings in displayed coordinates.
    """
    import pypdfium2.raw as pdfium

    width, height = page.get_size()
    turn = _turner(page.get_rotation(), width, height)
    glyphs = []
    rect = pdfium.FS_RECTF()
    for index in range(text.count_chars()):
        code = pdfium.FPDFText_GetUnicode(text, index)
        char = chr(code) if code < 0x110000 and not 0xD800 <= code < 0xE000 else "\ufffd"
        box = None
        if char not in " \r\n\t" and pdfium.FPDFText_GetLooseCharBox(text, index, rect):
            box = turn(rect.left, rect.bottom, rect.right, rect.top)
        glyphs.append(Glyph(char, box, index))
    horizontal, vertical, images = _rulings(page, turn, width * height)

    def bold(index: int) -> bool:
        return bool(pdfium.FPDFText_GetFontWeight(text, index) >= 600) or "bold" in _font(pdfium, text, index)

    return Page(width, height, glyphs, horizontal, vertical, images, bold)


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


def _rulings(page: Any, turn: Callable[[float, float, float, float], Box], area: float) -> tuple[list[Any], list[Any], bool]:
    import pypdfium2.raw as pdfium

    horizontal: list[tuple[float, float, float]] = []
    vertical: list[tuple[float, float, float]] = []
    images = False
    edges = [ctypes.c_float() for _ in range(4)]
    for number in range(min(_MOST_PATHS, pdfium.FPDFPage_CountObjects(page))):
        shape = pdfium.FPDFPage_GetObject(page, number)
        kind = pdfium.FPDFPageObj_GetType(shape)
        if kind not in {pdfium.FPDF_PAGEOBJ_PATH, pdfium.FPDF_PAGEOBJ_IMAGE} or not pdfium.FPDFPageObj_GetBounds(shape, *edges):
            continue
        x0, y0, x1, y1 = turn(*(edge.value for edge in edges))
        if kind == pdfium.FPDF_PAGEOBJ_IMAGE:
            images = images or (x1 - x0) * (y1 - y0) > area / 4
        elif pdfium.FPDFPath_CountSegments(shape) > 12:
            _segments(pdfium, shape, turn, horizontal, vertical)
        elif y1 - y0 < 3 and x1 - x0 > 6:
            horizontal.append(((y0 + y1) / 2, x0, x1))
        elif x1 - x0 < 3 and y1 - y0 > 4:
            vertical.append(((x0 + x1) / 2, y0, y1))
        elif x1 - x0 > 6 and y1 - y0 > 4 and pdfium.FPDFPath_CountSegments(shape) <= 6:
            horizontal += [(y0, x0, x1), (y1, x0, x1)]
            vertical += [(x0, y0, y1), (x1, y0, y1)]
    return horizontal, vertical, images


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


def lines_of(glyphs: Iterable[Glyph], bold: Callable[[int], bool]) -> list[Line]:
    """Glyphs gathered into lines: a new one where pdfium broke, after a hyphen, and where the baseline jumps.

    Args:
        glyphs: in the order of the file.
        bold: tells whether the glyph of an index is bold.

    Returns:
        Lines in the same order.
    """
    lines: list[Line] = []
    run: list[Glyph] = []
    last: Box | None = None
    for glyph in glyphs:
        jump = last is not None and glyph.box is not None and _jumps(last, glyph.box)
        if glyph.text in "\r\n" or jump:
            _close(run, lines, bold)
            run, last = [], None
        if glyph.text not in "\r\n":
            run.append(glyph)
        last = glyph.box or last
        if glyph.text == _HYPHEN:
            _close(run, lines, bold)
            run, last = [], None
    _close(run, lines, bold)
    return lines


def _jumps(last: Box, here: Box) -> bool:
    middle = (here[1] + here[3]) / 2
    return not last[1] - 1 <= middle <= last[3] + 1 and not here[1] - 1 <= (last[1] + last[3]) / 2 <= here[3] + 1


def _close(run: list[Glyph], lines: list[Line], bold: Callable[[int], bool]) -> None:
    boxed = [glyph for glyph in run if glyph.box is not None]
    if not boxed:
        return
    boxes = [glyph.box for glyph in boxed if glyph.box]
    size = statistics.median(box[3] - box[1] for box in boxes) or 1.0
    parts: list[tuple[str, float, float]] = []
    text: list[str] = []
    start = boxes[0][0]
    last: Box | None = None
    for glyph in run:
        if glyph.box is not None and last is not None:
            gap = glyph.box[0] - last[2]
            if gap > 1.1 * size:
                parts.append((_words(text), start, last[2]))
                text, start = [], glyph.box[0]
        text.append("-" if glyph.text == _HYPHEN else glyph.text)
        last = glyph.box or last
    parts.append((_words(text), start, last[2] if last else start))
    parts = [part for part in parts if part[0]]
    if not parts:
        return
    box = (min(b[0] for b in boxes), min(b[1] for b in boxes), max(b[2] for b in boxes), max(b[3] for b in boxes))
    words = "\t".join(part[0] for part in parts)
    heavy = bold(boxed[0].index) and bold(boxed[len(boxed) // 2].index)
    lines.append(Line(words, box, size, parts, run[-1].text == _HYPHEN, heavy))


def _words(text: list[str]) -> str:
    return tighten(plain_forms(" ".join("".join(text).split())))
