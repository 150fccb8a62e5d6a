"""Markdown: the text as it was written, but for what is not shown; a parser only says where blocks stand."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable, Iterator
from functools import cache
from itertools import islice, takewhile
from typing import Any

from nacre.documents.document import BlockKind, Builder, Cell, Table
from nacre.documents.html_looks import unseen_by_style
from nacre.documents.limits import Task
from nacre.documents.normalise import clean
from nacre.documents.wide import PART, WIDE, bands
from nacre.text.fields import read_yaml

# Code first, for what stands in it is shown; then comments, of HTML and as a link that nothing refers to; then tags.
_PART = re.compile(
    r"""(?=[`~<\[])(?:
    (?:(?<=^)|(?<=^[ ])|(?<=^[ ]{2})|(?<=^[ ]{3}))
      (?:(?P<fence>`{3,}|~{3,})[^\n]*\n.*?(?:^[ ]{0,3}(?P=fence)[`~]*[ \t]*$|\Z)
        |(?P<note>\[(?://|comment|_)\]:[ \t]*(?:\#|<>)[^\n]*$))
    |(?<!`)(?P<tick>`++)(?:[^`\n]++|\n(?![ \t]*\n)|(?!(?P=tick)(?!`))`++){1,2000}+(?P=tick)(?!`)
    |(?P<comment><!--.*?(?:-->|\Z))
    |<(?P<tag>[A-Za-z][\w-]*)(?P<attributes>[^<>]*(?:hidden|style)[^<>]*)>)""",
    re.X | re.M | re.S | re.I,
)
_ANY = re.compile(r"<!--|\]:[ \t]*(?:#|<>)|<[A-Za-z][^<>]*(?:hidden|style)", re.I)
_STYLE = re.compile(r"""\bstyle\s*=\s*(?:"([^"]*)"|'([^']*)')""", re.I)
_HIDDEN = re.compile(r"(?:^|\s)hidden(?=\s|=|/|$)", re.I)
_VOID = {"br", "hr", "img", "input", "link", "meta"}
_FAR = 20_000  # characters within which an element must end
_FRONT = re.compile(r"\A---[ \t]*\n(.*?\n)(?:---|\.\.\.)[ \t]*(?:\n|\Z)", re.S)
_FIELD = re.compile(r"^(title|description|summary|keywords|tags|abstract)[ \t]*:[ \t]*(.*(?:\n[ \t-].*)*)", re.M | re.I)
_HEADING_MARK = re.compile(r"\s*(?:#{1,6}[ \t]+)?(.*?)(?:[ \t]+#+)?[ \t]*(?:\{#[^{}]*\})?[ \t]*(?:\n|\Z)")
_TAG = re.compile(r"<!--.*?(?:-->|\Z)|</?[A-Za-z][^>]*>", re.S)
_CELL = re.compile(r"(?:[^|\\]|\\.)+")
_CUT = re.compile(r"(?<!\\)\|")
_WIDE_TABLE = re.compile(
    rf"^[^|\n]*+\|[^\n]*+\n\|?+(?:[ \t]*+:?+-++:?+[ \t]*+\|){{{WIDE},}}+[ \t:-]*+(?:\n(?=[^|\n]*+\|)[^\n]*+)*+", re.M
)


def seen(text: str, out: Builder) -> str:
    """The text without what nobody sees; elements are told, comments are not."""
    if not _ANY.search(text):  # nearly always
        return text
    kept: list[str] = []
    at = 0
    while found := _PART.search(text, at):
        end, reason = found.end(), ""
        if found["tag"]:
            reason = _reason(found["attributes"])
            end = _end(text, found) if reason else end
        if found["comment"] or found["note"] or reason:
            kept.append(text[at : found.start()])
            if reason:
                out.hide(reason, re.sub(r"<[^>]*>", " ", text[found.start() : end]))
        else:
            kept.append(text[at:end])
        at = end
    return "".join(kept) + text[at:]


def _reason(attributes: str) -> str:
    if _HIDDEN.search(_STYLE.sub("", attributes)):
        return "hidden element"
    style = _STYLE.search(attributes)
    return unseen_by_style(style[1] or style[2] or "") if style else ""


def _end(text: str, opened: re.Match[str]) -> int:
    """Where an element ends, those of its name inside it counted."""
    tag = opened["tag"].lower()
    if tag in _VOID or opened["attributes"].endswith("/"):
        return opened.end()
    depth = 1
    for found in re.compile(rf"<(/?){tag}\b[^<>]*>", re.I).finditer(text, opened.end(), opened.end() + _FAR):
        depth += -1 if found[1] else 1
        if not depth:
            return found.end()
    return opened.end()


def parse(text: str, out: Builder, task: Task) -> None:
    """Read Markdown (CommonMark with tables); MDX tags and comments are no content."""
    text, parts = _narrowed(seen(clean(text), out))
    out.gap()
    base = out.write(text)
    front = _FRONT.match(text)
    skip = front.end() if front else 0
    if front:
        _front_matter(front, base, out)
    body = text[skip:]
    lines = [0, *(found.end() for found in re.finditer("\n", body)), len(body)]
    _Walk(body, lines, base + skip, out, {at - skip for at in parts}).run(_reader().parse(body))


def _narrowed(text: str) -> tuple[str, set[int]]:
    """The text with wide tables as narrow ones, but for what is code, and where those begin."""
    if not (found := list(_WIDE_TABLE.finditer(text))):  # nearly always
        return text, set()
    spans = (token.map for token in _reader().parse(text) if token.type in {"fence", "code_block"})
    code = {line for first, last in spans for line in range(first, last)}
    kept, begins = list[str](), set[int]()
    at = before = line = length = 0
    for table in found:
        line += text.count("\n", before, table.start())
        before = table.start()
        if line in code:
            continue
        between = text[at : table.start()]
        for part in _parted(table):
            length += len(between)
            begins.add(length)
            kept += (between, part)
            length, between = length + len(part), "\n\n"
        at = table.end()
    return "".join(kept) + text[at:], begins


def _parted(table: re.Match[str]) -> Iterator[str]:
    """A table that is too wide for a passage, as narrow ones."""
    head, _, *body = (_CUT.split(line.strip().removeprefix("|").removesuffix("|")) for line in table[0].split("\n"))
    for _, rows in bands([head, *body], 1):
        ruled = (*rows[:1], ["---"] * len(rows[0]), *rows[1:])
        yield "\n".join(f"| {' | '.join(map(str.strip, row))} |" for row in ruled)


@cache
def _reader() -> Any:
    from markdown_it import MarkdownIt

    return MarkdownIt("commonmark", {"maxNesting": 40}).enable("table").disable("inline")  # blocks are all we need


def _front_matter(front: re.Match[str], base: int, out: Builder) -> None:
    for found in _FIELD.finditer(front.group(1)):
        name, value = found.group(1).lower(), found.group(2).strip()
        out.metadata.setdefault(name, re.sub(r"\s*\n\s*(?:-\s+)?", ", ", value).strip(" ,\"'[]>|"))
        start = base + front.start(1) + found.start()
        if value:
            out.mark("meta", start, start + len(found.group().rstrip()))
    with contextlib.suppress(ValueError):  # front matter that is no YAML is text like any other
        out.fields |= {str(name): value for name, value in read_yaml(front.group(1)).items()}
    out.title = out.title or out.metadata.get("title", "")


class _Walk:
    """Turns the parser's tokens, which know their lines, into blocks."""

    def __init__(self, text: str, lines: list[int], base: int, out: Builder, parts: set[int]) -> None:
        self.text, self.lines, self.base, self.out, self.parts = text, lines, base, out, parts
        self.lists = self.quotes = self.done = 0

    def run(self, tokens: list[Any]) -> None:
        for number, token in enumerate(tokens):
            name = token.type
            if name == "paragraph_open":
                kind: BlockKind = "list" if self.lists else "quote" if self.quotes else "paragraph"
                self.block(kind, token, self.lists)
            elif name in {"bullet_list_open", "ordered_list_open", "bullet_list_close", "ordered_list_close"}:
                self.lists += token.nesting
            elif name in {"blockquote_open", "blockquote_close"}:
                self.quotes += token.nesting
            elif name == "heading_open":
                self.heading(token)
            elif name in {"fence", "code_block"}:
                self.block("code", token)
            elif name == "html_block":
                self.block("paragraph", token)
            elif name == "table_open":
                self.table(token, takewhile(lambda one: one.type != "table_close", islice(tokens, number, None)))

    def block(self, kind: BlockKind, token: Any, level: int = 0) -> tuple[int, int]:
        first, last = self.lines[token.map[0]], self.lines[min(token.map[1], len(self.lines) - 1)]
        first = max(first, self.done)
        piece = self.text[first:last]
        if not (_TAG.sub("", piece) if "<" in piece else piece).strip():
            return first, first
        first += len(piece) - len(piece.lstrip())
        last -= len(piece) - len(piece.rstrip())
        self.done = last
        self.out.mark(kind, self.base + first, self.base + last, level)
        return first, last

    def heading(self, token: Any) -> None:
        """The span is the words of the heading, without its marks."""
        found = _HEADING_MARK.match(self.text, self.lines[token.map[0]])
        if found and found.group(1).strip():
            self.out.mark("heading", self.base + found.start(1), self.base + found.end(1), int(token.tag[1]))
            self.done = self.lines[min(token.map[1], len(self.lines) - 1)]

    def table(self, token: Any, tokens: Iterable[Any]) -> None:
        first, last = self.block("table", token, PART if self.lines[token.map[0]] in self.parts else 0)
        rows = [self.row(part.map[0]) for part in tokens if part.type == "tr_open" and part.map]
        if first == last or not rows:
            return
        width = len(rows[0])
        body = tuple(tuple((row + [Cell("", row[-1].end, row[-1].end)] * width)[:width]) for row in rows[1:] if row)
        header = tuple(cell.text for cell in rows[0])
        place = self.base + first, self.base + last
        self.out.tables.append(Table(*place, header, body, sheet=self.out.sheet, row=2, mark="|"))

    def row(self, line: int) -> list[Cell]:
        start, end = self.lines[line], self.lines[line + 1]
        cells = list(_CELL.finditer(self.text[start:end].rstrip("\n")))
        trimmed = []
        for number, found in enumerate(cells):
            a, b, piece = found.start() + start, found.end() + start, found[0]
            outer = number in {0, len(cells) - 1} and not piece.strip()
            if outer and "|" in self.text[start:end]:
                continue
            a += len(piece) - len(piece.lstrip())
            b = max(a, b - (len(piece) - len(piece.rstrip())))
            trimmed.append(Cell(self.text[a:b], self.base + a, self.base + b))
        return trimmed
