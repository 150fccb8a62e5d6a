"""What a PDF page draws: ruling lines, how much of it pictures fill, and text that may not be seen."""

from __future__ import annotations

import ctypes
import functools
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

Box = tuple[float, float, float, float]
Turn = Callable[[float, float, float, float], Box]
_MOST_OBJECTS = 20_000
_MOST_COVERS = 100  # the largest areas that may lie over text
_DEEPEST = 5
_BAND, _BANDS = 24, 1_000  # points: where to look for what covers a text
_PALE = 200  # each channel of a colour that may be lost on white paper
_ALIKE = 24  # difference of two colours that nobody tells apart
_FAINT = 24  # opacity
_INVISIBLE = frozenset((3, 7))  # modes of drawing text


class Suspect(NamedTuple):
    """Drawn text that may not be seen.

    Args:
        address: of pdfium's object, for its glyphs name it.
        shape: the object itself.
        why: a fixed word: "invisible text", "white text" or "covered text".
    """

    address: int
    shape: Any
    why: str


@dataclass(slots=True)
class Drawn:
    """The objects of a page, in points as displayed.

    Args:
        horizontal: (y, x0, x1) of ruling lines.
        vertical: (x, y0, y1) of ruling lines.
        pictures: part of the page that its largest picture fills.
        count: objects at the top level.
    """

    horizontal: list[tuple[float, float, float]] = field(default_factory=list)
    vertical: list[tuple[float, float, float]] = field(default_factory=list)
    suspects: list[Suspect] = field(default_factory=list)
    pictures: float = 0.0
    count: int = 0


class _Cover(NamedTuple):
    at: int
    box: Box
    colour: bytes


def read_objects(page: Any, turn: Turn) -> Drawn:
    """One walk over the objects of a page."""
    import pypdfium2.raw as pdfium

    drawn = Drawn(count=pdfium.FPDFPage_CountObjects(page))
    covers: list[_Cover] = []
    texts: list[tuple[int, Any, bytes]] = []
    area = max(1.0, page.get_width() * page.get_height())
    mode_of, colour_of = pdfium.FPDFTextObj_GetTextRenderMode, pdfium.FPDFPageObj_GetFillColor
    for number, shape, kind, depth in _objects(pdfium, page):
        if kind == pdfium.FPDF_PAGEOBJ_TEXT:
            # Thousands a page: an object costs two calls, and a colour is looked at once.
            colour = bytes(_COLOUR) if colour_of(shape, *_COLOUR_AT) else b""
            if mode_of(shape) in _INVISIBLE:
                drawn.suspects.append(Suspect(address(shape), shape, "invisible text"))
            elif _pale(colour):
                drawn.suspects.append(Suspect(address(shape), shape, "white text"))
            elif not depth:
                texts.append((number, shape, colour))
            continue
        box = None if depth else _bounds(pdfium, shape)
        if box is None:
            continue
        size = (box[2] - box[0]) * (box[3] - box[1])
        if kind == pdfium.FPDF_PAGEOBJ_IMAGE:
            drawn.pictures = max(drawn.pictures, size / area)
        elif kind == pdfium.FPDF_PAGEOBJ_PATH:
            _rule(pdfium, shape, turn(*box), turn, drawn)
        if size > 30 and (tint := _paint(pdfium, shape, kind)) is not None:
            covers.append(_Cover(number, box, tint))
    covered = _covered(pdfium, texts, sorted(covers, key=_size)[-_MOST_COVERS:])
    drawn.suspects += [Suspect(address(shape), shape, "covered text") for shape in covered]
    return drawn


def address(shape: Any) -> int:
    """What tells one object of pdfium's from another."""
    return ctypes.cast(shape, ctypes.c_void_p).value or 0


_FLOATS = [ctypes.c_float() for _ in range(4)]
_FLOATS_AT = [ctypes.byref(value) for value in _FLOATS]
_COLOUR = (ctypes.c_uint * 4)()
_COLOUR_AT = [ctypes.cast(ctypes.byref(_COLOUR, 4 * n), ctypes.POINTER(ctypes.c_uint)) for n in range(4)]


def _bounds(pdfium: Any, shape: Any) -> Box | None:
    if not pdfium.FPDFPageObj_GetBounds(shape, *_FLOATS_AT):
        return None
    x0, y0, x1, y1 = _FLOATS
    return x0.value, y0.value, x1.value, y1.value


