"""Questions that a text answers, by templates: of its own questions, its tables and its labelled lines."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator, Sequence

from nacre.text.language import language_of
from nacre.text.words import sentences, words

Rule = tuple[str, int, int, str]
"""A question, where its answer stands, and how it was made."""

# A colon between digits is one of a time, and a name is no sentence.
_PAIR = re.compile(
    r"[ \t>*-]*(?P<name>[^:：|\n#.。!！?？,，;；]{2,40}?)[ \t]*(?:(?<!\d):|:(?!\d)|：)[ \t]*"
    r"(?P<value>[^\n]{1,80}\S)[ \t]*"
)
_ANSWER = re.compile(r"[ \t>*-]*(?:答|答案|A|Answer)[ \t]*[:：][ \t]*")
_SENTENCE = ".。!！?？;；"
_ALIKE = 0.8  # of the words of two questions: the second is left out
_LONGEST = 120  # characters of a suggestion
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


def _table(text: str) -> Iterator[Rule]:
    """The cells of a table: what column of which row."""
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
            for name, value in zip(header[1:], cells[1:], strict=True):
                where = line.rfind(value) if value else -1
                if name and where >= 0 and set(value) - set("-: "):
                    # A property and its value: of which thing, the title says.
                    row = f"{cells[0]} ({title})" if len(header) == 2 and title else cells[0]
                    question = template(cells[0] + name, f"What is the {name} of {row}?", f"{row}的{name}是什么？")
                    yield question, at + where, at + where + len(value), "table"
        at += len(line)


def _pairs(text: str) -> Iterator[Rule]:
    """Lines like "Deadline: 3 May"."""
    title, at = _title(text), 0
    for line in text.splitlines(keepends=True):
        match = _PAIR.fullmatch(line.rstrip("\n"))
        if match and len(match["name"].split()) <= 4 and len(title) > 3 and not set(line) & set("\u3000\t/|"):
            name = match["name"].strip("* ")
            question = template(name + title, f"{title}: what is the {name}?", f"{title}中，{name}是什么？")
            yield question, at + match.start("value"), at + match.end("value"), "pair"
        at += len(line)


def _title(text: str) -> str:
    """The first line of a text, if it is short enough to be a title and no sentence."""
    line = next((line.strip("#* ") for line in text.splitlines() if line.strip()), "")
    return line if len(line) <= 60 and line[-1:] not in _SENTENCE and not re.search(r"\. |[|\t]", line) else ""


def template(about: str, english: str, chinese: str) -> str:
    """The template of the language of a text."""
    return chinese if language_of(about) == "zh" else english


RULES: tuple[Callable[[str], Iterator[Rule]], ...] = (_asked, _table, _pairs)
