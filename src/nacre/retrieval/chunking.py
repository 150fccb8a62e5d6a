"""Cut a document into chunks that an embedder can take whole: exact spans, structure first, stable under edits.

A range of text that is too long is cut at its strongest boundary: before a heading rather than between paragraphs,
there rather than between table rows, there rather than between sentences. Among equals in a long range the
boundary whose surroundings hash highest wins. So where a text is cut depends on the text near the cut and not on how
much stands before it: an edited paragraph moves the borders of its own chunks only (a treap; Seidel and Aragon 1996).
A range of at most two chunks is cut near its middle, which keeps chunks between half full and full.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Protocol

from nacre.words import sentences

HEADING, BLOCK, LINE, SENTENCE, CLAUSE, WORD = 60, 50, 40, 30, 20, 10  # strengths; a heading adds up to 9 by level
_CLAUSE_ENDS = frozenset("，、；：,;:）)")
_SURROUNDINGS = 48  # characters on either side of a boundary that decide its rank among equals
_LIMIT = 400  # tokens: longer chunks cost precision with every embedder measured (research: 200-400)
_CONTEXT_LIMIT = 64  # tokens for title and heading path


class BlockLike(Protocol):
    """What chunking needs of a parsed block."""

    @property
    def kind(self) -> str: ...
    @property
    def start(self) -> int: ...
    @property
    def end(self) -> int: ...
    @property
    def level(self) -> int: ...
    @property
    def page(self) -> int | None: ...


class Tokeniser(Protocol):
    """Counts as the embedder counts; the marks that an encoder adds are neither counted nor in the limit."""

    @property
    def max_tokens(self) -> int: ...
    def count_tokens(self, text: str) -> int: ...
    def token_offsets(self, text: str) -> Sequence[tuple[int, int]]: ...


@dataclass(frozen=True)
class Chunk:
    """A span of a document's text.

    Args:
        start: first character.
        end: one past the last character.
        heading: titles of the sections around it, outermost first.
        page: 1-based page, slide or sheet where it starts, or None.
        context: title and heading path, indexed before the text but never quoted.
    """

    start: int
    end: int
    heading: tuple[str, ...]
    page: int | None
    context: str


def chunk(text: str, blocks: Sequence[BlockLike], title: str, tokeniser: Tokeniser) -> list[Chunk]:
    """Cut a document into chunks.

    Args:
        text: the document's whole text.
        blocks: its parts in order, spans into `text`; empty for plain text, where blank lines part paragraphs.
        title: the document's title, or "".
        tokeniser: the embedder's, with its limit in tokens.

    Returns:
        Chunks in order, without overlap; each, with its context, within the embedder's limit.
    """
    return list(_Chunker(text, blocks, title, tokeniser).chunks())


@dataclass(frozen=True)
class _Boundary:
    at: int
    strength: int
    rank: int


class _Chunker:
    def __init__(self, text: str, blocks: Sequence[BlockLike], title: str, tokeniser: Tokeniser) -> None:
        self.text = text
        self.title = " ".join(title.split())
        self.tokeniser = tokeniser
        self.limit = min(_LIMIT, tokeniser.max_tokens)
        self.blocks = [block for block in blocks if block.end > block.start]
        self.block_starts = [block.start for block in self.blocks]
        self.headings = [block for block in self.blocks if block.kind == "heading"]
        self.heading_starts = [block.start for block in self.headings]
        self.tokens = [start for start, _ in tokeniser.token_offsets(text)]
        self.boundaries = self._boundaries()
        self.places = [boundary.at for boundary in self.boundaries]

    def chunks(self) -> Iterator[Chunk]:
        waiting = [(0, len(self.text))]
        while waiting:
            start, end = self._trimmed(*waiting.pop())
            if start == end:
                continue
            made = self._made(start, end)
            cut = None if self._fits(made) else self._cut(start, end, self._room(made))
            if cut is None:
                yield made
            else:
                waiting += [(cut, end), (start, cut)]

    # ------------------------------------------------------------------------------------------------ sizes

    def _size(self, start: int, end: int) -> int:
        return bisect_left(self.tokens, end) - bisect_left(self.tokens, start)

    def _room(self, made: Chunk) -> int:
        """Tokens for the text of a chunk, beside its context."""
        return max(8, self.limit - self.tokeniser.count_tokens(made.context))

    def _fits(self, made: Chunk) -> bool:
        if self._size(made.start, made.end) > self.limit:
            return False
        whole = f"{made.context}\n{self.text[made.start : made.end]}"
        return self.tokeniser.count_tokens(whole) <= self.limit or made.end - made.start <= 1

    # ------------------------------------------------------------------------------------------------ where to cut

    def _cut(self, start: int, end: int, room: int) -> int | None:
        low = bisect_left(self.places, start + 1)
        high = bisect_left(self.places, end)
        total = self._size(start, end)
        # Structure may leave a small piece, a sentence may not.
        for least, weakest in ((room // 8, BLOCK), (room // 4, SENTENCE), (room // 8, SENTENCE)):
            found = self._best(self.boundaries[low:high], start, total, room, min(least, total // 3), weakest)
            if found is not None:
                return found
        return self._best(self._fine(start, end), start, total, room, min(room // 4, total // 3), WORD) or self._middle(start, end)

    def _best(
        self, among: Sequence[_Boundary], start: int, total: int, room: int, least: int, weakest: int
    ) -> int | None:
        """The strongest boundary with at least `least` tokens on either side."""
        best: tuple[int, int, int] | None = None
        found = None
        first = bisect_left(self.tokens, start)
        for boundary in among:
            if boundary.strength < weakest:
                continue
            left = bisect_left(self.tokens, boundary.at) - first
            right = total - left
            if left < least or right < least:
                continue
            # A range of two chunks is cut so that neither needs cutting again, as evenly as it can be.
            last = total <= 2 * room
            fits = int(not last or max(left, right) <= room)
            order = -abs(left - right) if last else boundary.rank
            key = (boundary.strength if fits else boundary.strength - 100, order, -abs(left - right))
            if best is None or key > best:
                best, found = key, boundary.at
        return found

    def _fine(self, start: int, end: int) -> list[_Boundary]:
        """Boundaries inside one long sentence: clauses, then words."""
        found = []
        for at in range(start + 1, end):
            before = self.text[at - 1]
            if before in _CLAUSE_ENDS:
                found.append(self._boundary(at, CLAUSE))
            elif before.isspace() and not self.text[at].isspace():
                found.append(self._boundary(at, WORD))
        return found

    def _middle(self, start: int, end: int) -> int | None:
        """Between two tokens of an endless word."""
        first, last = bisect_left(self.tokens, start), bisect_left(self.tokens, end)
        at = self.tokens[(first + last) // 2] if last - first > 1 else (start + end) // 2
        return at if start < at < end else None

    def _boundary(self, at: int, strength: int) -> _Boundary:
        near = self.text[max(0, at - _SURROUNDINGS) : at + _SURROUNDINGS]
        rank = int.from_bytes(blake2b(near.encode("utf-8", "replace"), digest_size=6).digest(), "big")
        return _Boundary(at, strength, rank)

    def _boundaries(self) -> list[_Boundary]:
        found: dict[int, int] = {}
        after_heading = False
        spans = [(b.kind, b.start, b.end, b.level) for b in self.blocks] or [("paragraph", 0, len(self.text), 0)]
        for kind, start, end, level in spans:
            if kind == "heading":
                # A heading that follows another opens no new piece: both stay with what comes after.
                found[start] = LINE if after_heading else HEADING + max(0, 9 - level)
            else:
                found[start] = max(found.get(start, 0), 1 if after_heading else BLOCK)
                for at, strength in _inside(kind, self.text, start, end):
                    found.setdefault(at, strength)
            after_heading = kind == "heading"
        return [self._boundary(at, strength) for at, strength in sorted(found.items())]

    # ------------------------------------------------------------------------------------------------ what to say of it

    def _trimmed(self, start: int, end: int) -> tuple[int, int]:
        while start < end and self.text[start].isspace():
            start += 1
        while end > start and self.text[end - 1].isspace():
            end -= 1
        return start, end

    def _made(self, start: int, end: int) -> Chunk:
        path, above = self._headings(start, end)
        block = self._block_at(start)
        table_head = ""
        if block and block.kind == "table" and block.start < start:
            table_head = self.text[block.start : block.end].split("\n", 1)[0].strip()
        return Chunk(start, end, path, block.page if block else None, self._context(above, table_head))

    def _block_at(self, at: int) -> BlockLike | None:
        index = bisect_left(self.block_starts, at + 1) - 1
        return self.blocks[index] if index >= 0 else None

    def _headings(self, start: int, end: int) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """The path of sections that the whole span lies in, and the part of it that stands above the span."""
        index = bisect_left(self.heading_starts, start + 1)
        path: list[BlockLike] = []
        lowest = 99
        for heading in reversed(self.headings[:index]):
            if heading.level < lowest:
                path.insert(0, heading)
                lowest = heading.level
            if lowest <= 1:
                break
        for heading in self.headings[index : bisect_left(self.heading_starts, end)]:
            opening = not self.text[start : heading.start].strip("# \n\t=-") or (path and path[-1].end >= heading.start - 2)
            if path and heading.level > path[-1].level and opening and path[-1].start >= start:
                path.append(heading)
            while path and path[-1] is not heading and path[-1].level >= heading.level:
                path.pop()
        names = tuple(self._name(heading) for heading in path)
        return names, tuple(self._name(heading) for heading in path if heading.start < start)

    def _name(self, heading: BlockLike) -> str:
        return " ".join(self.text[heading.start : heading.end].strip("#= \n\t").split())

    def _context(self, above: tuple[str, ...], table_head: str) -> str:
        names = [self.title, *above] if self.title and self.title not in above[:1] else list(above)
        lines = [" › ".join(name for name in names if name), table_head]
        context = "\n".join(line for line in lines if line)
        return shorten(context, min(_CONTEXT_LIMIT, self.limit // 4), self.tokeniser)


def shorten(text: str, tokens: int, tokeniser: Tokeniser) -> str:
    """The beginning of a text.

    Args:
        text: any text.
        tokens: how many tokens may stay.
        tokeniser: the embedder's.

    Returns:
        `text`, or as much of it as fits.
    """
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


Chunks = Callable[[str, Sequence[BlockLike], str], list[Chunk]]
