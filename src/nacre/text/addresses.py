"""Addresses as people read them: 人事/handbook.md instead of %E4%BA%BA…; data keeps the exact uri."""

from __future__ import annotations

import re
from urllib.parse import quote, unquote

_ESCAPED = re.compile(r"(?:%[0-9A-Fa-f]{2})+")
_RESERVED = "%/?#"  # would make another address of it


def readable(text: str) -> str:
    """An address, or a text with some, decoded but for what is not seen or would steer a terminal."""
    return _ESCAPED.sub(lambda found: "".join(map(_shown, unquote(found[0], errors="surrogateescape"))), text)


def _shown(letter: str) -> str:
    if letter.isprintable() and letter not in _RESERVED:
        return letter
    return quote(letter, safe="", errors="surrogateescape")
