"""Glyphs of a PDF page gathered into lines, and what stands beside its stream: form values, notes, struck passages."""

from __future__ import annotations

import ctypes
import operator
import re
import statistics
from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from nacre.documents.normalise import clean, collapse, is_cjk, lowered, plain_forms
from nacre.documents.pdf_objects import Box, Turn, around, middle_of

Style = Callable[[int], tuple[bool, bool, bool]]
_HYPHEN = "\x02"
_RAISED = frozenset("0123456789+-−–")
_RIGHT_TO_LEFT = re.compile("[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc]")
_FORMULA = re.compile(r"[A-Za-z)₀-₉]$")
_SECTION = re.compile(r"\d{1,2}(\.\d{1,2})*\.?|[A-Z]\.?|[IVX]{1,5}\.?")


@dataclass(slots=True)
class Glyph:
    """One character; blanks that pdfium inferred have no box.

    Args:
        look: "struck" out, or "turned": all words of a turned line.
    """

    text: str
    box: Box | None
    index: int
    look: str = ""


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
        if (glyph.look == "struck") != struck:
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


_MOST = 5_000  # annotations of a page
_LETTERS = 32_768  # characters of one value
_BOX = {True: "☑", False: "☐"}
_UNSEEN = 2 | 32  # flags of an annotation: hidden, not shown on a screen
_WIDEST = 60.0  # points of one glyph
_NEAR = 30.0  # points between a check box and its label


