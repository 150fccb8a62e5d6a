"""Glyphs of a PDF page gathered into lines: words, gaps as wide as between columns, raised and struck characters."""

from __future__ import annotations

import operator
import re
import statistics
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from nacre.documents.marks import lowered
from nacre.documents.normalise import is_cjk, plain_forms
from nacre.documents.pdf_objects import Box, around, middle_of

Style = Callable[[int], tuple[bool, bool, bool]]
_HYPHEN = "\x02"
_RAISED = frozenset("0123456789+-−–")
_RIGHT_TO_LEFT = re.compile("[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc]")
_FORMULA = re.compile(r"[A-Za-z)₀-₉]$")
_SECTION = re.compile(r"\d{1,2}(\.\d{1,2})*\.?|[A-Z]\.?|[IVX]{1,5}\.?")


@dataclass(slots=True)
class Glyph:
    """One character; blanks that pdfium inferred have no box."""

    text: str
    box: Box | None
    index: int


class Struck(Glyph):
    """A character that is struck out."""

    __slots__ = ()


class Turned(Glyph):
    """All words of a turned line."""

    __slots__ = ()


@dataclass(slots=True)
class Line:
    """Characters on one baseline, `size` points high; a tab stands for a gap as wide as between columns."""

    text: str
    box: Box
    size: float
    index: int = 0
    parts: list[tuple[str, float, float]] = field(default_factory=list)
    hyphen: bool = False
    bold: bool = False
    mono: bool = False
    turned: bool = False


def plain_style(index: int) -> tuple[bool, bool, bool]:
    """The style of glyphs whose font does not matter."""
    return False, False, False


def lines_of(glyphs: Iterable[Glyph], style: Style = plain_style) -> list[Line]:
    """Glyphs in lines, for pdfium breaks around superscripts and cells: a new one after a hyphen and a step back."""
    lines: list[Line] = []
    run: list[Glyph] = []
    tallest: Box | None = None
    last: Box = (0.0, 0.0, 0.0, 0.0)
    for glyph in glyphs:
        if glyph.box is None:
            run.append(glyph)
            continue
        here = glyph.box
        # Most glyphs stand right beside the last one, as high as it.
        same = here[1] == last[1] and here[3] == last[3] and here[0] >= last[0]
        if not (same and tallest):
            if tallest and _breaks(tallest, last, here, leftwards=_RIGHT_TO_LEFT.match(glyph.text) is not None):
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
    height, middle = tallest[3] - tallest[1], (here[1] + here[3]) / 2
    beside = tallest[1] - 0.1 * height <= middle <= tallest[3] + 0.1 * height
    level = beside or here[1] <= middle_of(tallest) <= here[3]
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
            box = around(line.box for line in column)
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
    if not boxed:
        return
    lefts, bottoms, rights, tops = zip(*[glyph.box for glyph in boxed if glyph.box], strict=True)
    size = statistics.median(map(operator.sub, tops, bottoms)) or 1.0
    styles = [style(boxed[place].index) for place in {0, len(boxed) // 2, len(boxed) - 1}]
    heavy, mono, turned = (all(values) for values in zip(*styles, strict=True))
    parts = _parts(run, size)
    if heavy and len(parts) == 2 and _SECTION.fullmatch(parts[0][0]) and parts[1][1] - parts[0][2] < 3 * size:
        parts = [(f"{parts[0][0]} {parts[1][0]}", parts[0][1], parts[1][2])]
    if not parts:
        return
    box = (min(lefts), min(bottoms), max(rights), max(tops))
    words = "\t".join(part[0] for part in parts)
    lines.append(Line(words, box, size, boxed[0].index, parts, boxed[-1].text == _HYPHEN, heavy, mono, turned))


def _parts(run: list[Glyph], size: float) -> list[tuple[str, float, float]]:
    """The words between gaps as wide as between columns."""
    parts: list[tuple[str, float, float]] = []
    text: list[str] = []
    start = 0.0
    last: Box | None = None
    blank = raised = struck = False
    wide = low = 0.85 * size
    for glyph in run:  # every glyph of a file comes by here
        box, char = glyph.box, glyph.text
        if box is None:
            blank = True
            continue
        gap = 0.0 if last is None else box[0] - last[2]
        if gap < 0 and char > "\u0590" and last is not None and _RIGHT_TO_LEFT.match(char):
            gap = max(gap, last[0] - box[2])
        if last is None or gap > wide:
            parts.append((_words(text, struck), start, last[2] if last else 0.0))
            text, start, blank, raised, struck = [], box[0], False, False, False
        # Between Chinese characters a blank counts only when it is seen: justified text is full of inferred ones.
        if blank and text and not (gap < 0.35 * size and is_cjk(text[-1][-1]) and is_cjk(char)):
            text.append(" ")
        if isinstance(glyph, Struck) != struck:
            struck = not struck
            text.append("~~")
        small = box[3] - box[1] < low and last is not None
        up = small and last is not None and box[1] > last[1] + (0.0 if raised else 0.2 * size)
        if small and text and char.isdecimal() and last is not None and box[1] < last[1] - 0.04 * size:
            # H₂O; what is lowered behind a blank or a number is something else.
            char = lowered(char) if gap < 0.3 * size and not blank and _FORMULA.search(text[-1]) else char
            box = (box[0], last[1], box[2], last[3])
        if up and not raised and text and char in _RAISED and gap < 0.3 * size:
            text.append("^")
        text.append("-" if char == _HYPHEN else char)
        last, blank, raised = (last[0], last[1], box[2], last[3]) if up and last else box, False, up
    parts.append((_words(text, struck), start, last[2] if last else start))
    return [part for part in parts if part[0]]


def _words(text: list[str], struck: bool) -> str:
    return " ".join(plain_forms("".join(text)).split()) + "~~" * struck
