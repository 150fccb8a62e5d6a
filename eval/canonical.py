"""Numbers, dates, amounts and durations in one form, so that no answer is wrong for writing 3 September 2026 instead of
2026年9月3日, €140 instead of 140 euros, or six months instead of 6个月.
"""

from __future__ import annotations

import re
from fractions import Fraction

from nacre.text.vocabulary import vocabulary

_WRITTEN = vocabulary("nacre.eval", "canonical")
_MONTHS: tuple[str, ...] = _WRITTEN["months"]
_MONTH = "|".join(f"{name}|{name[:3]}\\.?" if len(name) > 3 else name for name in _MONTHS)
_DAY_FIRST = re.compile(rf"\b(\d{{1,2}})(?:st|nd|rd|th)?(?: of)? ({_MONTH})(?:,? (\d{{4}}))?\b")
_MONTH_FIRST = re.compile(rf"\b({_MONTH}) (\d{{1,2}})(?:st|nd|rd|th)?(?:,? (\d{{4}}))?\b(?!\.?\d)")
_ISO = re.compile(r"(?<![\d/-])(\d{4})[-/](\d{1,2})[-/](\d{1,2})(?![\d/-])")
_THOUSANDS = re.compile(r"(?<=\d),(?=\d{3}\b)")
_LEADING = re.compile(r"(?<![\d.:])0(?=\d(?:[年月日号天点时]|:\d\d))")
_DECIMAL = re.compile(r"(?<![a-z\d.])\d+\.\d+(?!\.?\d)")  # not of a version: v1.20, 5.2.0
_DIGITS = {"〇": 0, "零": 0, "一": 1, "二": 2, "两": 2, "三": 3, "四": 4, "五": 5, "六": 6, "七": 7, "八": 8, "九": 9}
_PLACES = {"十": 10, "百": 100, "千": 1000, "万": 10**4, "亿": 10**8}
_HAN_YEAR = re.compile(r"[〇零一二三四五六七八九]{4}(?=年)")
_HAN_NUMBER = re.compile(
    r"(?:(?<=百分之)|(?<![〇零一二两三四五六七八九十百千万亿\d]))"
    r"(?:[〇零一二两三四五六七八九]{1,9}+|(?=十))(?:[十百千万亿][〇零]?+[一二两三四五六七八九]?+){0,9}+"
    r"(?:(?<=百分之.)|(?<=百分之..)|(?<=百分之...)"
    r"|(?=[年月日号天周岁元米人次点小个分页章条克公千厘毫块欧美英港倍层楼份名位台张件种级星钟%]))"
)
_SMALL = {name: n for n, name in enumerate(_WRITTEN["small"])}
_TENS = {name: 10 * n for n, name in enumerate(_WRITTEN["tens"], 2)}
_LARGE = {"hundred": 100, "thousand": 1000, "million": 10**6, "billion": 10**9}
_WORD = "|".join(sorted({**_SMALL, **_TENS, **_LARGE}, key=len, reverse=True))
_WORDS = re.compile(rf"(?<![\d.] )\b(?:{_WORD})(?:(?:-| and | )(?:{_WORD}))*\b")
_UNIT_NEXT = re.compile(r"[ -](?:second|minute|hour|day|week|month|year|percent|per cent|euro|dollar|yuan)")
_TIMES = re.compile(
    r"(?<![\d.])(\d{1,15}+(?:\.\d{1,9}+)?) ?"
    r"(万亿|亿|千万|百万|十万|万|千(?![克米瓦卡字])|hundred|thousand|million|billion|bn\b|mn\b)"
)
_FACTORS = {"万亿": 10**12, "千万": 10**7, "百万": 10**6, "十万": 10**5, "bn": 10**9, "mn": 10**6, **_PLACES, **_LARGE}
_CURRENCIES = {unit: "|".join(said) for unit, said in _WRITTEN["currencies"].items()}
_UNITS = {unit: "|".join(said) for unit, said in _WRITTEN["units"].items()}
_MONEY = "|".join(f"(?P<{unit}>{names})" for unit, names in _CURRENCIES.items())
_MEASURES = "|".join(f"(?P<{unit}>{names})" for unit, names in {**_CURRENCIES, **_UNITS}.items())
# What has no end is possessive: texts of one character must not take for ever.
_AFTER = re.compile(rf"(?<=\d)[ -]?(?:{_MEASURES})(?![a-z])")
_BEFORE = re.compile(rf"(?<![a-z])(?:{_MONEY}) ?(\d++(?:\.\d++)?)(?! ?(?:{'|'.join(_CURRENCIES.values())})(?![a-z]))")
_PER_CENT = re.compile(r"百分之 ?(\d++(?:\.\d++)?)")
_YEARS = re.compile(r"(?<![\d.])(\d{1,2}) ?年(?![\d级代前后底初月内中]|[〇零一二三四五六七八九十])")
_HALVES = ((re.compile(r"half (?:an )?hour|half-hour|半个?(?:小时|钟头)"), "30 minute"),
           (re.compile(r"half a year|half-year|半年"), "6 month"))  # fmt: skip
