"""Charts of Word and PowerPoint: what they are called, and the numbers they were drawn from."""

from __future__ import annotations

from typing import Any

from nacre.documents.builder import Builder
from nacre.documents.ooxml import attribute, child, descend, local


def add_chart(root: Any | None, out: Builder) -> None:
    """Append a chart: its title, and its series as columns of a table."""
    if root is None:
        return
    title = next((node for node in root.iter() if local(node) == "title"), None)
    if title is not None:
        out.add("paragraph", " ".join(words_of(part) for part in title.iter() if local(part) == "p"))
    columns: dict[str, dict[str, str]] = {}
    categories: dict[str, str] = {}
    for series in (node for node in root.iter() if local(node) == "ser"):
        name = " ".join(_points(child(series, "tx")).values()) or str(len(columns) + 1)
        categories |= _points(child(series, "cat"))
        columns[name] = _points(child(series, "val"))
    indexes = sorted(
        {key for points in (categories, *columns.values()) for key in points}, key=lambda key: (len(key), key)
    )
    if columns:
        rows = [[categories.get(key, ""), *(points.get(key, "") for points in columns.values())] for key in indexes]
        out.table([["", *columns], *rows])


def _points(node: Any | None) -> dict[str, str]:
    found: dict[str, str] = {}
    for point in descend(node):
        if local(point) == "pt":
            value = child(point, "v")
            found[attribute(point, "idx")] = (value.text or "") if value is not None else ""
    return found


def words_of(paragraph: Any) -> str:
    """The words of a drawing's paragraph."""
    parts = []
    for node in paragraph.iter():
        name = local(node)
        if name == "t":
            parts.append(node.text or "")
        elif name == "br":
            parts.append("\n")
        elif name == "tab":
            parts.append("\t")
    return "".join(parts).replace("\x0b", "\n").strip()
