"""How well the sentences of some passages support an answer to a question, by their words alone.

No model and no weights file: features of the kind that question answering used before neural readers (weighted overlap,
expected answer type, context), joined linearly. `bench/quote_weights.py` learned them and shows what they reach.
"""

from __future__ import annotations

import itertools
import math
import re
import unicodedata
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from nacre.grounding.answer_type import Expectation, answers_in, by_nouns, candidates, expected
from nacre.grounding.defining import defines, plainly
from nacre.grounding.furniture import without_furniture
from nacre.grounding.implied import imply
from nacre.grounding.naming import capitals, compounds, names_another_year, spellings, told_apart, told_by_name
from nacre.grounding.parts import statements
from nacre.grounding.sentence import Sentence
from nacre.grounding.stopwords import stopwords
from nacre.text.language import Language, language_of
from nacre.text.tables import cells_in, first_cell, forms_in, goes_on_naming, is_row, is_rule, names_columns
from nacre.text.words import words

WEIGHTS = {
    "coverage": 7.13,
    "adjacency": 3.92,
    "before": 3.15,
    "order": 4.76,
    "near": 1.55,
    "unnamed": -1.3,
    "focus": 2.46,
    "rarest": 1.24,
    "fragment": -1.12,
    "kin": 2.4,
    "leans": 2.67,
    "after": 1.85,
    # By hand: too rare in the sets to be learned, or never to be outweighed by likeness.
    "above": 5.61,
    "question": -2.18,
    "unit": 3.0,
    "defines": 8.0,
    "other_year": -4.0,
    "stranger": -14.0,
}

_KEYED = 0.7  # how much the key of a row under a named column names, beside the table
_LEANS = re.compile(r"(?:it|its|this|these|they|their|he|she|his|her|such)\b|[这该其此它他她]", re.IGNORECASE)
_PARTED = re.compile(r"[^\S\n]*+\n(?:[^\S\n]*+\n)++[^\n]++\n[^\S\n]*+\S")  # an empty line, two others below it
_LABELLED = re.compile(r"[^#:：]+[:：]\s*\w")  # "Phone: 4471" is about what stands above
_TERMS, _PLACES = 64, 50  # words of a question that count; places of a sentence that are compared with each other

Passage = tuple[str, str] | tuple[str, str, str]
"""A text, its title, and the names of the columns of a table in whose middle it begins."""


@dataclass(frozen=True, slots=True)
class Question:
    """A question, taken apart.

    Args:
        names: the terms that name one thing among its like, and how surely: an identifier, a number, a capitalised
            name.
        pairs: neighbours: of terms in English, of characters in Chinese, where words are cut now so, now so.
        compounds: terms that stand side by side, no function word between them.
        spellings: of a term that is one spelling of an identifier, its share in it.
    """

    text: str
    language: Language
    terms: tuple[str, ...]
    asked: frozenset[str]
    pairs: frozenset[tuple[str, str]]
    names: dict[str, float]
    expectation: Expectation
    compounds: frozenset[tuple[str, str]] = frozenset()
    spellings: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Evidence:
    """One sentence of one passage, weighed against a question.

    Args:
        passage: index of the passage, from 0.
        start: first character in the passage's text.
        score: higher is better; only differences mean something, and only within one question.
        header: (start, end) of the row that names the columns, when the sentence is a row of a table.
        said: the terms of the question that stand in it, or above it.
        named: those terms that name one thing among its like, whichever sentence holds them.
    """

    passage: int
    start: int
    end: int
    score: float
    features: dict[str, float] = field(repr=False)
    answers: frozenset[str] = field(repr=False)
    statement: bool = True
    header: tuple[int, int] | None = None
    row: bool = False
    said: frozenset[str] = frozenset()
    named: frozenset[str] = frozenset()


def analyse(question: str) -> Question:
    """Take a question apart."""
    text = plainly(unicodedata.normalize("NFKC", question))
    kind, text = expected(text), by_nouns(text)
    asked = [term for term, _ in told_apart(text)]
    terms = tuple(dict.fromkeys([term for term in asked if term not in stopwords()] or asked))[:_TERMS]
    language = language_of(text)
    pairs = frozenset(_pairs(text, asked, language))
    named, near, spelled = told_by_name(text, terms), frozenset(compounds(text)), spellings(text, terms)
    return Question(text, language, terms, frozenset(asked), pairs, named, kind, near, spelled)


