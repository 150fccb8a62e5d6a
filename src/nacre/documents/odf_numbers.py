"""Automatic numbers of OpenDocument's lists and headings: 1.2, (a), 三、."""

from __future__ import annotations

from typing import Any

from nacre.documents.numerals import counted
from nacre.documents.ooxml import attribute, local, number, parts

_FORMS = {
    "1": "decimal", "a": "lowerLetter", "A": "upperLetter", "i": "lowerRoman", "I": "upperRoman",
    "一": "chineseCounting", "①": "decimalEnclosedCircle", "甲": "ideographTraditional", "子": "ideographZodiac",
    "壹": "chineseLegalSimplified", "壱": "ideographLegalTraditional", "１": "decimalFullWidth", "ア": "aiueo",
    "イ": "iroha", "가": "ganada",
}  # fmt: skip
_LEVELS = {"list-level-style-number", "outline-level-style"}


class Numbers:
    """How far the lists of one style, or the headings, have counted."""

    def __init__(self, style: Any | None) -> None:
        self.levels = {number(node, "level"): node for node in parts(style) if local(node) in _LEVELS}
        self.counts: dict[int, int] = {}

    def next(self, level: int, start: int = 0) -> str:
        """The number of the next item, with the gap behind it; empty where it has none."""
        node = self.levels.get(level)
        first = start or self.counts.get(level, number(node, "start-value", 1) - 1) + 1
        self.counts = {at: count for at, count in self.counts.items() if at < level} | {level: first}
        if node is None or not attribute(node, "num-format"):
            return ""
        above = range(max(1, level + 1 - number(node, "display-levels", 1)), level + 1)
        said = ".".join(filter(None, map(self._said, above)))
        before, after = attribute(node, "num-prefix"), attribute(node, "num-suffix")
        return f"{before}{said}{after or '.' * (not before)} "

    def _said(self, level: int) -> str:
        form = _FORMS.get(attribute(self.levels.get(level), "num-format")[:1])
        return counted(self.counts.get(level, 1), form) if form else ""
