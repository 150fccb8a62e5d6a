"""Text of a picture of a page, read by RapidOCR inside a parser worker: words in their places, and ruling lines.

The weights come inside the package; nothing is fetched. The line-direction classifier stays off, for it turns upright
lines upside down; a page that lies on its side is turned as a whole.
"""

from __future__ import annotations

import functools
import importlib.util
import math
from pathlib import Path
from typing import Any, NamedTuple

from nacre.documents.pdf_objects import Box
from nacre.errors import ParseError
from nacre.extras import need
from nacre.text.language import tr

INSTALL = "pip install 'nacre-ai[ocr]'"
DPI = 150
SIDE = 2600  # pixels of the longer side that is read
_NARROW = 0.8  # to which letters are pressed together: they are read as well, and a line costs by its width
_SURE = 0.5  # certainty from which a line counts
_DOUBTFUL = 0.75  # mean certainty below which a page may stand on its head
_RULE = 60  # pixels of the shortest ruling line


class Picture(NamedTuple):
    """What was read, in pixels from the top left: (text, box, certainty), rulings (y, x0, x1) and (x, y0, y1)."""

    width: int
    height: int
    words: list[tuple[str, Box, float]]
    horizontal: list[tuple[float, float, float]]
    vertical: list[tuple[float, float, float]]


def installed() -> bool:
    """Whether pictures can be read here."""
    return importlib.util.find_spec("rapidocr") is not None


def needs_ocr(where: str) -> str:
    """The one sentence for what only OCR can read."""
    return tr("{where} needs OCR: {install}", where=where, install=INSTALL)


@functools.cache
def load() -> Any:
    """The module of the recogniser, with all that it imports but onnxruntime: one thread, as a worker has."""
    rapidocr = need("rapidocr", extra="ocr")
    need("PIL.Image", extra="ocr")
    need("cv2", extra="ocr").setNumThreads(0)
    return rapidocr


@functools.cache
def engine() -> Any:
    """The recogniser with its weights."""
    rapidocr = load()
    models = Path(rapidocr.__file__).parent / "models"
    return rapidocr.RapidOCR(
        params={
            "Global.use_cls": False,
            "Global.log_level": "critical",
            "Global.text_score": _SURE,
            "EngineConfig.onnxruntime.intra_op_num_threads": 1,
            "EngineConfig.onnxruntime.inter_op_num_threads": 1,
            # Lines are found as well on a smaller picture, in a third of the time; they are read on the large one.
            "Det.limit_type": "max",
            "Det.limit_side_len": 960,
            "Det.model_path": str(models / "PP-OCRv6_det_small.onnx"),
            "Rec.model_path": str(models / "PP-OCRv6_rec_small.onnx"),
        }
    )


def read_picture(image: Any) -> Picture:
    """Read a picture of a page."""
    import numpy

    image = image.convert("L")
    image.thumbnail((SIDE, SIDE))
    boxes, texts, scores = _recognised(image)
    if len(boxes) > 2 and sum(_tall(box) for box in boxes) > 0.6 * len(boxes):
        image, boxes, texts, scores = _best(image, (90, 270))
    elif len(boxes) > 2 and sum(scores) < _DOUBTFUL * len(scores):
        image, boxes, texts, scores = _best(image, (0, 180))
    angle = _tilt(boxes)
    pixels = numpy.asarray(image)
    words = [(text, _box(box, angle, image.size), score) for text, box, score in zip(texts, boxes, scores, strict=True)]
    horizontal, vertical = _rulings(pixels, angle)
    return Picture(image.width, image.height, words, horizontal, vertical)


def _recognised(image: Any) -> tuple[list[Any], list[str], list[float]]:
    import numpy

    narrow = image.convert("RGB").resize((max(1, round(image.width * _NARROW)), image.height))
    found = engine()(numpy.asarray(narrow)[:, :, ::-1])
    if found.boxes is None or not found.txts:
        return [], [], []
    boxes = [[(x / _NARROW, y) for x, y in box] for box in found.boxes.tolist()]
    return boxes, list(found.txts), list(found.scores)


def _best(image: Any, turns: tuple[int, ...]) -> tuple[Any, list[Any], list[str], list[float]]:
    """The picture turned so that most is read with certainty."""
    tried = []
    for turn in turns:
        turned = image.rotate(turn, expand=True) if turn else image
        tried.append((turned, *_recognised(turned)))
    return max(tried, key=lambda one: sum(score**2 * len(text) for text, score in zip(one[2], one[3], strict=True)))


def _tall(box: Any) -> bool:
    (x0, y0), (x1, y1), (x2, y2), _ = box
    return math.hypot(x2 - x1, y2 - y1) > 1.5 * math.hypot(x1 - x0, y1 - y0)


def _tilt(boxes: list[Any]) -> float:
    """The angle at which the lines lie, radians: that of the middle one, by length."""
    tops = [(b[1][0] - b[0][0], b[1][1] - b[0][1]) for b in boxes]
    angles = sorted((math.atan2(rise, length), length) for length, rise in tops if length > 100)
    half = sum(length for _, length in angles) / 2
    for angle, length in angles:
        half -= length
        if half <= 0:
            return angle if abs(angle) < 0.3 else 0.0
    return 0.0


def _box(corners: Any, angle: float, size: tuple[int, int]) -> Box:
    """The upright box of a line, the page turned straight about its middle."""
    middle_x, middle_y = size[0] / 2, size[1] / 2
    cos, sin = math.cos(-angle), math.sin(-angle)
    points = [(x - middle_x, y - middle_y) for x, y in corners]
    xs = [middle_x + x * cos - y * sin for x, y in points]
    ys = [middle_y + x * sin + y * cos for x, y in points]
    return min(xs), min(ys), max(xs), max(ys)


def _rulings(pixels: Any, angle: float) -> tuple[list[Any], list[Any]]:
    """Long thin dark strokes, the page turned straight."""
    import cv2
    import numpy

    height, width = pixels.shape
    if abs(angle) > 0.001:
        turn = cv2.getRotationMatrix2D((width / 2, height / 2), math.degrees(angle), 1.0)
        pixels = cv2.warpAffine(pixels, turn, (width, height), flags=cv2.INTER_LINEAR, borderValue=255)
    dark = cv2.adaptiveThreshold(pixels, 255, cv2.ADAPTIVE_THRESH_MEAN_C, cv2.THRESH_BINARY_INV, 31, 12)
    found: list[list[Any]] = [[], []]
    for place, (one, bridge) in enumerate((((_RULE, 1), (9, 3)), ((1, _RULE), (3, 9)))):
        closed = cv2.morphologyEx(dark, cv2.MORPH_CLOSE, numpy.ones(bridge[::-1], numpy.uint8))
        opened = cv2.morphologyEx(closed, cv2.MORPH_OPEN, numpy.ones(one[::-1], numpy.uint8))
        count, _, stats, _ = cv2.connectedComponentsWithStats(opened)
        for x, y, w, h, _ in stats[1 : min(count, 2000)].tolist():
            if place == 0 and h <= 14 and w >= _RULE:
                found[0].append((y + h / 2, x, x + w))
            elif place == 1 and w <= 14 and h >= _RULE / 2:
                found[1].append((x + w / 2, y, y + h))
    return found[0], found[1]


def check_size(width: int, height: int, most: int) -> None:
    """Refuse a picture before it is unpacked."""
    if width * height > most:
        told = {"size": width * height / 1e6, "limit": most // 1_000_000}
        raise ParseError(tr("the picture has {size:.0f} megapixels, more than {limit}; make it smaller", **told))