def evidence(question: Question, passages: Sequence[Passage]) -> list[Evidence]:
    """Weigh every sentence of some passages."""
    found = without_furniture(question.text, passages, [s for n, it in enumerate(passages) for s in _sentences(n, *it)])
    imply(question.text, question.terms, found, passages)
    who = question.expectation.kind == "person"
    told = (one.text for one in found if who and not is_heading(one.text))  # of a heading any word may have a capital
    names = frozenset(term for text in told for term in capitals(text, question.asked))
    frequency = Counter(term for sentence in found for term in sentence.terms if term in question.asked)
    plain = {term: prior(term) * question.spellings.get(term, 1.0) for term in question.terms}
    weights = {term: value * math.log(1 + (len(found) + 1) / (frequency[term] + 0.5)) for term, value in plain.items()}
    year = [names_another_year(question.text, title) for _, title, *_ in passages]
    keys = _keys(question, found)
    held = {term for sentence in found for term in _held(sentence)}
    titled = any(title for _, title, *_ in passages)  # loose snippets name what they like
    known = {term: weight for term, weight in question.names.items() if titled and term in held}
    beside = _beside(question, found, keys)
    named = [known | keys.get(_table(sentence), beside.get(sentence.passage, {})) for sentence in found]
    strangers = _strangers(found, named)
    return [
        _evidence(
            question,
            sentence,
            frozenset(there),
            {
                **_features(question, sentence, weights, names),
                "other_year": float(year[sentence.passage]),
                "stranger": stranger,
            },
        )
        for sentence, there, stranger in zip(found, named, strangers, strict=True)
    ]


def _strangers(found: Sequence[Sentence], named: Sequence[dict[str, float]]) -> list[float]:
    """How much each sentence lacks of what names one thing among its like: beside the ones that lack least, for of two
    things that are compared each has a sentence of its own.
    """
    lacks = [
        sum(weight for term, weight in there.items() if term not in _held(sentence)) / max(1.0, sum(there.values()))
        for sentence, there in zip(found, named, strict=True)
    ]
    least: dict[frozenset[str], float] = {}
    for there, lack in zip(named, lacks, strict=True):
        least[frozenset(there)] = min(lack, least.get(frozenset(there), 1.0))
    return [lack - least[frozenset(there)] for there, lack in zip(named, lacks, strict=True)]


def _evidence(question: Question, sentence: Sentence, named: frozenset[str], features: dict[str, float]) -> Evidence:
    return Evidence(
        sentence.passage,
        sentence.start,
        sentence.end,
        sum(WEIGHTS[name] * value for name, value in features.items()),
        features,
        frozenset(answers_in(sentence.text, question.expectation, question.asked) - stopwords()),
        _is_statement(question, sentence),
        sentence.header,
        bool(sentence.row),
        frozenset(_held(sentence) & question.asked),
        named,
    )


def _held(sentence: Sentence) -> set[str]:
    """What a sentence says, itself or by what stands above it; of a row the one before is another thing."""
    return sentence.terms | sentence.above | (frozenset() if sentence.row else sentence.before)


def _table(sentence: Sentence) -> tuple[int, int] | None:
    """Which table a row stands in."""
    return (sentence.passage, sentence.row) if sentence.row else None


def _keys(question: Question, found: Sequence[Sentence]) -> dict[tuple[int, int] | None, dict[str, float]]:
    """Of each table the terms of the question that stand in the first cell of some rows and not of all."""
    tables: dict[tuple[int, int] | None, list[Sentence]] = {}
    for sentence in found:
        if sentence.row and not sentence.heads:
            tables.setdefault(_table(sentence), []).append(sentence)
    return {
        table: {term: 1.0 for term in question.terms if 0 < sum(term in row.key for row in rows) < max(len(rows), 2)}
        for table, rows in tables.items()
    }


def _beside(
    question: Question, found: Sequence[Sentence], keys: dict[tuple[int, int] | None, dict[str, float]]
) -> dict[int, dict[str, float]]:
    """What names a row under a column that the question names too: the sentences beside the table should say it."""
    named: dict[int, dict[str, float]] = {}
    for sentence in found:
        key = sentence.key & keys.get(_table(sentence), {}).keys()
        if key and (sentence.above & frozenset(question.terms)) - key:
            named.setdefault(sentence.passage, {}).update(dict.fromkeys(key, _KEYED))
    return named


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


