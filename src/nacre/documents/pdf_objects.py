"""What a PDF page draws: ruling lines, how much pictures fill, text that may not be seen; and quick calls of pdfium."""

from __future__ import annotations

import ctypes
import functools
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

Box = tuple[float, float, float, float]
Turn = Callable[[float, float, float, float], Box]
_MOST_OBJECTS = 20_000
_MOST_COVERS = 100  # the largest areas that may lie over text
_DEEPEST = 5
_BAND, _BANDS = 24, 1_000  # points: where to look for what covers a text
_THIN = 2  # points: rules cover no text
_PICTURE = 0.01  # part of a page that a line of writing in a picture fills; a logo fills less
_FRAME = 6  # segments of a rectangle
_STROKES = 40  # segments of a short word in outlines
_PALE = 200  # each channel of a colour that may be lost on white paper
_ALIKE = 24  # difference of two colours that nobody tells apart
_FAINT = 24  # opacity
_INVISIBLE = frozenset((3, 7))  # modes of drawing text
_Cover = tuple[int, Box, bytes]  # place in the order of drawing, area, colour
_Text = tuple[int, int, int]  # place in the order of drawing, address, depth
_BOUNDS = (ctypes.c_float * 4)()
_BOUNDS_AT = [ctypes.addressof(_BOUNDS) + 4 * n for n in range(4)]
_COLOUR = (ctypes.c_uint * 4)()
_COLOUR_AT = [ctypes.addressof(_COLOUR) + 4 * n for n in range(4)]


@functools.cache
def quick(name: str) -> Callable[..., Any]:
    """A function of pdfium's that takes an address where the library's own takes a pointer, and gives one."""
    import pypdfium2.raw as pdfium

    function = getattr(pdfium, name)
    kinds = [_plain(kind) for kind in (function.restype, *function.argtypes)]
    # Each call is short: letting go of the interpreter's lock for it would cost more than the call.
    return ctypes.PYFUNCTYPE(*kinds)(address(function))


def address(pointer: Any) -> int:
    """Where a pointer points; 0 for none."""
    return ctypes.cast(pointer, ctypes.c_void_p).value or 0


def _plain(kind: Any) -> Any:
    return ctypes.c_void_p if isinstance(kind, type) and issubclass(kind, ctypes._Pointer) else kind


def around(boxes: Iterable[Box]) -> Box:
    """The box that holds all boxes."""
    x0, y0, x1, y1 = zip(*boxes, strict=True)
    return min(x0), min(y0), max(x1), max(y1)


def middle_of(box: Box) -> float:
    """Half way up a box."""
    return (box[1] + box[3]) / 2


@dataclass(slots=True)
class Drawn:
    """Rulings (y, x0, x1) and (x, y0, y1) in points as displayed, and the largest picture's part of the page.

    Args:
        suspects: text that may not be seen, by its address, and why: invisible, white or covered text.
    """

    horizontal: list[tuple[float, float, float]] = field(default_factory=list)
    vertical: list[tuple[float, float, float]] = field(default_factory=list)
    suspects: dict[int, str] = field(default_factory=dict)
    pictures: float = 0.0


def may_hold_writing(page: Any) -> bool:
    """Whether a page without text may show some: a picture, or outlines of many strokes, as letters drawn have."""
    import pypdfium2.raw as pdfium

    strokes, pictures = 0, 0.0
    area = max(1.0, page.get_width() * page.get_height())
    for _, shape, kind, depth in _objects(pdfium, page):
        if kind == pdfium.FPDF_PAGEOBJ_IMAGE:
            box = None if depth else _bounds(shape)
            pictures += 1.0 if box is None else _area(box) / area
        elif kind == pdfium.FPDF_PAGEOBJ_PATH:
            segments = quick("FPDFPath_CountSegments")(shape)
            strokes += segments if segments > _FRAME else 0
        if strokes >= _STROKES or pictures >= _PICTURE:
            return True
    return False


