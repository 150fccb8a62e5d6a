"""Which days of the week a text names, by whichever name: Sundays, Sun, 周日, and those inside "Mon–Fri"."""

from __future__ import annotations

import re
from functools import reduce

_NAMES = (
    r"mon(?:days?)?|周一|[星礼][期拜]一",
    r"tue(?:s(?:days?)?)?|周二|[星礼][期拜]二",
    r"wed(?:nesdays?)?|周三|[星礼][期拜]三",
    r"thu(?:r(?:s(?:days?)?)?)?|周四|[星礼][期拜]四",
    r"fri(?:days?)?|周五|[星礼][期拜]五",
    r"sat(?:urdays?)?|周六|[星礼][期拜]六",
    r"sun(?:days?)?|周[日天]|[星礼][期拜][日天]",
)
_DAY = "|".join(f"(?P<d{n}>{name})" for n, name in enumerate(_NAMES))
_WORKING = r"weekdays?|working days?|工作日"
_FREE = r"weekends?|周末"
_FOUND = re.compile(rf"(?<![a-z])(?:{_DAY}|(?P<working>{_WORKING})|(?P<free>{_FREE}))(?![a-z])\.?", re.IGNORECASE)
_TO = re.compile(r"\s*(?:[-–—~～至到]|to|through|till|until)\s*", re.IGNORECASE)
_MOST = 60  # of one text


def weekdays(text: str) -> list[tuple[frozenset[int], int, int]]:
    """The days that a text names, from 0 for Monday, and where each name stands.

    Examples:
        >>> [sorted(days) for days, *_ in weekdays("Mon–Wed, Sundays")]
        [[0, 1, 2], [6]]
    """
    found: list[tuple[frozenset[int], int, int]] = []
    for match in _FOUND.finditer(text):
        days, (start, end) = _days(match), match.span()
        if found and len(days) == len(found[-1][0]) == 1 and _TO.fullmatch(text, found[-1][2], start):
            (first,), (last,) = found[-1][0], days
            days, start = frozenset((first + n) % 7 for n in range((last - first) % 7 + 1)), found.pop()[1]
        found.append((days, start, end))
        if len(found) >= _MOST:
            break
    return found


def _days(match: re.Match[str]) -> frozenset[int]:
    if match["working"] or match["free"]:
        return frozenset(range(5)) if match["working"] else frozenset((5, 6))
    return frozenset(n for n in range(7) if match[f"d{n}"])


def named(text: str) -> frozenset[int]:
    """All days that a text names."""
    return reduce(frozenset.union, (days for days, *_ in weekdays(text)), frozenset())
