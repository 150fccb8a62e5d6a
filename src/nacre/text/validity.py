"""When a document holds: its fields `valid_from` and `valid_until`, as a period that a passage carries with it."""

from __future__ import annotations

import datetime
import re
from collections.abc import Mapping
from typing import Any

FIELDS = ("valid_from", "valid_until")
_DATE = re.compile(r"[12]\d{3}(?:-\d\d(?:-\d\d)?)?(?=\Z|T)")
_ASKED = re.compile(r"(?<!\d)((?:19|20)\d\d)(?:-(\d\d)(?:-(\d\d))?)?(?!\d)")
_NOW = re.compile(
    r"\b(?:now|today|current|currently|at present|nowadays)\b|现在|目前|当前|今天|现行|如今", re.IGNORECASE
)
_FORMS = {
    "en": {"span": "{start} to {end}", "year": "{start}", "since": "Since {start}", "until": "Until {end}"},
    "zh": {"span": "{start}至{end}", "year": "{start}年", "since": "自{start}起", "until": "至{end}止"},
}
_MARK = {"en": ": ", "zh": "："}


def period_of(fields: Mapping[str, Any]) -> str:
    """A period in one line, "2024-01-01/2025-12-31"; "" where the fields tell none that can be read."""
    start, end = (found[0] if (found := _DATE.match(str(fields.get(name, "")))) else "" for name in FIELDS)
    return f"{start}/{end}" if start or end else ""


def holds(period: str, day: str) -> bool:
    """Whether a period holds at a day, a month or a year ("2024"); one without bounds always does."""
    start, _, end = period.partition("/")
    return start[: len(day)] <= day[: len(start)] and (not end or day[: len(end)] <= end[: len(day)])


def today() -> str:
    """The day of today, as periods are compared with."""
    return datetime.date.today().isoformat()


def asked_for(question: str) -> str:
    """The time that a question names, as a date or the beginning of one; "" where it names none."""
    if found := _ASKED.search(question):
        return "-".join(part for part in found.groups() if part)
    return today() if _NOW.search(question) else ""


def timeless(question: str) -> str:
    """A question without the time that it names."""
    return _NOW.sub(" ", _ASKED.sub(" ", question))


def told(period: str, language: str) -> str:
    """A period before what it holds for: "2024: ", "Since 2026: "."""
    start, _, end = period.partition("/")
    start, end = start.removesuffix("-01-01"), end.removesuffix("-12-31")
    form = "since" if not end else "until" if not start else "year" if start == end and len(end) == 4 else "span"
    return _FORMS[language][form].format(start=start, end=end) + _MARK[language]
