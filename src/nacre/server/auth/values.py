"""How many values a JSON body holds, counted while it comes: reading many at once would keep all others waiting."""

from __future__ import annotations

import re

MOST_VALUES = 250_000
"""A body of so many is read in a tenth of a second."""
_ESCAPE = re.compile(rb"\\.", re.DOTALL)
_MARKS = (b",", b":", b"[", b"{")


class Values:
    """Counts what separates and opens values outside of texts, piece by piece.

    Example:
        >>> values = Values()
        >>> values.add(b'{"a,": [1, "\\\\'), values.add(b'",{"]}')
        (4, 4)
    """

    def __init__(self) -> None:
        self._count = 0
        self._inside = self._escaped = self._wide = False

    def add(self, piece: bytes) -> int:
        """The count with one more piece of the body."""
        self._wide = self._wide or b"\0" in piece  # UTF-16 or -32: where texts end, bytes do not tell
        outside = piece if self._wide else self._outside(piece)
        self._count += sum(map(outside.count, _MARKS))
        return self._count

    def _outside(self, piece: bytes) -> bytes:
        plain = _ESCAPE.sub(b"", piece[self._escaped :])
        self._escaped = plain.endswith(b"\\")
        parts = plain.split(b'"')
        outside = parts[self._inside :: 2]
        self._inside ^= len(parts) % 2 == 0
        return b"".join(outside)
