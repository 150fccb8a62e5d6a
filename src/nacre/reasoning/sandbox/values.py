"""Read the JSON in which a program's value comes out of the sandbox. Nothing of the program is run, imported or unpickled.

A JSON object has exactly one key, the tag: i integer in hexadecimal, f float that JSON lacks, t tuple, s set, z frozenset,
d dict as pairs, b bytes, c complex, D Decimal, F Fraction, dt datetime, day date, time time, td timedelta, o the text of anything else.
"""

from __future__ import annotations

import datetime
import json
import re
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from typing import Any

_LONE_SURROGATE = re.compile("[\ud800-\udfff]")
_DECIMAL = re.compile(r"-?(\d{1,4000}(\.\d{0,4000})?(E[+-]?\d{1,4})?|Infinity|s?NaN\d{0,20})")
_FRACTION = re.compile(r"-?\d{1,4000}(/\d{1,4000})?")
_FLOATS = {"nan": float("nan"), "inf": float("inf"), "-inf": float("-inf")}


def decode(text: str) -> Any:
    """The value that `nacre.reasoning.sandbox.inside.encode` wrote.

    Args:
        text: JSON from inside the sandbox; it may be anything.

    Returns:
        Plain data.

    Raises:
        ValueError: it is not what the encoder writes.
    """
    try:
        return _read(json.loads(text, parse_constant=_refuse))
    except (RecursionError, TypeError, ArithmeticError, LookupError) as error:
        raise ValueError(f"not an encoded value: {type(error).__name__}") from error


def printable(text: str) -> str:
    """The text with lone surrogates replaced, so that it can be written anywhere.

    Args:
        text: any text.

    Returns:
        Text that every Unicode encoding takes.
    """
    return _LONE_SURROGATE.sub("\ufffd", text)


def _refuse(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _read(node: Any) -> Any:
    if isinstance(node, str):
        return printable(node)
    if isinstance(node, list):
        return [_read(item) for item in node]
    if not isinstance(node, dict):
        return node
    if len(node) != 1:
        raise ValueError("an object with other than one tag")
    [(tag, content)] = node.items()
    return _READERS[tag](content)


def _items(content: Any) -> list[Any]:
    if not isinstance(content, list):
        raise ValueError("not a list")
    return [_read(item) for item in content]


def _hashable(content: Any) -> list[Any]:
    return [_frozen(item) for item in _items(content)]


def _frozen(item: Any) -> Any:
    """Keys and members were hashable inside; the few whose text form is not are read as their text."""
    try:
        hash(item)
    except TypeError:
        return repr(item)
    return item


def _pairs(content: Any) -> dict[Any, Any]:
    return {_frozen(_read(key)): _read(value) for key, value in content}


def _matched(pattern: re.Pattern[str], make: Callable[[str], Any]) -> Callable[[Any], Any]:
    def read(content: Any) -> Any:
        if not pattern.fullmatch(content):
            raise ValueError("not a number")
        return make(content)

    return read


def _integer(content: Any) -> int:
    if len(content) > 4000:
        raise ValueError("too long an integer")
    return int(content, 16)


_READERS: dict[str, Callable[[Any], Any]] = {
    "i": _integer,
    "f": lambda content: _FLOATS[content],
    "t": lambda content: tuple(_items(content)),
    "s": lambda content: set(_hashable(content)),
    "z": lambda content: frozenset(_hashable(content)),
    "d": _pairs,
    "b": bytes.fromhex,
    "c": lambda content: complex(*_items(content)),
    "D": _matched(_DECIMAL, Decimal),
    "F": _matched(_FRACTION, Fraction),
    "dt": datetime.datetime.fromisoformat,
    "day": datetime.date.fromisoformat,
    "time": datetime.time.fromisoformat,
    "td": lambda content: datetime.timedelta(*_items(content)),
    "o": lambda content: printable(str(content)),
}
