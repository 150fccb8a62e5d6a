"""JSON and JSON lines: records as "key: value" lines a person and an encoder can read; like records, wherever they
stand, become a table.
"""

from __future__ import annotations

import json
import re
from typing import Any

from nacre.documents import plain
from nacre.documents.document import Builder
from nacre.documents.limits import Task
from nacre.errors import ParseError
from nacre.text.language import tr

_LENIENT = re.compile(r"^\s*(?://|/\*)|,\s*[}\]]|[{,\[]\s*//", re.M)
_TITLES = ("title", "name", "标题", "名称", "id")


def parse(text: str, out: Builder, task: Task) -> None:
    """Read JSON, or one JSON value a line."""
    try:
        value = _load(text)
        values = value if isinstance(value, list) else [value]
    except ValueError as error:
        values = _lines(text, out)
        if not values:
            if not _LENIENT.search(text):
                raise ParseError(tr("damaged JSON") + f" ({error})") from error
            plain.parse(text, out, task)  # with comments or commas that JSON has not: a settings file, as it is
            return
        value = values
    if isinstance(value, dict):
        if isinstance(value.get("title"), str):
            out.title = out.title or value["title"]
        for key, part in value.items():
            _record({key: part}, out)
    elif rows := _rows(values):
        out.table(rows)
    else:
        for part in values:
            _record(part, out)


def _load(text: str) -> Any:
    # Numbers stay as written: no digit is lost, and a number of a million digits costs nothing.
    return json.loads(text, parse_int=str, parse_float=str, parse_constant=str)


def _lines(text: str, out: Builder) -> list[Any]:
    """JSON lines; nothing where too many are none."""
    values, broken = [], []
    for number, line in enumerate(text.splitlines(), start=1):
        try:
            if line.strip():
                values.append(_load(line))
        except ValueError:
            broken.append(number)
    if len(values) < 2 or len(broken) > len(values):
        return []
    if broken:
        out.warn(tr("{count} lines are no JSON, the first is line {broken}", count=len(broken), broken=broken[0]))
    return values


def _rows(values: list[Any]) -> list[list[str]]:
    """Records of the same flat, short fields as the rows of a table; nothing where they are others."""
    if len(values) < 2 or not all(isinstance(value, dict) and value for value in values):
        return []
    keys = list(dict.fromkeys(key for value in values for key in value))
    held = (part for value in values for part in value.values())
    flat = all(not isinstance(part, dict | list) and len(str(part)) <= 60 for part in held)
    if not flat or len(keys) > 40 or len(keys) > 2 * len(values[0]):
        return []
    return [keys, *([_scalar(value.get(key, "")) for key in keys] for value in values)]


def _record(value: Any, out: Builder) -> None:
    lines: list[str] = []
    tables: list[tuple[str, list[list[str]]]] = []
    _flatten("", value, lines, tables, 0)
    if isinstance(value, dict):
        name = next((str(value[key]) for key in _TITLES[:2] if isinstance(value.get(key), str)), "")
        out.add("heading", name[:200].replace("\n", " "), 1)
    out.add("paragraph", "\n".join(lines))
    for key, rows in tables:
        out.add("paragraph", key[:200].replace("\n", " "))
        out.table(rows)


def _flatten(key: str, value: Any, lines: list[str], tables: list[tuple[str, list[list[str]]]], depth: int) -> None:
    if depth > 200:
        raise ParseError(tr("its values are nested too deeply"))
    if isinstance(value, dict) and value:
        for name, part in value.items():
            _flatten(f"{key}.{name}" if key else str(name), part, lines, tables, depth + 1)
    elif isinstance(value, list) and key and (rows := _rows(value)):
        tables.append((key, rows))
    elif isinstance(value, list) and value:
        if all(not isinstance(part, dict | list) for part in value):
            lines.append(f"{key}: " + ", ".join(map(_scalar, value)) if key else ", ".join(map(_scalar, value)))
            return
        for number, part in enumerate(value):
            _flatten(f"{key}[{number}]", part, lines, tables, depth + 1)
    elif value not in (None, "", [], {}):
        lines.append(f"{key}: {_scalar(value)}" if key else _scalar(value))


def _scalar(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)
