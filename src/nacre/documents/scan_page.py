"""A picture that was read, as a page like those of a PDF: pieces of lines in the order of reading, and rulings."""

from __future__ import annotations

import re
import statistics
from typing import cast

from nacre.documents.normalise import is_cjk
from nacre.documents.ocr import Picture
from nacre.documents.pdf_fields import Extras
from nacre.documents.pdf_lines import Glyph, Line, plain_style
from nacre.documents.pdf_objects import Box, Drawn
from nacre.documents.pdf_order import by_place
from nacre.documents.pdf_page import Page


def as_page(picture: Picture, width: float, height: float) -> Page:
    """A picture as a page of glyphs, each a piece of a line, in the order in which it is read."""
    x, y = width / picture.width, height / picture.height
    horizontal = [(height - at * y, x0 * x, x1 * x) for at, x0, x1 in picture.horizontal]
    vertical = [(at * x, height - y1 * y, height - y0 * y) for at, y0, y1 in picture.vertical]
    usual = statistics.median(box[3] - box[1] for _, box, _ in picture.words) if picture.words else 0.0
    pieces = [
        Line(text, box, box[3] - box[1], parts=[(text, box[0], box[2])])
        for words, (x0, y0, x1, y1) in (_even(words, box, usual) for words, box, _ in picture.words)
        for text, box in _parted(words, (x0 * x, height - y1 * y, x1 * x, height - y0 * y), vertical)
    ]
    glyphs: list[Glyph] = []
    for piece in cast("list[Line]", by_place(pieces)):
        hyphen = re.search(r"[a-z]-$", piece.text) is not None
        glyphs.append(Glyph(piece.text[:-1] if hyphen else piece.text, piece.box, len(glyphs)))
        if hyphen:
            edge = (piece.box[2], piece.box[1], piece.box[2], piece.box[3])
            glyphs.append(Glyph("\x02", edge, len(glyphs)))
        elif not is_cjk(piece.text[-1]):
            glyphs.append(Glyph(" ", None, len(glyphs)))
    drawn = Drawn(horizontal, vertical)
    return Page(width, height, glyphs, drawn, 0, plain_style, Extras())


def _even(words: str, box: Box, usual: float) -> tuple[str, Box]:
    """Lines of about the usual height made as high as it: a line without tall letters is no smaller type."""
    x0, y0, x1, y1 = box
    if 0.7 * usual < y1 - y0 < 1.35 * usual:
        middle = (y0 + y1) / 2
        y0, y1 = middle - usual / 2, middle + usual / 2
    return words, (x0, y0, x1, y1)


def _parted(words: str, box: Box, vertical: list[tuple[float, float, float]]) -> list[tuple[str, Box]]:
    """A line that was read over the borders of cells, cut at them."""
    x0, y0, x1, y1 = box
    middle, edge = (y0 + y1) / 2, 0.5 * (y1 - y0)
    cuts = sorted(x for x, low, high in vertical if low < middle < high and x0 + edge < x < x1 - edge)
    pieces: list[tuple[str, Box]] = []
    start, left = 0, x0
    for cut in [*cuts, x1]:
        end = len(words) if cut == x1 else round(len(words) * (cut - x0) / (x1 - x0))
        blank = words.find(" ", max(start, end - 3), end + 4)
        end = blank if cut != x1 and blank >= 0 else end
        if text := words[start:end].strip():
            pieces.append((text, (left, y0, cut, y1)))
        start, left = end, cut
    return pieces
