"""What a value looks like in Python, and no more of it than was asked for."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import Any

from nacre.text.strict_json import digits_of

_BRACKETS: dict[type, tuple[str, str]] = {
    list: ("[", "]"),
    tuple: ("(", ")"),
    set: ("{", "}"),
    frozenset: ("frozenset({", "})"),
}


def brief(value: Any, limit: int) -> str:
    """The beginning of a value's `repr()`, so many characters, made without making the rest."""
    out = _Writer(limit + 1)
    out.write(value)
    return clipped("".join(out.parts), limit)


def clipped(text: str, limit: int) -> str:
    """The beginning of a text, so many characters; where there are more, an ellipsis stands for them."""
    return text if len(text) <= limit else text[:limit] + "…"


class _Writer:
    """Writes until it has enough; some characters more may come."""

    def __init__(self, room: int) -> None:
        self.parts: list[str] = []
        self._room = room

    def write(self, value: Any) -> None:
        """Write a value."""
        kind = type(value)
        if kind is dict:
            self._items(value.items(), "{", "}", paired=True)
        elif kind in _BRACKETS and (value or kind in (list, tuple)):
            left, right = _BRACKETS[kind]
            self._items(value, left, f",{right}" if kind is tuple and len(value) == 1 else right)
        else:
            self._put(_scalar(value, self._room))

    def _put(self, text: str) -> None:
        self.parts.append(text)
        self._room -= len(text)

    def _items(self, items: Any, left: str, right: str, *, paired: bool = False) -> None:
        self._put(left)
        for number, item in enumerate(items):
            if self._room <= 0:
                return
            if number:
                self._put(", ")
            if paired:
                self.write(item[0])
                self._put(": ")
                self.write(item[1])
            else:
                self.write(item)
        self._put(right)


def _scalar(value: Any, room: int) -> str:
    if isinstance(value, (str, bytes)):
        return repr(value[: max(0, room)])
    if type(value) is int:
        return digits_of(value)
    if isinstance(value, Fraction):
        return f"Fraction({digits_of(value.numerator)}, {digits_of(value.denominator)})"
    return f"Decimal('{value}')" if isinstance(value, Decimal) else repr(value)
