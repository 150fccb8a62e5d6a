"""What kind of answer a question expects, and where such a thing stands in a sentence.

Who → a person, when → a date, how many → a number, where → a place; 谁、何时、多少、哪里 likewise. A sentence that
holds nothing of the expected kind is a poor answer however many words it shares with the question.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Literal

from nacre.grounding.stopwords import stopwords
from nacre.text.language import Language, language_of
from nacre.text.vocabulary import compiled, vocabulary
from nacre.text.words import words

Kind = Literal["time", "number", "person", "place", "reason", "any"]
Span = tuple[int, int]

_DATA = vocabulary(__package__, "answer_type")
_LISTS = _DATA["lists"]
_ASKS: dict[Kind, re.Pattern[str]] = {kind: compiled(patterns, _LISTS) for kind, patterns in _DATA["asks"].items()}
_NAMED: dict[Kind, re.Pattern[str]] = {kind: compiled(patterns, _LISTS) for kind, patterns in _DATA["named"].items()}
_NAME, _PLACE, _STAMP, _IN = (
    compiled(_DATA["written"][name], _LISTS, flags=0) for name in ("name", "place", "stamp", "located")
)
_UNITS = [(compiled((asks,), _LISTS), compiled((units,), _LISTS)) for asks, units in _DATA["units"]]
_FOCUS, _SEVERAL, _WEEKDAY = (compiled(_DATA[name], _LISTS) for name in ("focus", "several", "weekday"))
_MONTHS: tuple[str, ...] = _LISTS["months"]
_COUNTED, _VAGUE = frozenset(_DATA["counted"]), frozenset(_DATA["vague"])
_DIMENSIONS = {asks.replace("_", " "): noun for asks, noun in (pair.split(":") for pair in _DATA["dimensions"])}
_MEASURES = compiled(tuple(map(re.escape, sorted(_DIMENSIONS, key=len, reverse=True))), {})
_TAGS = {"person": ("nr",), "place": ("ns", "nt")}


@dataclass(frozen=True, slots=True)
class Expectation:
    """What a question asks for.

    Args:
        kind: the kind of thing that answers it; "any" when the question does not say.
        focus: the noun that is asked about, as index terms: `how many *days*`, `哪个*部门*`; may be empty.
        unit: numbers with the units of what is asked for: `how heavy` in kilograms.
        measure: the index terms that ask for them; what is told in the unit need not say them.
    """

    kind: Kind
    focus: tuple[str, ...]
    several: bool
    unit: re.Pattern[str] | None = field(default=None, repr=False)
    measure: frozenset[str] = field(default=frozenset(), repr=False)


def expected(question: str) -> Expectation:
    """What a question expects as its answer.

    Examples:
        >>> expected("How many days of leave do I get?")
        Expectation(kind='number', focus=('day',), several=False)
    """
    kind: Kind = next((kind for kind, pattern in _ASKS.items() if pattern.search(question)), "any")
    noun = _FOCUS.search(question)
    focus = words(next(group for group in noun.groups() if group)) if noun else []
    asked, unit = next(((found[0], unit) for asks, unit in _UNITS if (found := asks.search(question))), ("", None))
    return Expectation(kind, tuple(focus), bool(_SEVERAL.search(question)), unit, frozenset(words(asked)))


def by_nouns(question: str) -> str:
    """A question with the noun that its answer says in place of the measure that it asks by.

    Examples:
        >>> by_nouns("How heavy is the gateway?")
        'weight is the gateway?'
        >>> by_nouns("主机有多重？")
        '主机重量？'
    """
    return _MEASURES.sub(lambda found: _DIMENSIONS[found[0].casefold()], question)


def candidates(sentence: str, kind: Kind, names: frozenset[str] | None = None) -> list[Span]:
    """Where things of a kind stand in a sentence.

    Args:
        kind: the kind looked for; "any" finds nothing.
        names: what other sentences write with a capital, as index terms: the word that opens a sentence is a name only
            where it is among them, and what a person or a place is called without one counts as well ("the manager",
            "at the gate"). None takes every capital for a name.

    Returns:
        (start, end) in characters; spans may overlap.
    """
    if kind in _NAMED and kind != "person":
        return [m.span() for m in _NAMED[kind].finditer(sentence)]
    if kind == "any":
        return []
    language: Language = language_of(sentence)
    found = _tagged(sentence, _TAGS[kind]) if language == "zh" else []
    if kind == "place":
        places = _PLACE.finditer(sentence)
        return found + [m.span(m.lastgroup or 0) for m in places if names is not None or m.lastgroup != "spot"]
    found += [m.span() for m in _NAME.finditer(sentence) if _is_name(m, names)]
    return found + [m.span() for m in _NAMED[kind].finditer(sentence) if names is not None]


def _is_name(found: re.Match[str], names: frozenset[str] | None) -> bool:
    """Whether capitals name somebody: not "The", not the word that any sentence opens with, not what "in" leads to."""
    said = [term for term in words(found[0]) if term not in stopwords()]
    if not said or names is None:
        return bool(said)
    if _IN.search(found.string, 0, found.start()) or _IN.match(found[0]):
        return False
    return bool(found.start() or len(said) > 1 or found[0][1:] != found[0][1:].lower() or said[0] in names)


def _tagged(sentence: str, tags: tuple[str, ...]) -> list[Span]:
    """Chinese names, by the part-of-speech tags of the dictionary."""
    import rjieba

    found, at = [], 0
    for word, tag in rjieba.tag(sentence):
        if tag.startswith(tags):
            found.append((at, at + len(word)))
        at += len(word)
    return found


def answers_in(sentence: str, expectation: Expectation, asked: frozenset[str]) -> set[str]:
    """The possible answers that a sentence names, in a form that is alike in every sentence that names the same.

    Args:
        asked: the index terms of the question; what it says itself is no answer to it.

    Returns:
        Numbers with their unit, parts of dates, names; every content word when the kind is open.
    """
    stamp = _STAMP.match(sentence)
    body = " " * stamp.end() + sentence[stamp.end() :] if stamp else sentence
    kind = expectation.kind
    if kind in ("any", "reason"):
        return {term for term in words(body) if len(term) > 1} - asked
    literals = [(body[start:end].strip().casefold(), body[end : end + 1]) for start, end in candidates(body, kind)]
    if kind == "number":
        found = {text + unit if unit in _COUNTED and text[-1] not in "%‰" else text for text, unit in literals}
        return {text for text in found if text not in _VAGUE and not re.fullmatch(r"(?:1[89]|20)\d\d年?", text)} - asked
    if kind == "time":
        return {_date_part(text) for text, _ in literals if not _WEEKDAY.search(text)} - asked
    return {
        term
        for text, _ in literals
        for term in words(text)
        if len(term) > 1 and not term.startswith(_MONTHS) and not _WEEKDAY.search(term)
    } - asked


def _date_part(text: str) -> str:
    """`September`, `Sep.` and `9月` alike."""
    month = next((n for n, name in enumerate(_MONTHS, 1) if text.startswith(name)), None)
    return f"{month}月" if month else text.replace(" ", "")
