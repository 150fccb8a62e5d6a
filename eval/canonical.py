"""Numbers and dates in one form, so that no answer is wrong for writing 3 September 2026 instead of 2026年9月3日."""

from __future__ import annotations

import re

_NAMES = "january february march april may june july august september october november december"
_MONTHS = _NAMES.split()
_MONTH = "|".join(f"{name}|{name[:3]}\\.?" if len(name) > 3 else name for name in _MONTHS)
_DAY_FIRST = re.compile(rf"\b(\d{{1,2}})(?:st|nd|rd|th)?(?: of)? ({_MONTH})(?:,? (\d{{4}}))?\b")
_MONTH_FIRST = re.compile(rf"\b({_MONTH}) (\d{{1,2}})(?:st|nd|rd|th)?(?:,? (\d{{4}}))?\b(?!\.?\d)")
_ISO = re.compile(r"(?<![\d/-])(\d{4})[-/](\d{1,2})[-/](\d{1,2})(?![\d/-])")
_THOUSANDS = re.compile(r"(?<=\d),(?=\d{3}\b)")
_LEADING = re.compile(r"(?<![\d.])0(?=\d[年月日号天点时])")
_DECIMAL = re.compile(r"(?<![a-z\d.])\d+\.\d+(?!\.?\d)")  # not of a version: v1.20, 5.2.0
_DIGITS = {"〇": 0, "零": 0, "一": 1, "二": 2, "两": 2, "三": 3, "四": 4, "五": 5, "六": 6, "七": 7, "八": 8, "九": 9}
_HAN_YEAR = re.compile(r"[〇零一二三四五六七八九]{4}(?=年)")
_HAN_NUMBER = re.compile(
    r"(?<![一二两三四五六七八九十百千万])"
    r"(?:[一二两三四五六七八九]?十[一二三四五六七八九]?|[一二两三四五六七八九])"
    r"(?=[年月日号天周岁元米人次点小个分页章条])"
)


def canonical(text: str) -> str:
    """A text with its numbers and dates in one form.

    Examples:
        >>> canonical("on 3 september 2026"), canonical("二〇二六年九月三日"), canonical("2,500.50 euros")
        ('on 2026年9月3日', '2026年9月3日', '2500.5 euros')
    """
    text = _DAY_FIRST.sub(lambda m: _date(m[3], m[2], m[1]), text)
    text = _MONTH_FIRST.sub(lambda m: _date(m[3], m[1], m[2]), text)
    text = _ISO.sub(lambda m: f"{m[1]}年{int(m[2])}月{int(m[3])}日", text)
    text = _HAN_YEAR.sub(lambda m: "".join(str(_DIGITS[c]) for c in m[0]), text)
    text = _HAN_NUMBER.sub(lambda m: str(_value(m[0])), text)
    text = _LEADING.sub("", _THOUSANDS.sub("", text))
    return _DECIMAL.sub(lambda m: m[0].rstrip("0").rstrip("."), text)


def _date(year: str | None, month: str, day: str) -> str:
    number = next(n for n, name in enumerate(_MONTHS, 1) if name.startswith(month.rstrip(".")))
    return (f"{year}年" if year else "") + f"{number}月{int(day)}日"


def _value(numeral: str) -> int:
    tens, ten, ones = numeral.partition("十")
    if not ten:
        return _DIGITS[numeral]
    return 10 * _DIGITS.get(tens, 1) + _DIGITS.get(ones, 0)
