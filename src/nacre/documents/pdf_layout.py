"""Lines become paragraphs and headings, by what only the whole document tells: body size, running heads, vocabulary."""

from __future__ import annotations

import re
import statistics
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from nacre.documents.normalise import is_cjk, join_lines
from nacre.documents.pdf_lines import Line
from nacre.documents.pdf_tables import Grid

_BULLET = re.compile(
    r"(?:[•‣▪●○■□◆◇➢✓√·–—*-]|\(?\d{1,2}[.)、．](?!\d)|\(?[a-z][.)](?=\s)|[（(][一二三四五六七八九十\d]{1,3}[)）])\s*(?=\S)"
)
_NUMBERED = re.compile(
    r"(?:\d{1,2}(?:\.\d{1,2}){0,4}\.?\s+\S|第[一二三四五六七八九十百\d]{1,4}[章节篇部编]|[一二三四五六七八九十]{1,3}、|appendix\b|附录|[IVX]{1,4}\.\s)",
    re.I,
)
_SENTENCE_END = re.compile(r"[.。!！?？:：;；…]['\"”’)）]*$")
_NO_HEADING = re.compile(r"[□√■☐☑☒]|\d{4}\s*[-年./].{0,12}$|\W*$")
_ORDINAL = re.compile(
    r"\d{1,2}(\.\d{1,2}){0,4}\.?|第[一二三四五六七八九十百\d]{1,4}[章节条篇部编]|[A-Z](\.\d{1,2}){1,3}"
)
_DEEP = re.compile(r"(\d{1,2}|[A-Z])\.\d|第.{1,4}[章节篇部编]")
_LONG = 24  # characters of a line that no title has
_DIGITS = re.compile(r"\d+")
_WORD = re.compile(r"[^\W\d_]+(?:-[^\W\d_]+)*")


@dataclass(slots=True)
class Sheet:
    """The lines and tables of a page in reading order; `furniture` are running heads, `notes` readers' remarks."""

    number: int
    height: float
    width: float = 0.0
    items: list[Line | Grid] = field(default_factory=list)
    furniture: set[int] = field(default_factory=set)
    notes: list[str] = field(default_factory=list)
    scanned: bool = False


@dataclass(slots=True)
class Paragraph:
    """Lines that belong together. `level` is that of a heading; `listed` marks an item; `code` keeps its lines."""

    lines: list[Line]
    level: int = 0
    listed: bool = False
    code: bool = False


def body_size(sheets: Iterable[Sheet]) -> float:
    """The glyph height that most characters of the document have."""
    sizes: Counter[float] = Counter()
    for sheet in sheets:
        for item in sheet.items:
            if isinstance(item, Line):
                sizes[round(item.size * 2) / 2] += len(item.text)
    return sizes.most_common(1)[0][0] if sizes else 10.0


def find_furniture(sheets: Sequence[Sheet]) -> None:
    """Mark lines that stand at the top or the bottom of most pages, numbers aside."""
    if len(sheets) < 3:
        return
    seen: Counter[str] = Counter()
    for sheet in sheets:
        seen.update({_shape(line) for line in _margins(sheet)})
    least = max(3, len(sheets) / 2)
    for sheet in sheets:
        sheet.furniture |= {id(line) for line in _margins(sheet) if seen[_shape(line)] >= least}


def _margins(sheet: Sheet) -> list[Line]:
    lines = [item for item in sheet.items if isinstance(item, Line)]
    return [line for line in lines if line.box[1] > sheet.height * 0.88 or line.box[3] < sheet.height * 0.12]


def _shape(line: Line) -> str:
    return _DIGITS.sub("#", line.text).replace(" ", "")


def paragraphs(lines: Sequence[Line], body: float) -> list[Paragraph]:
    """Join lines into paragraphs, list items and headings, whose levels are still 0."""
    found: list[Paragraph] = []
    leading = _leading(lines, body)
    code = sum(len(line.text) for line in lines if line.mono) * 2 < sum(len(line.text) for line in lines)
    for line in lines:
        listed = bool(_BULLET.match(line.text))
        above = found[-1] if found and not listed else None
        if code and line.mono:
            if found and found[-1].code:
                found[-1].lines.append(line)
            else:
                found.append(Paragraph([line], code=True))
        elif above and _continues(above, line, body, leading) and not _ended_early(above.lines[-1], line, lines, body):
            above.lines.append(line)
        else:
            found.append(Paragraph([line], listed=listed))
    return found


