"""Pictures of pages, and those inside office files: read by OCR, they become pages like those of a PDF."""

from __future__ import annotations

import io
import re
import statistics
from dataclasses import replace
from typing import Any, cast

from nacre.documents import ocr
from nacre.documents.document import Builder
from nacre.documents.limits import Task
from nacre.documents.normalise import is_cjk
from nacre.documents.ocr import Picture
from nacre.documents.ooxml import Package
from nacre.documents.pdf_layout import Sheet
from nacre.documents.pdf_lines import Extras, Glyph, Line, plain_style
from nacre.documents.pdf_objects import Box, Drawn
from nacre.documents.pdf_page import Page
from nacre.documents.pdf_write import by_place, items_of, write_sheets
from nacre.errors import ParseError
from nacre.text.language import tr

_FORMATS = ("PNG", "JPEG", "TIFF", "WEBP", "BMP", "GIF")
_ENDINGS = tuple(f".{name.lower()}" for name in (*_FORMATS, "JPG", "TIF"))
_ICON = 64  # pixels: smaller pictures hold no writing


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


def parse(data: bytes, out: Builder, task: Task) -> None:
    """Read the text of a picture, or tell what it needs."""
    if not ocr.installed():
        out.scans.append(1)
        raise ParseError(ocr.needs_ocr(tr("a picture")))
    try:
        image = _opened(data)
        ocr.check_size(image.width, image.height, task.limits.ocr_pixels)
        pages = min(getattr(image, "n_frames", 1) if image.format == "TIFF" else 1, task.limits.ocr_pages)
        if not task.ocr:
            out.scans += range(1, pages + 1)
            raise ParseError(ocr.needs_ocr(tr("a picture")))
        out.pages = pages
        write_sheets([_sheet(image, number, pages, task) for number in range(pages)], {}, out)
    except (OSError, SyntaxError, ValueError) as error:
        raise ParseError(_damaged(error)) from error


def _opened(data: bytes) -> Any:
    from PIL import Image

    Image.MAX_IMAGE_PIXELS = None  # the limits say what is too big, before anything is unpacked
    return Image.open(io.BytesIO(data), formats=_FORMATS)


def read_inside(data: bytes, out: Builder, task: Task) -> None:
    """Append the writing in the pictures of an office file behind its text; a damaged picture costs only itself."""
    package = Package(data, task.limits)
    parts = sorted(name for name in package.names if name.endswith(_ENDINGS) and "thumbnail" not in name)
    parts = parts[: task.limits.ocr_pages]
    if not task.ocr:
        out.scans += range(1, len(parts) + 1)
        if parts and not ocr.installed():
            out.warn(ocr.needs_ocr(tr("the writing in {count} pictures", count=len(parts))))
        return
    for number, part in enumerate(parts):
        try:
            _append(package.read(part) or b"", out, task)
        except ParseError as error:
            out.warn(f"{part}: {error.message}")
        if task.on_page:
            task.on_page(number + 1, len(parts))


def _append(data: bytes, out: Builder, task: Task) -> None:
    own = Builder(task.limits)  # its pages are none of the document's
    try:
        image = _opened(data)
        if min(image.size) < _ICON:
            return
        write_sheets([_sheet(image, 0, 1, replace(task, on_page=None))], {}, own)
    except (OSError, SyntaxError, ValueError) as error:
        raise ParseError(_damaged(error)) from error
    tables = {table.start: table for table in own.tables}
    whole = own.since(0)
    for block in own.blocks:
        table = tables.get(block.start)
        if table:
            rows = [[cell.text for cell in row] for row in table.rows]
            out.table([list(table.header), *rows] if table.header else rows, header_rows=int(bool(table.header)))
        else:
            out.add("paragraph" if block.kind == "heading" else block.kind, whole[block.start : block.end], block.level)


def _sheet(image: Any, number: int, pages: int, task: Task) -> Sheet:
    frame, width, height = _page(image, number, task)
    sheet = Sheet(number + 1, height, width, scanned=True)
    sheet.items = items_of(as_page(ocr.read_picture(frame), width, height), sheet)
    if task.on_page:
        task.on_page(number + 1, pages)
    return sheet


def _page(image: Any, number: int, task: Task) -> tuple[Any, float, float]:
    """One frame, upright, on white, and its size in points."""
    from PIL import Image, ImageOps

    image.seek(number)
    ocr.check_size(image.width, image.height, task.limits.ocr_pixels)
    if image.format == "JPEG":
        image.draft("L", (ocr.SIDE, ocr.SIDE))
    frame = ImageOps.exif_transpose(image)
    if frame.mode.startswith("I") or frame.mode == "F":
        frame = frame.point(lambda value: value / 256).convert("L")
    elif "A" in frame.getbands() or "transparency" in frame.info:
        frame = frame.convert("RGBA")
        frame = Image.alpha_composite(Image.new("RGBA", frame.size, "white"), frame)
    points = 72 / ocr.DPI * min(1.0, ocr.SIDE / max(frame.size))
    return frame, frame.width * points, frame.height * points


def _damaged(error: Exception) -> str:
    return tr("the picture is damaged ({error}); copy it again, or save it anew", error=str(error)[:200])
