"""Read the JSON in which a program's value comes out of the sandbox. Nothing of the program is run, imported or
unpickled.

A JSON object has exactly one key, the tag: i integer in hexadecimal, f float that JSON lacks, t tuple, s set, z
frozenset, d dict as pairs, b bytes, c complex, D Decimal, F Fraction, dt datetime, day date, time time, td timedelta, o
the text of anything else.

The text may be anybody's. What is made of it is at most linear in its length, and so is the time: parts, depth and the
comparisons of what shares a hash are paid from a budget, numbers are as long as the encoder writes them, and nothing
takes the `repr()` of what it has read.
"""

from __future__ import annotations

import datetime
import json
import re
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from typing import Any

from nacre.reasoning.sandbox.budget import Budget, OutOfBudget
from nacre.reasoning.sandbox.inside.encode import LONGEST_DECIMAL, LONGEST_INT_BITS, NODES
from nacre.text.language import tr

Place = tuple[str, int, int, str]  # input, table, row, column
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")
_STRING = re.compile(r'"(?:[^"\\]++|\\.)*+"')
_HEX = re.compile(r"-?[0-9a-f]+")
_DECIMAL = re.compile(r"-?([0-9]+(\.[0-9]*)?(E[+-]?[0-9]{1,4})?|Infinity|s?NaN[0-9]{0,20})")
_FRACTION = re.compile(r"-?[0-9]+(/[0-9]+)?")
_FLOATS = {"nan": float("nan"), "inf": float("inf"), "-inf": float("-inf")}
_DIGITS = LONGEST_INT_BITS * 30103 // 100_000 + 2  # with a sign
_LONGEST_DATE = 64
_FARTHEST = 1 << 31


def decode(text: str, budget: Budget | None = None) -> Any:
    """The value that `nacre.reasoning.sandbox.inside.encode` wrote; the text may be anything."""
    _refuse_many_parts(text)
    try:
        node = json.loads(text, parse_constant=_refuse, parse_int=_short_int, object_pairs_hook=_tagged)
        return _read(node, budget or Budget(), 0)
    except (RecursionError, TypeError, ArithmeticError, LookupError) as error:
        raise ValueError(f"not an encoded value: {type(error).__name__}") from error


def decode_places(text: str, budget: Budget | None = None) -> tuple[Place, ...]:
    """Which cells the program says it has read (they need not exist); nothing when it is something else."""
    cells = decode(text, budget)
    if not isinstance(cells, list) or not all(
        isinstance(cell, tuple) and [type(part) for part in cell] == [str, int, int, str] for cell in cells
    ):
        return ()
    # The numbers are small, so that no two cells have the same hash by design.
    return tuple(dict.fromkeys(cell for cell in cells if 0 <= cell[1] <= _FARTHEST and 0 <= cell[2] <= _FARTHEST))


def printable(text: str) -> str:
    """The text with lone surrogates replaced, so that it can be written anywhere."""
    return _LONE_SURROGATE.sub("\ufffd", text)


def _refuse_many_parts(text: str) -> None:
    """Before the JSON parser makes an object of each part: it takes seventy bytes for three characters."""
    if len(text) > 2 * NODES:
        bare = _STRING.sub("", text)
        if sum(bare.count(mark) for mark in ",[{") > 3 * NODES + 3:
            raise OutOfBudget(tr("it has more than {nodes} parts", nodes=NODES))


