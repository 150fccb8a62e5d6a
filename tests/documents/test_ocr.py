"""Scans and pictures: read where the extra `ocr` is installed, told of in one sentence where it is not."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from collections.abc import Iterator

import pytest

from nacre.documents import Limits, Options, ParserPool, ocr, parse
from nacre.documents.ocr import Picture
from nacre.documents.pdf_layout import Sheet
from nacre.documents.pdf_write import items_of
from nacre.documents.pictures import as_page
from nacre.errors import ParseError

drawn = pytest.mark.skipif(not ocr.installed(), reason="needs the extra ocr")


@pytest.fixture(scope="module")
def reader() -> Iterator[ParserPool]:
    with ParserPool(workers=1) as pool:
        yield pool


def picture(*lines: str, kind: str = "PNG", size: tuple[int, int] = (900, 400), turn: int = 0) -> bytes:
    from PIL import Image, ImageDraw, ImageFont

    image = Image.new("L", size, 255)
    draw = ImageDraw.Draw(image)
    for number, line in enumerate(lines):
        draw.text((40, 40 + 70 * number), line, fill=0, font=ImageFont.load_default(size=40))
    target = io.BytesIO()
    more = {"save_all": True, "append_images": [image]} if kind == "TIFF" else {}
    image.rotate(turn, expand=True).convert("RGB").save(target, kind, **more)
    return target.getvalue()


def png_of(width: int, height: int) -> bytes:
    """The head of a picture that would be far too big."""
    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)

    def part(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    return b"\x89PNG\r\n\x1a\n" + part(b"IHDR", head) + part(b"IDAT", zlib.compress(b"")) + part(b"IEND", b"")


SCAN = "q 200 0 0 100 60 600 cm BI /W 1 /H 1 /CS /G /BPC 8 ID x EI Q"  # the picture that a page shows
WORD = "60 700 m " + " ".join(f"{60 + 3 * n} {700 + n % 2 * 9} l" for n in range(60)) + " S"  # letters in outlines


@pytest.mark.parametrize("drawn", [SCAN, WORD])
def test_a_page_left_empty_needs_no_ocr(pdf, drawn: str) -> None:  # type: ignore[no-untyped-def]
    pdf.page([(60, 700, 11, "The report of the year.")]).page(rules=[(60, 700, 500, 700), (60, 60, 60, 700)])
    pdf.pages.append("0.9 g 60 500 300 100 re f 60 60 480 20 re f")
    pdf.pages.append(drawn)
    document = parse(pdf.bytes(), name="a.pdf")
    assert document.scans == (4,) and document.pages == 4


@pytest.mark.parametrize("kind", ["png", "pdf"])
def test_without_the_extra_one_sentence_says_what_helps(pdf, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setattr(ocr, "installed", lambda: False)
    pdf.pages.append(SCAN)
    data = b"\x89PNG\r\n\x1a\n" if kind == "png" else pdf.bytes()
    with pytest.raises(ParseError, match=r"needs OCR: pip install 'nacre-ai\[ocr\]'") as caught:
        parse(data, name=f"a.{kind}")
    assert caught.value.scans == (1,)


@drawn
@pytest.mark.slow
@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_a_picture_is_read_with_its_places(reader: ParserPool, kind: str) -> None:
    seen: list[tuple[int, int]] = []
    data = picture("Rates of the year 2024", "Basic plan 10 EUR", kind=kind)
    document = reader.parse(data, name=f"a.{kind}", on_page=lambda page, pages: seen.append((page, pages)))
    pages = 2 if kind == "TIFF" else 1
    assert document.text.count("Basic plan 10 EUR") == pages == document.pages and len(seen) == pages
    place = next(p for p in document.places if "2024" in document.text[p.start : p.end])
    assert place.page == 1 and place.box[1] < 0.25 and place.box[3] > 0.1


@drawn
@pytest.mark.slow
def test_a_picture_on_its_side_is_read(reader: ParserPool) -> None:
    lines = ("Rates of the year 2024", "Basic plan 10 EUR", "Plus plan 20 EUR", "Service by phone")
    assert "Plus plan 20 EUR" in reader.parse(picture(*lines, turn=90), name="a.png").text


@drawn
def test_a_picture_of_too_many_pixels_is_refused_unread(reader: ParserPool) -> None:
    with pytest.raises(ParseError, match="megapixels"):
        reader.parse(png_of(20_000, 20_000), name="bomb.png")


@drawn
@pytest.mark.parametrize("cut", [20, 60, 200])
def test_a_damaged_picture_costs_its_row(reader: ParserPool, cut: int) -> None:
    with pytest.raises(ParseError):
        reader.parse(picture("Rates")[:cut], name="a.png")


def test_a_page_with_text_is_no_scan(pdf) -> None:  # type: ignore[no-untyped-def]
    document = parse(pdf.page([(60, 700, 12, "A page of words.")]).bytes(), name="a.pdf", ocr=True)
    assert document.text == "A page of words." and not document.places


def words(*boxes: tuple[str, float, float, float, float]) -> list[tuple[str, tuple[float, float, float, float], float]]:
    return [(text, (x0, y0, x1, y1), 0.99) for text, x0, y0, x1, y1 in boxes]


def test_a_ruled_scan_is_a_table_and_a_line_over_a_border_is_cut() -> None:
    cells = words(("City Rate", 20, 20, 380, 60), ("上海", 20, 120, 100, 160), ("650", 320, 120, 400, 160))
    read = Picture(600, 800, cells, [(y, 0, 600) for y in (0, 100, 200)], [(x, 0, 200) for x in (0, 300, 599)])
    items = items_of(as_page(read, 600, 800), Sheet(1, 800, 600))
    assert [item.rows for item in items] == [[["City", "Rate"], ["上海", "650"]]]


def test_columns_of_a_scan_are_read_one_after_the_other() -> None:
    left = [(f"left line {n} of the page here", 50.0, 100.0 + 40 * n, 280.0, 130.0 + 40 * n) for n in range(5)]
    right = [(f"right line {n} of the page here", 330.0, 100.0 + 40 * n, 560.0, 130.0 + 40 * n) for n in range(5)]
    mixed = [line for pair in zip(left, right, strict=True) for line in pair]
    items = items_of(as_page(Picture(600, 800, words(*mixed), [], []), 600, 800), Sheet(1, 800, 600))
    assert [item.text.split()[0] for item in items] == ["left"] * 5 + ["right"] * 5


def test_time_for_ocr_is_its_own() -> None:
    limits = Limits()
    assert limits.ocr_seconds > limits.seconds and limits.ocr_memory_bytes > limits.memory_bytes


def office_file(*pictures: bytes) -> bytes:
    """A Word file with pictures."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as pack:
        space = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
        body = "<w:body><w:p><w:r><w:t>Typed words.</w:t></w:r></w:p></w:body>"
        pack.writestr("word/document.xml", f'<w:document xmlns:w="{space}">{body}</w:document>')
        for number, data in enumerate(pictures):
            pack.writestr(f"word/media/image{number}.png", data)
    return target.getvalue()


def test_pictures_inside_are_asked_for_or_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ocr, "installed", lambda: False)
    data = office_file(b"\x89PNG\r\n\x1a\n", b"\x89PNG\r\n\x1a\n")
    assert not parse(data, name="a.docx").warnings
    asked = parse(data, name="a.docx", options=Options(pictures=True))
    assert asked.text == "Typed words." and asked.scans == (1, 2)
    assert asked.warnings == ("the writing in 2 pictures needs OCR: pip install 'nacre-ai[ocr]'",)


@drawn
@pytest.mark.slow
def test_pictures_inside_are_read_and_a_bad_one_costs_itself() -> None:
    good = picture("Rates of the year 2024")
    data = office_file(good, good[:60], png_of(20_000, 20_000), picture("", size=(30, 30)))
    with ParserPool(workers=1, options=Options(pictures=True)) as pool:
        document = pool.parse(data, name="a.docx")
    assert document.text == "Typed words.\n\nRates of the year 2024" and len(document.warnings) == 2
    assert {block.page for block in document.blocks} == {None}
