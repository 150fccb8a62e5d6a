"""Jupyter notebooks: Markdown cells as Markdown, code cells as code, and the text that the code gave."""

from __future__ import annotations

import json
from typing import Any

from nacre.documents import markdown
from nacre.documents.aligned import tables_in
from nacre.documents.document import Builder
from nacre.documents.limits import Task
from nacre.errors import ParseError
from nacre.text.language import tr

_OUTPUT_CHARS = 4000


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
    for output in cell.get("outputs") or []:
        told = output if isinstance(output, dict) else {}
        data = told.get("data")
        _output(_text(data.get("text/plain") if isinstance(data, dict) else told.get("text"))[:_OUTPUT_CHARS], out)


def _output(text: str, out: Builder) -> None:
    """What the code gave; a table that it printed is one."""
    at = 0
    for (start, end), rows in tables_in(text):
        out.add("code", text[at:start])
        out.table(rows)
        at = end
    out.add("code", text[at:])


def _text(value: Any) -> str:
    return "".join(map(str, value)) if isinstance(value, list) else value if isinstance(value, str) else ""
