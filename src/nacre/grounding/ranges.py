"""Which amounts of a question lie in the ranges that a sentence or a row names: of 120 pieces "50–199"."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass

from nacre.grounding.stopwords import stopwords
from nacre.text.words import words

_NUMBER = r"\d[\d,]{0,20}+(?:\.\d+)?+"
_BEFORE = r"(?<![\w.,:/+-])"  # no part of a date, a time or the number of a part
_AFTER = r"(?![\w.:/-]*\d)"
_SIGN = r"[€$£¥]?\s?"
_UNIT = r"(?:\s?[^\W\d_]{1,12}|\s?[%°€])?"
_ASKED = re.compile(rf"{_BEFORE}(?P<number>{_NUMBER}){_AFTER}\s?(?P<unit>[^\W\d_]+|[%°€])?")
_LED = re.compile(r"(?:[^\W\d_]+\.?\s){0,2}[^\W\d_]*[€$£¥]?\s?$")
_FRACTION = re.compile(r"^(\d+),(\d{1,2}|\d{4,})$")
_YEAR = re.compile(r"(?:19|20)\d\d")
_BETWEEN = re.compile(
    rf"{_BEFORE}({_NUMBER}){_UNIT}\s?(?:[-–—~～至到]|\bto\b|\band\b)\s?{_SIGN}(?:[A-Z]{{3}} )?({_NUMBER}){_AFTER}"
)
_MOST = re.compile(
    rf"(?:\b(?:up to|at most|below|under|within|max(?:imum|\.)?|not? (?:more|longer|later|higher|heavier|larger) than"
    rf"|(?:less|few|small|short|low|light|young)\w* than)|不超过|至多|最多|不高于|低于|小于|少于|不足|不满|未满)"
    rf"\s?(?:EUR|USD|GBP|CNY|RMB)?\s?{_SIGN}({_NUMBER}){_AFTER}"
    rf"|{_BEFORE}({_NUMBER}){_UNIT}\s?(?:(?:or|and) (?:less|fewer|under|below|younger)\b|以[下内])"
)
_LEAST = re.compile(
    rf"(?:\b(?:above|over|at least|from|exceed\w*|min(?:imum|\.)?"
    rf"|(?:more|high|long|large|heav|great|thick|old|tall|wide)\w* than)|超过|高于|大于|多于|至少|不少于|不低于|满)"
    rf"\s?(?:EUR|USD|GBP|CNY|RMB)?\s?{_SIGN}({_NUMBER}){_AFTER}"
    rf"|{_BEFORE}({_NUMBER}){_UNIT}\s?(?:\+(?!\d)|(?:or|and) (?:more|above|over|older)\b|以上|起)"
)
_SIGNS = re.compile(r"[€$£¥%°]")
_BESIDE = 24  # characters before a number
_AMOUNTS = 8  # of a question that are looked for
_LONGEST = 600  # characters of a sentence that is read


@dataclass(frozen=True, slots=True)
class Amount:
    """A number of a question, as index terms, with the words beside it, of which one is its unit."""

    value: float
    terms: tuple[str, ...]
    units: frozenset[str]


def amounts(question: str) -> list[Amount]:
    """The amounts of a question; years, dates and the numbers of parts are none.

    Examples:
        >>> [(one.value, sorted(one.units)) for one in amounts("What discount do I get for 120 pieces?")]
        [(120.0, ['get', 'piec'])]
    """
    found = []
    text = unicodedata.normalize("NFKC", question)
    for match in _ASKED.finditer(text):
        led = _LED.search(text[max(0, match.start() - _BESIDE) : match.start()])
        before, after = (led[0] if led else ""), match["unit"] or ""
        units = frozenset({*words(before), *words(after), *_SIGNS.findall(before + after)}) - stopwords()
        terms = words(f"{before}{match['number']}")  # EUR 20,000 is one term too
        if units and not _YEAR.fullmatch(match["number"]):
            found.append(Amount(_value(match["number"]), tuple(t for t in terms if t not in words(before)), units))
    return found[:_AMOUNTS]


def within(asked: list[Amount], text: str, said: frozenset[str]) -> Iterator[tuple[str, int]]:
    """The terms of the amounts that lie in a range of a text, and where that range begins.

    Args:
        said: the terms of the text and of what stands above it, one of which has to be the unit.
    """
    text = text[:_LONGEST]
    for amount in asked:
        if amount.units & (said | {*_SIGNS.findall(text)}):
            at = next((at for low, high, at in _ranges(text) if low <= amount.value <= high), None)
            if at is not None:
                yield from ((term, at) for term in amount.terms)


def _ranges(text: str) -> Iterator[tuple[float, float, int]]:
    for match in _BETWEEN.finditer(text):
        low, high = sorted((_value(match[1]), _value(match[2])))
        yield low, high, match.start()
    for match in _MOST.finditer(text):
        yield float("-inf"), _value(match[1] or match[2]), match.start()
    for match in _LEAST.finditer(text):
        yield _value(match[1] or match[2]), float("inf"), match.start()


def _value(number: str) -> float:
    """What a number is worth: its commas part thousands, but one alone before no three digits is that of a fraction.

    Examples:
        >>> _value("20,000"), _value("1,5"), _value("1,00,000.5")
        (20000.0, 1.5, 100000.5)
    """
    return float(_FRACTION.sub(r"\1.\2", number.rstrip(",")).replace(",", ""))
