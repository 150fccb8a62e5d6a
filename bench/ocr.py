"""How well scans are read: pages that this file draws itself, and reads in a parser worker: `python bench/ocr.py
[--json] [--fonts DIR] [--pages NAME …]`.

It needs the extra `ocr`, a Latin font (DejaVu, in most systems) and a Chinese one (Debian: fonts-wqy-microhei or
fonts-noto-cjk; elsewhere give their folder with --fonts). Characters are counted without white space: 1 - edit distance
/ length.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import random
import re
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from nacre.documents import ParsedDocument, ParserPool
from nacre.documents.limits import Limits
from nacre.errors import ParseError

ROOT = Path(__file__).resolve().parents[1]
LATIN = ("DejaVuSerif.ttf", "DejaVuSans.ttf", "LiberationSerif-Regular.ttf", "NotoSerif-Regular.ttf")
CHINESE = ("wqy-microhei.ttc", "wqy-zenhei.ttc", "NotoSansCJK-Regular.ttc", "NotoSerifCJK-Regular.ttc", "simsun.ttc")
PAGE = (1240, 1754)  # A4 at 150 dpi
CLEAN, HARD = 0.99, 0.95
ROWS = [
    ["Item", "Unit", "North", "South"],
    ["Pump P-100", "piece", "1,250.00", "1,310.50"],
    ["Filter F-7", "box of 5", "48.20", "51.75"],
    ["Hose, 12 mm", "metre", "3.95", "4.10"],
    ["Service call", "hour", "96.00", "104.00"],
]
ROWS_ZH = [
    ["项目", "单位", "北区", "南区"],
    ["差旅住宿", "每晚", "450元", "520元"],
    ["市内交通", "每天", "80元", "95元"],
    ["餐饮补助", "每天", "100元", "120元"],
    ["会议场地", "每次", "2300元", "2750元"],
]


def prose(chinese: bool) -> str:
    """Running text of the project's own pages."""
    name = "README.zh.md" if chinese else "README.md"
    lines = re.sub(r"```.*?```", "", (ROOT / name).read_text("utf-8"), flags=re.S).splitlines()
    return " ".join(line for line in lines if line[:1].isalpha() and "http" not in line and "`" not in line) * 12


def font(names: Iterable[str], size: int, folders: Iterable[str]) -> Any:
    """The first of the fonts that this system has."""
    from PIL import ImageFont

    for folder in folders:
        for name in names:
            found = next(Path(folder).rglob(name), None) if Path(folder).is_dir() else None
            if found:
                return ImageFont.truetype(str(found), size)
    raise SystemExit(f"no font of {', '.join(names)}: install fonts-dejavu and fonts-wqy-microhei, or give --fonts")


def wrapped(text: str, face: Any, width: int, lines: int) -> list[str]:
    """So many lines of a text that fit a width: words in English, characters in Chinese."""
    pieces = text.split(" ") if text.isascii() or " " in text[:40] else list(text)
    glue = " " if len(pieces[0]) > 1 else ""
    made, line = [], ""
    for piece in pieces:
        longer = f"{line}{glue}{piece}" if line else piece
        if face.getlength(longer) > width:
            made.append(line)
            line = piece
            if len(made) == lines:
                break
        else:
            line = longer
    return made


class Sheet:
    """One drawn page and what is written on it, in the order of reading."""

    def __init__(self) -> None:
        from PIL import Image, ImageDraw

        self.image = Image.new("L", PAGE, 250)
        self.draw = ImageDraw.Draw(self.image)
        self.text: list[str] = []
        self.rows: list[list[str]] = []

    def lines(self, lines: Iterable[str], face: Any, x: int, y: int, leading: int) -> int:
        for line in lines:
            self.draw.text((x, y), line, fill=25, font=face)
            self.text.append(line)
            y += leading
        return y

    def table(self, rows: list[list[str]], face: Any, x: int, y: int, width: int = 240, height: int = 54) -> None:
        for number, row in enumerate(rows):
            for column, cell in enumerate(row):
                box = (x + column * width, y + number * height, x + (column + 1) * width, y + (number + 1) * height)
                self.draw.rectangle(box, outline=40, width=2)
                self.draw.text((box[0] + 12, box[1] + 12), cell, fill=25, font=face)
        self.text += [cell for row in rows for cell in row]
        self.rows = rows


def page(kind: str, chinese: bool, faces: Callable[[bool, int], Any]) -> Sheet:
    sheet, text = Sheet(), prose(chinese)
    if kind == "table":
        y = sheet.lines(wrapped(text, faces(chinese, 26), 1000, 6), faces(chinese, 26), 120, 120, 44)
        sheet.table(ROWS_ZH if chinese else ROWS, faces(chinese, 26), 120, y + 40)
    elif kind == "columns":
        face = faces(chinese, 22)
        lines = wrapped(text, face, 470, 80)
        sheet.lines(lines[:40], face, 110, 120, 36)
        sheet.lines(lines[40:], face, 660, 120, 36)
    elif kind == "small":
        face = faces(chinese, 15)
        sheet.lines(wrapped(text, face, 1000, 60), face, 120, 120, 24)
    else:
        face = faces(chinese, 25)
        sheet.lines(wrapped(text, face, 1000, 36), face, 120, 120, 42)
    return sheet


