"""How well the sentences of some passages support an answer to a question, by their words alone.

No model and no weights file: a dozen features of the kind that question answering used before neural readers
(weighted overlap, adjacency, expected answer type, context), joined linearly. The weights were learned by
`bench/quote_weights.py`, which also shows what they reach on sets that they were not learned on.
"""

from __future__ import annotations

import itertools
import math
import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from nacre.grounding.answer_type import Expectation, answers_in, candidates, expected
from nacre.grounding.stopwords import stopwords
from nacre.text.language import Language, language_of
from nacre.text.tables import is_row
from nacre.text.words import located_words, sentences, words

WEIGHTS = {
    "coverage": 6.53,
    "adjacency": 4.09,
    "before": 3.38,
    "above": 5.61,
    "order": 3.23,
    "near": 1.51,
    "unnamed": -1.17,
    "focus": 2.11,
    "rarest": 1.04,
    "question": -2.18,
    "fragment": -2.67,
    "other_year": -4.0,  # by hand: too rare in the sets to be learned
}

_DIGIT = re.compile(r"\d")
_YEAR = re.compile(r"(?<!\d)(?:19|20)\d{2}(?!\d)")
_TERMS = 64  # different words of a question that count
_PLACES = 50  # of a sentence that are compared with each other


Passage = tuple[str, str] | tuple[str, str, str]
"""A text, its title, and the names of the columns of a table in whose middle it begins."""


@dataclass(frozen=True, slots=True)
class Question:
    """A question, taken apart.

    Args:
        pairs: neighbours: of terms in English, of characters in Chinese, where words are cut now so, now so.
    """

    text: str
    language: Language
    terms: tuple[str, ...]
    asked: frozenset[str]
    pairs: frozenset[tuple[str, str]]
    expectation: Expectation


@dataclass(frozen=True, slots=True)
class Evidence:
    """One sentence of one passage, weighed against a question.

    Args:
        passage: index of the passage, from 0.
        start: first character in the passage's text.
        score: higher is better; only differences mean something, and only within one question.
        header: (start, end) of the row that names the columns, when the sentence is a row of a table.
    """

    passage: int
    start: int
    end: int
    score: float
    features: dict[str, float] = field(repr=False)
    answers: frozenset[str] = field(repr=False)
    statement: bool = True
    header: tuple[int, int] | None = None


@dataclass(slots=True)
class _Sentence:
    """A sentence and what stands around it."""

    passage: int
    start: int
    end: int
    text: str
    located: list[tuple[str, int]]
    before: frozenset[str]
    above: frozenset[str]
    header: tuple[int, int] | None
    heads: bool = False

    @property
    def terms(self) -> set[str]:
        return {term for term, _ in self.located}


def analyse(question: str) -> Question:
    """Take a question apart."""
    text = unicodedata.normalize("NFKC", question)
    asked = words(text)
    terms = tuple(dict.fromkeys(term for term in asked if term not in stopwords())) or tuple(dict.fromkeys(asked))
    terms = terms[:_TERMS]
    language = language_of(text)
    return Question(text, language, terms, frozenset(asked), frozenset(_pairs(text, asked, language)), expected(text))


def evidence(question: Question, passages: Sequence[Passage]) -> list[Evidence]:
    """Weigh every sentence of some passages."""
    found = [sentence for n, passage in enumerate(passages) for sentence in _sentences(n, *passage)]
    frequency = Counter(term for sentence in found for term in sentence.terms if term in question.asked)
    weights = {term: prior(term) * math.log(1 + (len(found) + 1) / (frequency[term] + 0.5)) for term in question.terms}
    year = [_names_another_year(question.text, passage[1]) for passage in passages]
    rows = [
        {**_features(question, sentence, weights), "other_year": float(year[sentence.passage])} for sentence in found
    ]
    return [
        Evidence(
            sentence.passage,
            sentence.start,
            sentence.end,
            sum(WEIGHTS[name] * value for name, value in row.items()),
            row,
            frozenset(answers_in(sentence.text, question.expectation, question.asked) - stopwords()),
            _is_statement(question, sentence),
            sentence.header,
        )
        for sentence, row in zip(found, rows, strict=True)
    ]


def prior(term: str) -> float:
    """How telling a word is before any text is seen: longer words are rarer, names and numbers rarer still.

    Returns:
        A weight from 0.5 to 1.5.
    """
    if not term.isascii():
        return {1: 0.5, 2: 1.0, 3: 1.3}.get(len(term), 1.5)
    if term.isdigit():
        return 1.2
    return 0.6 + 0.1 * min(len(term), 8) if term.isalpha() else 1.5


def support(claim: str, sentence: str, context: str = "") -> float:
    """How much of a claim or a question stands in a sentence.

    Args:
        context: heading, title or the sentence before; its words count half.

    Returns:
        The weighted share of the claim's content words, from 0 to 1; 0 for a claim without words.

    Examples:
        >>> support("Hotels cost at most 600 yuan", "The hotel limit is 600 yuan.") > 0.5
        True
        >>> support("年假有几天？", "本手册介绍公司的茶具。")
        0.0
    """
    terms = analyse(claim).terms
    here, near = set(words(sentence)), set(words(context))
    total = sum(prior(term) for term in terms)
    reached = sum(prior(term) * (1.0 if term in here else 0.5) for term in terms if term in here or term in near)
    return reached / total if total else 0.0


