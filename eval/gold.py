"""Gold answers: a text, a number with a tolerance, a date, a regular expression, or several texts; each kept as one.

140 EUR                       {"number": 140, "tolerance": 5, "unit": "EUR"} is "number: 140 ± 5 EUR"
{"date": "2026-09-03"}        is "date: 2026-09-03"
{"regex": "PX-\\\\d+"}           is "regex: PX-\\\\d+"
{"all": ["8 bar", "16 bar"]}   is "all: 8 bar && 16 bar": both have to be said
"""

from __future__ import annotations

import datetime
import re
import re._constants as codes  # type: ignore[import-not-found]
import re._parser as parser  # type: ignore[import-not-found]
from collections.abc import Mapping
from typing import Any

from nacre.text.hygiene import clean_text
from nacre.text.language import tr

NUMBER = re.compile(
    r"number: *(?P<number>[-+]?\d+(?:\.\d+)?) *(?:± *(?P<tolerance>\d+(?:\.\d+)?))? *(?P<unit>[^\d\s]*)"
)
REGEX = "regex:"
DATE = "date:"
ALL = "all:"
_AND = " && "
_MOST_REPEATS = 2  # that have no end: more could take for ever on a long answer
_LONGEST = 500


def gold_of(raw: Any) -> str:
    """A gold answer as it is kept; raises ValueError with what is wrong."""
    if isinstance(raw, Mapping):
        return _typed(raw)
    if isinstance(raw, float) and raw.is_integer():
        raw = int(raw)
    text = "" if raw is None else clean_text(str(raw)).strip()
    if text.startswith(REGEX):
        pattern_of(text)
    if text.startswith("number:") and not NUMBER.fullmatch(text):
        raise ValueError(tr("{text!r} is no number; write like number: 140 ± 5 EUR", text=text))
    if text.startswith(DATE):
        return f"{DATE} {_date(text.removeprefix(DATE).strip())}"
    return text


def parts_of(gold: str) -> list[str]:
    """The texts that an answer has to say, of most gold answers one."""
    return gold.removeprefix(ALL).strip().split(_AND) if gold.startswith(ALL) and _AND in gold else [gold]


def pattern_of(gold: str) -> re.Pattern[str]:
    """The regular expression of a gold answer; raises ValueError where it is none, or could take for ever."""
    text = gold.removeprefix(REGEX).strip()
    try:
        parsed = parser.parse(text)
        if len(text) > _LONGEST or _endless(parsed, inside=False) > _MOST_REPEATS:
            told = tr("the regular expression {text!r} could take for ever; use fewer * and +.", text=text[:80])
            raise ValueError(told)
        return re.compile(text, re.IGNORECASE)
    except (re.error, RecursionError, OverflowError) as error:
        raise ValueError(tr("{text!r} is no regular expression ({error}).", text=text[:80], error=error)) from None


def _endless(parsed: Any, inside: bool) -> int:
    """How many repeats without a near end there are; one inside another counts as too many."""
    found = 0
    for code, value in parsed:
        if code in (codes.MAX_REPEAT, codes.MIN_REPEAT, codes.POSSESSIVE_REPEAT):
            endless = value[1] == codes.MAXREPEAT or value[1] > 50
            branches = any(inner is codes.BRANCH for inner, _ in _all(value[2]))
            found += endless * (_MOST_REPEATS + 1 if inside or branches else 1)
            found += _endless(value[2], inside or endless or value[1] > 1)
        elif code is codes.GROUPREF:
            found += _MOST_REPEATS + 1
        else:
            found += sum(_endless(part, inside) for part in _parts(value))
    return found


def _all(parsed: Any) -> Any:
    for code, value in parsed:
        yield code, value
        for part in _parts(value):
            yield from _all(part)


def _parts(value: Any) -> list[Any]:
    if isinstance(value, parser.SubPattern):
        return [value]
    return [part for each in value for part in _parts(each)] if isinstance(value, (list, tuple)) else []


def _typed(raw: Mapping[str, Any]) -> str:
    if set(raw) == {"regex"}:
        return gold_of(f"{REGEX} {raw['regex']}")
    if set(raw) == {"date"}:
        return gold_of(f"{DATE} {raw['date']}")
    if set(raw) == {"all"} and isinstance(raw["all"], list) and all(parts := [gold_of(part) for part in raw["all"]]):
        return parts[0] if len(parts) == 1 else f"{ALL} {_AND.join(parts)}" if parts else ""
    number, tolerance = raw.get("number"), raw.get("tolerance", 0)
    if (
        set(raw) <= {"number", "tolerance", "unit"}
        and isinstance(number, int | float)
        and isinstance(tolerance, int | float)
    ):
        return gold_of(f"number: {number:f} ± {abs(tolerance):f} {raw.get('unit', '')}".strip())
    told = tr(
        "{raw} is no gold answer; write a text, or an object with number (tolerance, unit), date, regex or all.",
        raw=str(dict(raw))[:100],
    )
    raise ValueError(told)


def _date(text: str) -> str:
    try:
        return datetime.date.fromisoformat(text).isoformat()
    except ValueError:
        raise ValueError(tr("{text!r} is no date; write like 2026-09-03.", text=text)) from None