def worn(image: Any, kind: str) -> Any:
    """What a scanner, a copier or a telephone does to a page."""
    from PIL import Image, ImageFilter

    dice = random.Random(7)
    if kind == "photo":
        w, h = image.size
        edges = (-40, -30, 15, h + 35, w + 30, h + 20, w + 10, -25)
        image = image.transform(image.size, Image.Transform.QUAD, edges, Image.Resampling.BICUBIC, fillcolor=120)
        shade = Image.linear_gradient("L").resize(image.size).point(lambda v: 150 + v * 105 // 255)
        image = Image.composite(image, Image.new("L", image.size, 90), shade)
    if kind in {"tilt", "photo"}:
        image = image.rotate(0.4, Image.Resampling.BICUBIC, fillcolor=250)
    if kind in {"noise", "tilt", "photo"}:
        image = image.filter(ImageFilter.GaussianBlur(0.7))
        noise = Image.frombytes("L", (256, 256), bytes(dice.randrange(256) for _ in range(65536)))
        tiles = Image.new("L", image.size)
        for x in range(0, image.width, 256):
            for y in range(0, image.height, 256):
                tiles.paste(noise, (x, y))
        image = Image.blend(image, tiles, 0.08)
    return image


PAGES = [
    ("clean", "text", "", CLEAN),
    ("noise", "text", "noise", CLEAN),
    ("columns", "columns", "noise", CLEAN),
    ("table", "table", "tilt", CLEAN),
    ("tilt", "text", "tilt", HARD),
    ("photo", "text", "photo", HARD),
    ("small", "small", "noise", HARD),
]


def distance(a: str, b: str) -> int:
    """Edits that turn one text into the other."""
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        last, row[0] = row[0], i
        for j, y in enumerate(b, 1):
            last, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, last + (x != y))
    return row[-1]


def accuracy(want: str, got: str) -> float:
    want, got = "".join(want.split()), "".join(got.split())
    return 1 - distance(want, got) / max(1, len(want))


def rows_found(rows: list[list[str]], document: ParsedDocument) -> float:
    made = [[c.text for c in row] for t in document.tables for row in t.rows] + [
        list(t.header) for t in document.tables
    ]
    squeezed = [["".join(cell.split()) for cell in row] for row in made]
    return sum(["".join(cell.split()) for cell in row] in squeezed for row in rows) / len(rows)


def main() -> int:
    """Draw, read, compare."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--json", action="store_true")
    options.add_argument("--fonts", default="/usr/share/fonts")
    options.add_argument("--pages", nargs="*", default=[])
    options.add_argument("--save", type=Path, help="a folder for the drawn pages")
    args = options.parse_args()
    folders = (args.fonts, "/usr/share/fonts")
    found: list[dict[str, Any]] = []
    with ParserPool(workers=1, limits=Limits(ocr_seconds=120)) as pool:
        blank = io.BytesIO()
        Sheet().image.save(blank, "PNG")
        with contextlib.suppress(ParseError):
            pool.parse(blank.getvalue(), name="warm.png")  # loading the weights is no page's time
        for name, kind, wear, least in PAGES:
            for chinese in (False, True):
                label = f"{name}_{'zh' if chinese else 'en'}"
                if args.pages and not set(args.pages) & {name, label}:
                    continue
                sheet = page(kind, chinese, lambda zh, size: font(CHINESE if zh else LATIN, size, folders))
                target = io.BytesIO()
                worn(sheet.image, wear).save(target, "PNG")
                if args.save:
                    (args.save / f"{label}.png").write_bytes(target.getvalue())
                found.append(measured(pool, label, sheet, target.getvalue(), least))
                if not args.json:
                    print("  ".join(f"{key} {value}" for key, value in found[-1].items()), flush=True)
    if args.json:
        print(json.dumps(found, ensure_ascii=False))
    return int(not all(one["met"] for one in found))


def measured(pool: ParserPool, label: str, sheet: Sheet, data: bytes, least: float) -> dict[str, Any]:
    start, before = time.perf_counter(), pool.used_seconds()
    document = pool.parse(data, name=f"{label}.png")
    share = accuracy("".join(sheet.text), document.text)
    rows = rows_found(sheet.rows, document) if sheet.rows else None
    return {
        "page": label,
        "characters": round(share, 4),
        "least": least,
        "met": share >= least and rows in {None, 1.0},
        **({"rows": rows} if rows is not None else {}),
        "seconds": round(time.perf_counter() - start, 2),
        "cpu": round(pool.used_seconds() - before, 2),
        "peak_mib": pool.peak_bytes() >> 20,
    }


if __name__ == "__main__":
    sys.exit(main())
