"""The fields of a document: names and typed values from front matter, properties, headers, sources and sidecars.

All of it was written by others, so names and values are bounded, and no YAML alias is followed.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterator, Mapping
from typing import Any

Value = str | int | float | bool
Fields = dict[str, Any]  # of a value or a list of values each

_FIELDS = 64
_NAME = 64
_CHARACTERS = 512
_LISTED = 50
_YAML = 1 << 16  # characters of a front matter or a sidecar
_PDF_DATE = re.compile(r"D:(\d{4})(\d\d)?(\d\d)?(?:(\d\d)(\d\d)(\d\d)?)?")
_MAIL_DATE = re.compile(r"(?:[A-Z][a-z]{2}, )?\d{1,2} [A-Z][a-z]{2} \d{4} \d\d:\d\d")


def read_yaml(text: str) -> Mapping[Any, Any]:
    """The mapping in a front matter or a sidecar; a `ValueError` where it is too long, none, or refers to itself."""
    import yaml

    if len(text) > _YAML:
        raise ValueError(f"more than {_YAML:,} characters")
    loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the one in C is five times as fast
    try:
        if "*" in text and any(isinstance(token, yaml.AliasToken) for token in yaml.scan(text, loader)):
            raise ValueError("an alias (*) of YAML")
        found = yaml.load(text, loader)
    except (yaml.YAMLError, RecursionError, OverflowError) as error:
        raise ValueError(str(error).replace("\n", " ")[:200]) from error
    if not isinstance(found, Mapping):
        raise ValueError("no names with values")
    return found


def tidy_fields(*sources: Mapping[Any, Any]) -> Fields:
    """Fields as they are kept: bounded, of plain values; of two with one name the later source's counts."""
    found: Fields = {}
    for source in sources:
        for name, value in _flat(source):
            several = map(_plain, value[:_LISTED]) if isinstance(value, list) else ()
            kept = [one for one in several if one is not None] or _plain(value)
            if name and kept not in (None, "", []) and (name in found or len(found) < _FIELDS):
                found[name] = kept
    return found


def _flat(source: Mapping[Any, Any], above: str = "", depth: int = 0) -> Iterator[tuple[str, Any]]:
    for key, value in source.items():
        name = f"{above}{key}".strip()
        if name.startswith("_") or len(name) > _NAME:
            continue
        if not isinstance(value, Mapping):
            yield name, list(value) if isinstance(value, tuple | set) else value
        elif depth < 3:
            yield from _flat(value, f"{name}.", depth + 1)


def _plain(value: Any) -> Value | None:
    if isinstance(value, bool | float) or (isinstance(value, int) and abs(value) < 1 << 63):
        return value if value == value and abs(value) != float("inf") else None
    if isinstance(value, datetime.datetime | datetime.date | datetime.time):
        return value.isoformat()
    return _dated(" ".join(value.split())[:_CHARACTERS]) if isinstance(value, str) else None


def _dated(text: str) -> str:
    """A date as the properties of a PDF or the headers of a mail write it: the same in ISO's form."""
    if found := _PDF_DATE.match(text):
        year, month, day, hour, minute, second = found.groups()
        return f"{year}-{month or '01'}-{day or '01'}" + (f"T{hour}:{minute}:{second or '00'}" if hour else "")
    if _MAIL_DATE.match(text):
        from email.utils import parsedate_to_datetime  # a search, which reads no mail, is spared its imports

        try:
            return parsedate_to_datetime(text).isoformat()
        except (ValueError, TypeError, IndexError):
            pass
    return text
