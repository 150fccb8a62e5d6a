"""Questions that a text answers, by templates: of its own questions, its tables and its labelled lines."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from nacre.text.language import language_of
from nacre.text.words import sentences, words

Rule = tuple[str, int, int, str]
"""A question, where its answer stands, and how it was made."""


@dataclass(frozen=True)
class Fact:
    """A value that a text states: the price of oolong, the deadline of a call.

    Args:
        title: of the text, or "".
        row: the row of a table that it stands in; "" of a line of its own.
        thing: what it is told of, so that a question names no other.
        name: what of that thing.
        start: where the value stands in the text.
    """

    title: str
    row: str
    thing: str
    name: str
    start: int
    end: int


# A colon between digits is one of a time, and a name is no sentence.
_PAIR = re.compile(
    r"[ \t>*-]*(?P<name>[^:：|\n#.。!！?？,，;；]{2,40}?)[ \t]*(?:(?<!\d):|:(?!\d)|：)[ \t]*"
    r"[*_ ]*(?P<value>[^\n]{1,80}\S)[ \t]*"
)
_ANSWER = re.compile(r"[ \t>*-]*(?:答|答案|A|Answer)[ \t]*[:：][ \t]*")
_SENTENCE = ".。!！?？;；"
_ALIKE = 0.8  # of the words of two questions: the second is left out
_LONGEST = 120  # characters of a suggestion
_LONGEST_VALUE = 6  # words of a value that ends like a sentence
_NO_NOUN = "what|who|whom|when|where|which|how|why|until|since|by|from|at|for|in|on|to|with"
_CLAUSE = re.compile(rf"(?:{_NO_NOUN})\b|.*\b(?:{_NO_NOUN})$", re.IGNORECASE)
# Columns that hold the value of what stands before: the property of the table's own thing.
_VALUE = frozenset(("value", "values", "details", "值", "数值", "内容", "指标"))
_EACH = 8  # questions of a passage that are looked at
_READ = 6000  # characters of a passage that are looked at


def suggestions(texts: Sequence[str], asked: str, count: int = 3) -> list[str]:
    """Questions that some passages answer, besides the one that was asked, in its language, one of each passage first.

    Examples:
        >>> suggestions(["Tea | Price\\nOolong | 4 EUR\\nSencha | 3 EUR"], "What does oolong cost?", 1)
        ['What is the Price of Oolong?']
    """
    language = language_of(asked)
    made = [
        (rank, question)
        for text in texts
        for rank, (question, *_) in enumerate(
            itertools.islice((one for rule in RULES for one in rule(text[:_READ])), _EACH)
        )
        if len(question) <= _LONGEST and language_of(question) == language
    ]
    kept: list[str] = []
    for _, question in sorted(made, key=lambda item: item[0]):
        if len(kept) < count and not any(_alike(question, other) for other in (asked, *kept)):
            kept.append(question)
    return kept


def _alike(one: str, other: str) -> bool:
    first, second = set(words(one)), set(words(other))
    return len(first & second) >= _ALIKE * max(1, min(len(first), len(second)))


def _asked(text: str) -> Iterator[Rule]:
    """A question of the document itself (of an FAQ), answered by the sentence after it."""
    spans = sentences(text)
    for (start, end), (first, last) in itertools.pairwise(spans):
        question = text[start:end].lstrip("#*-QA:：问答 ").strip("* ")
        if label := _ANSWER.match(text, first, last):
            first = label.end()
        if question[-1:] in ("?", "？") and len(words(question)) >= 3 and len(words(text[first:last])) >= 3:
            yield question, first, last, "asked"


def facts(text: str) -> Iterator[Fact]:
    """What the tables and the labelled lines of a text state."""
    yield from _cells(text)
    yield from _labelled(text)


def _cells(text: str) -> Iterator[Fact]:
    """The cells of tables: what column of which row."""
    header: list[str] = []
    title, at = _title(text), 0
    for line in text.splitlines(keepends=True):
        bar = "\t" if "\t" in line else "|"
        cells = [cell.strip(" *`#") for cell in line.strip().strip("|").split(bar)]
        if bar not in line or len(cells) < 2:
            header = []
        elif not header:
            header = cells
        elif len(cells) == len(header) and set(cells[0]) - set("-: "):
            of_title = len(header) == 2 and title
            thing = f"{cells[0]} ({title})" if of_title else cells[0]  # a property: of which thing, the title says
            for name, value in zip(header[1:], cells[1:], strict=True):
                where = line.rfind(value) if value else -1
                if name and where >= 0 and set(value) - set("-: "):
                    told = ("", title, cells[0]) if of_title and name.casefold() in _VALUE else (cells[0], thing, name)
                    yield Fact(title, *told, at + where, at + where + len(value))
        at += len(line)


def _labelled(text: str) -> Iterator[Fact]:
    """Lines like "Deadline: 3 May"."""
    title, at = _title(text), 0
    for line in text.splitlines(keepends=True):
        match = _PAIR.fullmatch(line.rstrip("\n"))
        told = match and line.strip("#* \n") != title and not _is_sentence(match["value"])
        if match and told and len(match["name"].split()) <= 4 and len(title) > 3 and not set(line) & set("\u3000\t/|"):
            yield Fact(title, "", title, match["name"].strip("* "), at + match.start("value"), at + match.end("value"))
        at += len(line)


def question_about(fact: Fact) -> str:
    """The question that a fact answers."""
    name, thing = fact.name, fact.thing
    if fact.row and is_clause(name):
        return f"{thing}: {name[0].lower()}{name[1:]}?"
    if fact.row:
        return template(fact.row + name, f"What is the {name} of {thing}?", f"{thing}的{name}是什么？")
    return template(name + thing, f"{thing}: what is the {name}?", f"{thing}中，{name}是什么？")


def is_clause(name: str) -> bool:
    """Whether the name of a column is no noun: "Where it may be kept", "Until", "Reach them at"."""
    return _CLAUSE.match(name) is not None


def _is_sentence(value: str) -> bool:
    """Whether a value is a whole sentence: what stands before it is then no label, but says who speaks, say."""
    return value[-1] in _SENTENCE and len(words(value)) > _LONGEST_VALUE


def _table(text: str) -> Iterator[Rule]:
    return ((question_about(fact), fact.start, fact.end, "table") for fact in _cells(text))


def _pairs(text: str) -> Iterator[Rule]:
    return ((question_about(fact), fact.start, fact.end, "pair") for fact in _labelled(text))


def _title(text: str) -> str:
    """The first line of a text, if it is short enough to be a title and no sentence."""
    line = next((line.strip("#* ") for line in text.splitlines() if line.strip()), "")
    named = sum(c.isalpha() for c in line) > 1 and line[-1:] not in _SENTENCE and not re.search(r"\. |[|\t]", line)
    return line if len(line) <= 60 and named else ""


def template(about: str, english: str, chinese: str) -> str:
    """The template of the language of a text."""
    return chinese if language_of(about) == "zh" else english


RULES: tuple[Callable[[str], Iterator[Rule]], ...] = (_asked, _table, _pairs)