def _refuse(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _short_int(digits: str) -> int:
    if len(digits) > _DIGITS:
        raise ValueError("too long an integer")
    return int(digits)


def _tagged(pairs: list[tuple[str, Any]]) -> tuple[str, Any]:
    """A JSON object as (tag, content), which no other JSON is read as."""
    if len(pairs) != 1:
        raise ValueError("an object with other than one tag")
    return pairs[0]


def _read(node: Any, budget: Budget, depth: int) -> Any:
    budget.node(depth)
    if isinstance(node, str):
        return printable(node)
    if isinstance(node, list):
        return [_read(item, budget, depth + 1) for item in node]
    if not isinstance(node, tuple):
        return node
    tag, content = node
    if tag in _SCALARS:
        longest, make = _SCALARS[tag]
        if not isinstance(content, str) or len(content) > longest:
            raise ValueError("too long, or not a text")
        return make(content)
    if not isinstance(content, list):
        raise ValueError("not a list")
    return _CONTAINERS[tag](content, budget, depth + 1)


def _tuple(content: list[Any], budget: Budget, depth: int) -> tuple[Any, ...]:
    return tuple([_read(item, budget, depth) for item in content])


def _set(content: list[Any], budget: Budget, depth: int) -> set[Any]:
    check = _Hashes(budget)
    return {check.read(item, depth) for item in content}


def _dict(content: list[Any], budget: Budget, depth: int) -> dict[Any, Any]:
    check = _Hashes(budget)
    return {check.read(key, depth): _read(value, budget, depth) for key, value in content}


def _numbers(kinds: tuple[type, ...], make: Callable[..., Any]) -> Callable[[list[Any], Budget, int], Any]:
    def read(content: list[Any], budget: Budget, depth: int) -> Any:
        parts = _tuple(content, budget, depth)
        if tuple(map(type, parts)) != kinds:
            raise ValueError("not numbers")
        return make(*parts)

    return read


class _Hashes:
    """Compares what shares a hash within the budget, before a set or a dict does it in C, holding everybody up.

    Hashes can be chosen: all multiples of 2**61 - 1 have the same.
    """

    def __init__(self, budget: Budget) -> None:
        self._budget, self._first, self._more = budget, dict[int, Any](), dict[int, list[Any]]()

    def read(self, node: Any, depth: int) -> Any:
        """A key or a member. The few that cannot be one here, but were inside, are read as their nearest kin."""
        before = self._budget.spent
        item = _read(node, self._budget, depth)
        try:
            number = hash(item)
        except TypeError:
            item = _frozen(item)
            number = hash(item)
        first = self._first.setdefault(number, item)
        return item if first is item else self._compared(item, number, first, self._budget.spent - before)

    def _compared(self, item: Any, number: int, first: Any, weight: int) -> Any:
        others = self._more.setdefault(number, [first])
        for other in others:
            self._budget.comparison(weight)
            if other == item:
                return other
        others.append(item)
        return item


def _frozen(item: Any) -> Any:
    """A list as a tuple, a set as a frozenset, a dict as a tuple of pairs. What is in a set is frozen already."""
    if isinstance(item, (list, tuple)):
        return tuple(map(_frozen, item))
    if isinstance(item, dict):
        return tuple((key, _frozen(value)) for key, value in item.items())
    if isinstance(item, set):
        return frozenset(item)
    return str(item) if isinstance(item, Decimal) and item.is_snan() else item


def _matched(pattern: re.Pattern[str], make: Callable[[str], Any]) -> Callable[[str], Any]:
    def read(content: str) -> Any:
        if not pattern.fullmatch(content):
            raise ValueError("not a number")
        return make(content)

    return read


_ANY = 1 << 62
_SCALARS: dict[str, tuple[int, Callable[[str], Any]]] = {
    "i": (LONGEST_INT_BITS // 4 + 1, _matched(_HEX, lambda digits: int(digits, 16))),
    "f": (4, lambda name: _FLOATS[name]),
    "b": (_ANY, bytes.fromhex),
    "D": (LONGEST_DECIMAL, _matched(_DECIMAL, Decimal)),
    "F": (2 * _DIGITS, _matched(_FRACTION, lambda text: Fraction(*map(_short_int, text.split("/"))))),
    "dt": (_LONGEST_DATE, datetime.datetime.fromisoformat),
    "day": (_LONGEST_DATE, datetime.date.fromisoformat),
    "time": (_LONGEST_DATE, datetime.time.fromisoformat),
    "o": (_ANY, printable),
}
_CONTAINERS: dict[str, Callable[[list[Any], Budget, int], Any]] = {
    "t": _tuple,
    "s": _set,
    "z": lambda content, budget, depth: frozenset(_set(content, budget, depth)),
    "d": _dict,
    "c": _numbers((float, float), complex),
    "td": _numbers((int, int, int), datetime.timedelta),
}
