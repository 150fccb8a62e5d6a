"""Numbers as lists, headings and cells count, 4, iv, D, 四, ④, 肆; and how far lists of Word and OpenDocument have."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from nacre.documents.lists import pairs
from nacre.documents.ooxml import attribute, child, descend, is_on, local, number, parts

_PLAIN = ("〇一二三四五六七八九", "十百千", "零")
_LEGAL = ("零壹贰叁肆伍陆柒捌玖", "拾佰仟", "零")
_LEGAL_TRADITIONAL = ("零壹貳參肆伍陸柒捌玖", "拾佰仟", "零")
_STEMS, _BRANCHES = "甲乙丙丁戊己庚辛壬癸", "子丑寅卯辰巳午未申酉戌亥"
_IROHA, _AIUEO = "イロハニホヘトチリヌルヲワカヨタレソツネナラム", "アイウエオカキクケコサシスセソタチツテト"
_GANADA = "가나다라마바사아자차카타파하"
_MOST = 10**15
_LEVELS = 9
_FORMS = pairs("odf-numbers")
_NUMBERED = {"list-level-style-number", "outline-level-style"}


def roman(number: int) -> str:
    """In Roman numerals, for 1 to 3999; others in digits."""
    if not 0 < number < 4000:
        return str(number)
    said = ""
    for sign, value in pairs("roman").items():
        said, number = said + sign * (number // int(value)), number % int(value)
    return said


def letters(number: int) -> str:
    """A to Z, then AA, BB as Word counts; beyond ZZZ in digits."""
    turn, place = divmod(number - 1, 26)
    return chr(65 + place) * (turn + 1) if number > 0 and turn < 3 else str(number)


def chinese(number: int, *, legal: bool = False, traditional: bool = False, counting: bool = True) -> str:
    """In Chinese characters: 二十一, and not counting, but digit by digit, 二一."""
    digits, units, zero = _LEGAL_TRADITIONAL if legal and traditional else _LEGAL if legal else _PLAIN
    if number < 0 or number > _MOST:
        return str(number)
    if not counting:
        return "".join(digits[int(digit)] for digit in str(number))
    if number == 0:
        return zero
    said, gap = "", False
    for power, mark in ((12, "兆"), (8, "億" if traditional else "亿"), (4, "萬" if traditional else "万"), (0, "")):
        part = number // 10**power % 10000
        if part:
            group, gap = _group(part, digits, units, zero, lead=bool(said) and (gap or part < 1000)), False
            said += group + mark
        elif said:
            gap = True
    # Ten to nineteen are said without their one: 十二.
    return said[1:] if not legal and said.startswith("一十") else said


def _group(part: int, digits: str, units: str, zero: str, *, lead: bool) -> str:
    said, pending = "", lead
    for place in (3, 2, 1, 0):
        digit = part // 10**place % 10
        if digit:
            said += (zero if pending and (said or lead) else "") + digits[digit] + (units[place - 1] if place else "")
            pending = False
        elif said:
            pending = True
    return said


def circled(number: int) -> str:
    """① to ㊿; others in digits."""
    for least, most, base in ((0, 0, 0x24EA), (1, 20, 0x2460), (21, 35, 0x3251), (36, 50, 0x32B1)):
        if least <= number <= most:
            return chr(base + number - least)
    return str(number)


def _of(row: str, number: int) -> str:
    return row[(number - 1) % len(row)] if number > 0 else str(number)


def _ordinal(number: int) -> str:
    ending = "th" if 10 < number % 100 < 14 else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"


_FORMATS: dict[str, Callable[[int], str]] = {
    "decimalZero": lambda n: f"{n:02}",
    "upperRoman": roman,
    "lowerRoman": lambda n: roman(n).lower(),
    "upperLetter": letters,
    "lowerLetter": lambda n: letters(n).lower(),
    "ordinal": _ordinal,
    "numberInDash": lambda n: f"- {n} -",
    "decimalFullWidth": lambda n: str(n).translate({48 + d: 0xFF10 + d for d in range(10)}),
    "decimalEnclosedParen": lambda n: chr(0x2474 + n - 1) if 0 < n < 21 else f"({n})",
    "decimalEnclosedFullstop": lambda n: chr(0x2488 + n - 1) if 0 < n < 21 else f"{n}.",
    "ideographEnclosedCircle": lambda n: chr(0x3280 + n - 1) if 0 < n < 11 else str(n),
    "ideographDigital": lambda n: chinese(n, counting=False),
    "ideographTraditional": lambda n: _of(_STEMS, n),
    "ideographZodiac": lambda n: _of(_BRANCHES, n),
    "iroha": lambda n: _of(_IROHA, n),
    "aiueo": lambda n: _of(_AIUEO, n),
    "ganada": lambda n: _of(_GANADA, n),
}


def counted(number: int, form: str) -> str:
    """A number in one of the formats that `w:numFmt` of Word names; an unknown one gives digits."""
    made = _FORMATS.get(form)
    if made is not None:
        return made(number)
    if form.startswith("decimalEnclosedCircle"):
        return circled(number)
    if form.startswith(("iroha", "aiueo")):  # the full-width forms
        return counted(number, form[:5])
    if form.startswith(("chinese", "taiwanese", "japanese", "ideograph")):
        traditional = form.startswith(("taiwan", "ideograph", "japan")) or form.endswith("Traditional")
        return chinese(number, legal="Legal" in form, traditional=traditional, counting="Digital" not in form)
    return str(number)


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
    levels: dict[int, _Level]
    style: str  # it is the list of this style
    borrowed: str  # it has the levels of the list of this style
    counts: dict[int, int] = field(default_factory=dict)


class Numbering:
    """The lists of a document and how far each has counted."""

    def __init__(self, root: Any | None) -> None:
        lists: dict[str, _List] = {}
        self.nums: dict[str, tuple[_List, dict[int, int], dict[int, _Level]]] = {}
        self.begun: set[tuple[str, int]] = set()
        for node in parts(root):
            if local(node) == "abstractNum":
                style, borrowed = attribute(child(node, "styleLink")), attribute(child(node, "numStyleLink"))
                levels = {number(part, "ilvl"): _level(part) for part in node if local(part) == "lvl"}
                lists[attribute(node, "abstractNumId")] = _List(levels, style, borrowed)
        by_style = {one.style: one for one in lists.values() if one.style}
        for node in parts(root):
            one = lists.get(attribute(child(node, "abstractNumId"))) if local(node) == "num" else None
            if one is not None:
                over = [(number(part, "ilvl"), part) for part in node if local(part) == "lvlOverride"]
                starts = {at: number(begin) for at, part in over if (begin := child(part, "startOverride")) is not None}
                levels = {at: _level(own) for at, part in over if (own := child(part, "lvl")) is not None}
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


class Numbers:
    """How far the lists of one style, or the headings, have counted."""

    def __init__(self, style: Any | None) -> None:
        self.levels = {number(node, "level"): node for node in parts(style) if local(node) in _NUMBERED}
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
