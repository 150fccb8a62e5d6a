"""JSON as language models write it, read in one linear pass: single and curly quotes, bare keys, Python's constants,
trailing commas, full-width punctuation, inner quotes, triple-quoted strings, comments, a missing end.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

MAX_DEPTH = 60
_OPEN_QUOTES = {'"': '"', "'": "'", "“": "”", "‘": "’", "「": "」", "`": "`", "”": "”", "＂": "＂"}
_CONSTANTS = {"true": True, "false": False, "null": None, "none": None, "nan": None, "undefined": None}
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f", "/": "/", "\\": "\\", "\n": "\n"}
_COLONS = ":：=﹕"
_ENDS = ",，}]｝］;"
_BLANK = " \t\r\n\u3000\ufeff\u200b\xa0"
_NEXT_KEY = re.compile(r"""["'“][\w \-]{1,64}["'”][ ]{0,4}[:：]""")
_COMMENT = re.compile(r"[ \t](?://|/\*)")
# Blanks and comments, and what parts values.
_PASSED, _PARTED = (re.compile(rf"(?:[{_BLANK}{more}]|//[^\n]*+|/\*.*?(?:\*/|\Z))*+", re.S) for more in ("", ",，;"))
_KEYWORD = re.compile(r"(\w++)[ \t]*+(?!==|://)[:：=]")  # a bare address is a value
_BRACE = re.compile("[{｛]")
_KEY = re.compile(r"[\w .\-]{1,64}")
_LONGEST, _TRIES = 20_000, 64  # characters of a reply, and beginnings of an object in it, that are looked at
_DECODER = json.JSONDecoder(strict=False)


def read_json(text: str, start: int = 0) -> tuple[Any, int, bool]:
    """The object or the array that begins at `start`, the index behind it, and whether it was closed properly."""
    try:
        value, end = _DECODER.raw_decode(text, start)
        return value, end, True
    except (ValueError, RecursionError):
        doubled = text.startswith("{{", start)  # a template's escaped braces, copied
        reader = _Reader(text, start + doubled)
        value = reader.value(0)
        if doubled and text.startswith("}", reader.at):
            reader.at += 1
        if not isinstance(value, (dict, list)):
            raise ValueError("no object or array begins here") from None
        return value, reader.at, reader.closed


def last_object(text: str) -> dict[str, Any]:
    """The last JSON object in a text, of a long one in its end: what a model says after its thoughts. One that the
    standard knows counts more than one around it that can only be guessed.
    """
    text = text[-_LONGEST:]
    found: dict[str, Any] = {}
    at = behind = 0
    while (at := text.find("{", at)) >= 0:
        try:
            found, at = _DECODER.raw_decode(text, at)
            behind = at
        except (ValueError, RecursionError):
            at += 1
    begins = [match.start() for match in _BRACE.finditer(text, behind)]
    reached = -1
    for begin in reversed(begins[-_TRIES:]):  # the whole object begins before its parts
        try:
            value, end, _ = read_json(text, begin)
        except ValueError:
            continue
        if end > reached and isinstance(value, dict) and value and all(_KEY.fullmatch(key) for key in value):
            found, reached = value, end
    return found


def read_arguments(text: str, start: int, close: str) -> tuple[list[Any], dict[str, Any], int, bool]:
    """Read call arguments, `"a", 2, key="b"`, up to the closing bracket."""
    reader = _Reader(text, start)
    positional: list[Any] = []
    named: dict[str, Any] = {}
    for _ in reader.parts(close):
        key = reader.keyword()
        value = reader.value(0, ends=_ENDS + close)
        if key:
            named[key] = value
        else:
            positional.append(value)
    return positional, named, reader.at, reader.closed


class _Reader:
    """One pass over the text; every method leaves `at` behind what it has read."""

    def __init__(self, text: str, at: int) -> None:
        self.text = text
        self.at = at
        self.closed = True

    def skip(self, what: re.Pattern[str] = _PASSED) -> None:
        """Pass blanks and comments."""
        if found := what.match(self.text, self.at):
            self.at = found.end()

    def parts(self, close: str) -> Iterator[None]:
        """Stop before each part, up to a closing bracket or the end of the text."""
        while True:
            self.skip(_PARTED)
            if self.at >= len(self.text):
                self.closed = False
                return
            if self.text[self.at] in close:
                self.at += 1
                return
            yield

    def keyword(self) -> str:
        """`name` of a following `name=` or `name:`; "" and no move when there is none."""
        found = _KEYWORD.match(self.text, self.at)
        self.at = found.end() if found else self.at
        return found[1] if found else ""

    def value(self, depth: int, ends: str = _ENDS) -> Any:
        if depth > MAX_DEPTH:
            raise ValueError("nested too deeply")
        self.skip()
        if self.at >= len(self.text):
            raise ValueError("a value is missing")
        char = self.text[self.at]
        if char in "{｛":
            return self._object(depth)
        if char in "[［":
            return self._array(depth)
        if char in _OPEN_QUOTES:
            return self._string(ends)
        return self._bare(ends)

    def _object(self, depth: int) -> dict[str, Any]:
        self.at += 1
        result: dict[str, Any] = {}
        for _ in self.parts("}｝"):
            quoted = self.text[self.at] in _OPEN_QUOTES
            key = self._string(_COLONS) if quoted else self._bare(_COLONS + _ENDS, raw=True)
            self.skip()
            if key.startswith("\\") or self.at >= len(self.text) or self.text[self.at] not in _COLONS:
                raise ValueError("a key without a value")
            self.at += 1
            self.skip()
            if self.at < len(self.text) and self.text[self.at] not in _ENDS:
                result[key] = self.value(depth + 1)
            else:
                result[key] = None
        return result

    def _array(self, depth: int) -> list[Any]:
        self.at += 1
        result: list[Any] = []
        for _ in self.parts("]］"):
            if self.text[self.at] in "}｝":
                raise ValueError("a brace closes an array")
            result.append(self.value(depth + 1))
        return result

    def _string(self, ends: str) -> str:
        opening = self.text[self.at]
        if opening in "\"'" and self.text.startswith(opening * 3, self.at):
            end = self.text.find(opening * 3, self.at + 3)
            begin, self.at = self.at + 3, len(self.text) if end < 0 else end + 3
            self.closed = self.closed and end >= 0
            return self.text[begin : None if end < 0 else end]
        closing = _OPEN_QUOTES[opening]
        out: list[str] = []
        self.at += 1
        while self.at < len(self.text):
            char = self.text[self.at]
            if char == "\\" and self.at + 1 < len(self.text):
                out.append(self._escape(closing))
            elif char == closing and self._ends_string(ends):
                self.at += 1
                return whole("".join(out))
            else:
                out.append(char)
                self.at += 1
        self.closed = False
        return whole("".join(out))

    def _escape(self, closing: str) -> str:
        follower = self.text[self.at + 1]
        if follower == "u":
            digits = self.text[self.at + 2 : self.at + 6]
            if len(digits) == 4 and all(digit in "0123456789abcdefABCDEF" for digit in digits):
                self.at += 6
                return chr(int(digits, 16))
        self.at += 2
        if follower in ("'", '"', closing):
            return follower
        return _ESCAPES.get(follower, "\\" + follower)

    def _ends_string(self, ends: str) -> bool:
        """A quote closes the string when a separator, a bracket or the end follows: inner quotes are text."""
        after = self.at + 1
        while after < len(self.text) and self.text[after] in _BLANK:
            after += 1
        if after >= len(self.text) or self.text[after] in ends or self.text[after] in _ENDS or self.text[after] in "/#":
            return True
        return after > self.at + 1 and _NEXT_KEY.match(self.text, after) is not None  # the comma was forgotten

    def _bare(self, ends: str, *, raw: bool = False) -> Any:
        begin = self.at
        while self.at < len(self.text) and self.text[self.at] not in ends and self.text[self.at] != "\n":
            self.at += 1
        token = _COMMENT.split(self.text[begin : self.at], maxsplit=1)[0].strip(_BLANK)
        if not token:
            raise ValueError("a value is missing")
        if raw:
            return token
        if token.lower() in _CONSTANTS:
            return _CONSTANTS[token.lower()]
        return _number(token)


def whole(text: str) -> str:
    """Join surrogate pairs; a lone half becomes the replacement character."""
    if not any("\ud800" <= char <= "\udfff" for char in text):
        return text
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _number(token: str) -> int | float | str:
    if len(token) > 40 or token[0] not in "+-.0123456789":
        return token
    for kind in (int, float):
        try:
            return kind(token)
        except ValueError:
            continue
    return token
