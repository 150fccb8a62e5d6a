"""Values of a wrong kind are refused where they come in, before they become a TypeError deep inside."""

from __future__ import annotations

import difflib
import os
import reprlib
from collections.abc import Callable, Iterable, Sequence
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any

from nacre.errors import NacreError, UsageError
from nacre.text.language import listed, tr

if TYPE_CHECKING:
    from pydantic import ValidationError
    from pydantic_core import ErrorDetails

_NAMES: dict[Any, tuple[str, str]] = {
    str: ("a text", "文本"),
    os.PathLike: ("a path", "路径"),
    Integral: ("a whole number", "整数"),
    Real: ("a number", "数字"),
    Iterable: ("a list", "列表"),
    Callable: ("a function", "函数"),
    type(None): ("None", "None"),
}


def expect(value: object, name: str, *kinds: Any) -> None:
    """Refuse a value that is of none of some kinds.

    Example:
        >>> expect("leave", "query", str)
        >>> expect(3, "query", str)
        Traceback (most recent call last):
        nacre.errors.UsageError: query is 3 (int); it must be a text.
    """
    if isinstance(value, kinds):
        return
    names = [_NAMES.get(kind, (kind.__name__, kind.__name__)) for kind in kinds]
    shown, of = reprlib.repr(value), type(value).__name__
    raise UsageError(
        tr(
            "{name} is {shown} ({of}); it must be {names}.",
            name=name,
            shown=shown,
            of=of,
            names=" or ".join((en for en, _ in names)),
            names2="或".join((zh for _, zh in names)),
        )
    )


def complaint(kind: str, error: ValidationError, fields: Sequence[str]) -> str:
    """One line for the person who misspelt a field, or gave it a wrong value."""
    first = error.errors()[0]
    told = first.get("ctx", {}).get("error")
    if isinstance(told, NacreError):
        return tr("{kind}: {message_}", kind=kind, message_=told.message)
    name = str(first["loc"][0]) if first["loc"] else ""  # what follows are the ways in which pydantic tried to read it
    if first["type"] == "missing":
        return tr("{kind} needs the field {name!r}.", kind=kind, name=name)
    if first["type"] != "extra_forbidden":
        shown = reprlib.repr(first["input"])
        return tr(
            "{kind}: {name} is {shown}. {msg}.",
            kind=kind,
            name=name,
            shown=shown,
            msg=first["msg"],
            first=_bound(first),
        )
    near = difflib.get_close_matches(name, fields, n=1)
    hint = tr(" Did you mean {near!r}?", near=near[0]) if near else ""
    return tr(
        "{kind} has no field {name!r}.{hint} It has: {fields}.", kind=kind, name=name, hint=hint, fields=listed(fields)
    )


def _bound(error: ErrorDetails) -> str:
    signs = {"ge": "≥", "gt": ">", "le": "≤", "lt": "<"}
    bounds = [f"{signs[key]} {value}" for key, value in error.get("ctx", {}).items() if key in signs]
    return f"，应 {'、'.join(bounds)}" if bounds else ""
