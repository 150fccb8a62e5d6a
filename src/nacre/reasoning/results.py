"""What a program's result means: its text, its plain form, and when two results are the same."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from datetime import date, time, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

from nacre.language import Language
from nacre.reasoning.interpreter import Execution
from nacre.text.numbers import NUMBER, close, digits, rounds_to

_NUMBER = re.compile(rf"-?{NUMBER}")
_SEQUENCE = (list, tuple, set, frozenset)
_MOST_DIGITS = 12


def result_of(execution: Execution) -> Any:
    """The value of a run, or what it printed last when it gave none.

    Args:
        execution: a run that ended well.

    Returns:
        A value, None when there is nothing.
    """
    if execution.value is not None:
        return execution.value
    lines = [line.strip() for line in execution.stdout.splitlines() if line.strip()]
    if not lines:
        return None
    return _as_number(lines[-1]) if _NUMBER.fullmatch(lines[-1]) else lines[-1]


def _as_number(text: str) -> int | float:
    plain = digits(text)
    return float(plain) if "." in plain or len(plain) > 4000 else int(plain)


def plain(value: Any) -> Any:
    """A value as JSON has it: sets and tuples as lists, exact numbers as numbers, dates as text.

    Args:
        value: a result.

    Returns:
        Dicts, lists, texts, numbers, bools and None.
    """
    if isinstance(value, _SEQUENCE):
        items = [plain(item) for item in value]
        return sorted(items, key=repr) if isinstance(value, set | frozenset) else items
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, Decimal | Fraction):
        number = _float(value)
        return int(value) if math.isfinite(number) and value == int(value) else number
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, timedelta):
        return str(value)
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return value if isinstance(value, bool | int | float | str | None) else str(value)


def text_of_value(value: Any, language: Language = "en") -> str:
    """A value as a person writes it.

    Args:
        value: a result.
        language: of yes and no, and of the comma in a list.

    Returns:
        945 rather than 945.0, 0.3 rather than 0.30000000000000004, the one item of a list rather than the list.
    """
    if isinstance(value, bool):
        return {"en": ("No", "Yes"), "zh": ("否", "是")}[language][value]
    if isinstance(value, float | Decimal):
        number = float(value)
        whole = math.isfinite(number) and abs(number) < 1e15 and number.is_integer()
        return (
            str(value)
            if isinstance(value, Decimal)
            else str(int(number))
            if whole
            else format(number, f".{_MOST_DIGITS}g")
        )
    if isinstance(value, _SEQUENCE):
        items = sorted(value, key=repr) if isinstance(value, set | frozenset) else value
        return {"en": ", ", "zh": "、"}[language].join(text_of_value(item, language) for item in items)
    if isinstance(value, dict):
        return json.dumps(plain(value), ensure_ascii=False)
    return str(value)


def same(left: Any, right: Any) -> bool:
    """Whether two results are the same: numbers within 1e-6, texts whatever their case, containers item by item.

    Args:
        left: a result.
        right: another.

    Returns:
        True when they are.
    """
    left, right = _single(left), _single(right)
    if isinstance(left, _SEQUENCE) and isinstance(right, _SEQUENCE):
        return len(left) == len(right) and all(same(a, b) for a, b in zip(left, right, strict=True))
    first, second = _float(left), _float(right)
    if not math.isnan(first) and not math.isnan(second):
        return close(first, second)
    return str(left).strip().casefold() == str(right).strip().casefold()


def vote(values: Sequence[Any]) -> tuple[int, list[dict[str, Any]]]:
    """The most frequent of some results; of equally frequent ones the first.

    Args:
        values: at least one result.

    Returns:
        The index of the winner, and every different value with its count, most frequent first.
    """
    groups: list[list[int]] = []
    for index, value in enumerate(values):
        for group in groups:
            if same(values[group[0]], value):
                group.append(index)
                break
        else:
            groups.append([index])
    groups.sort(key=len, reverse=True)
    return groups[0][0], [{"value": plain(values[group[0]]), "count": len(group)} for group in groups]


def mentions(text: str, value: Any) -> bool:
    """Whether a sentence says a value; a number may be rounded, by no more than one per cent.

    Args:
        text: what a model wrote.
        value: the value that it was told to say.

    Returns:
        False also when it cannot be told.
    """
    value = _single(value)
    if isinstance(value, _SEQUENCE):
        return bool(value) and all(mentions(text, item) for item in value)
    return bool(sayings(text, value))


def sayings(text: str, value: Any) -> list[str]:
    """The parts of a sentence that say a value.

    Args:
        text: a sentence.
        value: a result; of a container each item counts.

    Returns:
        Numbers and texts as they stand in the sentence, each once; none for True, False, a dict or None.
    """
    value = _single(value)
    if isinstance(value, bool | dict | None):
        return []
    if isinstance(value, _SEQUENCE):
        return list(dict.fromkeys(part for item in value for part in sayings(text, item)))
    number = _float(value)
    if math.isnan(number):
        at = text.casefold().find(said := str(value).strip().casefold())
        return [text[at : at + len(said)]] if said and at >= 0 else []
    return list(dict.fromkeys(said for said in _NUMBER.findall(text) if rounds_to(number, said)))


def _single(value: Any) -> Any:
    while isinstance(value, _SEQUENCE) and len(value) == 1:
        value = next(iter(value))
    return value


def _float(value: Any) -> float:
    """A number as a float, nan for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal | Fraction | str):
        return math.nan
    try:
        return float(value.replace(",", "").strip()) if isinstance(value, str) else float(value)
    except (ValueError, OverflowError):
        return math.nan