def _objects(pdfium: Any, page: Any) -> Iterator[tuple[int, Any, int, int]]:
    """(place in the order of drawing, object, kind, depth): those inside forms too, with a bound against bombs."""
    count = 0
    waiting = [(pdfium.FPDFPage_GetObject, page.raw, pdfium.FPDFPage_CountObjects(page), 0, 0)]
    while waiting:
        get, holder, total, number, depth = waiting.pop()
        for here in range(number, total):
            shape = get(holder, here)
            kind = pdfium.FPDFPageObj_GetType(shape)
            count += 1
            if count > _MOST_OBJECTS:
                return
            yield count, shape, kind, depth
            if kind == pdfium.FPDF_PAGEOBJ_FORM and depth < _DEEPEST:
                waiting.append((get, holder, total, here + 1, depth))
                inside = pdfium.FPDFFormObj_CountObjects(shape)
                waiting.append((pdfium.FPDFFormObj_GetObject, shape, max(0, inside), 0, depth + 1))
                break


def _size(cover: _Cover) -> float:
    return (cover.box[2] - cover.box[0]) * (cover.box[3] - cover.box[1])


@functools.lru_cache(maxsize=256)
def _channels(colour: bytes) -> tuple[int, ...]:
    """Red, green, blue, opacity."""
    return tuple(int.from_bytes(colour[at : at + 4], sys.byteorder) for at in range(0, len(colour), 4))


@functools.lru_cache(maxsize=256)
def _pale(colour: bytes) -> bool:
    return bool(colour) and (min(_channels(colour)[:3]) > _PALE or _channels(colour)[3] < _FAINT)


def _paint(pdfium: Any, shape: Any, kind: int) -> bytes | None:
    """The colour that an area is filled with, empty for a picture or a shading, None for what covers nothing."""
    if kind in {pdfium.FPDF_PAGEOBJ_IMAGE, pdfium.FPDF_PAGEOBJ_SHADING, pdfium.FPDF_PAGEOBJ_FORM}:
        return b""
    fill, stroke = ctypes.c_int(), ctypes.c_int()
    pdfium.FPDFPath_GetDrawMode(shape, fill, stroke)
    return bytes(_COLOUR) if fill.value and pdfium.FPDFPageObj_GetFillColor(shape, *_COLOUR_AT) else None


def _covered(pdfium: Any, texts: list[Any], covers: list[_Cover]) -> Iterator[Any]:
    """Text below an area drawn later, or on one of its own colour: only a look can tell."""
    bands: dict[int, list[_Cover]] = {}
    for cover in covers:
        for band in range(int(cover.box[1]) // _BAND, min(int(cover.box[3]) // _BAND, _BANDS) + 1):
            bands.setdefault(band, []).append(cover)
    last = max((cover.at for cover in covers), default=0)
    tints = {cover.colour for cover in covers if cover.colour}
    lost = {colour for colour in {colour for _, _, colour in texts} if any(_alike(tint, colour) for tint in tints)}
    for number, shape, colour in texts:
        if number > last and colour not in lost:
            continue
        box = _bounds(pdfium, shape)
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


def _rule(pdfium: Any, shape: Any, box: Box, turn: Turn, drawn: Drawn) -> None:
    x0, y0, x1, y1 = box
    if pdfium.FPDFPath_CountSegments(shape) > 12:
        _segments(pdfium, shape, turn, drawn)
    elif y1 - y0 < 3 and x1 - x0 > 6:
        drawn.horizontal.append(((y0 + y1) / 2, x0, x1))
    elif x1 - x0 < 3 and y1 - y0 > 4:
        drawn.vertical.append(((x0 + x1) / 2, y0, y1))
    elif x1 - x0 > 6 and y1 - y0 > 4 and pdfium.FPDFPath_CountSegments(shape) <= 6:
        drawn.horizontal += [(y0, x0, x1), (y1, x0, x1)]
        drawn.vertical += [(x0, y0, y1), (x1, y0, y1)]


def _segments(pdfium: Any, shape: Any, turn: Turn, drawn: Drawn) -> None:
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
                drawn.horizontal.append((y0, x0, x1))
            elif x1 - x0 < 1 and y1 - y0 > 4:
                drawn.vertical.append((x0, y0, y1))
        last = here
