"""PowerPoint: slides in order, text in the order of the eye, tables, charts, diagrams, notes, comments."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from nacre.documents.document import Builder
from nacre.documents.drawings import Numbers, add_graphic, described, paragraphs, words_of
from nacre.documents.grid import REPEATED, TableRow, add_rows, rows_of
from nacre.documents.limits import Task
from nacre.documents.ooxml import Package, attribute, child, local, number, parts, relation_id, text_in
from nacre.errors import ParseError
from nacre.text.language import tr

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


Placed = tuple[Any, Box | None]  # a shape and its place, if it has any


def placed(tree: Any, scale: _Scale = (1.0, 1.0, 0.0, 0.0), depth: int = 0) -> Iterator[Placed]:
    """The shapes of a slide in the order of the file; groups are opened, however deep."""
    for node in () if tree is None or depth >= 60 else tree:
        name = local(node)
        if name in SHAPES:
            box = box_of(node)
            yield node, box and _scaled(box, scale)
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
    known = [(box, place) for place, (_, box) in enumerate(shapes) if box is not None]
    rank = {place: order for order, place in enumerate(_sorted(known, 0))}
    last, keys = -1, []
    for place in range(len(shapes)):
        last = rank.get(place, last)
        keys.append((last, place))
    return [shapes[place][0] for _, place in sorted(keys)]


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
        self.fills = [box for shape, box in drawn if local(shape) == "pic" or self.filled(shape)]

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


_FURNITURE = {"sldNum", "dt", "ftr", "hdr", "sldImg"}
_ABOUT = {"nvSpPr", "nvPicPr", "nvGraphicFramePr", "nvCxnSpPr"}
_TITLES = {"title", "ctrTitle"}
_TINY = 200  # hundredths of a point
_SIZE = 9_144_000, 6_858_000  # of a slide that does not say


def parse(data: bytes, out: Builder, task: Task) -> None:
    """Read a presentation."""
    package = Package(data, task.limits)
    main = package.main("ppt/presentation.xml")
    root = package.xml(main)
    if root is None:
        raise ParseError(tr("the PowerPoint file has no presentation inside; save it again in PowerPoint"))
    package.properties(out)
    relations = package.relations(main)
    slides = [relations.get(relation_id(node), ("", ""))[1] for node in parts(root, "sldIdLst")]
    size = child(root, "sldSz")
    box = Box(0, 0, number(size, "cx") or _SIZE[0], number(size, "cy") or _SIZE[1])
    show = _Show(package, out, box, task.options.include_hidden)
    out.pages = len(slides)
    for out.page, part in enumerate(slides, start=1):
        show.slide(part)
    out.page = None


class _Show:
    """The slides of a presentation, one after the other."""

    def __init__(self, package: Package, out: Builder, size: Box, hidden: bool) -> None:
        self.package, self.out, self.size, self.all = package, out, size, hidden
        self.relations: dict[str, tuple[str, str]] = {}
        self.layouts: dict[str, dict[tuple[str, str], Box]] = {}
        self.root: Any | None = None
        self.known_ground: Ground | None = None
        self.boxes: dict[Any, Box | None] = {}

    def slide(self, part: str) -> None:
        self.root, self.known_ground = self.package.xml(part), None
        tree = child(self.root, "cSld", "spTree")
        if tree is None:
            self.out.warn(tr("slide {page} cannot be read", page=self.out.page))
            return
        if attribute(self.root, "show") in {"0", "false"} and not self.all:
            self.out.hide("hidden slide", " ".join(paragraphs(tree)))
            return
        self.relations = self.package.relations(part)
        self.shapes(tree)
        for kind, target in self.relations.values():
            root = self.package.xml(target) if kind in {"notesSlide", "comments"} else None
            for node in () if root is None else root.iter("{*}sp", "{*}cm", "{*}reply"):
                if kind == "notesSlide" and _placeholder(node) == "body":
                    self.out.add("note", "\n".join(paragraphs(node)))
                elif kind == "comments":
                    said = [part.text or "" for part in node.iter() if local(part) in {"text", "t"}]
                    self.out.add("comment", "".join(said))

    def shapes(self, tree: Any) -> None:
        """Title first, then the rest in the order of the eye."""
        found = list(placed(tree))
        self.boxes = dict(found)
        kinds = {shape: _placeholder(shape) for shape in self.boxes}
        titles = [shape for shape, _ in found if kinds[shape] in _TITLES]
        others = [one for one in found if kinds[one[0]] not in _TITLES | _FURNITURE]
        rest = []
        for shape, box in others:
            if box is None and len(others) > 1:  # where one stands alone, it need not be known where
                box = _inherited(shape, self._layout)
            properties = _about(shape, "cNvPr")
            if attribute(properties, "hidden") in {"1", "true"} and not self.all:
                self.out.hide("hidden shape", " ".join(paragraphs(shape)))
            elif box is not None and not self.size.meets(box):
                self.out.hide("text off the page", " ".join(paragraphs(shape)))
            else:
                rest.append((shape, box))
        for shape in [*titles, *in_order(rest)]:
            self.shape(shape)

    def ground(self) -> Ground:
        """What lies under the words of this slide; looked at where some are white."""
        if self.known_ground is None:
            layout, above = self._related(self.relations, "slideLayout")
            master, under = self._related(above, "slideMaster")
            theme = self._related(under, "theme")[0]
            parts = (self.package.xml(part) if part else None for part in (layout, master))
            roots = [root for root in (self.root, *parts) if root is not None]
            self.known_ground = Ground(roots, self.package.xml(theme) if theme else None)
        return self.known_ground

    def _related(self, relations: dict[str, tuple[str, str]], kind: str) -> tuple[str, dict[str, tuple[str, str]]]:
        part = next((target for name, target in relations.values() if name == kind), "")
        return part, self.package.relations(part) if part else {}

    def _unseen(self, shape: Any, run: Any) -> str:
        """How the words of a run are hidden; empty where they are not."""
        look = child(run, "rPr")
        if look is None:
            return ""
        if number(look, "sz", 1800) <= _TINY:
            return "tiny text"
        fill = child(look, "solidFill")
        if fill is None or not len(fill) or attribute(fill[0]) not in MAYBE_WHITE or not self.ground().white(fill):
            return ""
        box = self.boxes.get(shape) or _inherited(shape, self._layout)
        return "white text" if self.ground().hides_white(shape, box) else ""

    def _layout(self) -> dict[tuple[str, str], Box]:
        """Where the layout of a slide, and the master of that, put their placeholders."""
        part = next((target for kind, target in self.relations.values() if kind == "slideLayout"), "")
        if part not in self.layouts:
            found: dict[tuple[str, str], Box] = {}
            above = self._related(self.relations, "slideLayout")[1]
            for name in (self._related(above, "slideMaster")[0], part):
                root = self.package.xml(name) if name else None
                for shape in () if root is None else root.iter("{*}sp", "{*}graphicFrame", "{*}pic"):
                    key = _key(shape)
                    box = box_of(shape) if key else None
                    if key and box:
                        found |= {key: box, (key[0], ""): box}
            self.layouts[part] = found
        return self.layouts[part]

    def shape(self, shape: Any) -> None:
        kind = _placeholder(shape)
        if kind in _TITLES:
            self.out.add("heading", " ".join(paragraphs(shape)), 1)
        elif local(shape) == "graphicFrame":
            self.frame(shape)
        elif local(shape) == "pic":
            self.out.add("paragraph", described(_about(shape, "cNvPr")))
        else:
            self.words(shape, kind)

    def words(self, shape: Any, kind: str) -> None:
        found = [one for one in parts(shape, "txBody") if local(one) == "p"]
        listed = kind in {"body", "obj"} and sum(next(one.iter("{*}t"), None) is not None for one in found) > 1
        numbers = Numbers()
        seen = False
        for paragraph in found:
            unseen = {run: why for run in paragraph.iter("{*}r") if (why := self._unseen(shape, run))}
            for reason in sorted(set(unseen.values())):
                self.out.hide(reason, "".join(text_in(run, "t") for run, why in unseen.items() if why == reason))
            text = words_of(paragraph, unseen)
            seen = seen or bool(text or unseen)
            if text:
                properties = child(paragraph, "pPr")
                depth = number(properties, "lvl")
                text = numbers.next(properties, depth) + text
                self.out.add("list" if listed else "paragraph", text, depth + 1 if listed else 0)
        if not seen:
            self.out.add("paragraph", described(_about(shape, "cNvPr")))

    def frame(self, shape: Any) -> None:
        """A table, a chart or a diagram."""
        table = child(shape, "graphic", "graphicData", "tbl")
        if table is None:
            add_graphic(shape, self.package, self.relations, self.out)
            return
        named = attribute(child(table, "tblPr"), "firstRow") != "0"
        rows = rows_of((node for node in table if local(node) == "tr"), _row)
        add_rows(self.out, ((row, across and named) for row, across in rows), usual=None if named else 0)


def _row(line: Any, above: list[str]) -> TableRow:
    """The cells of a row, a merged one in each of its places, and whether one is merged across."""
    row: list[str] = []
    across = False
    cells = [node for node in line if local(node) == "tc"]
    for cell in cells:
        if attribute(cell, "vMerge") in {"1", "true"}:
            text = above[len(row)] if len(row) < len(above) else ""
            text = text if len(text) <= REPEATED else ""
        elif attribute(cell, "hMerge") in {"1", "true"}:
            text = row[-1] if row and across and len(row[-1]) <= REPEATED else ""
        else:
            text = " ".join(paragraphs(cell))
            across = 1 < number(cell, "gridSpan", 1) < len(cells)
        row.append(text)
    return row, any(1 < number(cell, "gridSpan", 1) < len(cells) for cell in cells)


def _about(shape: Any, *path: str) -> Any | None:
    """What a shape says of itself that is not seen."""
    for part in shape:
        if local(part) in _ABOUT:
            return child(part, *path)
    return None


def _placeholder(shape: Any) -> str:
    return (_key(shape) or ("",))[0]


def _key(shape: Any) -> tuple[str, str] | None:
    found = _about(shape, "nvPr", "ph")
    return None if found is None else (attribute(found, "type") or "obj", attribute(found, "idx"))


def _inherited(shape: Any, layout: Callable[[], dict[tuple[str, str], Box]]) -> Box | None:
    key = _key(shape)
    if key is None or key[0] in _TITLES | _FURNITURE:
        return None
    boxes = layout()
    same = next((box for (_, idx), box in boxes.items() if idx and idx == key[1]), None)
    return boxes.get(key) or same or boxes.get((key[0], "")) or (boxes.get(("body", "")) if key[0] == "obj" else None)
