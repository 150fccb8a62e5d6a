"""Plain text, kept character for character but for tables that spaces set; empty lines part paragraphs, single ones
those of a long unparted text.
"""

from __future__ import annotations

import re

from nacre.documents.aligned import tables_in
from nacre.documents.document import Builder
from nacre.documents.limits import Task
from nacre.documents.normalise import clean

_PARAGRAPH = re.compile(r"\S(?:.*\S)?(?:\n[ \t]*\S(?:.*\S)?)*")
_HEADING = re.compile(
    r"(第\s*[一二三四五六七八九十百零〇\d]+\s*[编篇部章]|chapter\s+[\dIVXLC]+\b|附录|appendix\b)[^\n。；;!?！？]{0,60}",
    re.I,
)
_TOO_LONG = 4000


def parse(text: str, out: Builder, task: Task) -> None:
    """Read plain text."""
    text = clean(text)
    at = 0
    for (start, end), rows in tables_in(text):
        _paragraphs(text[at:start].rstrip(), out)
        out.table(rows)
        at = end
    _paragraphs(text[at:].lstrip("\n") if at else text, out)


def _paragraphs(text: str, out: Builder) -> None:
    if not text:
        return
    out.gap()
    base = out.write(text)
    for found in _PARAGRAPH.finditer(text):
        first, last = found.span()
        if "\n" not in found.group() and _HEADING.fullmatch(found.group()):
            out.mark("heading", base + first, base + last, 1)
        elif last - first <= _TOO_LONG:
            out.mark("paragraph", base + first, base + last)
        else:
            _lines(text, first, last, base, out)


def _lines(text: str, first: int, last: int, base: int, out: Builder) -> None:
    """A paragraph of thousands of characters is a text that marks paragraphs by single line breaks."""
    for line in re.finditer(r"\S(?:.*\S)?", text[first:last]):
        out.mark("paragraph", base + first + line.start(), base + first + line.end())
