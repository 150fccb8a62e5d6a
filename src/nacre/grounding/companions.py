"""What is quoted beside the sentence that answers best: the same of other things, what goes on from it, no more."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from nacre.grounding.asking import parallel
from nacre.grounding.naming import joined
from nacre.grounding.parts import leans
from nacre.grounding.ranking import Evidence, Question
from nacre.text.messages import Source
from nacre.text.words import words

SECOND = 4.0  # score points that a second sentence may lie behind the first
_MOSTLY = 0.6  # share of the question that a sentence says, which needs none from elsewhere
_OTHER = 9.0  # that the same of another thing may


def same_of_others(asked: Question, first: Evidence, best: Sequence[Evidence]) -> Iterator[Evidence]:
    """What is said alike of the other things that a question names: a comparison needs all of them."""
    wanted = [term for term in asked.terms if term in first.named and term not in first.said]
    rest = (first.said & frozenset(asked.terms)) - first.named
    said = set(first.said)
    for term in wanted:
        if term in said:
            continue
        alike = (
            item
            for item in best[1:]
            if term in item.said
            and item.score >= first.score - _OTHER
            and len(rest & item.said) >= 0.6 * len(rest)
            and (item.row == first.row)
        )
        if other := next(alike, None):
            said |= other.said
            yield other


def of_the_other(
    asked: Question, first: Evidence, best: Sequence[Evidence], sources: Sequence[Source]
) -> Iterator[Evidence]:
    """What is said of the other of two things that a question joins, where the best sentence speaks of one of them."""
    near = [item for item in best if item.score >= first.score - _OTHER and item.row == first.row]
    own = [set(words(sources[item.passage].text[item.start : item.end])) for item in near]
    said, sayable = own[0], {term for terms in own for term in terms}
    for pair in joined(asked.text):
        for here, there in (pair, pair[::-1]):
            lacking = there & sayable - said
            if not here & sayable or not here & sayable <= said or not lacking:
                continue
            rest = said.intersection(asked.terms) - here - there
            fits = (item for item, terms in zip(near, own, strict=True) if lacking <= terms and _shares(rest, terms))
            if other := next(fits, None):
                yield other
                return


def _shares(rest: set[str], terms: set[str]) -> bool:
    return len(rest & terms) >= 0.6 * len(rest)


def goes_with(item: Evidence, first: Evidence, sources: Sequence[Source]) -> bool:
    """Whether a sentence may stand beside the best one: it says a word of the question, or goes on in a paragraph or
    below a line that does.

    A row of a table may not: it would be of another thing.
    """
    text = sources[item.passage].text
    gap = text[first.end : item.start] if item.passage == first.passage else ""
    below = _leans_on(item, first, text)
    goes_on = item.features["before"] and (below or not text[: item.start].rstrip(" ").endswith("\n"))
    tells = (
        first.features["unnamed"] and not item.features["unnamed"] and item.features["before"] and not gap.strip(" ")
    )
    near = item.score >= first.score - (_OTHER if below or (tells and item.passage == first.passage) else SECOND)
    return near and not item.row and bool(item.features["coverage"] or goes_on)


def _leans_on(item: Evidence, first: Evidence, text: str) -> bool:
    """Whether a line says more of what the line above it says: "Only upstairs"."""
    gap = text[first.end : item.start] if item.passage == first.passage else ""
    return gap.strip("\t -*•·") == "\n" and leans(text, item.start)


def of_another(asked: Question, item: Evidence, first: Evidence, sources: Sequence[Source]) -> bool:
    """Whether a sentence says of another thing what the best one says of the one that the question names."""
    texts = [sources[one.passage].text[one.start : one.end] for one in (first, item)]
    named = frozenset(asked.terms).intersection(words(texts[0])).difference(words(texts[1]))
    return bool(named) and parallel(*texts)


def adds_nothing(asked: Question, item: Evidence, first: Evidence, text: str) -> bool:
    """Whether one fact is asked for, which the best sentence names, and another says far less of the question."""
    kind, told = asked.expectation, first.features["coverage"]
    if _leans_on(item, first, text):
        return False
    lists = item.passage == first.passage and text[first.end - 1 : item.start].strip() in (";", "；")  # 满十年的，十天
    if kind.unit and first.features["unit"] and not (item.features["unit"] and first.said - kind.measure <= item.said):
        return True
    if lists or kind.several or kind.kind in ("any", "reason") or item.features["coverage"] >= told / 2:
        return False
    return (told > _MOSTLY and item.passage != first.passage) or (
        kind.kind in ("number", "time") and not first.features["unnamed"]
    )
