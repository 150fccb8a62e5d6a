"""PowerPoint: slides in order, text in the order of the eye, tables, charts, diagrams, notes, comments."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nacre.documents.builder import Builder
from nacre.documents.drawings import Numbers, add_graphic, described, paragraphs, words_of
from nacre.documents.grid import REPEATED, TableRow, add_rows, rows_of
from nacre.documents.limits import Task
from nacre.documents.ooxml import Package, attribute, child, local, number, parts, relation_id, text_in
from nacre.documents.pptx_places import MAYBE_WHITE, Box, Ground, Placed, box_of, in_order, placed
from nacre.errors import ParseError
from nacre.text.language import tr

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
        self.boxes = {one.shape: one.box for one in found}
        kinds = [_placeholder(one.shape) for one in found]
        titles = [one.shape for one, kind in zip(found, kinds, strict=True) if kind in _TITLES]
        others = [one for one, kind in zip(found, kinds, strict=True) if kind not in _TITLES | _FURNITURE]
        rest = []
        for one in others:
            if one.box is None and len(others) > 1:  # where one stands alone, it need not be known where
                one = Placed(one.shape, _inherited(one.shape, self._layout))
            properties = _about(one.shape, "cNvPr")
            if attribute(properties, "hidden") in {"1", "true"} and not self.all:
                self.out.hide("hidden shape", " ".join(paragraphs(one.shape)))
            elif one.box is not None and not self.size.meets(one.box):
                self.out.hide("text off the page", " ".join(paragraphs(one.shape)))
            else:
                rest.append(one)
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
