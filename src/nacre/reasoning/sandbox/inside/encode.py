"""Values as JSON text, written inside the sandbox: plain data keeps its type, anything else becomes the text of its
repr().

Every JSON object has one key, the tag of a type (see `nacre.reasoning.sandbox.values` for the reader). Only methods of
exact built-in types are called on plain data, so a subclass cannot run code or lie about its length here.
"""

from __future__ import annotations

import datetime
import decimal
import fractions
import sys
from _json import encode_basestring_ascii as quote  # the C function: a program may patch the json module
from collections.abc import Callable, Iterable
from typing import Any

DEPTH, NODES, LONGEST_INT_BITS = 64, 200_000, 13_000  # 13,000 bits are 3,913 digits; Python itself prints 4,300
LONGEST_DECIMAL, _LARGEST_EXPONENT = 4000, 9999  # characters of a Decimal; what is longer goes out as text


class Unencodable(Exception):
    """The value is too large, too deep or refers to itself."""


class Encoder:
    """Writes one value, in at most `limit` characters."""

    def __init__(self, limit: int) -> None:
        self._left, self._nodes, self._limit = limit, NODES, limit
        self._parts: list[str] = []

    def text(self, value: Any) -> str:
        """The value as JSON."""
        self._write(value, 0)
        return "".join(self._parts)

    def _put(self, text: str) -> None:
        self._left -= len(text)
        if self._left < 0:
            raise Unencodable(f"the value is larger than {self._limit} bytes; return a shorter one")
        self._parts.append(text)

    def _quote(self, text: str) -> None:
        if len(text) > self._left:
            self._put(" " * (self._left + 1))
        self._put(quote(text))

    def _write(self, value: Any, depth: int) -> None:
        self._nodes -= 1
        if depth > DEPTH:
            raise Unencodable(f"the value is nested deeper than {DEPTH} levels, or refers to itself")
        if self._nodes < 0:
            raise Unencodable(f"the value has more than {NODES} parts; return a shorter one")
        for kind, write in _WRITERS:
            if isinstance(value, kind):
                write(self, value, depth)
                return
        self._write_other(value, depth)

    def _sequence(self, items: Iterable[Any], depth: int, tag: str = "") -> None:
        self._put(f'{{"{tag}":[' if tag else "[")
        for position, item in enumerate(items):
            if position:
                self._put(",")
            self._write(item, depth + 1)
        self._put("]}" if tag else "]")

    def _write_other(self, value: Any, depth: int) -> None:
        plain = _as_plain(value)
        if plain is not value:
            self._write(plain, depth + 1)
            return
        self._put('{"o":')
        text = repr(value)
        self._quote(str.__str__(text))
        self._put("}")


def _write_int(out: Encoder, value: int, depth: int) -> None:
    number = int.__index__(value)
    if number.bit_length() <= 53:
        out._put(int.__repr__(number))
    elif number.bit_length() <= LONGEST_INT_BITS:
        out._put(f'{{"i":"{number:x}"}}')
    else:
        out._put(f'{{"o":"{_digits(out, number)}"}}')


def _digits(out: Encoder, number: int) -> str:
    """All of them, whatever Python's own limit is: a Decimal is written in linear time."""
    if number.bit_length() > out._left * 3:
        raise Unencodable("the number has too many digits; return a shorter one")
    return format(decimal.Decimal(number), "f")


def _write_decimal(out: Encoder, value: decimal.Decimal, depth: int) -> None:
    text = decimal.Decimal.__str__(value)
    _, _, exponent = text.partition("E")
    short = len(text) <= LONGEST_DECIMAL and len(exponent) <= len(str(_LARGEST_EXPONENT)) + 1
    out._put('{"D":' if short else '{"o":')
    out._quote(text)
    out._put("}")


def _write_fraction(out: Encoder, value: fractions.Fraction, depth: int) -> None:
    above, below = (part.__get__(value) for part in (fractions.Fraction.numerator, fractions.Fraction.denominator))
    short = max(above.bit_length(), below.bit_length()) <= LONGEST_INT_BITS
    out._put('{"F":' if short else '{"o":')
    out._quote("/".join(_digits(out, part) for part in ((above, below) if below != 1 else (above,))))
    out._put("}")


