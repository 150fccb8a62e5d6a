"""Automatic numbers of Word's headings and lists, counted as Word counts them: 2.1, (a), 第三章."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from nacre.documents.numerals import counted
from nacre.documents.ooxml import attribute, child, descend, is_on, local, number, parts

_LEVELS = 9


@dataclass(frozen=True)
class _Level:
    start: int
    form: str
    text: str
    restart: int | None
    legal: bool
    style: str
    gap: str


@dataclass
class _List:
    levels: dict[int, _Level] = field(default_factory=dict)
    counts: dict[int, int] = field(default_factory=dict)
    style: str = ""  # it is the list of this style
    borrowed: str = ""  # it has the levels of the list of this style


class Numbering:
    """The lists of a document and how far each has counted."""

    def __init__(self, root: Any | None) -> None:
        lists: dict[str, _List] = {}
        self.nums: dict[str, tuple[_List, dict[int, int], dict[int, _Level]]] = {}
        self.begun: set[tuple[str, int]] = set()
        for node in parts(root):
            if local(node) == "abstractNum":
                found = _List(
                    style=attribute(child(node, "styleLink")), borrowed=attribute(child(node, "numStyleLink"))
                )
                found.levels = {number(part, "ilvl"): _level(part) for part in node if local(part) == "lvl"}
                lists[attribute(node, "abstractNumId")] = found
        by_style = {one.style: one for one in lists.values() if one.style}
        for node in parts(root):
            one = lists.get(attribute(child(node, "abstractNumId"))) if local(node) == "num" else None
            if one is not None:
                starts, levels = _overrides(node)
                self.nums[attribute(node, "numId")] = by_style.get(one.borrowed, one), starts, levels

    def level_of(self, num: str, style: str) -> int | None:
        """The level that a list keeps for the paragraphs of a style."""
        found = self.nums.get(num)
        return next((at for at, one in found[0].levels.items() if one.style == style), None) if found else None

    def next(self, num: str, level: int) -> str:
        """The number of the next paragraph of a list, with the gap behind it; empty for bullets."""
        found = self.nums.get(num)
        if found is None or not 0 <= level < _LEVELS:
            return ""
        one, starts, own = found
        levels = one.levels | own
        if level not in levels:
            return ""
        if level in starts and (num, level) not in self.begun:
            one.counts[level] = starts[level] - 1
        self.begun.add((num, level))
        one.counts[level] = one.counts.get(level, levels[level].start - 1) + 1
        for deeper in range(level + 1, _LEVELS):
            restart = levels[deeper].restart if deeper in levels else None
            if restart is None or (restart and level < restart):
                one.counts.pop(deeper, None)
        return self._label(levels, one.counts, level)

    def _label(self, levels: dict[int, _Level], counts: dict[int, int], level: int) -> str:
        one = levels[level]
        if one.form == "bullet":
            return ""

        def said(found: re.Match[str]) -> str:
            at = int(found[1]) - 1
            if at not in levels or at > level or levels[at].form == "none":
                return ""
            return counted(counts.setdefault(at, levels[at].start), "decimal" if one.legal else levels[at].form)

        label = re.sub(r"%([1-9])", said, one.text).strip()
        return label + one.gap if label else ""


def _overrides(num: Any) -> tuple[dict[int, int], dict[int, _Level]]:
    starts, levels = {}, {}
    for node in num:
        if local(node) == "lvlOverride":
            at, start, level = number(node, "ilvl"), child(node, "startOverride"), child(node, "lvl")
            if start is not None:
                starts[at] = number(start)
            if level is not None:
                levels[at] = _level(level)
    return starts, levels


def _level(node: Any) -> _Level:
    part = {local(each): each for each in descend(node, stop={"pPr", "rPr"})}
    return _Level(
        number(part.get("start"), default=1),
        attribute(part.get("numFmt")) or "decimal",
        attribute(part.get("lvlText"))[:80],
        number(part["lvlRestart"]) if "lvlRestart" in part else None,
        is_on(part.get("isLgl")),
        attribute(part.get("pStyle")),
        "" if attribute(part.get("suff")) == "nothing" else " ",
    )
