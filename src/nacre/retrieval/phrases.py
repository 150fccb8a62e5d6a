"""Phrases in quotation marks, and titles that the best passages name: what has them as they are written moves up."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import replace

from nacre.grounding.stopwords import stopwords
from nacre.retrieval.hit import Hit
from nacre.text.variants import simplified
from nacre.text.words import words

_QUOTED = re.compile(r"\"([^\"\n]{2,100})\"|“([^”\n]{2,100})”|「([^」\n]{2,100})」|『([^』\n]{2,100})』")
_ENDS = ".,!?…。，！？"  # of a sentence
_ALONE = 1.5  # times as long as its phrases is a query that says little else
_WORTH = 0.5  # standard deviations; hotpot, whose questions quote titles, loses from 1 on
_AT_MOST = 8  # phrases of a query that are looked at
_CITING, _CITED = 3, 0.5  # best hits whose text is looked at, and standard deviations for a document that one names


def quoted(query: str, is_part: bool = False) -> list[str]:
    """The phrases of a query that stand in quotation marks.

    Args:
        is_part: whether it is a part of a long text, in which a sentence in quotation marks is what somebody says.

    Examples:
        >>> quoted('Which rule says "at your own risk"?')
        ['at your own risk']
        >>> quoted('Say "I am sorry." and name the "Blue Card".', is_part=True)
        ['Blue Card']
    """
    found = ("".join(match.groups("")) for match in _QUOTED.finditer(query))
    phrases = [phrase for phrase in found if any(map(str.isalnum, phrase))]
    return [phrase for phrase in phrases if not is_part or phrase[-1] not in _ENDS][:_AT_MOST]


def as_written(hits: Sequence[Hit], phrases: Sequence[str], query: str) -> list[Hit]:
    """The hits with those that have the phrases moved up: before all others where the query says little else, by the
    worth of a strong word in a longer question, whose answer may well stand where the phrase does not.

    The title and the headings of a passage count as its own words; case, width and white space do not.
    """
    wanted = [_plain(phrase) for phrase in phrases]
    alone = len(_plain(query)) <= _ALONE * sum(map(len, wanted))

    def place(hit: Hit) -> float:
        said = _plain(" ".join((hit.title, *hit.heading, hit.text)))
        having = sum(phrase in said for phrase in wanted) / len(wanted)
        return -(having * (1e6 if alone else _WORTH) + hit.score)

    return sorted(hits, key=place)


def cited(hits: Sequence[Hit]) -> list[Hit]:
    """The hits with those moved up whose document one of the best ones names, by a title of two telling words or more:
    the second step of a question that takes two.
    """
    best = [(hit.document_id, hit.text.casefold()) for hit in hits[:_CITING]]
    named = {
        hit.document_id
        for hit in hits
        if (name := hit.title.partition(" (")[0].casefold())
        and any(name in text and document != hit.document_id and _names(text, name) for document, text in best)
    }
    moved = [replace(hit, score=hit.score + _CITED) if hit.document_id in named else hit for hit in hits]
    return sorted(moved, key=lambda hit: -hit.score)


def _names(text: str, name: str) -> bool:
    whole = re.search(rf"(?<![a-z0-9]){re.escape(name)}(?![a-z0-9])", text)
    return bool(whole) and sum(word not in stopwords() for word in words(name)) > 1


def _plain(text: str) -> str:
    return simplified("".join(unicodedata.normalize("NFKC", text).casefold().split()))
