"""Cut a document into chunks that an embedder can take whole: exact spans, structure first, stable under edits.

A range of text that is too long is cut at its strongest boundary: before a heading rather than between paragraphs,
there rather than between table rows, there rather than between sentences. Among equals in a long range the
boundary whose surroundings hash highest wins. So where a text is cut depends on the text near the cut and not on how
much stands before it: an edited paragraph moves the borders of its own chunks only (a treap; Seidel and Aragon 1996).
A range of at most two chunks is cut near its middle, which keeps chunks between half full and full.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import blake2b
from typing import Protocol

from nacre.documents.wide import MARK, PART
from nacre.text.tables import bare
from nacre.text.titles import title_path
from nacre.text.words import sentences

HEADING, BLOCK, LINE, SENTENCE, CLAUSE, WORD = 60, 50, 40, 30, 20, 10  # strengths; a heading adds up to 9 by level
_CLAUSE_ENDS = frozenset("，、；：,;:）)")
_SURROUNDINGS = 48  # characters on either side of a boundary that decide its rank among equals
_LIMIT = 400  # tokens: longer chunks cost precision with every embedder measured (research: 200-400)
_CONTEXT_LIMIT = 64  # tokens for title and heading path
# What may be cut off, as a part of a full chunk, and at which boundaries: a section may be short, a paragraph should
# not be, but before it is torn it may. In this order, the first that can be done.
_TIERS = ((8, HEADING), (2, BLOCK), (6, BLOCK), (2, SENTENCE), (8, SENTENCE))
_SEAM = 8  # tokens that a text may have more when it is read with its context
_MARKUP = 8  # letters that may stand around a title in front matter: "title:"
_PIECE = 50_000  # characters tokenised at once: a tokeniser takes half a kilobyte for each
_NAME = 2_000  # characters of a title or a heading: more than a context may hold, and every chunk below it bears it
_CAPTION, _CAPTION_LENGTH = 4, 120  # blocks before a table that may name it, and characters of each
_ON_A_PAGE = 100  # blocks that are looked through for a page's first table
_LONG = 8  # chunks: a sentence of more, which no person wrote, is cut about its middle
_FOREIGN = 200  # visible characters outside every block that a chunk may span


class BlockLike(Protocol):
    """What chunking needs of a parsed block."""

    @property
    def kind(self) -> str:
        """ "heading", "paragraph", "table", …"""

    @property
    def start(self) -> int:
        """First character."""

    @property
    def end(self) -> int:
        """One past the last character."""

    @property
    def level(self) -> int:
        """Depth of a heading, 1 at the top; of a table `wide.PART` or 0."""

    @property
    def page(self) -> int | None:
        """1-based page, or None."""


class Tokeniser(Protocol):
    """Counts as the embedder counts; the marks that an encoder adds are neither counted nor in the limit."""

    @property
    def max_tokens(self) -> int:
        """The most tokens of a text that the embedder reads."""

    def count_tokens(self, text: str) -> int:
        """Tokens of a text."""

    def token_offsets(self, text: str) -> Sequence[tuple[int, int]]:
        """Where the tokens stand."""


@dataclass(frozen=True)
class Chunk:
    """A span of a document; `context`, its title and headings, is indexed before it, never quoted; pages from 1."""

    start: int
    end: int
    heading: tuple[str, ...]
    page: int | None
    context: str


def chunk(
    text: str, blocks: Sequence[BlockLike], title: str, tokeniser: Tokeniser, limit: int | None = None, name: str = ""
) -> list[Chunk]:
    """Cut a document into chunks, each within the embedder's limit with its context; one that says no more than the
    title is left out where there are others.

    Args:
        blocks: its parts in order, spans into `text`; empty for plain text, where blank lines part paragraphs.
        limit: the most tokens of a chunk; None is 400, or what the embedder reads where that is less.
        name: of the file, where it tells more than the title; indexed before it.
    """
    made = list(_Chunker(text, blocks, (name, title), tokeniser, limit or _LIMIT).chunks())
    # The title is in every context. A chunk of its own (front matter) would win each search for it and tell nothing.
    telling = [one for one in made if not _only_title(text[one.start : one.end], title)]
    return telling or made


@dataclass(frozen=True, slots=True)
class _Boundary:
    at: int
    strength: int
    rank: int
    before: int  # tokens of the document before it


class _Chunker:
    def __init__(
        self, text: str, blocks: Sequence[BlockLike], named: tuple[str, str], tokeniser: Tokeniser, limit: int
    ) -> None:
        self.text = text
        self.name, self.title = (" ".join(one[:_NAME].split()) for one in named)
        if self.name and not any(map(str.isalpha, self.title)):
            self.title = ""  # a number that only its publisher knows
        self.tokeniser = tokeniser
        self.limit = min(limit, tokeniser.max_tokens)
        self.blocks = [block for block in blocks if block.end > block.start]
        self.starts = [block.start for block in self.blocks]
        self.headings = [block for block in self.blocks if block.kind == "heading"]
        self.heading_starts = [block.start for block in self.headings]
        self.parents = _parents(self.headings)
        self.tokens = token_starts(text, tokeniser)

    def chunks(self) -> Iterator[Chunk]:
        waiting = self._runs()[::-1]
        while waiting:
            start, end = self._trimmed(*waiting.pop())
            if start == end:
                continue
            made = self._made(start, end)
            cut = None if self._fits(made) else self._cut(made)
            if cut is None:
                yield made
            else:
                waiting += [(cut, end), (start, cut)]

    def _runs(self) -> list[tuple[int, int]]:
        """Stretches of blocks without much foreign text, such as a page's navigation, between them."""
        if not self.blocks:
            return [(0, len(self.text))]
        runs = [(self.blocks[0].start, self.blocks[0].end)]
        for block in self.blocks[1:]:
            start, end = runs[-1]
            if len("".join(self.text[end : block.start].split())) > _FOREIGN:
                runs.append((block.start, block.end))
            else:
                runs[-1] = (start, max(end, block.end))
        return runs

    # ------------------------------------------------------------------------------------------------ sizes

    def _before(self, at: int) -> int:
        return bisect_left(self.tokens, at)

    def _fits(self, made: Chunk) -> bool:
        size = self._before(made.end) - self._before(made.start)
        if size > self.limit:
            return False
        if size + self.tokeniser.count_tokens(made.context) + _SEAM <= self.limit:  # most chunks of short documents
            return True
        whole = f"{made.context}\n{self.text[made.start : made.end]}"
        return self.tokeniser.count_tokens(whole) <= self.limit or made.end - made.start <= 1

    # ------------------------------------------------------------------------------------------------ where to cut

    def _cut(self, made: Chunk) -> int | None:
        """The best place to cut a chunk that is too long."""
        start, end = made.start, made.end
        room = max(8, self.limit - self.tokeniser.count_tokens(made.context))
        known = self._boundaries[bisect_left(self._places, start + 1) : bisect_left(self._places, end)]
        for part, weakest in _TIERS:
            found = self._best(known, made, room, part, weakest)
            if found is not None:
                return found
        found = self._best(self._fine(*self._middle_of(start, end, _LONG * room)), made, room, 4, WORD)
        return self._middle(start, end) if found is None else found

    def _best(self, among: Iterable[_Boundary], made: Chunk, room: int, part: int, weakest: int) -> int | None:
        """The strongest boundary that leaves at least a `part`-th of a chunk on either side."""
        first, last = self._before(made.start), self._before(made.end)
        least = min(room // part, (last - first) // 3)
        two = last - first <= 2 * room  # then neither half should need another cut, and both be alike
        best, found = (-1000, 0, 0), None
        for boundary in among:
            left, right = boundary.before - first, last - boundary.before
            if boundary.strength < weakest or left < least or right < least:
                continue
            strength = boundary.strength - (100 if two and max(left, right) > room else 0)
            key = (strength, -abs(left - right) if two else boundary.rank, -abs(left - right))
            if key > best:
                best, found = key, boundary.at
        return found

    def _middle_of(self, start: int, end: int, most: int) -> tuple[int, int]:
        """The middle tokens of a stretch; all of it where it has no more than `most`."""
        first, last = self._before(start), self._before(end)
        spare = (last - first - most) // 2
        return (start, end) if spare <= 0 else (self.tokens[first + spare], self.tokens[last - spare])

    def _fine(self, start: int, end: int) -> Iterator[_Boundary]:
        """Boundaries inside one long sentence: clauses, then words."""
        for at in range(start + 1, end):
            before = self.text[at - 1]
            if before in _CLAUSE_ENDS:
                yield self._boundary(at, CLAUSE)
            elif before.isspace() and not self.text[at].isspace():
                yield self._boundary(at, WORD)

    def _middle(self, start: int, end: int) -> int | None:
        """Between two tokens of an endless word."""
        first, last = self._before(start), self._before(end)
        at = self.tokens[(first + last) // 2] if last - first > 1 else (start + end) // 2
        return at if start < at < end else None

    def _boundary(self, at: int, strength: int) -> _Boundary:
        near = self.text[max(0, at - _SURROUNDINGS) : at + _SURROUNDINGS]
        rank = int.from_bytes(blake2b(near.encode("utf-8", "replace"), digest_size=6).digest(), "big")
        return _Boundary(at, strength, rank, self._before(at))

    @cached_property
    def _places(self) -> list[int]:
        return [boundary.at for boundary in self._boundaries]

    @cached_property
    def _boundaries(self) -> list[_Boundary]:
        found: dict[int, int] = {}
        after_heading, last = False, 0
        page: int | None = -1
        top = 0
        spans = [(b.kind, b.start, b.end, b.level, b.page) for b in self.blocks]
        for kind, start, end, level, on in spans or [("paragraph", 0, len(self.text), 0, None)]:
            # A heading stays with what it heads; a heading under a heading opens nothing of its own.
            # Nor does what goes on in the middle of a sentence, over a page break.
            goes_on = last > 0 and "\n" not in self.text[last:start]
            top = top if on == page else start
            strength = HEADING + max(0, 9 - level) if kind == "heading" else HEADING if top == start else BLOCK
            if on is not None and kind == "heading" and top < start <= top + _FOREIGN and found[top]:
                found[top], strength = max(found[top], strength), 0  # a few words at the top of a page belong to it
            found[start] = 0 if after_heading or goes_on else strength
            for at, weaker in _inside(kind, self.text, start, end):
                found.setdefault(at, weaker)
            after_heading, last, page = kind == "heading", end, on
        return [self._boundary(at, strength) for at, strength in sorted(found.items())]

    # ------------------------------------------------------------------------------------------------ what to say of it

    def _trimmed(self, start: int, end: int) -> tuple[int, int]:
        """Without white space at the ends, and without what stands after the last block."""
        block = self._block_at(end - 1)
        if block and start < block.end < end:
            end = block.end
        return bare(self.text, start, end)

    def _made(self, start: int, end: int) -> Chunk:
        path = self._path(start, end)
        block = self._block_at(start)
        table = self._table_above(start) if block and block.kind == "table" else ()
        above = [self._name(heading) for heading in path if heading.start < start]
        named = " › ".join(part for part in (self.name, title_path(self.title, above)) if part)
        context = "\n".join(line for line in (named, *table) if line)
        context = shorten(context, min(_CONTEXT_LIMIT, self.limit // 4), self.tokeniser)
        context += MARK if self._has_part(start, end) else ""
        return Chunk(start, end, tuple(self._name(heading) for heading in path), block.page if block else None, context)

    def _has_part(self, start: int, end: int) -> bool:
        """Whether a part of a wide table stands there."""
        first, last = bisect_left(self.starts, start + 1) - 1, bisect_left(self.starts, end)
        return any(block.kind == "table" and block.level == PART for block in self.blocks[max(0, first) : last])

    def _table_above(self, start: int) -> tuple[str, str]:
        """What a part of a table is read by: the short blocks before the first table on its page, and its first row."""
        at = bisect_left(self.starts, start + 1) - 1
        block = first = self.blocks[at]
        for one in reversed(self.blocks[max(0, at - _ON_A_PAGE) : at] if block.page is not None else ()):
            if one.page != block.page:
                break
            first = one if one.kind == "table" else first
        at, said = bisect_left(self.starts, first.start), list[str]()
        for one in reversed(self.blocks[max(0, at - _CAPTION) : at] if first.start < start else ()):
            if one.page != block.page or one.kind == "table" or one.end - one.start > _CAPTION_LENGTH:
                break
            said.insert(0, "" if one.kind == "heading" else self._name(one))
        row = self.text[block.start : min(block.end, block.start + _NAME)].split("\n", 1)[0]
        return " ".join(filter(None, said)), " ".join(row.split()) if start > block.start else ""

    def _block_at(self, at: int) -> BlockLike | None:
        index = bisect_left(self.starts, at + 1) - 1
        return self.blocks[index] if index >= 0 else None

    def _path(self, start: int, end: int) -> list[BlockLike]:
        """The headings of the innermost section that holds the whole span; headings that open the span count."""
        index = bisect_left(self.heading_starts, start + 1)
        last = bisect_left(self.heading_starts, end)
        while index < last:
            between = self.text[self.headings[index - 1].end : self.headings[index].start]
            if any(map(str.isalnum, between)):
                break
            if self.headings[index - 1].start < start or self.headings[index].level <= self.headings[index - 1].level:
                break
            index += 1
        path: list[BlockLike] = []
        above = index - 1
        while above >= 0:
            path.insert(0, self.headings[above])
            above = self.parents[above]
        for heading in self.headings[index:last]:
            while path and path[-1].level >= heading.level:
                path.pop()
        return path

    def _name(self, heading: BlockLike) -> str:
        return " ".join(self.text[heading.start : min(heading.end, heading.start + _NAME)].strip("#= \n\t").split())


def token_starts(text: str, tokeniser: Tokeniser) -> array[int]:
    """Where the tokens of a text begin, found piece by piece, so that memory is a piece's and not the document's."""
    starts, at = array("I"), 0
    while at < len(text):
        end = _piece_end(text, at)
        starts.extend(at + start for start, _ in tokeniser.token_offsets(text[at:end]))
        at = end
    return starts


def _piece_end(text: str, at: int) -> int:
    """Where no token is torn: before a white space or after a sentence; in an endless word anywhere."""
    end = at + _PIECE
    if end >= len(text):
        return len(text)
    for mark, kept in (("\n", 0), (" ", 0), ("。", 1)):
        found = text.rfind(mark, end - _PIECE // 2, end)
        if found != -1:
            return found + kept
    return end


def _parents(headings: Sequence[BlockLike]) -> list[int]:
    """For each heading the index of the one it stands under, or -1."""
    found: list[int] = []
    for index, heading in enumerate(headings):
        above = index - 1
        while above >= 0 and headings[above].level >= heading.level:
            above = found[above]
        found.append(above)
    return found


def _only_title(text: str, title: str) -> bool:
    said = " ".join(text.split())
    return bool(title) and title in said and sum(map(str.isalnum, said.replace(title, "", 1))) <= _MARKUP


def shorten(text: str, tokens: int, tokeniser: Tokeniser) -> str:
    """The beginning of a text."""
    offsets = tokeniser.token_offsets(text)
    return text if len(offsets) <= tokens else text[: offsets[tokens - 1][1]].rstrip()


def _inside(kind: str, text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Boundaries inside a block: blank lines and sentences of prose, lines of everything else."""
    if kind == "paragraph":
        at = text.find("\n\n", start, end)
        while at != -1:
            yield at + 2, BLOCK
            at = text.find("\n\n", at + 2, end)
        for first, _ in sentences(text[start:end]):
            if first:
                yield start + first, SENTENCE
        return
    at = text.find("\n", start, end)
    while at != -1 and at + 1 < end:
        yield at + 1, LINE
        at = text.find("\n", at + 1, end)
