"""Quotes as the lines of an answer: sentences, and rows of tables under the names of their columns."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from nacre.text.language import language_of
from nacre.text.markers import as_quoted
from nacre.text.messages import Source
from nacre.text.tables import Grid, Span, bare, grids_in, names_columns
from nacre.text.validity import told
from nacre.text.words import sentences

_MARK = re.compile(r"(?<=[\w.,;:!?。，；：！？)）”])[ \t]?(\[\^?\d{1,2}\]|[¹²³⁴-⁹]|[†‡])(?!\w)")  # of a footnote
_CODE = re.compile(r"[ \t]*\n+[ \t]*```[^\n]*\n((?:(?![ \t]*```)[^\n]*\n){1,40})")
_ITEM = r"[ \t]*(?:[-*+•·▪]\s|\(?\d{1,3}[.)、）])[^\n]*"
_LIST = re.compile(rf"[ \t]*\n\n?((?:{_ITEM}(?:\n\n?|\Z)){{1,40}})")
# A reply that says no more than yes or no.
_REPLY = re.compile(
    r"(?:[Aa答][:：]\s*)?(?:yes|no|sure|of course|it depends|(?:当然|是)?可以|不可以|不能|不行|不?会|能|不?是的?|有的?"
    r"|没有|不?需要|免费)[.!。！,，]",
    re.IGNORECASE,
)
_LINE = 400  # characters of a line that is looked at
_LED = 6  # lines of what a quote leads to
_NOTES = 2  # of one quote
_WIDEST = 40  # columns of a table that is shown as one


@dataclass(frozen=True, slots=True)
class Quote:
    """A sentence of a source.

    Args:
        start: first character in the source's text.
        row: whether it is a row of a table.
    """

    n: int
    start: int
    end: int
    score: float
    row: bool = False


def shown(quotes: Sequence[Quote], sources: Sequence[Source]) -> list[str]:
    """Quotes as the lines of an answer, each with the number of its source; rows of one table as a Markdown table."""
    by_number = {source.n: source for source in sources}
    several = len({by_number[quote.n].valid for quote in quotes}) > 1
    lines: list[str] = []
    head: list[str] = []
    for quote in quotes:
        source = by_number[quote.n]
        cells = cells_of(quote, source) if quote.row else None
        if cells is None:
            # A quote stays one line: a break inside a wrapped sentence is layout, not wording.
            text = as_quoted(" ".join(source.text[quote.start : quote.end].split()))
            valid = by_number[quote.n].valid if several else ""
            lines.append(f"{told(valid, language_of(text)) if valid else ''}{text} [{quote.n}]")
            head = []
            continue
        names, values = cells
        if names != head:
            lines += [*([""] if lines else []), _row(names), _row(["---"] * len(names))]
            head = names
        values = [*map(as_quoted, values)]
        lines.append(_row([*values[:-1], f"{values[-1]} [{quote.n}]".strip()]))
    return lines


def notes(quote: Quote, source: Source) -> list[Quote]:
    """The footnotes to which the marks in a quote point, where the source holds them."""
    marks = dict.fromkeys(found[1] for found in _MARK.finditer(source.text, quote.start, quote.end))
    found = (re.search(rf"^[ \t]*{re.escape(mark)}[ \t:]*\S[^\n]*", source.text, re.MULTILINE) for mark in marks)
    outside = [note.span() for note in found if note and not quote.start <= note.start() < quote.end]
    return [Quote(source.n, *bare(source.text, *span), quote.score) for span in outside[:_NOTES]]


def led_to(quote: Quote, source: Source, *, whole: bool = False) -> list[Quote]:
    """What a quote leads to: behind a mere yes or no the next sentence, behind the line above code or, with a colon,
    a list what begins below it.

    Args:
        whole: of an item, the list that it stands in.
    """
    text = source.text
    if _REPLY.fullmatch(text, quote.start, quote.end) and (more := _beside(text, quote.end)):
        return [Quote(source.n, *more, quote.score)]
    if whole and (intro := _list_of(text, quote.start)):
        return [Quote(source.n, *span, quote.score) for span in itertools.islice(_lines(text, *intro), _LED)]
    below = _CODE.match(text, quote.end)
    if not below and text[quote.end - 1] in ":：":
        below = _LIST.match(text, quote.end)
    if quote.row or not below or text[quote.end - 1] in "。.!?！？；;":
        return []
    return [Quote(source.n, *span, quote.score) for span in itertools.islice(_lines(text, *below.span(1)), _LED)]


def _list_of(text: str, at: int) -> Span | None:
    """The list that an item stands in, with the line that ends with a colon above it."""
    start = text.rfind("\n", 0, at) + 1
    for _ in range(_LED):
        if not re.match(_ITEM, text[start : start + _LINE]):
            break
        start = text.rfind("\n", 0, max(0, start - 1)) + 1
    below = _LIST.match(text, text.find("\n", start)) if "\n" in text[start:] else None
    return (
        (start, below.end())
        if below and start < at and text[start : below.start()].rstrip()[-1:] in (":", "：")
        else None
    )


def _lines(text: str, start: int, end: int) -> Iterator[Span]:
    for line in re.finditer(r"[^\n]*\S[^\n]*", text[start:end]):
        yield bare(text, start + line.start(), start + line.end())


def _beside(text: str, at: int) -> Span | None:
    """The next sentence of the same line."""
    line = text[at : at + _LINE].partition("\n")[0]
    found = next(iter(sentences(line)), None) if line.strip() else None
    return (at + found[0], at + found[1]) if found else None


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def cells_of(quote: Quote, source: Source) -> tuple[list[str], list[str]] | None:
    """The names of the columns and the cells of a row; None where they are not known or too many to be read."""
    for grid in grids_in(source.text, (), source.columns):
        row = next((row for row in grid.rows if quote.start <= row[0][0] < quote.end), None)
        if row is None or not _has_names(grid, source) or len(grid.header) > _WIDEST:
            continue
        values = [_cell(source.text[a:b]) for a, b in row]
        names = [_cell(name) for name in grid.header]
        width = max(len(names), len(values))
        return [*names, *[""] * (width - len(names))], [*values, *[""] * (width - len(values))]
    return None


def _has_names(grid: Grid, source: Source) -> bool:
    """The first row of a table names its columns, but a passage may begin in the middle of one: then its names have no
    digits, or numbers stand under those that have, as under "d7" or "Q1 2031".
    """
    if grid.head is None or grid.start > 0 or names_columns(source.text[slice(*grid.head)]):
        return True
    below = itertools.zip_longest(*(tuple(source.text[a : a + 1] for a, _ in row) for row in grid.rows), fillvalue="")
    coded = [(name, cells) for name, cells in zip(grid.header, below, strict=False) if not names_columns(name)]
    return all(name[0].isalpha() and "".join(cells).isdigit() for name, cells in coded)


def _cell(text: str) -> str:
    return re.sub(r"(?<!\\)\|", r"\\|", " ".join(text.split()))
