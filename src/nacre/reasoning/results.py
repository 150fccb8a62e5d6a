"""What a program's result means: its text, its plain form, and when two results are the same."""

from __future__ import annotations

import math
import re
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from datetime import date, time
from decimal import Decimal
from fractions import Fraction
from itertools import islice
from typing import Any

from nacre.reasoning.interpreter import Execution
from nacre.reasoning.wording import brief
from nacre.text.language import Language
from nacre.text.numbers import NUMBER, close, digits, rounds_to
from nacre.text.strict_json import digits_of, finite, to_json

_NUMBER = re.compile(rf"-?{NUMBER}")
_SEQUENCE = (list, tuple, set, frozenset)
_MOST_DIGITS = 12
_LINE_ENDS = "\n\r\v\f\x1c\x1d\x1e\x85\u2028\u2029"  # those of `str.splitlines`
_LONGEST_NUMBER = 300  # digits: what a double holds
_SORTED_BY = 200  # characters of what is no number
_LONGEST_KEY = 10_000
_MOST_ITEMS = 10_000
_LOOKED_THROUGH = 5_000_000  # characters, for all items of a value together


def result_of(execution: Execution) -> Any:
    """The value of a run, or what it printed last when it gave none."""
    if execution.value is not None:
        return execution.value
    printed = execution.stdout.strip()
    last = printed[max(map(printed.rfind, _LINE_ENDS)) + 1 :].strip()
    bare = last.replace(",", "")
    if len(bare) > _LONGEST_NUMBER or not _NUMBER.fullmatch(last):
        return last or None
    return float(bare) if "." in bare else int(bare)


def plain(value: Any) -> Any:
    """A value as JSON has it: sets and tuples as lists, exact numbers as numbers, dates as text, and as text also what
    a double cannot hold: inf, nan, huge and tiny numbers.
    """
    if value is None or isinstance(value, (str, int, float)):
        return finite(value)
    if isinstance(value, _SEQUENCE):
        return [plain(item) for item in _in_order(value)]
    if isinstance(value, dict):
        return {_key(key): plain(item) for key, item in value.items()}
    if isinstance(value, (Decimal, Fraction)):
        number = _float(value)
        if not math.isfinite(number) or (not number and value):
            return _text(value)
        return int(value) if value == int(value) else number
    if isinstance(value, date | time):
        return value.isoformat()
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _text(value: Any) -> str:
    """A scalar as text; unlike `str()`, also an integer or a fraction with more digits than Python prints."""
    if isinstance(value, Fraction):
        parts = (value.numerator, value.denominator)[: 1 + (value.denominator != 1)]
        return "/".join(map(digits_of, parts))
    return digits_of(value) if type(value) is int else str(value)


def _key(key: Any) -> str:
    return brief(key, _LONGEST_KEY) if isinstance(key, _SEQUENCE) else _text(key)


def _in_order(value: Any) -> Any:
    """The items of a container; those of a set by size, after the numbers texts, and then the rest, by how they
    begin.
    """
    return sorted(value, key=_place) if isinstance(value, set | frozenset) else value


def _place(item: Any) -> tuple[int, float, str]:
    if isinstance(item, str):
        return 1, 0.0, item[:_SORTED_BY]
    number = _float(item)
    return (0, number, "") if math.isfinite(number) else (2, 0.0, brief(item, _SORTED_BY))


def text_of_value(value: Any, language: Language = "en") -> str:
    """A value as a person writes it."""
    if isinstance(value, _SEQUENCE):
        return {"en": ", ", "zh": "、"}[language].join(text_of_value(item, language) for item in _in_order(value))
    if isinstance(value, dict):
        return to_json(plain(value), ensure_ascii=False)
    if isinstance(value, bool):
        return {"en": ("No", "Yes"), "zh": ("否", "是")}[language][value]
    if isinstance(value, float):
        whole = abs(value) < 1e15 and value.is_integer()
        return str(int(value)) if whole else format(value, f".{_MOST_DIGITS}g")
    return _text(value)


def same(left: Any, right: Any) -> bool:
    """Whether two results are the same: numbers within 1e-6, texts whatever their case, containers item by item."""
    left, right = _single(left), _single(right)
    if isinstance(left, _SEQUENCE) and isinstance(right, _SEQUENCE):
        pairs = zip(_in_order(left), _in_order(right), strict=True)
        return len(left) == len(right) and all(same(a, b) for a, b in pairs)
    first, second = _float(left), _float(right)
    if not math.isnan(first) and not math.isnan(second):
        return close(first, second)
    return _said(left) == _said(right)


def _said(value: Any) -> str:
    text = str(value) if isinstance(value, bool | None) else text_of_value(value)
    return text.strip().casefold()


def vote(values: Sequence[Any]) -> tuple[int, list[dict[str, Any]]]:
    """The most frequent of some results; of equally frequent ones the first."""
    groups: list[list[int]] = []
    for index, value in enumerate(values):
        group = next((group for group in groups if same(values[group[0]], value)), None)
        if group is None:
            groups.append(group := [])
        group.append(index)
    groups.sort(key=len, reverse=True)
    return groups[0][0], [{"value": plain(values[group[0]]), "count": len(group)} for group in groups]


def mentions(text: str, value: Any) -> bool:
    """Whether a sentence says a value; a number may be rounded, by no more than one per cent."""
    items = list(islice(_scalars(value), _MOST_ITEMS))
    if len(items) == _MOST_ITEMS or len(items) * len(text) > _LOOKED_THROUGH:
        return False
    return bool(items) and all(sayings(text, item) for item in items)


def sayings(text: str, value: Any) -> list[str]:
    """The numbers and texts of a sentence that say a value, each once; of a container each item counts."""
    some = islice(_scalars(value), _MOST_ITEMS + len(text))  # more than these a text that holds the value cannot show
    items = [item for item in some if not (item is None or isinstance(item, (bool, dict)))]
    numbers = sorted(number for item in items if math.isfinite(number := _float(item)))
    said = [part for part in dict.fromkeys(_NUMBER.findall(text)) if _is_one_of(numbers, part)] if numbers else []
    folded = text.casefold()
    words = dict.fromkeys(_said(item) for item in items if not math.isfinite(_float(item)))
    for word in list(words)[: 1 + _LOOKED_THROUGH // (1 + len(folded))]:
        if word and (at := folded.find(word)) >= 0:
            said.append(text[at : at + len(word)])
    return list(dict.fromkeys(said))


def _scalars(value: Any) -> Iterator[Any]:
    if isinstance(value, _SEQUENCE):
        for item in value:
            yield from _scalars(item)
    else:
        yield value


def _is_one_of(numbers: list[float], said: str) -> bool:
    """Whether a number in a sentence is one of these, perhaps rounded: the nearest on either side decides."""
    at = bisect_left(numbers, float(digits(said)))
    return any(rounds_to(number, said) for number in numbers[max(0, at - 1) : at + 1])


def _single(value: Any) -> Any:
    while isinstance(value, _SEQUENCE) and len(value) == 1:
        value = next(iter(value))
    return value


def _float(value: Any) -> float:
    """A number as a float; nan for anything else, and for a number that is too large for one."""
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal | Fraction | str):
        return math.nan
    try:
        number = float(value.replace(",", "").strip()) if isinstance(value, str) else float(value)
    except (ValueError, OverflowError):
        return math.nan
    return number if isinstance(value, float) or math.isfinite(number) else math.nan
