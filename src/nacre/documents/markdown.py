"""Markdown: the text stays as it was written, but for comments and what is not shown; a CommonMark parser only says
where its blocks stand.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable
from functools import cache
from itertools import islice, takewhile
from typing import Any

from nacre.documents.builder import Builder
from nacre.documents.document import BlockKind, Cell, Table
from nacre.documents.limits import Task
from nacre.documents.markdown_hidden import seen
from nacre.documents.normalise import clean
from nacre.text.fields import read_yaml

_FRONT = re.compile(r"\A---[ \t]*\n(.*?\n)(?:---|\.\.\.)[ \t]*(?:\n|\Z)", re.S)
_FIELD = re.compile(r"^(title|description|summary|keywords|tags|abstract)[ \t]*:[ \t]*(.*(?:\n[ \t-].*)*)", re.M | re.I)
_HEADING_MARK = re.compile(r"\s*(?:#{1,6}[ \t]+)?(.*?)(?:[ \t]+#+)?[ \t]*(?:\{#[^{}]*\})?[ \t]*(?:\n|\Z)")
_TAG = re.compile(r"<!--.*?(?:-->|\Z)|</?[A-Za-z][^>]*>", re.S)
_CELL = re.compile(r"(?:[^|\\]|\\.)+")


def parse(text: str, out: Builder, task: Task) -> None:
    """Read Markdown (CommonMark with tables); MDX tags and comments are no content."""
    text = seen(clean(text), out)
    out.gap()
    base = out.write(text)
    front = _FRONT.match(text)
    skip = front.end() if front else 0
    if front:
        _front_matter(front, base, out)
    body = text[skip:]
    lines = _line_starts(body)
    _Walk(body, lines, base + skip, out).run(_reader().parse(body))


@cache
def _reader() -> Any:
    from markdown_it import MarkdownIt

    return MarkdownIt("commonmark", {"maxNesting": 40}).enable("table")


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


def _line_starts(text: str) -> list[int]:
    starts = [0]
    starts += [found.end() for found in re.finditer("\n", text)]
    starts.append(len(text))
    return starts


class _Walk:
    """Turns the parser's tokens, which know their lines, into blocks."""

    def __init__(self, text: str, lines: list[int], base: int, out: Builder) -> None:
        self.text, self.lines, self.base, self.out = text, lines, base, out
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
        first, last = self.block("table", token)
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
        cells = [
            (found.start() + start, found.end() + start) for found in _CELL.finditer(self.text[start:end].rstrip("\n"))
        ]
        trimmed = []
        for number, (a, b) in enumerate(cells):
            piece = self.text[a:b]
            outer = number in {0, len(cells) - 1} and not piece.strip()
            if outer and "|" in self.text[start:end]:
                continue
            a += len(piece) - len(piece.lstrip())
            b = max(a, b - (len(piece) - len(piece.rstrip())))
            trimmed.append(Cell(self.text[a:b], self.base + a, self.base + b))
        return trimmed
