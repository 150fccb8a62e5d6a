"""Where the shapes of a slide stand, in the order of the eye, and on what ground: a white one hides white words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from nacre.documents.ooxml import attribute, child, local, parts

SHAPES = {"sp", "graphicFrame", "pic", "cxnSp"}
_MANY = 400  # shapes of a slide; of more, by their tops alone
_OVERLAP = 0.2  # how much of the smaller box two rows or columns may share
_DEEP = 24
_Scale = tuple[float, float, float, float]
_FILLS = {"solidFill", "gradFill", "blipFill", "pattFill", "grpFill"}
MAYBE_WHITE = {"FFFFFF", "ffffff", "window", "bg1", "tx1", "bg2", "tx2", "lt1"}
"""Colours that are worth a look at the theme."""


class Box(NamedTuple):
    """Where a shape stands, in the units of the slide."""

    left: float
    top: float
    right: float
    bottom: float

    def meets(self, other: Box) -> bool:
        """Whether two boxes share some of the slide."""
        beside = self.left >= other.right or other.left >= self.right
        return not beside and self.top < other.bottom and other.top < self.bottom


class Placed(NamedTuple):
    """A shape and its place, if it has any."""

    shape: Any
    box: Box | None


def placed(tree: Any, scale: _Scale = (1.0, 1.0, 0.0, 0.0), depth: int = 0) -> Iterator[Placed]:
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


def _scaled(box: Box, scale: _Scale) -> Box:
    x, y, dx, dy = scale
    return Box(box.left * x + dx, box.top * y + dy, box.right * x + dx, box.bottom * y + dy)


def _inner(group: Any, scale: _Scale) -> _Scale:
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


class Ground:
    """The ground of one slide: its background, and what was drawn on it, on its layout and its master."""

    def __init__(self, roots: list[Any], theme: Any | None) -> None:
        light = None if theme is None else next(theme.iter("{*}lt1"), None)
        names = child(roots[-1], "clrMap") if roots else None
        light_names = {name for name in ("bg1", "tx1", "bg2", "tx2") if attribute(names, name) == "lt1"}
        self.light: set[str] = set()
        if self.white(light):
            self.light = {"lt1", *light_names}
        self.dark = self._background(roots)
        drawn = [one for root in roots for one in placed(child(root, "cSld", "spTree"))]
        self.fills = [one.box for one in drawn if local(one.shape) == "pic" or self.filled(one.shape)]

    def _background(self, roots: list[Any]) -> bool:
        """Whether the background is another than white: the slide's own, else the layout's, else the master's."""
        for root in roots:
            ground = child(root, "cSld", "bg")
            if ground is not None:
                fill = child(ground, "bgPr", "solidFill")
                fill = child(ground, "bgRef") if fill is None else fill
                return fill is None or not self.white(fill)
        return False

    def white(self, fill: Any | None) -> bool:
        """Whether the colour inside an element is plain white."""
        color = None if fill is None or not len(fill) else fill[0]
        if color is None or len(color):
            return False
        value = attribute(color, "lastClr") or attribute(color)
        return value in self.light if local(color) == "schemeClr" else value.upper() in {"FFFFFF", "WINDOW"}

    def filled(self, shape: Any) -> bool:
        """Whether a shape has a ground of its own that is not known to be white."""
        properties = child(shape, "spPr")
        for fill in parts(properties):
            if local(fill) == "noFill":
                return False
            if local(fill) in _FILLS:
                return local(fill) != "solidFill" or not self.white(fill)
        styled = child(shape, "style", "fillRef")
        return styled is not None and attribute(styled, "idx") not in {"", "0"} and not self.white(styled)

    def hides_white(self, shape: Any, box: Box | None) -> bool:
        """Whether white words of a shape stand on white."""
        if self.dark or box is None or self.filled(shape):
            return False
        return not any(fill is None or fill.meets(box) for fill in self.fills)
