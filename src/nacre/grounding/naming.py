"""What in a question names one thing among its like, and the things that a question compares."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Sequence

from nacre.grounding.stopwords import stopwords
from nacre.text.hygiene import LONGEST_SEARCHED
from nacre.text.words import located_words, words

YEAR = re.compile(r"(?<!\d)(?:19|20)\d{2}(?!\d)")
# The look-behinds keep an endless word linear.
IDENTIFIER = re.compile(r"(?<![A-Za-z])[A-Za-z]++[-_./]?\d[A-Za-z0-9_./-]*+|(?<!\d)\d++[-_]?[A-Za-z][A-Za-z0-9_-]*+")
NAME = re.compile(r"(?<![.?!:：]\s)(?<=[^\W_]\s)[A-Z][\w'-]*")
_THING = re.compile(rf"{NAME.pattern}(?:\s(?:[A-Z][\w'-]*|\d[\w.-]*))*")  # Junior Suite, Index 20
_INSIDE = re.compile(r"(?:(?<=[^\W_]\s)|(?<=[,;(|/&]\s)|(?<=[(|/\t]))[A-Z][\w'-]*|\b[A-Z][\w'-]+(?= [A-Z])")
_OPENING = re.compile(r"([A-Z][\w'-]*) ([a-z]\w*)")
_NUMBER = re.compile(r"\b[A-Za-z]+\.?\s(\d[\d.,]*)|[€$£¥￥第]\s?(\d[\d.,]*)|(\d[\d.,]{0,40}+)(?=\s?[A-Za-z]{3})")
_JOINT = re.compile(
    r"\s*(?:,|、|&|/|and|or|vs\.?|versus|than|with|to|和|与|跟|及|或|还是|比)\s*(?:(?:and|or|than|of|in|for|that|the|a)\s+){0,3}",
    re.IGNORECASE,
)
_COMPARES = re.compile(
    r"\b(?:compare|(?:the )?differences? between|larger|smaller|bigger|higher|lower|longer|shorter|more|less|cheaper"
    r"|better|heavier|lighter|faster|slower|earlier|later|older|newer)\b|比较|相比|对比|分别|各自",
    re.IGNORECASE,
)
_END, _BESIDE = re.compile(r"[,.;:?!，。；：？！]"), 60  # what ends a thing; characters in which it stands
_BOTH = re.compile(r"\s(?:and|or|versus|vs\.?)\s(?:(?:of|in|for|that|the|an?)\s){0,2}|[、和与跟及]|还是", re.IGNORECASE)
# What says that things are compared, and nothing of them.
_DIFFERS = re.compile(
    r"\bcompare\b|\b(?:the )?differences? between\b|有?(?:什么|何|哪些)?(?:不同|区别|差[别异])(?:在哪里?)?"
    r"|比较|对比",
    re.IGNORECASE,
)
_SPACES = re.compile(r"( )\s+|\s+(?=[?!.,？。])")
OTHER_KIND = frozenset("陪副非准亚子反伪")  # before a Chinese noun: another thing of its kind
_COMPARED = 6  # things
_NUMBERED = 0.35  # how much a number names, beside an identifier or the key of a row; a capital alone, nothing


def compared(text: str) -> list[str]:
    """A question that names several things of one kind, once for each of them; else the question alone, without the
    words that only say that two things are compared.

    Examples:
        >>> compared("Is the N20 or the N40 louder?")
        ['Is the N20 louder?', 'Is the N40 louder?']
        >>> compared("What do the Garden Room and the Hall cost?")
        ['What do the Garden Room cost?', 'What do the Hall cost?']
    """
    for pattern in (IDENTIFIER, _THING):
        run: list[re.Match[str]] = []
        for match in pattern.finditer(text):
            if run and not _JOINT.fullmatch(text[run[-1].end() : match.start()]):
                if len(run) > 1:
                    break
                run = []
            run.append(match)
        if len(run) > 1:
            before, after = text[: run[0].start()], text[run[-1].end() :]
            asked = (_COMPARES.sub("", f"{before}{thing[0]}{after}") for thing in run[:_COMPARED])
            return [_SPACES.sub(lambda found: found[1] or "", one).strip() for one in asked]
    if _DIFFERS.search(text):
        plain = _DIFFERS.sub("", text).strip()
        things = {term for pair in joined(plain) for thing in pair for term in thing}
        if things and {*words(plain)} - things - stopwords():  # else how they differ is what is asked
            return [plain]
    return [text]


def joined(text: str) -> Iterator[tuple[set[str], set[str]]]:
    """What tells two things apart that a question joins, whether they have names or not.

    Examples:
        >>> next(joined("金卡会员和银卡会员的折扣"))
        ({'金卡'}, {'银卡'})
    """
    text = text[:LONGEST_SEARCHED]
    inside = {
        at + n for term, at in told_apart(text) if not term.isascii() for n in range(len(term) if term[1:] else 0)
    }
    for joint in _BOTH.finditer(text):
        if joint.start() in inside:  # 参与者
            continue
        before = _beside(_END.split(text[: joint.start()][-_BESIDE:])[-1], -1)
        after = _beside(_END.split(text[joint.end() :][:_BESIDE])[0], 1)
        if before - after and after - before:
            yield before - after, after - before


def _beside(text: str, way: int) -> set[str]:
    """The terms up to the first function word."""
    terms = [term for term, _ in sorted(told_apart(text), key=lambda found: found[1])][::way]
    return set(itertools.takewhile(lambda term: term not in stopwords(), terms))


def told_by_name(text: str, terms: Sequence[str]) -> dict[str, float]:
    """What tells one thing from its like; years are told by titles."""
    found = {term: 0.0 for match in NAME.finditer(text) for term in words(match[0])}
    numbers = (next(filter(None, match.groups())) for match in _NUMBER.finditer(YEAR.sub(" ", text)))
    found |= {term: _NUMBERED for number in numbers for term in words(number)}
    coded = [term for match in IDENTIFIER.finditer(text) for term in words(match[0])]
    found |= {term: 0.0 if term.isalpha() else 1.0 for term in coded}
    return {term: weight for term, weight in found.items() if term in terms}


def spellings(text: str, terms: Sequence[str]) -> dict[str, float]:
    """The share of each term in an identifier that is read in several spellings: all of them count as one word.

    Examples:
        >>> spellings("Is H-60 in stock?", ("h-60", "h60", "stock"))
        {'h-60': 0.5, 'h60': 0.5}
    """
    found: dict[str, float] = {}
    for match in IDENTIFIER.finditer(text):
        said = [term for term in dict.fromkeys(words(match[0])) if term in terms]
        found |= {term: 1 / len(said) for term in said}
    return found


def capitals(text: str, asked: frozenset[str]) -> set[str]:
    """What a sentence writes with a capital in its midst, and the word that opens it where it does what is asked.

    Examples:
        >>> capitals("Anna cleans the kiln.", frozenset({"clean", "kiln"}))
        {'anna'}
    """
    opening = _OPENING.match(text)
    names = [*_INSIDE.findall(text), *([opening[1]] if opening and not asked.isdisjoint(words(opening[2])) else [])]
    return {term for name in names for term in words(name)}


def told_apart(text: str) -> list[tuple[str, int]]:
    """The terms of a text and where they stand: 陪产假 is no 产假."""
    return [
        (text[at - 1] + term, at - 1) if at and text[at - 1] in OTHER_KIND and not term.isascii() else (term, at)
        for term, at in located_words(text)
    ]


def compounds(text: str) -> Iterator[tuple[str, str]]:
    """Neighbours of which none is a function word: sick leave."""
    for (one, at), (other, then) in itertools.pairwise(sorted(told_apart(text), key=lambda term: term[1])):
        beside = text[at:then].count(" ") == 1 if one.isascii() else at + len(one) == then
        if beside and stopwords().isdisjoint((one, other)):
            yield one, other


def names_another_year(question: str, title: str) -> bool:
    """The rules of 2024 do not answer what holds in 2026, however alike they are."""
    asked, named = set(YEAR.findall(question)), set(YEAR.findall(title))
    return bool(asked and named and not asked & named)