def read_objects(page: Any, turn: Turn) -> Drawn:
    """One walk over the objects of a page."""
    import pypdfium2.raw as pdfium

    drawn = Drawn()
    covers: list[_Cover] = []
    texts: dict[bytes, list[_Text]] = {}
    area = max(1.0, page.get_width() * page.get_height())
    mode_of, colour_of = quick("FPDFTextObj_GetTextRenderMode"), quick("FPDFPageObj_GetFillColor")
    red, green, blue, opacity = _COLOUR_AT
    for number, shape, kind, depth in _objects(pdfium, page):
        if kind == pdfium.FPDF_PAGEOBJ_TEXT:
            # Thousands a page: an object costs two calls, and a colour is looked at once.
            if mode_of(shape) in _INVISIBLE:
                drawn.suspects[shape] = "invisible text"
                continue
            colour = bytes(_COLOUR) if colour_of(shape, red, green, blue, opacity) else b""
            if colour not in texts:
                texts[colour] = []
            texts[colour].append((number, shape, depth))
            continue
        box = None if depth else _bounds(shape)
        if box is None:
            continue
        size = _area(box)
        if kind == pdfium.FPDF_PAGEOBJ_IMAGE:
            drawn.pictures = max(drawn.pictures, size / area)
        elif kind == pdfium.FPDF_PAGEOBJ_PATH:
            _rule(shape, turn(*box), turn, drawn)
        broad = size > 30 and min(box[2] - box[0], box[3] - box[1]) > _THIN
        if broad and (tint := _paint(pdfium, shape, kind)) is not None:
            covers.append((number, box, tint))
    for colour in [colour for colour in texts if _pale(colour)]:
        drawn.suspects |= {shape: "white text" for _, shape, _ in texts.pop(colour)}
    covered = _covered(texts, sorted(covers, key=lambda cover: _area(cover[1]))[-_MOST_COVERS:])
    drawn.suspects |= dict.fromkeys(covered, "covered text")
    return drawn


def _bounds(shape: int) -> Box | None:
    if not quick("FPDFPageObj_GetBounds")(shape, *_BOUNDS_AT):
        return None
    x0, y0, x1, y1 = _BOUNDS
    return x0, y0, x1, y1


def _objects(pdfium: Any, page: Any) -> Iterator[tuple[int, int, int, int]]:
    """(place in the order of drawing, object, kind, depth): those inside forms too, with a bound against bombs."""
    count = 0
    kind_of = quick("FPDFPageObj_GetType")
    waiting = [(quick("FPDFPage_GetObject"), address(page.raw), pdfium.FPDFPage_CountObjects(page), 0, 0)]
    while waiting:
        get, holder, total, number, depth = waiting.pop()
        for here in range(number, total):
            shape = get(holder, here)
            kind = kind_of(shape)
            count += 1
            if count > _MOST_OBJECTS:
                return
            yield count, shape, kind, depth
            if kind == pdfium.FPDF_PAGEOBJ_FORM and depth < _DEEPEST:
                waiting.append((get, holder, total, here + 1, depth))
                inside = quick("FPDFFormObj_CountObjects")(shape)
                waiting.append((quick("FPDFFormObj_GetObject"), shape, max(0, inside), 0, depth + 1))
                break


def _area(box: Box) -> float:
    return (box[2] - box[0]) * (box[3] - box[1])


@functools.lru_cache(maxsize=256)
def _channels(colour: bytes) -> tuple[int, ...]:
    """Red, green, blue, opacity."""
    return tuple(int.from_bytes(colour[at : at + 4], sys.byteorder) for at in range(0, len(colour), 4))


@functools.lru_cache(maxsize=256)
def _pale(colour: bytes) -> bool:
    return bool(colour) and (min(_channels(colour)[:3]) > _PALE or _channels(colour)[3] < _FAINT)