def _names_another_year(question: str, title: str) -> bool:
    """The rules of 2024 do not answer what holds in 2026, however alike they are."""
    asked, named = set(_YEAR.findall(question)), set(_YEAR.findall(title))
    return bool(asked and named and not asked & named)


def _sentences(passage: int, text: str, title: str, columns: str = "") -> list[_Sentence]:
    found: list[_Sentence] = []
    heading = frozenset(words(title))
    above, before = heading | set(words(columns)), frozenset[str]()
    header: tuple[int, int] | None = None
    inside = False  # a table
    for start, end in sentences(text):
        line = unicodedata.normalize("NFKC", text[start:end])
        located = located_words(line)
        terms = frozenset(term for term, _ in located)
        row = is_row(line)
        begins, inside, header = row and not inside and bool(found or not columns), row, header if row else None
        if header and header[0] and header == (found[-1].start, found[-1].end):
            found[-1].heads = True
        found.append(_Sentence(passage, start, end, line, located, before, above, header))
        alone = line[-1] == "?" and text[end : end + 1] == "\n" and text[start - 1 : start] in ("\n", "")  # of an FAQ
        if _is_heading(line) or alone or begins:
            above = heading | terms
        # The first row of a table names its columns, but a passage may begin in the middle of one.
        if begins and (start or not _DIGIT.search(line)):
            header = start, end
        before = terms
    return found


def _is_statement(question: Question, sentence: _Sentence) -> bool:
    if sentence.text[-1] == "?" or sentence.heads:
        return False
    return not _is_heading(sentence.text) or bool(sentence.terms - sentence.above - question.asked - stopwords())


def _is_heading(line: str) -> bool:
    return line.startswith("#") or (len(line) < 40 and line[-1] not in "。!?;.…" and not is_row(line))


def _pairs(text: str, terms: Sequence[str], language: Language) -> set[tuple[str, str]]:
    units: Sequence[str] = [c for c in text.casefold() if c.isalnum()] if language == "zh" else terms
    return set(itertools.pairwise(units))


def _features(question: Question, sentence: _Sentence, weights: dict[str, float]) -> dict[str, float]:
    total = sum(weights.values()) or 1.0
    here = sentence.terms
    matched = [term for term in question.terms if term in here]
    missing = [term for term in question.terms if term not in here]
    coverage = sum(weights[term] for term in matched) / total
    pairs = _pairs(sentence.text, [term for term, _ in sentence.located], question.language)
    named = _named(question, sentence)
    return {
        "coverage": coverage,
        "adjacency": len(pairs & question.pairs) / (len(question.pairs) or 1),
        "before": sum(weights[term] for term in missing if term in sentence.before) / total,
        "above": sum(weights[term] for term in missing if term in sentence.above) / total,
        "order": 1 / (1 + sentence.passage),
        "near": _nearness(question, sentence, named),
        "unnamed": float(question.expectation.kind != "any" and not named),
        "focus": _focus(question, sentence, named),
        "rarest": max((weights[term] for term in matched), default=0.0) / (max(weights.values(), default=1.0) or 1.0),
        "question": float(sentence.text[-1] == "?"),
        "fragment": float(len(sentence.located) < 5),
    }


def _named(question: Question, sentence: _Sentence) -> list[tuple[int, int]]:
    """Where the sentence names something of the expected kind that the question did not already say."""
    spans = candidates(sentence.text, question.expectation.kind)
    if question.expectation.kind == "reason":
        return spans
    return [(start, end) for start, end in spans if set(words(sentence.text[start:end])) - question.asked]


def _nearness(question: Question, sentence: _Sentence, named: list[tuple[int, int]]) -> float:
    """1 where an answer of the expected kind touches a word of the question, falling off with the distance."""
    places = [at for term, at in sentence.located if term in question.terms][:_PLACES]
    if not named or not places:
        return 0.0
    scale = 40 if question.language == "en" else 15  # characters
    return max(math.exp(-min(max(0, start - at, at - end) for at in places) / scale) for start, end in named[:_PLACES])


def _focus(question: Question, sentence: _Sentence, named: list[tuple[int, int]]) -> float:
    """Whether the noun that is asked about is there, best behind a number: `12 *days*`."""
    focus = question.expectation.focus
    if not focus:
        return 0.0
    counting = question.expectation.kind == "number"
    places = [at for term, at in sentence.located if term == focus[-1]]
    if places:
        return 1.0 if counting and any(0 <= at - end <= 12 for at in places for _, end in named) else 0.5
    if counting and question.language == "zh":
        unit = focus[0][0]
        return float(any(sentence.text[end : end + 1] == unit or sentence.text[end - 1] == unit for _, end in named))
    return 0.0
