"""What sentences say of a question in other words than its own, as far as that can be told for certain: of 120 pieces
"50–199", of Sundays "Sun", of the third year "3rd", of kilograms "kg", and Chinese words that are cut otherwise there.
"""

from __future__ import annotations

import functools
import re
import unicodedata
from collections.abc import Iterator, Sequence

from nacre.grounding.naming import OTHER_KIND
from nacre.grounding.ranges import Amount, amounts, within
from nacre.grounding.sentence import Sentence
from nacre.grounding.weekdays import named, weekdays
from nacre.text.tables import first_cell_ends
from nacre.text.vocabulary import vocabulary
from nacre.text.words import words

_ORDINALS = (
    *("first", "second", "third", "fourth", "fifth", "sixth"),
    *("seventh", "eighth", "ninth", "tenth", "eleventh", "twelfth"),
)
_SHORT = {name: f"{n}{['st', 'nd', 'rd'][n - 1] if n < 4 else 'th'}" for n, name in enumerate(_ORDINALS, 1)}
_EITHER = {**_SHORT, **{short: name for name, short in _SHORT.items()}}


@functools.cache
def alike_terms() -> dict[str, frozenset[str]]:
    """The other words for what an index term is one word for."""
    groups = [line.split() for line in vocabulary(__package__, "implied")["alike"]]
    terms = [frozenset(term for word in group for term in words(word) or [word]) for group in groups]
    return {term: group for group in terms for term in group}


def imply(question: str, terms: Sequence[str], found: Sequence[Sentence], passages: Sequence[tuple[str, ...]]) -> None:
    """Let sentences say the terms of a question that they say in other words."""
    asked, days = amounts(question), weekdays(unicodedata.normalize("NFKC", question))
    han = [term for term in terms if len(term) > 1 and not term.isascii()]
    ordinals = [term for term in terms if term in _EITHER]
    alike = {term: alike_terms()[term] for term in terms if term in alike_terms()}
    columns: dict[tuple[int, tuple[int, int] | None], frozenset[str]] = {}
    measured = {term for amount in asked for term in amount.terms}
    dropped: set[str] = set()  # by the sentence before
    for sentence in found:
        sentence.before -= dropped
        dropped = {
            term
            for term in measured & {term for term, _ in sentence.located}
            if _measures_another(term, asked, sentence.text)
        }
        sentence.located = [one for one in sentence.located if one[0] not in dropped]
        said = frozenset(term for term, _ in sentence.located)
        more = [(term, at) for term in han if term not in said for at in _standing(term, sentence.text)]
        more += [(term, 0) for term in ordinals if term not in said and _EITHER[term] in said]
        more += [(term, 0) for term, group in alike.items() if term not in said and group & said]
        sentence.above |= {term for term, group in alike.items() if group & sentence.above}
        more += [one for one in within(asked, sentence.text, said | sentence.above) if one[0] not in said]
        if days:
            more += [(term, at) for term, at in _on(days, question, sentence.text) if term not in said]
            place = sentence.passage, sentence.header
            if sentence.row and place not in columns:
                text, *rest = passages[sentence.passage]
                names = text[slice(*sentence.header)] if sentence.header else " ".join(rest[1:])
                columns[place] = frozenset(term for term, _ in _on(days, question, names))
            sentence.above |= columns.get(place, frozenset()) if sentence.row else frozenset()
        if more:
            sentence.located += more
            sentence.key |= frozenset(term for term, at in more if sentence.row and at < first_cell_ends(sentence.text))


def _measures_another(term: str, asked: Sequence[Amount], text: str) -> bool:
    """Whether a number of the question stands in a text with another unit: 30 days are not 30 pieces."""
    for amount in asked:
        if term in amount.terms:
            beside = re.findall(rf"(?<![\w.,]){re.escape(term)}\s?([^\W\d_]+|%)", text)
            units = [frozenset(words(unit) or [unit]) for unit in beside]
            own = amount.units.union(*(alike_terms().get(unit, ()) for unit in amount.units))
            return bool(units) and all(unit & alike_terms().keys() and not unit & own for unit in units)
    return False


def _standing(term: str, text: str) -> Iterator[int]:
    """Where a Chinese term stands in a text as it is written, if not as the end of another thing's name: once."""
    at = text.find(term)
    if at >= 0 and (at == 0 or text[at - 1] not in OTHER_KIND):
        yield at


def _on(days: Sequence[tuple[frozenset[int], int, int]], question: str, text: str) -> Iterator[tuple[str, int]]:
    """The terms by which a question names days that a text names too."""
    told = weekdays(text)
    every = named(text) if told else frozenset()
    for asked, start, end in days:
        if asked <= every:
            at = next(begin for own, begin, _ in told if asked & own)
            yield from ((term, at) for term in words(question[start:end]))