def _paint(pdfium: Any, shape: int, kind: int) -> bytes | None:
    """The colour that an area is filled with, empty for a picture or a shading, None for what covers nothing."""
    if kind in {pdfium.FPDF_PAGEOBJ_IMAGE, pdfium.FPDF_PAGEOBJ_SHADING, pdfium.FPDF_PAGEOBJ_FORM}:
        return b""
    fill, stroke = ctypes.c_int(), ctypes.c_int()
    quick("FPDFPath_GetDrawMode")(shape, ctypes.byref(fill), ctypes.byref(stroke))
    return bytes(_COLOUR) if fill.value and quick("FPDFPageObj_GetFillColor")(shape, *_COLOUR_AT) else None


def _covered(texts: dict[bytes, list[_Text]], covers: list[_Cover]) -> Iterator[int]:
    """Text below an area drawn later, or on one of its own colour: only a look can tell."""
    bands: dict[int, list[_Cover]] = {}
    for cover in covers:
        low, high = cover[1][1::2]
        for band in range(int(low) // _BAND, min(int(high) // _BAND, _BANDS) + 1):
            bands.setdefault(band, []).append(cover)
    last = max((at for at, _, _ in covers), default=0)
    tints = {tint for _, _, tint in covers if tint}
    for colour, group in texts.items():
        lost = any(_alike(tint, colour) for tint in tints)
        for number, shape, depth in group:
            if number > last and not lost:
                break
            box = None if depth else _bounds(shape)
            if box is None:
                continue
            x, y = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
            for at, (x0, y0, x1, y1), tint in bands.get(int(y) // _BAND, ()):
                if x0 <= x <= x1 and y0 <= y <= y1 and (at > number or _alike(tint, colour)):
                    yield shape
                    break


@functools.lru_cache(maxsize=4096)
def _alike(one: bytes, other: bytes) -> bool:
    a, b = _channels(one)[:3], _channels(other)[:3]
    return len(a) == len(b) == 3 and all(abs(p - q) < _ALIKE for p, q in zip(a, b, strict=True))


def _rule(shape: int, box: Box, turn: Turn, drawn: Drawn) -> None:
    x0, y0, x1, y1 = box
    segments = quick("FPDFPath_CountSegments")(shape)
    if segments > 12:
        _segments(shape, segments, turn, drawn)
    elif y1 - y0 < 3 and x1 - x0 > 6:
        drawn.horizontal.append(((y0 + y1) / 2, x0, x1))
    elif x1 - x0 < 3 and y1 - y0 > 4:
        drawn.vertical.append(((x0 + x1) / 2, y0, y1))
    elif x1 - x0 > 6 and y1 - y0 > 4 and segments <= _FRAME:
        drawn.horizontal += [(y0, x0, x1), (y1, x0, x1)]
        drawn.vertical += [(x0, y0, y1), (x1, y0, y1)]


def _segments(shape: int, count: int, turn: Turn, drawn: Drawn) -> None:
    """A whole grid drawn as one path: its straight segments one by one."""
    import pypdfium2.raw as pdfium

    matrix = pdfium.FS_MATRIX()
    quick("FPDFPageObj_GetMatrix")(shape, ctypes.byref(matrix))
    a, b, c, d, e, f = matrix.a, matrix.b, matrix.c, matrix.d, matrix.e, matrix.f
    x, y = ctypes.c_float(), ctypes.c_float()
    x_at, y_at = ctypes.byref(x), ctypes.byref(y)
    segment_of, point_of, kind_of = map(
        quick, ("FPDFPath_GetPathSegment", "FPDFPathSegment_GetPoint", "FPDFPathSegment_GetType")
    )
    last: tuple[float, float] | None = None
    for number in range(min(4000, count)):
        segment = segment_of(shape, number)
        point_of(segment, x_at, y_at)
        here = (a * x.value + c * y.value + e, b * x.value + d * y.value + f)
        if last is not None and kind_of(segment) == pdfium.FPDF_SEGMENT_LINETO:
            x0, y0, x1, y1 = turn(*last, *here)
            if y1 - y0 < 1 and x1 - x0 > 6:
                drawn.horizontal.append((y0, x0, x1))
            elif x1 - x0 < 1 and y1 - y0 > 4:
                drawn.vertical.append((x0, y0, y1))
        last = here