def _sentences(passage: int, text: str, title: str, columns: str = "") -> list[Sentence]:
    found: list[Sentence] = []
    heading = frozenset(words(title))
    outside, above, before = heading, heading | set(words(columns)), frozenset[str]()
    header: tuple[int, int] | None = None
    forms = forms_in(text) if "\t" in text and not columns else ()
    inside = 0  # a table, the number of its first sentence
    for start, end in statements(text):
        line = unicodedata.normalize("NFKC", text[start:end])
        located = told_apart(line)
        terms = frozenset(term for term, _ in located)
        row = is_row(line)
        if inside and (not row or _PARTED.match(text, found[-1].end)):
            # The last row is another thing than what follows the table, and its columns are not above that.
            before, inside, header, above = frozenset(), 0, None, outside
        form = any(a <= start < b for a, b in forms)
        begins = row and not inside and not form and bool(found or not columns)
        inside = (inside or len(found) + 1) if row else 0
        if header and header == (found[-1].start, found[-1].end):
            found[-1].heads = True
        key = frozenset(words(first_cell(line))) if row else frozenset[str]()
        heads, begun = is_heading(line), text[start - 1 : start] in ("\n", "")
        labelled = heads and begun and _LABELLED.match(line) is not None
        if found and not row and not found[-1].row and not labelled:
            found[-1].after = terms
        found.append(Sentence(passage, start, end, line, located, before, above, header, inside, key))
        alone = line[-1] == "?" and text[end : end + 1] == "\n" and begun  # of an FAQ
        if begins:
            outside, above = above, above | terms
        elif (heads and not labelled) or alone:
            above = heading | terms
        # The first row of a table names its columns, but a passage may begin in the middle of one.
        if begins and (start or names_columns(line)):
            header = start, end
        elif header and found[-2].heads and goes_on_naming(cells_in(found[-2].text), cells_in(line)):
            found[-1].heads, above = True, above | terms
        before = terms
    return found


def _is_statement(question: Question, sentence: Sentence) -> bool:
    if sentence.text[-1] == "?" or sentence.heads or is_rule(sentence.text):
        return False
    if not is_heading(sentence.text):
        return True
    valued = question.expectation.kind in ("number", "time") and not re.search("[:：]", sentence.text)
    if valued and not _named(question, sentence):  # a title tells no value
        return False
    return bool(sentence.terms - sentence.above - question.asked - stopwords())


def is_heading(line: str) -> bool:
    """Whether a line stands above others: marked as a heading, or short and no sentence."""
    return line.startswith("#") or (len(line) < 40 and line[-1] not in "。!?;.…" and not is_row(line))


def _pairs(text: str, terms: Sequence[str], language: Language) -> set[tuple[str, str]]:
    units: Sequence[str] = [c for c in text.casefold() if c.isalnum()] if language == "zh" else terms
    return set(itertools.pairwise(units))


def _features(
    question: Question, sentence: Sentence, weights: dict[str, float], names: frozenset[str]
) -> dict[str, float]:
    total = sum(weights.values()) or 1.0
    here = sentence.terms
    missing = [term for term in question.terms if term not in here]

    def share(terms: Collection[str], of: Sequence[str] = missing) -> float:
        return sum(weights[term] for term in of if term in terms) / total

    pairs = _pairs(sentence.text, [term for term, _ in sentence.located], question.language)
    named, unit = _named(question, sentence, names), question.expectation.unit
    before = share(sentence.before)
    return {
        "coverage": share(here, question.terms),
        "adjacency": len(pairs & question.pairs) / (len(question.pairs) or 1),
        "before": before,
        "order": 1 / (1 + sentence.passage),
        "near": _nearness(question, sentence, named),
        "unnamed": float(question.expectation.kind != "any" and not named),
        "focus": _focus(question, sentence, named),
        "rarest": max((weights[term] for term in question.terms if term in here), default=0.0)
        / (max(weights.values(), default=1.0) or 1.0),
        "fragment": float(len(sentence.located) < 5),
        "kin": share([term for term in missing if any(_kin(term, other) for other in here)]),
        "leans": before if _LEANS.match(sentence.text) else 0.0,
        "after": share(sentence.after),
        "above": share(sentence.above),
        "question": float(sentence.text[-1] == "?"),
        "defines": float(defines(sentence.text, question.text, sentence.key or sentence.before)),
        "unit": float(unit is not None and unit.search(sentence.text) is not None),
    }


def _kin(one: str, other: str) -> bool:
    """Whether two words are of one family: weigh and weight, suburb and suburban."""
    if one[:5] != other[:5] or not one.isascii():
        return False
    shorter, longer = sorted((one, other), key=len)
    return longer.startswith(shorter[:-1]) and len(shorter) >= 5 and len(longer) - len(shorter) < 5


def _named(question: Question, sentence: Sentence, names: frozenset[str] = frozenset()) -> list[tuple[int, int]]:
    """Where the sentence names something of the expected kind that the question did not already say."""
    spans = candidates(sentence.text, question.expectation.kind, names)
    if question.expectation.kind == "reason":
        return spans
    return [(start, end) for start, end in spans if set(words(sentence.text[start:end])) - question.asked]


def _nearness(question: Question, sentence: Sentence, named: list[tuple[int, int]]) -> float:
    """1 where an answer of the expected kind touches a word of the question, falling off with the distance."""
    places = [at for term, at in sentence.located if term in question.terms][:_PLACES]
    if not named or not places:
        return 0.0
    scale = 40 if question.language == "en" else 15  # characters
    return max(math.exp(-min(max(0, start - at, at - end) for at in places) / scale) for start, end in named[:_PLACES])


def _focus(question: Question, sentence: Sentence, named: list[tuple[int, int]]) -> float:
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
