"""Jupyter notebooks: Markdown cells as Markdown, code cells as code, and the text that the code gave."""

from __future__ import annotations

import json
import re
from typing import Any

from nacre.documents import html, markdown
from nacre.documents.aligned import tables_in
from nacre.documents.document import Builder
from nacre.documents.limits import Task
from nacre.errors import ParseError
from nacre.text.language import tr

_OUTPUT_CHARS, _PAGE_CHARS = 4000, 40_000  # of a page most are its tags
_NAME_OF_A_PICTURE = re.compile(r"<[^<>]{1,200}>")  # <Figure size 640x480 with 1 Axes>


def parse(text: str, out: Builder, task: Task) -> None:
    """Read a notebook."""
    try:
        book = json.loads(text, parse_int=str)
    except ValueError as error:
        raise ParseError(tr("damaged notebook") + f" ({error})") from error
    cells = book.get("cells") if isinstance(book, dict) else None
    if cells is None and isinstance(book, dict) and isinstance(book.get("worksheets"), list):
        cells = [cell for sheet in book["worksheets"] if isinstance(sheet, dict) for cell in sheet.get("cells") or []]
    if not isinstance(cells, list):
        raise ParseError(tr("the notebook has no cells; save it again in Jupyter"))
    for cell in cells:
        if isinstance(cell, dict):
            _cell(cell, out, task)


def _cell(cell: dict[str, Any], out: Builder, task: Task) -> None:
    source = _text(cell.get("source", cell.get("input", "")))
    kind = cell.get("cell_type")
    if kind == "markdown" and source.strip():
        markdown.parse(source.strip() + "\n", out, task)
    elif kind == "heading":
        level = str(cell.get("level"))
        out.add("heading", source, int(level) if level in set("123456") else 1)
    else:
        out.add("code" if kind == "code" else "paragraph", source)
    outputs = cell.get("outputs")
    for output in outputs if isinstance(outputs, list) else []:
        if isinstance(output, dict):
            _output(output, out, task)


def _output(told: dict[str, Any], out: Builder, task: Task) -> None:
    """What a cell gave: its text, or else the page or the Markdown of it; of an error its last line."""
    data = told.get("data")
    if not isinstance(data, dict):
        failed = ": ".join(filter(None, (_text(told.get("ename")), _text(told.get("evalue")))))
        _printed((_text(told.get("text")) or failed)[:_OUTPUT_CHARS], out)
        return
    plain = _text(data.get("text/plain"))[:_OUTPUT_CHARS]
    if not plain.strip() and (page := _text(data.get("text/html"))):
        html.parse(page[:_PAGE_CHARS], out, task)
    elif not plain.strip() and (written := _text(data.get("text/markdown"))):
        markdown.parse(written[:_OUTPUT_CHARS].strip() + "\n", out, task)
    elif not (_NAME_OF_A_PICTURE.fullmatch(plain.strip()) and any(kind.startswith("image/") for kind in data)):
        _printed(plain, out)


def _printed(text: str, out: Builder) -> None:
    """What the code gave; a table that it printed is one."""
    at = 0
    for (start, end), rows in tables_in(text):
        out.add("code", text[at:start])
        out.table(rows)
        at = end
    out.add("code", text[at:])


def _text(value: Any) -> str:
    return "".join(map(str, value)) if isinstance(value, list) else value if isinstance(value, str) else ""
