"""Turned text: a page that is drawn sideways is read upright, a sideways label in one piece."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from typing import Any

from nacre.documents.pdf_calls import address, quick
from nacre.documents.pdf_lines import Glyph, Turned, lines_of
from nacre.documents.pdf_objects import Box, Drawn, Turn, around

_SAMPLE = 8  # every so many glyphs one is asked for its angle
_SLANTED = 4  # no quarter turn


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
        straight += _whole(group, quarter, width, height)
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


def _whole(group: list[Glyph], quarter: int, width: float, height: float) -> Iterable[Glyph]:
    """The lines of turned text, each as one glyph in its place."""
    if quarter == _SLANTED:
        # Watermarks and labels of charts: in the order of the file, a word where pdfium sees one.
        boxes = [glyph.box for glyph in group if glyph.box]
        yield Turned(" ".join("".join(g.text for g in group).split()), around(boxes), group[0].index)
        return
    there = turner(90 * quarter, *((width, height) if quarter == 2 else (height, width)))
    back = turner(360 - 90 * quarter, width, height)
    moved = [type(g)(g.text, there(*g.box) if g.box else None, g.index) for g in group]
    for line in lines_of(moved):
        for words, x0, x1 in line.parts:
            yield Turned(words, back(x0, line.box[1], x1, line.box[3]), line.index)
