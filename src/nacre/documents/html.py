"""HTML: what a reader sees, with headings, lists, tables and code; scripts never run and nothing is fetched."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from nacre.documents.builder import Builder
from nacre.documents.document import BlockKind
from nacre.documents.limits import Task
from nacre.documents.normalise import collapse

_DROPPED = {
    "script",
    "style",
    "noscript",
    "template",
    "svg",
    "math",
    "iframe",
    "object",
    "canvas",
    "head",
    "select",
    "datalist",
    "audio",
    "video",
    "_comment",
    "-comment",
}
_BLOCKS = {
    "address", "article", "aside", "blockquote", "body", "center", "dd", "details",
    "dialog", "div", "dl", "dt", "fieldset", "figcaption", "figure",
    "footer", "form", "h1", "h2", "h3", "h4", "h5", "h6", "header", "hgroup", "hr",
    "html", "legend", "li", "main", "menu", "nav", "ol", "p", "pre",
    "section", "summary", "table", "tbody", "td", "tfoot", "th", "thead", "tr", "ul", "caption", "option", "textarea",
}  # fmt: skip
_HEADINGS = {f"h{n}": n for n in range(1, 7)}
_LISTS = {"ul", "ol", "menu", "dl"}
_ITEMS = {"li", "dd", "dt"}
_MAX_SPAN = 200


def parse(text: str, out: Builder, task: Task) -> None:
    """Read an HTML page."""
    from selectolax.lexbor import LexborHTMLParser

    tree = LexborHTMLParser(text)
    title = tree.css_first("title")
    if title is not None and not out.title:
        out.title = collapse(title.text() or "")
    for meta in tree.css("meta[name][content]"):
        name = (meta.attributes.get("name") or "").lower()
        if name in {"description", "keywords", "author", "date"}:
            out.metadata.setdefault(name, collapse(meta.attributes.get("content") or ""))
    if tree.body is None:
        return
    if out.title and not out.length and out.title not in collapse(tree.body.text() or ""):
        # The title of a page is a thing its reader sees; as an aside, for it is indexed with every chunk anyway.
        out.aside(out.title)
    _Walk(out).run(tree.body)


def walk(root: Any) -> Iterator[tuple[Any, bool]]:
    """Go through a page without recursion, for pages nest thousands deep.

    Returns:
        Each node on the way in (False) and on the way out (True); what is dropped or hidden is not entered.
    """
    stack = [(root, False)]
    while stack:
        node, leaving = stack.pop()
        yield node, leaving
        if leaving or node.tag in _DROPPED or hidden(node):
            continue
        stack.append((node, True))
        children = []
        child = node.child
        while child is not None:
            children.append(child)
            child = child.next
        stack.extend((child, False) for child in reversed(children))


def hidden(node: Any) -> bool:
    """Whether the page itself hides an element."""
    if node.tag.startswith("-"):
        return False
    attributes = node.attributes
    style = (attributes.get("style") or "").replace(" ", "").lower()
    return "hidden" in attributes or "display:none" in style or "visibility:hidden" in style


class _Walk:
    """The state of one walk over a page."""

    def __init__(self, out: Builder) -> None:
        self.out = out
        self.line: list[str] = []
        self.level = self.lists = self.quotes = self.pre = self.nav = self.tables = 0

    def run(self, root: Any) -> None:
        inside = 0
        for node, leaving in walk(root):
            if inside:
                # The cells of a data table were read at once; wait for its end.
                if leaving and node.mem_id == inside:
                    inside = 0
                continue
            tag = node.tag
            if tag == "-text":
                self.line.append("" if leaving else node.text(deep=False))
            elif tag == "br" and not leaving:
                self.line.append("\x0b")
            elif tag == "img" and not leaving:
                self.line.append(f" {node.attributes.get('alt') or ''} ")
            elif tag == "table" and not leaving and _is_data(node):
                self.flush()
                _table(node, self.out)
                # `==` between nodes would write out and compare their whole HTML.
                inside = node.mem_id
            elif tag in _BLOCKS:
                self.border(node, leaving)
        self.flush()

    def border(self, node: Any, leaving: bool) -> None:
        """The beginning or the end of a block element ends the line before it."""
        tag, step = node.tag, -1 if leaving else 1
        if tag in {"td", "th"} and leaving:
            self.line.append(" ")
            return
        self.flush()
        if tag in _HEADINGS:
            self.level = 0 if leaving else _HEADINGS[tag]
        elif tag in _LISTS:
            self.lists += step
        elif tag == "blockquote":
            self.quotes += step
        elif tag in {"pre", "textarea"}:
            self.pre += step
        elif tag == "nav" or node.attributes.get("role") == "navigation":
            self.nav += step

    def flush(self) -> None:
        """End the running block."""
        raw, self.line = "".join(self.line), []
        if self.pre:
            self.out.add("code", raw.replace("\x0b", "\n"))
            return
        text = "\n".join(filter(None, (collapse(part) for part in raw.split("\x0b"))))
        if self.nav:
            self.out.aside(text)
        elif self.level:
            self.out.add("heading", text.replace("\n", " "), self.level)
        else:
            kind: BlockKind = "list" if self.lists else "quote" if self.quotes else "paragraph"
            self.out.add(kind, text, self.lists if kind == "list" else 0)


def _is_data(table: Any) -> bool:
    """A table of data has rows of several cells and no table, heading or form field inside; else it is layout."""
    if len(table.css("table")) > 1 or table.css_first("h1,h2,form") is not None:
        return False
    return any(len(row.css("td,th")) > 1 for row in table.css("tr"))


def _table(table: Any, out: Builder) -> None:
    caption = table.css_first("caption")
    if caption is not None:
        out.add("paragraph", _cell_text(caption))
    rows: list[list[str]] = []
    hanging: dict[int, int] = {}
    header_rows = 0
    for row in table.css("tr"):
        cells, hanging = _row(row, hanging)
        if any(cells) or cells:
            named = (row.parent is not None and row.parent.tag == "thead") or (
                row.css_first("td") is None and row.css_first("th") is not None
            )
            header_rows += named and header_rows == len(rows)
            rows.append(cells)
    out.table(rows, header_rows=min(header_rows or (len(rows) > 1), 4))


def _row(row: Any, hanging: dict[int, int]) -> tuple[list[str], dict[int, int]]:
    """One row on the grid: spanned cells are empty, so that columns stay under their header."""
    cells: list[str] = []
    left: dict[int, int] = {}

    def fill() -> None:
        while hanging.get(len(cells), 0) > 0:
            left[len(cells)] = hanging[len(cells)] - 1
            cells.append("")

    node = row.child
    while node is not None:
        if node.tag in {"td", "th"}:
            fill()
            width, height = _span(node, "colspan"), _span(node, "rowspan")
            if height > 1:
                left.update({len(cells) + n: height - 1 for n in range(width)})
            cells += [_cell_text(node), *[""] * (width - 1)]
        node = node.next
    fill()
    return cells, left


def _span(node: Any, name: str) -> int:
    value = (node.attributes.get(name) or "1").strip()
    return max(1, min(_MAX_SPAN, int(value))) if value.isdecimal() and len(value) < 6 else 1


def _cell_text(cell: Any) -> str:
    parts: list[str] = []
    for node, leaving in walk(cell):
        if node.tag == "-text":
            parts.append("" if leaving else node.text(deep=False))
        elif node.tag in _BLOCKS or node.tag == "br":
            parts.append(" ")
        elif node.tag == "img" and not leaving:
            parts.append(f" {node.attributes.get('alt') or ''} ")
    return collapse("".join(parts))