_MINUS = re.compile(r"(?:(?<=^)|(?<=[\s(:=,、，。是为]))[-−负](?=[€$£¥]?\d)|零下 ?(?=\d)|\bminus (?=\d)")
_NOT = re.compile(r"(?<=[a-z])n['’]t\b|\bcannot\b")


def canonical(text: str) -> str:
    """A text with its numbers, dates and amounts in one form.

    Examples:
        >>> canonical("on 3 september 2026"), canonical("二〇二六年九月三日")
        ('on 2026年9月3日', '2026年9月3日')
        >>> canonical("€2,500.50").split(), canonical("六个月").split(), canonical("百分之十二").split()
        (['2500.5', 'eur'], ['6', 'month'], ['12', 'percent'])
    """
    text = _NOT.sub(lambda m: "can not" if m[0] == "cannot" else " not", text)
    for half, whole in _HALVES:
        text = half.sub(whole, text)
    text = _WORDS.sub(_spelt, text)
    text = _DAY_FIRST.sub(lambda m: _date(m[3], m[2], m[1]), text)
    text = _MONTH_FIRST.sub(lambda m: _date(m[3], m[1], m[2]), text)
    text = _ISO.sub(lambda m: f"{m[1]}年{int(m[2])}月{int(m[3])}日", text)
    text = _HAN_YEAR.sub(lambda m: "".join(str(_DIGITS[c]) for c in m[0]), text)
    text = _HAN_NUMBER.sub(lambda m: str(_value(m[0])), text)
    text = _LEADING.sub("", _THOUSANDS.sub("", text))
    text = _MINUS.sub(" minus ", text)
    text = _TIMES.sub(_multiplied, text)
    text = _DECIMAL.sub(lambda m: m[0].rstrip("0").rstrip("."), text)
    text = _YEARS.sub(r"\1 year ", _PER_CENT.sub(r"\1 percent ", text))
    text = _BEFORE.sub(lambda m: f" {m[len(_CURRENCIES) + 1]} {_unit(m)} ", text)
    return _AFTER.sub(lambda m: f" {_unit(m)} ", text)


def _unit(match: re.Match[str]) -> str:
    return next(unit for unit, said in match.groupdict().items() if said)


def _spelt(match: re.Match[str]) -> str:
    """The number that English words say; "one" alone is often no number."""
    words = match[0].replace("-", " ").replace(" and ", " ").split()
    if words == ["one"] and not _UNIT_NEXT.match(match.string, match.end()):
        return match[0]
    total, part = 0, 0
    for word in words:
        if word == "hundred":
            part = max(1, part) * 100
        elif word in _LARGE:
            total, part = total + max(1, part) * _LARGE[word], 0
        elif word in _SMALL and part % 10 and len(words) > 1:
            return match[0]  # "four five": no number, but a list
        else:
            part += {**_SMALL, **_TENS}[word]
    return str(total + part)


def _multiplied(match: re.Match[str]) -> str:
    found = Fraction(match[1]) * _FACTORS[match[2]]
    return str(found.numerator) if found.denominator == 1 else str(float(found))


def _date(year: str | None, month: str, day: str) -> str:
    number = next(n for n, name in enumerate(_MONTHS, 1) if name.startswith(month.rstrip(".")))
    return (f"{year}年" if year else "") + f"{number}月{int(day)}日"


def _value(numeral: str) -> int:
    """A Chinese numeral: 十二 is 12, 一万二千 is 12000, 二〇五 is 205."""
    if not set(numeral) & set(_PLACES):
        return int("".join(str(_DIGITS[c]) for c in numeral))
    total = section = digit = 0
    last = 0  # of 万 and 亿 the one before: 三亿五千万 adds, 一万亿 multiplies
    for c in numeral:
        place = _PLACES.get(c, 0)
        if not place:
            digit = _DIGITS[c]
        elif place >= 10**4:
            part = section + digit
            total = (total + part) * place if place > last else total + part * place
            last, section, digit = place, 0, 0
        else:
            section, digit = section + (digit or 1) * place, 0
    return total + section + digit