def _leading(lines: Sequence[Line], body: float) -> float:
    """The usual drop from one line of body text to the next, points."""
    drops = [a.box[3] - b.box[3] for a, b in pairwise(lines) if 0.5 * a.size < a.box[3] - b.box[3] < 3 * a.size]
    return statistics.median(drops) if drops else 1.2 * body


def _continues(paragraph: Paragraph, line: Line, body: float, leading: float) -> bool:
    last = paragraph.lines[-1]
    if last.turned or line.turned or paragraph.code:
        return False
    if last.hyphen:
        return True
    large = min(last.size, line.size) > 1.15 * body
    if len(last.parts) > 1 or len(line.parts) > 1 or abs(last.size - line.size) > 0.12 * body:
        return False
    if last.bold != line.bold and not large:
        return False
    drop = last.box[3] - line.box[3]
    if drop <= 0.2 * line.size:
        # The top of the next column goes on in the middle of a sentence only.
        inside = line.text[:1].islower() or not last.text[-1:].isascii()
        return drop < -3 * line.size and inside and not _SENTENCE_END.search(last.text)
    # Large type, and Chinese set wide, keeps its own leading; a line that fills its column goes on over a wider gap.
    beside = line.box[0] > last.box[2] or last.box[0] > line.box[2]
    if beside or drop > max((2.2 if large else 1.6) * line.size, 1.25 * leading):
        return False
    return len(paragraph.lines) == 1 or large or line.box[0] - last.box[0] <= 0.9 * line.size


def _ended_early(last: Line, line: Line, lines: Sequence[Line], body: float) -> bool:
    """Whether the next word would have fitted: then the line was ended on purpose."""
    if last.hyphen or min(last.size, line.size) > 1.15 * body:
        return False
    right = max(
        one.box[2]
        for one in lines
        if one.box[0] < last.box[2] and one.box[2] > last.box[0] and one.box[0] > last.box[0] - 12 * body
    )
    glyph = (last.box[2] - last.box[0]) / max(1, len(last.text))
    word = 1 if is_cjk(line.text[0]) else len(line.text.split()[0])
    return right - last.box[2] > (word + 1) * glyph * 1.3 + 1.5 * last.size


def headings(pieces: Sequence[Paragraph | Grid], body: float, outline: dict[str, int]) -> None:
    """Set the levels of headings: by the document's outline, else by size, else by bold type."""
    written = [piece for piece in pieces if isinstance(piece, Paragraph)]
    titles = [piece for piece in written if _may_head(piece)]
    lines = [line for piece in written for line in piece.lines]
    heavy = 3 * sum(len(line.text) for line in lines if line.bold) > sum(len(line.text) for line in lines)
    large = [piece for piece in titles if piece.lines[0].size > 1.15 * body]
    sizes = sorted({round(piece.lines[0].size) for piece in large}, reverse=True)[:4]
    deep = any(_DEEP.match(piece.lines[0].text) for piece in titles if _spaced(piece))
    for piece in titles:
        text = joined(piece.lines)
        known = outline.get(title_key(text)) or outline.get(title_key(text, numbered=False))
        numbered = bool(_NUMBERED.match(text))
        words, first = any(c.isalpha() for c in text), piece.lines[0]
        short = words and len(text) <= 90 and len(piece.lines) <= 2
        if known:
            piece.level = known
        elif words and first.size > 1.15 * body and not _SENTENCE_END.search(text[-1:].replace(":", "")):
            piece.level = 1 + sum(size > round(first.size) for size in sizes)
        elif short and first.bold and not heavy and (numbered or not _SENTENCE_END.search(text)):
            piece.level = min(6, len(sizes) + 1 + (text.split()[0].strip(".").count(".") if numbered else 0))
        elif _spaced(piece) and (_DEEP.match(text) or (deep and first.bold)):
            piece.level = min(6, 1 + text.split()[0].strip(".").count("."))
        if piece.level:
            piece.listed = False


def title_key(title: str, numbered: bool = True) -> str:
    """A title as outlines and pages have in common."""
    key = re.sub(r"\s|[.…·]+\d*$", "", unicodedata.normalize("NFKC", title)).casefold()
    return key if numbered else re.sub(r"^(\d{1,2}(\.\d{1,2})*\.?|第.{1,4}[章节篇部编])", "", key) or key


