"""JSON that every reader takes: what JSON has no number for (inf, nan, what a double does not hold) is text."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from decimal import Decimal
from typing import Any

_LARGEST_BITS = 1023  # what is larger, a browser reads as infinity


def to_json(data: Any, *, default: Callable[[Any], Any] | None = None, **options: Any) -> str:
    """The data as JSON text, never with NaN or Infinity, not even in what `default` returns."""
    try:
        return json.dumps(data, allow_nan=False, default=default, **options)
    except ValueError as error:
        clean = (lambda other: finite(default(other))) if default else None
        try:
            return json.dumps(finite(data), allow_nan=False, default=clean, **options)
        except RecursionError:  # it holds itself
            raise error from None


def finite(data: Any) -> Any:
    """The same data with text for each number that JSON lacks."""
    if isinstance(data, str) or data is None:
        return data
    if isinstance(data, int):
        return data if data.bit_length() <= _LARGEST_BITS else digits_of(data)
    if isinstance(data, float):
        return data if math.isfinite(data) else float.__repr__(data)
    if isinstance(data, dict):
        return {finite(key) if isinstance(key, (int, float)) else key: finite(value) for key, value in data.items()}
    return [finite(item) for item in data] if isinstance(data, (list, tuple)) else data


def digits_of(number: int) -> str:
    """All digits of an integer, whatever Python's limit on them is."""
    return format(Decimal(number), "f") if number.bit_length() > _LARGEST_BITS else int.__repr__(number)
