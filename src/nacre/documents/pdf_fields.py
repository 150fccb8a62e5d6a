"""What stands on a PDF page beside its own stream: the values of form fields, free text, notes and struck passages."""

from __future__ import annotations

import ctypes
from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from nacre.documents.normalise import clean, collapse
from nacre.documents.pdf_lines import Glyph, Line, Struck
from nacre.documents.pdf_objects import Box, Turn, middle_of

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
        glyph = glyphs[number]
        glyphs[number] = Struck(glyph.text, glyph.box, glyph.index)


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
