"""Words and signs by which formats are read, kept as data in `lists.txt`."""

from __future__ import annotations

import functools
from pathlib import Path


@functools.cache
def _lists() -> dict[str, list[str]]:
    lines = Path(__file__).with_name("lists.txt").read_text("utf-8").splitlines()[1:]
    return {name: said for name, *said in map(str.split, lines)}


def word_list(name: str) -> list[str]:
    """The words of a list."""
    return _lists()[name]


def pairs(name: str) -> dict[str, str]:
    """The words of a list by what stands for them."""
    said = _lists()[name]
    return dict(zip(said[::2], said[1::2], strict=True))
