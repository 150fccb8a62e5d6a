"""Numbers as people and programs write them, and when two of them are the same."""

from __future__ import annotations

import math

NUMBER = r"(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?"
"""A number without its sign, as a regular expression: "1,234.5", "7"."""


def digits(said: str) -> str:
    """A number as it was written, without what only parts its digits: "1,234_000" is "1234000"."""
    return said.replace(",", "").replace("_", "")


def close(left: float, right: float) -> bool:
    """Whether two results of a computation are one: within a millionth."""
    return math.isclose(left, right, rel_tol=1e-6, abs_tol=1e-9)


def rounds_to(number: float, said: str) -> bool:
    """Whether who says this says the number: rounded to the places that he gives, by no more than one per cent."""
    plain = digits(said)
    error = abs(number - float(plain))
    return error <= 1e-9 * max(1.0, abs(number)) or (
        error <= 0.5 * 10.0 ** -len(plain.partition(".")[2]) and error <= 0.01 * abs(number)
    )
