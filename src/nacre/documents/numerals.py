"""Numbers as lists, headings and cells count: 4, iv, D, 四, ④, 肆, 第四."""

from __future__ import annotations

from collections.abc import Callable

_ROMAN = (
    (1000, "M"), (900, "CM"), (500, "D"), (400, "CD"), (100, "C"), (90, "XC"), (50, "L"), (40, "XL"), (10, "X"),
    (9, "IX"), (5, "V"), (4, "IV"), (1, "I"),
)  # fmt: skip
_PLAIN = ("〇一二三四五六七八九", "十百千", "零")
_LEGAL = ("零壹贰叁肆伍陆柒捌玖", "拾佰仟", "零")
_LEGAL_TRADITIONAL = ("零壹貳參肆伍陸柒捌玖", "拾佰仟", "零")
_STEMS, _BRANCHES = "甲乙丙丁戊己庚辛壬癸", "子丑寅卯辰巳午未申酉戌亥"
_IROHA, _AIUEO = "イロハニホヘトチリヌルヲワカヨタレソツネナラム", "アイウエオカキクケコサシスセソタチツテト"
_GANADA = "가나다라마바사아자차카타파하"
_MOST = 10**15


def roman(number: int) -> str:
    """In Roman numerals, for 1 to 3999; others in digits."""
    if not 0 < number < 4000:
        return str(number)
    said = ""
    for value, sign in _ROMAN:
        said, number = said + sign * (number // value), number % value
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
