"""The shapes of a slide in the order of the eye: by rows and columns of boxes, not as they were drawn."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from nacre.documents.ooxml import child, local

SHAPES = {"sp", "graphicFrame", "pic", "cxnSp"}
_MANY = 400  # shapes of a slide; of more, by their tops alone
_OVERLAP = 0.2  # how much of the smaller box two rows or columns may share
_DEEP = 24


class Box(NamedTuple):
    """Where a shape stands, in the units of the slide."""

    left: float
    top: float
    right: float
    bottom: float


class Placed(NamedTuple):
    """A shape and its place, if it has any."""

    shape: Any
    box: Box | None


def placed(
    tree: Any, scale: tuple[float, float, float, float] = (1.0, 1.0, 0.0, 0.0), depth: int = 0
) -> Iterator[Placed]:
    """The shapes of a slide in the order of the file; groups are opened, however deep."""
    for node in () if tree is None or depth >= 60 else tree:
        name = local(node)
        if name in SHAPES:
            box = box_of(node)
            yield Placed(node, box and _scaled(box, scale))
        elif name == "grpSp":
            yield from placed(node, _inner(node, scale), depth + 1)
        elif name in {"AlternateContent", "Choice"}:
            yield from placed(node, scale, depth + 1)


def _scaled(box: Box, scale: tuple[float, float, float, float]) -> Box:
    x, y, dx, dy = scale
    return Box(box.left * x + dx, box.top * y + dy, box.right * x + dx, box.bottom * y + dy)


def _inner(group: Any, scale: tuple[float, float, float, float]) -> tuple[float, float, float, float]:
    """From the units inside a group to those of the slide."""
    form = child(group, "grpSpPr", "xfrm")
    outer, inner = _rectangle(form, "off", "ext"), _rectangle(form, "chOff", "chExt")
    if outer is None or inner is None:
        return scale
    outer = _scaled(outer, scale)
    x = (outer.right - outer.left) / max(1.0, inner.right - inner.left)
    y = (outer.bottom - outer.top) / max(1.0, inner.bottom - inner.top)
    return x, y, outer.left - inner.left * x, outer.top - inner.top * y


def box_of(shape: Any) -> Box | None:
    """Where a shape says that it stands."""
    form = child(shape, "xfrm") if local(shape) == "graphicFrame" else child(shape, "spPr", "xfrm")
    return _rectangle(form, "off", "ext")


def _rectangle(form: Any | None, place: str, size: str) -> Box | None:
    off, ext = child(form, place), child(form, size)
    if off is None or ext is None:
        return None
    values = [off.get("x", ""), off.get("y", ""), ext.get("cx", ""), ext.get("cy", "")]
    if not all(value.lstrip("-").isdecimal() and len(value) < 12 for value in values):
        return None
    x, y, width, height = map(float, values)
    return Box(x, y, x + width, y + height)


def in_order(shapes: Sequence[Placed]) -> list[Any]:
    """Shapes as the eye goes; those without a place stay behind the one that they follow in the file."""
    known = [(one.box, place) for place, one in enumerate(shapes) if one.box is not None]
    rank = {place: order for order, place in enumerate(_sorted(known, 0))}
    last, keys = -1, []
    for place in range(len(shapes)):
        last = rank.get(place, last)
        keys.append((last, place))
    return [shapes[place].shape for _, place in sorted(keys)]


def _sorted(boxes: list[tuple[Box, int]], depth: int) -> list[int]:
    if len(boxes) < 2:
        return [place for _, place in boxes]
    if len(boxes) <= _MANY and depth < _DEEP:
        for first, last in ((1, 3), (0, 2)):  # rows, then columns
            bands = _bands(boxes, first, last)
            if len(bands) > 1:
                return [place for band in bands for place in _sorted(band, depth + 1)]
    return [place for _, place in sorted(boxes, key=lambda one: (one[0].top, one[0].left, one[1]))]


def _bands(boxes: list[tuple[Box, int]], first: int, last: int) -> list[list[tuple[Box, int]]]:
    """Boxes parted into bands that share next to nothing along one axis."""
    bands: list[list[tuple[Box, int]]] = []
    reach = 0.0
    for one in sorted(boxes, key=lambda one: (one[0][first], one[0][last])):
        low, high = one[0][first], one[0][last]
        least = min((high - low), min((box[last] - box[first] for box, _ in bands[-1]), default=0.0)) if bands else 0.0
        if bands and reach - low > _OVERLAP * max(1.0, least):
            bands[-1].append(one)
            reach = max(reach, high)
        else:
            bands.append([one])
            reach = max(reach, high) if bands else high
    return bands
