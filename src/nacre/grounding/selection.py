"""Which sentences and rows of some sources answer a question: what `quote` says, word for word."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from nacre.grounding.answerability import Sure, doubtful, nears_in_tongues, sureness, sureness_by_meaning
from nacre.grounding.asking import choices, is_blank
from nacre.grounding.companions import SECOND, adds_nothing, goes_with, of_another, of_the_other, same_of_others
from nacre.grounding.naming import compared, joined, names_another_year
from nacre.grounding.parts import bare_question, plain_question, questions_in
from nacre.grounding.quotes import Quote, cells_of, led_to, notes
from nacre.grounding.ranking import Evidence, Question, analyse, evidence, is_heading
from nacre.grounding.stopwords import stopwords
from nacre.grounding.times import at_time, of_times
from nacre.text.messages import Source
from nacre.text.tables import is_row
from nacre.text.tongue import tongue_of
from nacre.text.words import words
from nacre.text.writing import WRITINGS, writing_of

_MOST = 8  # quotes
_COMPARED = 40  # sentences whose meaning is looked at
_WORDS = 0.06  # standard deviations of meaning that a score point of the words is worth
_STRANGER = 2.0  # that it loses by lacking what names one thing among its like
_UNNAMED = 0.4  # by naming nothing of the kind that is asked for
_CLOSE, _APART = 3, 1.5  # sentences of one's own writing whose meaning is looked at; score points that need no look
_MEANS = 1.5  # score points that a standard deviation of meaning is worth
_AS_NEAR, _AS_NEAR_IN_TONGUES = 0.3, 1.0  # that a second sentence may lie behind
_CALIBRATED = ("latin", "han")  # writings of questions of which it is known how far meaning tells
_WHICH = re.compile(r"\bwhich\b|\bwhat (?:version|release|edition|year|section|chapter)\b|哪|什么版本", re.IGNORECASE)


Near = tuple[int, int, float, float | None]
"""The number of a source, the start of a sentence in it, how far that stands out by its meaning, and how likely the
source holds an answer, where that is known.
"""


@dataclass(frozen=True, slots=True)
class Selection:
    """What the sources say to a question.

    Args:
        sure: "closest" where the quotes are near, but hardly the answer; without quotes "nothing".
        meant: the things that the question may mean, where it names only their kind; each with its quote.
    """

    quotes: tuple[Quote, ...] = ()
    sure: Sure = "nothing"
    meant: tuple[tuple[str, Quote], ...] = ()


def select(
    question: str,
    sources: Sequence[Source],
    sentences: int = 2,
    relevance: float | None = None,
    nearness: Sequence[Near] = (),
) -> Selection:
    """The sentences that answer a question, of a compound one those of each part.

    Args:
        sentences: how many, of one thing that is asked.
        relevance: how likely a source holds an answer by the whole knowledge base (0 to 1), where that is known.
        nearness: how near sentences are by their meaning (see `to_compare`): they count where the words do not tell.

    Examples:
        >>> source = Source(1, "The shop opens at nine. Tea is served until five.", "Opening hours")
        >>> quotes = select("When does the shop open?", [source], 1).quotes
        >>> [source.text[quote.start : quote.end] for quote in quotes]
        ['The shop opens at nine.']
    """
    question, sources, relevance = at_time(plain_question(question), sources, relevance)
    said = _by_words(question, sources, sentences, relevance, nearness)
    if said.sure == "answer" and (several := _choices(question, sources, relevance)):
        said = replace(said, meant=several)
    meant = _by_meaning(question, sources, nearness) if said.sure != "answer" and nearness else Selection()
    if not meant.quotes or not said.quotes or meant.sure == "answer":
        return meant if meant.quotes else said
    return Selection(tuple(_without_repeats((*meant.quotes, *said.quotes[:1]))), "closest")


def _choices(question: str, sources: Sequence[Source], relevance: float | None) -> tuple[tuple[str, Quote], ...]:
    """The things that a question may mean; of loose snippets, nobody knows of what they speak."""
    known = relevance is not None or any(source.title for source in sources)
    if not known or len(questions_in(question)) > 1 or len(compared(question)) > 1:
        return ()
    asked, found = _weighed(question, _passages(sources))
    named = choices(asked, _best(found, sources), found, sources)
    return tuple((one.name, _quote(one.evidence, sources[one.evidence.passage])) for one in named)


def to_compare(question: str, sources: Sequence[Source], relevance: float | None = None) -> list[tuple[int, int, str]]:
    """The sentences whose meaning is worth a look: the first few by their words where they lie close or it is doubtful
    whether they answer, and where the words do not tell those of sources in another writing.

    Returns:
        The number of the source, the start, and what is to be compared: of a row with the names of its columns.
    """
    question, sources, relevance = at_time(plain_question(question), sources, relevance)
    asked, every = _weighed(question, _passages(sources))
    if stopwords().issuperset(asked.terms):
        return []
    mine = tongue_of(question)
    own = [item for item in _best(every, sources) if tongue_of(sources[item.passage].text) == mine][:_CLOSE]
    if any(item.row for item in own) or not (_close(own) or doubtful(asked, _passages(sources), every, relevance)):
        own = []
    places = [(sources[one.passage], one) for one in own]
    if _by_words(question, sources, 1, relevance).sure != "answer":
        coded = {term for term, weight in asked.names.items() if weight == 1.0}  # alike in every language
        found = [(sources[one.passage], one) for one in every if one.statement and coded <= one.said]
        places += [(s, one) for s, one in found if tongue_of(s.text) != mine and _tells(s.text, one)][:_COMPARED]
    tongue = mine not in WRITINGS  # of one that stands behind its title more is understood across languages
    return [(s.n, one.start, (f"{s.title}: " if tongue and s.title else "") + _spoken(one, s)) for s, one in places]


def _close(best: Sequence[Evidence]) -> bool:
    """Whether the first few sentences are so alike by their words that their meaning may order them."""
    return len(best) >= _CLOSE and best[1].score - best[2].score <= _APART


def _tells(text: str, one: Evidence) -> bool:
    """Whether a sentence has words and is no title, whose names would draw the question."""
    said = text[one.start : one.end]
    title = is_heading(said) and (one.start == 0 or said[0] == "#") and not re.search("[:：]", said)
    return bool(words(said)) and not title


def _spoken(one: Evidence, source: Source) -> str:
    """A sentence, behind the question that it answers; a row as one: under its heading each value with its name."""
    cells = cells_of(_quote(one, source), source) if one.row else None
    if cells is None:
        before = source.text[: one.start].rstrip().rpartition("\n")[2].strip("# *")
        return f"{before if before[-1:] in ('?', '？') else ''} {source.text[one.start : one.end]}".strip()
    (_, *names), (first, *values) = cells
    lines = [line for line in source.text[: one.start].splitlines() if line.strip() and not is_row(line)]
    said = [f"{name} {value}" for name, value in zip(names, values, strict=True)]
    return ": ".join([*(line.strip("# ") for line in lines[-1:] if is_heading(line)), first, ", ".join(said)])


def _by_meaning(question: str, sources: Sequence[Source], nearness: Sequence[Near]) -> Selection:
    """The sentence that means what is asked, whatever its words; the next one where it is as near."""
    near = {(n, start): value for n, start, value, _ in nearness}
    mine = tongue_of(question)
    found = [one for one in _weighed(question, _passages(sources))[1] if one.statement]
    foreign = [one for one in found if tongue_of(sources[one.passage].text) != mine]
    placed = [(near.get((sources[one.passage].n, one.start)), one) for one in foreign]
    ranked = [(weighed(value, one), one) for value, one in placed if value is not None]
    ranked.sort(key=lambda pair: -pair[0])
    tongue = mine not in WRITINGS
    if tongue:  # the year was left out of what was compared
        ranked = [(value, one) for value, one in ranked if not _is_of_another_year(question, one, sources)]
    if not ranked:
        return Selection()
    best, first = ranked[0]
    abroad = {sources[one.passage].n for _, one in ranked}
    likely = (value for n, *_, value in nearness if n in abroad and value is not None)
    likeliest = max(likely, default=None)
    sure: Sure
    if tongue:
        same = writing_of(sources[first.passage].text) == "latin"
        sure = "closest" if nears_in_tongues(best, likeliest, same) else "nothing"
    else:
        sure = sureness_by_meaning(best, likeliest)
        sure = "closest" if sure == "answer" and mine not in _CALIBRATED else sure
    if sure == "nothing":
        return Selection()
    as_near = _AS_NEAR_IN_TONGUES if tongue else _AS_NEAR
    close = [one for value, one in ranked[1:2] if value >= best - as_near and not (one.row or first.row)]
    second = [one for one in close if one.features["other_year"] <= first.features["other_year"]]
    quotes = ((_quote(one, sources[one.passage]), sources[one.passage]) for one in (first, *second))
    told = (each for quote, source in quotes for each in (quote, *led_to(quote, source)))
    return Selection(tuple(_without_repeats(told))[:_MOST], sure)


def _is_of_another_year(question: str, one: Evidence, sources: Sequence[Source]) -> bool:
    source = sources[one.passage]
    return any(names_another_year(question, said) for said in (source.title, source.text[one.start : one.end]))


def weighed(nearness: float, one: Evidence) -> float:
    """How near a sentence is by its meaning, with what its words and the kind of answer add."""
    lacks = _STRANGER * one.features["stranger"] + _UNNAMED * one.features["unnamed"]
    return nearness + _WORDS * one.score - lacks


def _passages(sources: Sequence[Source]) -> tuple[tuple[str, str, str], ...]:
    return tuple((source.text, source.title, " ".join(source.columns)) for source in sources)


@functools.lru_cache(maxsize=8)
def _weighed(question: str, passages: tuple[tuple[str, str, str], ...]) -> tuple[Question, list[Evidence]]:
    """A question and every sentence weighed against it: what is compared by its meaning is selected from next."""
    asked = analyse(question)
    return asked, evidence(asked, passages)


def _by_words(
    question: str, sources: Sequence[Source], sentences: int, relevance: float | None, nearness: Sequence[Near] = ()
) -> Selection:
    # Loose snippets are judged by their agreement on the whole.
    known = relevance is not None or any(source.title for source in sources)
    if not known:  # those in another writing cannot say the same, and would vote against it
        sources = [one for one in sources if writing_of(one.text) == writing_of(question)] or sources
    things = [compared(part) for part in questions_in(question)] if known else [[question]]
    parts = [(one, sentences if len(alike) == 1 else 1) for alike in things for one in alike]
    found = [
        one for one in (_selected(part, sources, count, relevance, nearness) for part, count in parts) if one.quotes
    ]
    if all(len(alike) == 1 for alike in things):  # a comparison needs the others also where they are less sure
        found = [one for one in found if one.sure == "answer"] or found
    if not found:
        others = [
            *([question] if len(parts) > 1 else []),
            *([bare] if known and (bare := bare_question(question)) else []),
        ]
        tried = (_selected(other, sources, sentences, relevance, nearness) for other in others)
        return next((one for one in tried if one.quotes), Selection())
    surest: Sure = "answer" if any(one.sure == "answer" for one in found) else "closest"
    quotes = tuple(_without_repeats(quote for one in found for quote in one.quotes))[:_MOST]
    without = (alike[0] for part, alike in zip(questions_in(question), things, strict=False) if alike[0] != part)
    if known and len(parts) == len(things) and any(_is_half(one, quotes, sources) for one in without):
        surest = "closest"
    return Selection(quotes, surest)


def _is_half(question: str, quotes: Sequence[Quote], sources: Sequence[Source]) -> bool:
    """Whether one of two things that a question compares is in none of the quotes."""
    texts = {source.n: source.text for source in sources}
    said = {term for quote in quotes for term in words(texts[quote.n][quote.start : quote.end])}
    return any(said.isdisjoint(thing) for pair in joined(question) for thing in pair)


def _without_repeats(quotes: Iterable[Quote]) -> Iterator[Quote]:
    seen: set[tuple[int, int]] = set()
    for quote in quotes:
        if (quote.n, quote.start) not in seen:
            seen.add((quote.n, quote.start))
            yield quote


def _selected(
    question: str, sources: Sequence[Source], count: int, relevance: float | None, nearness: Sequence[Near] = ()
) -> Selection:
    passages = _passages(sources)
    asked, found = _weighed(question, passages)
    if not asked.terms:
        return Selection()
    best = _best(found, sources)
    sure = sureness(asked, passages, found, relevance, _nearest(asked, best, sources, nearness))
    best = _measured_first(asked, _nearest_first(best, sources, nearness))
    if sure == "nothing" or not best:
        return Selection()
    if stopwords().issuperset(asked.terms):  # it shares what every text does
        sure = "closest"
    first = best[0]
    if first.row and is_blank(asked, first, sources):
        sure = "closest"
    chosen = [first, *same_of_others(asked, first, best)]
    chosen += of_the_other(asked, first, best, sources) if len(chosen) == 1 else ()
    chosen = of_times(chosen, best, sources)
    alone = len(chosen) == 1
    if alone and not first.header:
        text = sources[first.passage].text
        more = [item for item in best[1:count] if goes_with(item, first, sources)]
        more = [item for item in more if not of_another(asked, item, first, sources)]
        chosen += [item for item in more if not adds_nothing(asked, item, first, text)]
    if alone and (above := _heading_that_answers(asked, first, found, sources)):
        chosen.append(above)
    first = chosen[0]
    chosen.sort(key=lambda item: (sources[item.passage].valid, item.passage != first.passage, item.passage, item.start))
    quotes = [_quote(item, sources[item.passage]) for item in chosen]
    told: list[Quote] = []
    for item, quote in zip(chosen, quotes, strict=True):
        source = sources[item.passage]
        led = led_to(quote, source, whole=not item.features["coverage"])  # one of a list of which all is asked
        told += [*([quote] if quote not in led else []), *led, *notes(quote, source)]
    return Selection(tuple(_without_repeats(told))[:_MOST], sure)


def _heading_that_answers(
    asked: Question, first: Evidence, found: Sequence[Evidence], sources: Sequence[Source]
) -> Evidence | None:
    """Of "which version …" the number stands in the heading above the sentence."""
    text = sources[first.passage].text
    said = text[first.start : first.end]
    told = any(char.isdigit() for char in said) and not {*asked.expectation.focus}.isdisjoint(words(said))
    if first.row or told or not _WHICH.search(asked.text):
        return None
    above = [item for item in found if item.passage == first.passage and item.start < first.start]
    heading = next((item for item in reversed(above) if is_heading(text[item.start : item.end])), None)
    numbered = heading and heading.start and any(char.isdigit() for char in text[heading.start : heading.end])
    return heading if numbered else None


def _quote(item: Evidence, source: Source) -> Quote:
    return Quote(source.n, item.start, item.end, item.score, item.row)


def _best(found: Sequence[Evidence], sources: Sequence[Source]) -> list[Evidence]:
    """The statements, the best first, none of them twice though sources may overlap."""
    best: dict[str, Evidence] = {}
    for item in sorted((item for item in found if item.statement), key=lambda item: -item.score):
        best.setdefault(sources[item.passage].text[item.start : item.end], item)
    return list(best.values())


def _nearest(
    asked: Question, best: Sequence[Evidence], sources: Sequence[Source], near: Sequence[Near]
) -> float | None:
    """How near by its meaning the nearest of the first few is that are written as the question is, if that is known."""
    mine, known = tongue_of(asked.text), {(n, start): value for n, start, value, _ in near}
    first = [item for item in best if tongue_of(sources[item.passage].text) == mine][:_CLOSE]
    places = ((sources[item.passage].n, item.start) for item in first)
    return max((known[place] for place in places if place in known), default=None)


def _nearest_first(best: list[Evidence], sources: Sequence[Source], nearness: Sequence[Near]) -> list[Evidence]:
    """The first few by their meaning too, where that was looked at."""
    near = {(n, start): value for n, start, value, _ in nearness}
    first = [item for item in best[:_CLOSE] if (sources[item.passage].n, item.start) in near]
    if len(first) < _CLOSE or not _close(first):
        return best
    first.sort(key=lambda item: -item.score - _MEANS * near[sources[item.passage].n, item.start])
    return [*first, *best[_CLOSE:]]


def _measured_first(asked: Question, best: list[Evidence]) -> list[Evidence]:
    """Before the first one, which tells nothing in the unit of what is asked for, the nearest that does: of a telephone
    the number, not the name beside it.
    """
    if not asked.expectation.unit or not best or best[0].features["unit"]:
        return best
    near = next((item for item in best if item.features["unit"] and item.score >= best[0].score - SECOND), None)
    return [near, *(item for item in best if item is not near)] if near else best