@dataclass(slots=True)
class Extras:
    """Values in their places, notes in their order, and what is struck out or hidden."""

    values: list[tuple[str, Box]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    struck: list[Box] = field(default_factory=list)
    hidden: list[str] = field(default_factory=list)


def read_extras(page: Any, forms: Any, turn: Turn) -> Extras:
    """The annotations of a page."""
    import pypdfium2.raw as pdfium

    found = Extras()
    for number in range(min(_MOST, pdfium.FPDFPage_GetAnnotCount(page))):
        mark = pdfium.FPDFPage_GetAnnot(page, number)
        if not mark:
            continue
        try:
            _read(pdfium, mark, forms, turn, found)
        finally:
            pdfium.FPDFPage_CloseAnnot(mark)
    return found


def _read(pdfium: Any, mark: Any, forms: Any, turn: Turn, found: Extras) -> None:
    kind = pdfium.FPDFAnnot_GetSubtype(mark)
    rect = pdfium.FS_RECTF()
    pdfium.FPDFAnnot_GetRect(mark, rect)
    box = turn(rect.left, rect.bottom, rect.right, rect.top)
    if kind == pdfium.FPDF_ANNOT_WIDGET:
        text = _value(pdfium, mark, forms) if forms else ""
    elif kind in {pdfium.FPDF_ANNOT_LINK, pdfium.FPDF_ANNOT_POPUP}:
        return
    else:
        text = _string(lambda buffer, size: pdfium.FPDFAnnot_GetStringValue(mark, b"Contents", buffer, size))
    if kind == pdfium.FPDF_ANNOT_STRIKEOUT:
        found.struck += _quads(pdfium, mark, turn) or [box]
    if not text:
        return
    if pdfium.FPDFAnnot_GetFlags(mark) & _UNSEEN:
        found.hidden.append(text)
    elif kind in {pdfium.FPDF_ANNOT_WIDGET, pdfium.FPDF_ANNOT_FREETEXT}:
        found.values.append((text, box))
    else:
        author = _string(lambda buffer, size: pdfium.FPDFAnnot_GetStringValue(mark, b"T", buffer, size))
        found.notes.append(f"{author}: {text}" if author else text)


def _value(pdfium: Any, mark: Any, forms: Any) -> str:
    kind = pdfium.FPDFAnnot_GetFormFieldType(forms, mark)
    if kind in {pdfium.FPDF_FORMFIELD_CHECKBOX, pdfium.FPDF_FORMFIELD_RADIOBUTTON}:
        return _BOX[bool(pdfium.FPDFAnnot_IsChecked(forms, mark))]
    if kind in {pdfium.FPDF_FORMFIELD_COMBOBOX, pdfium.FPDF_FORMFIELD_LISTBOX}:
        chosen = [
            _string(partial(pdfium.FPDFAnnot_GetOptionLabel, forms, mark, n))
            for n in range(min(_MOST, pdfium.FPDFAnnot_GetOptionCount(forms, mark)))
            if pdfium.FPDFAnnot_IsOptionSelected(forms, mark, n)
        ]
        if chosen:
            return ", ".join(filter(None, chosen))
    elif kind != pdfium.FPDF_FORMFIELD_TEXTFIELD:
        return ""
    return _string(lambda buffer, size: pdfium.FPDFAnnot_GetFormFieldValue(forms, mark, buffer, size))


def _string(get: Callable[[Any, int], int]) -> str:
    """A text of pdfium's, which is asked for its size first."""
    size = get(None, 0)
    if not 2 < size <= 2 * _LETTERS:
        return ""
    buffer = ctypes.create_string_buffer(size)
    get(ctypes.cast(buffer, ctypes.POINTER(ctypes.c_ushort)), size)
    return collapse(clean(buffer.raw[: size - 2].decode("utf-16-le", "replace")))


def _quads(pdfium: Any, mark: Any, turn: Turn) -> list[Box]:
    quad = pdfium.FS_QUADPOINTSF()
    boxes = []
    for number in range(min(_MOST, pdfium.FPDFAnnot_CountAttachmentPoints(mark))):
        if pdfium.FPDFAnnot_GetAttachmentPoints(mark, number, quad):
            xs, ys = (quad.x1, quad.x2, quad.x3, quad.x4), (quad.y1, quad.y2, quad.y3, quad.y4)
            boxes.append(turn(min(xs), min(ys), max(xs), max(ys)))
    return boxes


def strike(glyphs: list[Glyph], rulings: Sequence[tuple[float, float, float]], boxes: Sequence[Box]) -> None:
    """Mark glyphs that a short line crosses, or that a mark of a reviewer's strikes out."""
    struck: set[int] = set()
    for x0, y0, x1, y1 in boxes:
        for number, glyph in enumerate(glyphs):
            if glyph.box and x0 <= _middle(glyph) <= x1 and y0 <= middle_of(glyph.box) <= y1:
                struck.add(number)
    # (left, low, high, right, number): a line between low and high would strike the glyph out.
    rows: dict[int, list[tuple[float, float, float, float, int]]] = {}
    levels = {int(y) // 4 + side for y, _, _ in rulings for side in (-1, 0, 1)}
    for number, glyph in enumerate(glyphs if rulings else ()):
        if glyph.box:
            left, low, right, high = glyph.box
            tall = high - low
            if int(low + 0.45 * tall) // 4 in levels or tall > 20:
                entry = (left, low + 0.3 * tall, low + 0.62 * tall, right, number)
                rows.setdefault(int(low + 0.45 * tall) // 8, []).append(entry)
    for row in rows.values():
        row.sort()
    for y, x0, x1 in rulings:
        crossed = []
        for number in (-1, 0, 1):
            row = rows.get(int(y) // 8 + number, [])
            near = row[bisect_left(row, (x0 - _WIDEST,)) : bisect_left(row, (x1,))]
            crossed += [n for _, low, high, right, n in near if low < y < high and right > x0]
        # The line ends where its words end; the rules of tables and charts go on.
        ends = [box for n in crossed if (box := glyphs[n].box)]
        margin = 0.6 * (ends[0][3] - ends[0][1]) if ends else 0.0
        if ends and min(box[0] for box in ends) - margin < x0 and x1 < max(box[2] for box in ends) + margin:
            struck.update(n for n in crossed if x0 <= _middle(glyphs[n]) <= x1)
    for number in struck:
        glyphs[number].look = "struck"


def _middle(glyph: Glyph) -> float:
    return (glyph.box[0] + glyph.box[2]) / 2 if glyph.box else 0.0


def place_values(lines: list[Line], values: Sequence[tuple[str, Box]]) -> None:
    """Put a form's values behind their labels, boxes of a choice before theirs; the rest are lines of their own."""
    for text, box in values:
        level = middle_of(box)
        row = [line for line in lines if line.box[1] - 2 <= level <= line.box[3] + 2 and not line.turned]
        boxed = text in _BOX.values() and _taken(row, text, box, before=True)
        if not boxed and not _taken(row, text, box, before=False):
            size = min(10.0, box[3] - box[1]) or 10.0
            lines.append(Line(text, box, size, 1 << 30, [(text, box[0], box[2])]))


def _taken(row: Sequence[Line], text: str, box: Box, before: bool) -> bool:
    """Whether the nearest part of a line took a value: one that ends left of it or, before its label, begins right."""
    parts = [(*part, line, n) for line in row for n, part in enumerate(line.parts)]
    if before:
        near = (one for one in parts if box[2] - 4 <= one[1] <= box[2] + _NEAR)
        label = min(near, key=lambda one: one[1], default=None)
    else:
        label = max((one for one in parts if one[2] <= box[0] + 4), key=lambda one: one[2], default=None)
    if label is None:
        return False
    words, x0, x1, line, n = label
    line.parts[n] = (f"{text} {words}", box[0], x1) if before else (f"{words} {text}", x0, max(x1, box[2]))
    line.text = "\t".join(part[0] for part in line.parts)
    line.box = (line.parts[0][1], line.box[1], max(line.box[2], line.parts[-1][2]), line.box[3])
    return True
