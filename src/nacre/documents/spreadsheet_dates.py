"""Dates, times and durations of spreadsheets, which store them as a number of days."""

from __future__ import annotations

import datetime
import re
from collections.abc import Sequence
from decimal import ROUND_HALF_UP, Decimal

_LAST = 2_958_465  # 9999-12-31
_DAY = 86_400
_MONTHS = "January February March April May June July August September October November December".split()  # noqa: SIM905
_DAYS = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]
_HAN_DAYS = "一二三四五六日"
_HAN = {"804", "404", "C04", "1004", "1404"}
_ERAS = ((2019, 5, 1, "令和", "R"), (1989, 1, 8, "平成", "H"), (1926, 12, 25, "昭和", "S"), (1912, 7, 30, "大正", "T"))
# Dates in figures where day and month could change places.
_AMBIGUOUS = re.compile(r"(?:m[-/ ]d|d[-/ ]m)[-/ ]y")

Token = tuple[str, str]


def show_date(number: Decimal, tokens: Sequence[Token], locale: str, since_1904: bool) -> str | None:
    """A number of days in a format."""
    if abs(number) > _LAST + 1:
        return None
    tokens = _minutes(tokens)
    finest = max((len(said.partition(".")[2]) for kind, said in tokens if kind == "date" and said[0] == "s"), default=0)
    ticks = (number * _DAY).quantize(Decimal(1).scaleb(-min(finest, 6)), rounding=ROUND_HALF_UP)
    seconds = int(ticks)
    elapsed = any(kind == "elapsed" for kind, _ in tokens)
    if number < 0 and not elapsed:
        return None
    day = _day(abs(seconds) // _DAY, since_1904)
    if day is None:
        return None
    half = any(kind == "noon" for kind, _ in tokens)
    part = f"{ticks % 1:f}".partition(".")[2]
    made = []
    for kind, said in _unambiguous(tokens):
        if kind == "iso":
            made.append(day.isoformat())
        elif kind == "elapsed":
            made.append(_padded(abs(seconds) // {"h": 3600, "m": 60, "s": 1}[said[0]], said))
        elif kind == "noon":
            made.append(said.split("/")[abs(seconds) % _DAY >= _DAY // 2])
        elif kind == "date":
            made.append(_field(said, day, abs(seconds) % _DAY, half, part, locale))
        else:
            made.append(said)
    return ("-" if number < 0 else "") + "".join(made).strip()


def _day(days: int, since_1904: bool) -> datetime.date | None:
    if days > _LAST:
        return None
    if since_1904:
        return datetime.date(1904, 1, 1) + datetime.timedelta(days=days) if days < _LAST - 1462 else None
    # These programs count a 29 February 1900, which there never was.
    return datetime.date(1899, 12, 31) + datetime.timedelta(days=days - (days > 59))


def _minutes(tokens: Sequence[Token]) -> list[Token]:
    """With the `m` of minutes as `n`: behind an hour or before a second."""
    made = list(tokens)
    fields = [place for place, (kind, _) in enumerate(made) if kind in {"date", "elapsed"}]
    for order, place in enumerate(fields):
        kind, said = made[place]
        before = made[fields[order - 1]][1][0] if order else ""
        after = made[fields[order + 1]][1][0] if order + 1 < len(fields) else ""
        if kind == "date" and said[0] == "m" and len(said) < 3 and (before == "h" or after == "s"):
            made[place] = kind, "n" * len(said)
    return made


def _unambiguous(tokens: Sequence[Token]) -> list[Token]:
    sketch = "".join(
        said[0] if kind in {"literal", "slash"} or (kind == "date" and said[:3] not in {"mmm", "ddd"}) else "_"
        for kind, said in tokens
    )
    found = _AMBIGUOUS.search(sketch)
    if found is None:
        return list(tokens)
    return [*tokens[: found.start()], ("iso", ""), *tokens[found.end() :]]


def _padded(number: int, said: str) -> str:
    return f"{number:0{min(len(said), 9)}}"


def _field(said: str, day: datetime.date, seconds: int, half: bool, part: str, locale: str) -> str:
    name, size, han = said[0], len(said), locale in _HAN
    if name == "y":
        return f"{day.year % 100:02}" if size < 3 else str(day.year)
    if name == "m":
        return _month(day.month, size, han or locale == "411")
    if name == "d":
        return _padded(day.day, said[:2]) if size < 3 else _weekday(day.weekday(), size == 3, han, locale)
    if name == "a":
        return _weekday(day.weekday(), size == 3, True, locale)
    if name == "h":
        hour = seconds // 3600
        return _padded((hour % 12 or 12) if half else hour, said[:2])
    if name == "n":
        return _padded(seconds // 60 % 60, said[:2])
    if name == "s":
        whole, point, places = said.partition(".")
        return _padded(seconds % 60, whole[:2]) + (point + part.ljust(len(places), "0")[: len(places)] if point else "")
    return _era(day, name, size, locale)


def _month(month: int, size: int, han: bool) -> str:
    if size < 3:
        return _padded(month, "m" * size)
    if size == 5:
        return _MONTHS[month - 1][0]
    return f"{month}月" if han and size != 4 else _MONTHS[month - 1][: 3 if size == 3 else None]


def _weekday(weekday: int, short: bool, han: bool, locale: str) -> str:
    if locale == "411":
        name = "月火水木金土日"[weekday]
        return name if short else f"{name}曜日"
    if han:
        return ("周" if short else "星期") + _HAN_DAYS[weekday]
    return _DAYS[weekday][: 3 if short else None]


def _era(day: datetime.date, name: str, size: int, locale: str) -> str:
    """`e` and `g`, the year and the name of a Japanese era; elsewhere the year."""
    era = next((era for era in _ERAS if day >= datetime.date(*era[:3])), None) if locale == "411" else None
    if name == "b":
        return str(day.year + 543)
    if era is None:
        return str(day.year) if name == "e" else ""
    if name == "e":
        return _padded(day.year - era[0] + 1, "e" * min(size, 2))
    return era[4] if size == 1 else era[3][0] if size == 2 else era[3]
