"""Pictures of pages, and those inside office files: PNG, JPEG, TIFF with all its pages, WebP, BMP, GIF. Their text is
read by OCR.
"""

from __future__ import annotations

import io
from dataclasses import replace
from typing import Any

from nacre.documents import ocr
from nacre.documents.builder import Builder
from nacre.documents.limits import Task
from nacre.documents.ooxml import Package
from nacre.documents.pdf_layout import Sheet
from nacre.documents.pdf_write import items_of, write_sheets
from nacre.documents.scan_page import as_page
from nacre.errors import ParseError
from nacre.text.language import tr

_FORMATS = ("PNG", "JPEG", "TIFF", "WEBP", "BMP", "GIF")
_ENDINGS = tuple(f".{name.lower()}" for name in (*_FORMATS, "JPG", "TIF"))
_ICON = 64  # pixels: smaller pictures hold no writing


def parse(data: bytes, out: Builder, task: Task) -> None:
    """Read the text of a picture, or tell what it needs."""
    if not ocr.installed():
        out.scans.append(1)
        raise ParseError(ocr.needs_ocr(tr("a picture")))
    from PIL import Image, UnidentifiedImageError

    Image.MAX_IMAGE_PIXELS = None  # the limits say what is too big, before anything is unpacked
    try:
        image = Image.open(io.BytesIO(data), formats=_FORMATS)
        ocr.check_size(image.width, image.height, task.limits.ocr_pixels)
        pages = min(getattr(image, "n_frames", 1) if image.format == "TIFF" else 1, task.limits.ocr_pages)
        if not task.ocr:
            out.scans += range(1, pages + 1)
            raise ParseError(ocr.needs_ocr(tr("a picture")))
        out.pages = pages
        write_sheets([_sheet(image, number, pages, task) for number in range(pages)], {}, out)
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError) as error:
        raise ParseError(_damaged(error)) from error


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
    from PIL import Image, UnidentifiedImageError

    Image.MAX_IMAGE_PIXELS = None
    own = Builder(task.limits)  # its pages are none of the document's
    try:
        image = Image.open(io.BytesIO(data), formats=_FORMATS)
        if min(image.size) < _ICON:
            return
        write_sheets([_sheet(image, 0, 1, replace(task, on_page=None))], {}, own)
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError) as error:
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
