"""Text that nobody sees on a PDF page, found by looking: a picture of the page with the doubtful text and one without.

The layer of words that OCR lays under a scan is no hidden text: it says what the picture shows.
"""

from __future__ import annotations

import operator
from collections import defaultdict
from collections.abc import Callable, Container, Iterable, Mapping
from typing import Any

from nacre.documents.pdf_calls import address, quick
from nacre.documents.pdf_lines import Glyph
from nacre.documents.pdf_objects import Box, Drawn

_SCAN = 0.6  # part of a page that the picture of a scan fills at least
_SIDE = 900  # pixels of the longer side of the pictures
_SEEN = 20  # difference of grey that an eye notices
_TINY = 2.0  # points


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
        count = sum(glyph.box is not None for glyph in glyphs)
        for how, group in _unseen(page, drawn, _by_object(text, drawn, glyphs, why), count, size):
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


def _by_object(text: Any, drawn: Drawn, glyphs: Iterable[Glyph], unseen: Container[int]) -> dict[int, list[Glyph]]:
    object_of, handle = quick("FPDFText_GetTextObject"), address(text.raw)
    groups: dict[int, list[Glyph]] = {suspect.shape: [] for suspect in drawn.suspects}
    for glyph in glyphs:
        if glyph.box is not None and glyph.index not in unseen:
            group = groups.get(object_of(handle, glyph.index))
            if group is not None:
                group.append(glyph)
    return groups


def _unseen(
    page: Any, drawn: Drawn, groups: Mapping[int, list[Glyph]], count: int, size: tuple[float, float]
) -> Iterable[tuple[str, list[Glyph]]]:
    suspects = [suspect for suspect in drawn.suspects if groups[suspect.shape]]
    layer = sum(len(groups[suspect.shape]) for suspect in suspects if suspect.why != "white text")
    if drawn.pictures >= _SCAN and 2 * layer >= count:
        suspects = [suspect for suspect in suspects if suspect.why == "white text"]
    if not suspects:
        return
    differs = _difference(page, [suspect.shape for suspect in suspects], size)
    for suspect in suspects:
        group = groups[suspect.shape]
        boxes = [glyph.box for glyph in group if glyph.box]
        if not any(differs(box) for box in boxes):
            yield suspect.why, group


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
