"""Which of several things a question may mean: it names their kind and none of them, and the sources tell of each its
own value. Then it is better asked back than answered for the first that was found.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from nacre import prompts
from nacre.grounding.implied import alike_terms
from nacre.grounding.ranking import Evidence, Question, is_heading
from nacre.grounding.stopwords import stopwords
from nacre.text.han import HAN
from nacre.text.language import Language
from nacre.text.markers import MARKER
from nacre.text.messages import Source
from nacre.text.tables import Grid, grids_in
from nacre.text.words import words

LANGUAGES: tuple[Language, ...] = ("en", "zh")
_NEAR = 4.0  # score points that what is said alike of another thing may lie behind
_ALIKE = 0.5  # of the words of two sentences that tell the same of two things
_MOST = 12  # things that are named
_LONGEST, _LABEL = 60, 40  # words of a sentence that is compared, characters of a name
_WIDEST = 3  # words of a name
_VALUED = ("number", "time", "person", "place")
# Who asks for all of them, for the extreme one or for which one it is, means more than one thing.
_OF_ALL = re.compile(
    r"\b(?:each|every|all|any|both|either|list|which|what are|different\w*|differ|by|average|total|sum|most|least|best"
    r"|\w{2,}est)\b"
    r"|最|哪|所有|全部|各|每[个种款级档位家]|分别|平均|总|都|列出|任何|区别|不同",
    re.IGNORECASE,
)
_PLURAL = re.compile(r"[A-Za-z]+s\b")
_ONE = re.compile(r"\b(?:the|this|that|my|our|your|an?)\s+(\w+)", re.IGNORECASE)
_TOKEN = re.compile(rf"[{HAN}]+|[^\W{HAN}]+(?:[-'’.][^\W{HAN}]+)*")
_NUMERAL = re.compile(r"[\d零一二两三四五六七八九十百千万]")
_HAN = re.compile(rf"[{HAN}]")


@dataclass(frozen=True, slots=True)
class Choice:
    """A thing that a question may mean, by its name in the sources, and the sentence or row that tells of it."""

    name: str
    evidence: Evidence


def choices(
    asked: Question, best: Sequence[Evidence], found: Sequence[Evidence], sources: Sequence[Source]
) -> list[Choice]:
    """The things that a question may mean; none where it is clear, or more than its kind is unknown.

    Args:
        best: the statements, the best first.
        found: all of them, with those that stand above others.
    """
    if not best or _OF_ALL.search(asked.text):
        return []
    first = best[0]
    said = _rows(asked, first, found, sources) if first.row else _sentences(asked, first, best, sources)
    names = {choice.name.casefold() for choice in said}
    timed = any(sources[choice.evidence.passage].valid for choice in said)  # what holds when is told anyhow
    return said[:_MOST] if len(names) == len(said) > 1 and not timed else []


def question_of(names: Sequence[str], language: Language) -> str:
    """What is asked back."""
    joint = "、" if language == "zh" else ", "
    return prompts.load("rag/which", language).text(choices=joint.join(names))


def asked_back(text: str) -> str:
    """The line at the end of an answer that asks which thing is meant; "" where there is none."""
    last = text.rstrip().rpartition("\n")[2]
    frames = (prompts.load("rag/which", language).text(choices="\0").partition("\0") for language in LANGUAGES)
    return next(
        (last for before, _, after in frames if before and last.startswith(before) and last.endswith(after)), ""
    )


def _rows(asked: Question, first: Evidence, found: Sequence[Evidence], sources: Sequence[Source]) -> list[Choice]:
    """The rows of a table, where the question names a column of it and the heading of its first, and no row."""
    source = sources[first.passage]
    grid = next((g for g in grids_in(source.text, (), source.columns) if g.start <= first.start < g.end), None)
    if grid is None or len(grid.rows) < 2 or not (first.header or source.columns):
        return []
    cells = [[source.text[a:b] for a, b in row] for row in grid.rows]
    column = _column(asked, grid)
    terms = [frozenset(words(" ".join(row))) for row in cells]
    told_apart = any(0 < sum(term in row for row in terms) < len(terms) for term in asked.asked)
    values = {row[column] for row in cells if len(row) > column}
    if not column or told_apart or len(values) < 2 or not _names_kind(asked, words(grid.header[0])):
        return []
    at = {item.start: item for item in found if item.passage == first.passage and item.row}
    placed = [(row, next((at[a] for a in at if a <= row[0][0] < at[a].end), None)) for row in grid.rows]
    return [
        Choice(_name(source.text[slice(*row[0])]), item)
        for row, item in placed
        if item is not None and source.text[slice(*row[0])].strip()
    ]


def is_blank(asked: Question, row: Evidence, sources: Sequence[Source]) -> bool:
    """Whether a row has nothing in the column that a question names."""
    source = sources[row.passage]
    grid = next((g for g in grids_in(source.text, (), source.columns) if g.start <= row.start < g.end), None)
    cells = next((cells for cells in grid.rows if row.start <= cells[0][0] < row.end), None) if grid else None
    if not grid or not cells or not (column := _column(asked, grid)):
        return False
    return column >= len(cells) or not source.text[slice(*cells[column])].strip()


def _column(asked: Question, grid: Grid) -> int:
    """The column that a question names best; 0 where it names none, or two alike."""
    terms = asked.asked.union(*(alike_terms().get(term, ()) for term in asked.asked)) - stopwords()
    shares = [len(terms.intersection(words(name))) for name in grid.header]
    best = max(range(1, len(shares)), key=lambda n: shares[n], default=0)
    return best if best and shares[best] and shares[1:].count(shares[best]) == 1 else 0


def _names_kind(asked: Question, kind: Sequence[str]) -> bool:
    """Whether a question names a kind, in the singular, and asks for something else of it."""
    named = asked.asked.intersection(kind) - stopwords()
    several = any(
        word.casefold() not in named and named.intersection(words(word)) for word in _PLURAL.findall(asked.text)
    )
    return bool(named) and named.isdisjoint(asked.expectation.focus) and not several


def _names_one(asked: Question, kind: Sequence[str]) -> bool:
    """Whether a question names one thing by its kind: "the plan", "my office"."""
    said = (
        kind if asked.language == "zh" else [t for found in _ONE.findall(asked.text) for t in words(found) if t in kind]
    )
    return _names_kind(asked, said)


def _sentences(asked: Question, first: Evidence, best: Sequence[Evidence], sources: Sequence[Source]) -> list[Choice]:
    """Sentences that tell the same of several things of a kind that the question names."""
    kind = asked.expectation
    terms = frozenset(asked.terms) - {*kind.focus}
    if kind.kind not in _VALUED or not first.answers or not terms <= first.said | {*words(_place(first, sources))}:
        return []
    found: list[Choice] = []
    for item in best:
        alike = (
            not item.row
            and item.score >= first.score - _NEAR
            and item.said & terms == first.said & terms
            and item.answers
        )
        if item is first or not alike:
            continue
        names = _told_apart(asked, first, item, sources)
        if not names:
            continue
        found += [Choice(names[0], first)] if not found else []
        if names[0] != found[0].name:  # it is told apart from the others by another word
            return []
        found.append(Choice(names[1], item))
    return found if len({choice.evidence.answers for choice in found}) > 1 else []


def _told_apart(asked: Question, one: Evidence, other: Evidence, sources: Sequence[Source]) -> tuple[str, str] | None:
    """By which names two sentences that say the same speak of two things: in them, or above them."""
    texts = [sources[item.passage].text[item.start : item.end] for item in (one, other)]
    if not parallel(*texts):
        return None
    tokens = [list(_tokens(text)) for text in texts]
    named = _first_difference(asked, texts, tokens, [one.answers, other.answers])
    if named is not None:
        return named
    above = [_place(item, sources) for item in (one, other)]
    terms = [{*words(place)} for place in above]
    kind = asked.asked.intersection(
        *({*words(f"{sources[i.passage].title} {p}")} for i, p in zip((one, other), above, strict=True))
    )
    apart = terms[0] != terms[1] and asked.asked.isdisjoint(terms[0] ^ terms[1])
    return (_name(above[0]), _name(above[1])) if apart and _names_one(asked, [*kind]) else None


def parallel(one: str, other: str) -> bool:
    """Whether two sentences say the same of two things."""
    tokens = [list(_tokens(text)) for text in (one, other)]
    return max(map(len, tokens)) <= _LONGEST and _overlap(*tokens) >= _ALIKE


def _overlap(one: Sequence[tuple[str, int, int]], other: Sequence[tuple[str, int, int]]) -> float:
    said = [{word for word, *_ in tokens if not _NUMERAL.search(word)} for tokens in (one, other)]
    return len(said[0] & said[1]) / (len(said[0] | said[1]) or 1)


def _first_difference(
    asked: Question,
    texts: Sequence[str],
    tokens: Sequence[list[tuple[str, int, int]]],
    answers: Sequence[frozenset[str]],
) -> tuple[str, str] | None:
    """The words in which two sentences differ first, with the noun of the question that stands beside them; None where
    it is the answer, or stands beside no such noun.
    """
    one, other = ([word for word, *_ in run] for run in tokens)
    changes = (op for op in difflib.SequenceMatcher(None, one, other, autojunk=False).get_opcodes() if op[0] != "equal")
    spans = next(((op[1:3], op[3:5]) for op in changes if op[0] == "replace"), None)
    if spans is None:
        return None
    names: list[str] = []
    for text, run, (start, end), known in zip(texts, tokens, spans, answers, strict=True):
        own = frozenset(term for word, *_ in run[start:end] for term in words(word))
        unlike = end - start > _WIDEST or any(c.isdigit() for word, *_ in run[start:end] for c in word)
        if not own or unlike or own & known or own & asked.asked:
            return None
        before = [term for word, *_ in run[max(0, start - 2) : start] for term in words(word)]
        precedes = _names_one(asked, before)
        follows = not precedes and end < len(run) and _names_one(asked, words(run[end][0]))
        if not (precedes or follows):
            return None
        names.append(_name(text[run[start][1] : run[end if follows else end - 1][2]]))
    return names[0], names[1]


def _tokens(text: str) -> Iterator[tuple[str, int, int]]:
    """The words of a text as they are written, and where."""
    import rjieba

    for found in _TOKEN.finditer(text):
        at = found.start()
        for word in rjieba.cut(found[0]) if _HAN.match(found[0]) else [found[0]]:
            yield word.casefold(), at, at + len(word)
            at += len(word)


def _place(item: Evidence, sources: Sequence[Source]) -> str:
    """What a sentence stands under: the heading before it, else the title of its source."""
    source = sources[item.passage]
    lines = [line.strip() for line in source.text[: item.start].splitlines() if line.strip()]
    heading = next((line.strip("# ") for line in reversed(lines) if is_heading(line)), "")
    return heading or source.title.rpartition(" › ")[2]


def _name(text: str) -> str:
    """A name of a document as words of an answer: nothing in it cites."""
    return MARKER.sub("", " ".join(text.split())).strip("*_# ")[:_LABEL]