def _write_float(out: Encoder, value: float, depth: int) -> None:
    text = float.__repr__(value)
    out._put(text if text[-1].isdigit() else f'{{"f":"{text}"}}')  # nan, inf, -inf


def _write_bytes(out: Encoder, value: bytes | bytearray, depth: int) -> None:
    kind: Any = bytes if isinstance(value, bytes) else bytearray
    data = kind.__getitem__(value, slice(None))
    if len(data) * 2 > out._left:
        out._put(" " * (out._left + 1))
    out._put(f'{{"b":"{data.hex()}"}}')


def _write_dict(out: Encoder, value: dict[Any, Any], depth: int) -> None:
    out._put('{"d":[')
    for position, (key, item) in enumerate(dict.items(value)):
        out._put(",[" if position else "[")
        out._write(key, depth + 1)
        out._put(",")
        out._write(item, depth + 1)
        out._put("]")
    out._put("]}")


def _tagged(tag: str, text_of: Callable[[Any], str]) -> Callable[[Encoder, Any, int], None]:
    def write(out: Encoder, value: Any, depth: int) -> None:
        out._put(f'{{"{tag}":')
        out._quote(text_of(value))
        out._put("}")

    return write


_REAL_IMAG = complex.real, complex.imag
_WRITERS: tuple[tuple[type | tuple[type, ...], Callable[[Encoder, Any, int], None]], ...] = (
    (type(None), lambda out, value, depth: out._put("null")),
    (bool, lambda out, value, depth: out._put("true" if value else "false")),
    (int, _write_int),
    (float, _write_float),
    (str, lambda out, value, depth: out._quote(str.__str__(value))),
    (list, lambda out, value, depth: out._sequence(list.__iter__(value), depth)),
    (tuple, lambda out, value, depth: out._sequence(tuple.__iter__(value), depth, "t")),
    (dict, _write_dict),
    (set, lambda out, value, depth: out._sequence(set.__iter__(value), depth, "s")),
    (frozenset, lambda out, value, depth: out._sequence(frozenset.__iter__(value), depth, "z")),
    ((bytes, bytearray), _write_bytes),
    (complex, lambda out, value, depth: out._sequence([part.__get__(value) for part in _REAL_IMAG], depth, "c")),
    (decimal.Decimal, _write_decimal),
    (fractions.Fraction, _write_fraction),
    (datetime.datetime, _tagged("dt", datetime.datetime.isoformat)),
    (datetime.date, _tagged("day", datetime.date.isoformat)),
    (datetime.time, _tagged("time", datetime.time.isoformat)),
    (datetime.timedelta, lambda out, t, depth: out._sequence((t.days, t.seconds, t.microseconds), depth, "td")),
)


def _as_plain(value: Any) -> Any:
    """Numbers and arrays of numpy, numbers of sympy and the views of a dict, as plain data; anything else as it is."""
    if isinstance(value, (type({}.keys()), type({}.values()), type({}.items()), range)):
        return list(value)
    numpy = sys.modules.get("numpy")
    if numpy is not None and isinstance(value, (numpy.generic, numpy.ndarray)):
        plain = value.item() if isinstance(value, numpy.generic) else value.tolist()
        return value if isinstance(plain, numpy.generic) else plain
    sympy = sys.modules.get("sympy")
    if sympy is None or not isinstance(value, sympy.Basic):
        return value
    if isinstance(value, sympy.Integer):
        return int(value)
    if isinstance(value, sympy.Rational):
        return fractions.Fraction(int(value.p), int(value.q))
    if isinstance(value, sympy.Float):
        return float(value)
    if value is sympy.true or value is sympy.false:
        return bool(value)
    if isinstance(value, (sympy.Tuple, sympy.FiniteSet)):
        return tuple(value.args)
    return value
