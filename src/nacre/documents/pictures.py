"""Pictures of pages: PNG, JPEG, TIFF with all its pages, WebP, BMP, GIF. Their text is read by OCR."""

from __future__ import annotations

import io
from typing import Any

from nacre.documents import ocr
from nacre.documents.builder import Builder
from nacre.documents.limits import Task
from nacre.documents.pdf_layout import Sheet
from nacre.documents.pdf_write import items_of, write_sheets
from nacre.documents.scan_page import as_page
from nacre.errors import ParseError
from nacre.text.language import tr

_FORMATS = ("PNG", "JPEG", "TIFF", "WEBP", "BMP", "GIF")


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
        raise ParseError(tr("the picture is damaged ({error})", error=str(error)[:200])) from error


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
