"""XML of any kind: its text without tags; titles as headings, like records as tables, mixed content as paragraphs."""

from __future__ import annotations

import re
from typing import Any

from nacre.documents import html, plain
from nacre.documents.document import Builder
from nacre.documents.limits import Task
from nacre.documents.normalise import collapse
from nacre.documents.ooxml import local, parse_xml
from nacre.errors import ParseError

_TITLES = {"title", "head", "heading", "caption", "subtitle", "标题"}
_TAGS = re.compile(r"</[a-zA-Z][^<>]*>|<br ?/?>")
_DEEP = 200
_COLUMNS = 40


def parse(text: str, out: Builder, task: Task) -> None:
    """Read XML; a document type is passed over, and no entity of its own is ever replaced."""
    plain_text = re.sub(r"^\s*<\?xml[^>]*\?>", "", text)  # its charset is read already
    try:
        root = parse_xml(plain_text.encode("utf-8", "replace"), task.name, doctype=True)
    except ParseError as error:  # as many a hand-written file is: its words are there all the same
        out.warn(error.message)
        plain.parse(re.sub(r"<[^<>]*>", " ", plain_text), out, task)
        return
    stack = [(root, 1)]
    while stack:
        node, depth = stack.pop()
        children = [part for part in node if isinstance(part.tag, str)]
        if depth > _DEEP or not children or _is_mixed(node):
            _leaf(node, depth, out, task)
        elif (rows := _records(children)) is not None:
            out.table(rows)
        elif all(not len(part) for part in children):
            _fields(children, depth, out, task)
        else:
            stack += [(part, depth + 1) for part in reversed(children)]


def _is_mixed(node: Any) -> bool:
    """Words beside elements: a paragraph with marked words in it."""
    return bool((node.text or "").strip()) or any((part.tail or "").strip() for part in node)


def _words(node: Any) -> str:
    if not len(node) and node.text:
        return collapse(node.text)
    said = collapse("".join(node.itertext()))
    # An element without text says something by its attributes, if at all.
    return said or " ".join(value for value in map(str, node.attrib.values()) if not value.startswith("http"))


def _leaf(node: Any, depth: int, out: Builder, task: Task) -> None:
    said = _words(node)
    if local(node).lower() in _TITLES:
        out.title = out.title or said
        out.add("heading", said, min(6, depth))
    elif _TAGS.search(said):  # HTML as text, as feeds carry it
        html.parse(f"<body>{said}</body>", out, task)
    else:
        out.add("paragraph", said)


def _fields(children: list[Any], depth: int, out: Builder, task: Task) -> None:
    """Elements without parts, beside each other: the title, then the others line by line."""
    lines: list[str] = []
    for part in children:
        if local(part).lower() in _TITLES or _TAGS.search(part.text or ""):
            out.add("paragraph", "\n".join(lines))
            lines = []
            _leaf(part, depth + 1, out, task)
        else:
            lines.append(_words(part))
    out.add("paragraph", "\n".join(filter(None, lines)))


def _records(children: list[Any]) -> list[list[str]] | None:
    """The rows of a table, where all elements are of one kind and hold short values of the same few names."""
    if len(children) < 2 or len({local(part) for part in children}) > 1:
        return None
    names = list(dict.fromkeys(local(value) for part in children for value in part))
    if len(names) < 2 or len(names) > _COLUMNS:
        return None
    rows = [names]
    for part in children:
        values = {local(value): _words(value) for value in part}
        flat = len(values) == len(part) and not any(len(value) for value in part)
        if not flat or any(len(text) > 120 for text in values.values()):
            return None
        rows.append([values.get(name, "") for name in names])
    return rows