def _may_head(piece: Paragraph) -> bool:
    first = piece.lines[0]
    if piece.code or first.turned or (_NO_HEADING.match(first.text) and not _spaced(piece)):
        return False
    long = len(piece.lines) > 4 or sum(len(line.text) for line in piece.lines) > 200
    return not long and (len(first.parts) == 1 or _spaced(piece))


def _spaced(piece: Paragraph) -> bool:
    """Whether a paragraph is a number, a gap and a title: neither an entry of a table of contents nor a row."""
    line = piece.lines[0]
    if len(piece.lines) > 1 or len(line.parts) != 2 or not _ORDINAL.fullmatch(line.parts[0][0]):
        return False
    (_, _, end), (title, start, _) = line.parts
    near = start - end < 6 * line.size and 2 < len(title) <= 80
    return near and title[0].isalpha() and not title[0].islower() and not re.search(r"[\d.。!！?？;；,，、]$", title)


def over_page_breaks(pages: Sequence[list[Paragraph | Grid | Line]], body: float) -> dict[int, Paragraph]:
    """Take paragraphs that go on from the page before out of their pages; by the id of each, what goes on with it."""
    follows: dict[int, Paragraph] = {}
    for pieces, after in pairwise(pages):
        last = next((one for one in reversed(pieces) if not _beside(one, body)), None)
        first = next((one for one in after if not isinstance(one, Line)), None)
        around = [*pieces, *after]
        if isinstance(last, Paragraph) and isinstance(first, Paragraph) and _goes_over(last, first, around, body):
            follows[id(last)] = first
    gone = {id(paragraph) for paragraph in follows.values()}
    for pieces in pages:
        pieces[:] = [piece for piece in pieces if id(piece) not in gone]
    return follows


def _beside(piece: Paragraph | Grid | Line, body: float) -> bool:
    """Running heads and footnotes."""
    return isinstance(piece, Line) or (isinstance(piece, Paragraph) and piece.lines[0].size < 0.88 * body)


def _goes_over(last: Paragraph, first: Paragraph, pieces: Sequence[Paragraph | Grid | Line], body: float) -> bool:
    end, begin = last.lines[-1], first.lines[0]
    if last.level or first.level or last.code or first.code or first.listed or len(end.parts) > 1:
        return False
    if len(begin.parts) > 1 or begin.turned or end.turned or abs(end.size - begin.size) > 0.12 * body:
        return False
    if end.hyphen:
        return True
    if _SENTENCE_END.search(end.text):
        return False
    if begin.text[0].islower() or (is_cjk(begin.text[0]) and is_cjk(end.text[-1])):
        return is_cjk(begin.text[0]) is False or _full(end, pieces)
    return len(end.text) > 30 and end.text[-1].isalnum() is not False and _full(end, pieces)


def _full(end: Line, pieces: Sequence[Paragraph | Grid | Line]) -> bool:
    """Whether a line reaches the right edge of its column."""
    lines = [line for piece in pieces if isinstance(piece, Paragraph) for line in piece.lines]
    right = max(line.box[2] for line in lines if line.box[0] < end.box[2])
    # Of two lines one is always the longer.
    return (len(lines) > 2 or len(end.text) > _LONG) and end.box[2] > right - 4 * end.size


def vocabulary(sheets: Iterable[Sheet]) -> set[str]:
    """All words of the document that no line end cuts."""
    words: set[str] = set()
    for sheet in sheets:
        for item in sheet.items:
            if isinstance(item, Line):
                found = _WORD.findall(item.text.lower())
                words.update(found[:-1] if item.hyphen else found)
    return words


def joined(lines: Sequence[Line], words: frozenset[str] | set[str] = frozenset()) -> str:
    """Lines as running text. A hyphen at a line's end goes only when the document has the whole word elsewhere."""
    pieces: list[str] = []
    for line in lines:
        text = line.text
        if pieces and pieces[-1].endswith("\x02"):
            head, tail = pieces.pop()[:-1], text
            left, right = re.search(r"[^\W\d_]+$", head), re.match(r"[^\W\d_]+", tail)
            whole = (left.group() + right.group()).lower() if left and right else ""
            text = head + ("" if whole in words else "-") + tail
        pieces.append(text.removesuffix("-") + "\x02" if line.hyphen else text)
    return join_lines(piece.replace("\x02", "-") for piece in pieces)
