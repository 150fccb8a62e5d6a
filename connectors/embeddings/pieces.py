"""A large vocabulary on disk: a question is read by the tokenizer of the pieces that stand in it.

The tokenizer of all 140,000 pieces takes 120 MB, and a quarter of a second to load. A segmentation (Kudo 2018,
arXiv:1804.10959) can only be made of pieces that stand in the text, so leaving the others out changes nothing.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from tokenizers import Tokenizer

Piece = tuple[str, float]
_ROW = np.dtype([("number", "<i4"), ("score", "<f8")])
_KEPT = 4096  # words whose rows are remembered
_TEXTS, _ROWS = "pieces.npy", "piece-rows.npy"


class Encoded(NamedTuple):
    """The tokens of a text, and where they stand: (start, end) in characters."""

    ids: list[int]
    offsets: list[tuple[int, int]]


def save_pieces(vocabulary: list[Piece], folder: Path) -> None:
    """Write the pieces in the order of their bytes, so that they are found without being loaded."""
    texts = np.array([piece.encode() for piece, _ in vocabulary])
    order = np.argsort(texts)
    np.save(folder / _TEXTS, texts[order])
    np.save(folder / _ROWS, np.array([(number, vocabulary[number][1]) for number in order], _ROW))


class PieceTable:
    """The pieces of a folder; `make` gives a tokenizer of some, of which the first (`special`) are its special ones."""

    def __init__(self, folder: Path, make: Callable[[list[Piece]], Tokenizer], special: int) -> None:
        self._texts = np.load(folder / _TEXTS, mmap_mode="r")
        self._rows = np.load(folder / _ROWS, mmap_mode="r")
        self._make = make
        self._within = functools.lru_cache(maxsize=_KEPT)(self._rows_within)
        scores = np.asarray(self._rows["score"])
        # Always among them: what an unknown character costs is reckoned from the least likely piece of all.
        self._always = [*np.flatnonzero(self._rows["number"] < special).tolist(), int(scores.argmin())]
        self._cuts = make(self._pieces(np.array(self._always))[0])

    def number_of(self, special: str) -> int | None:
        """The number of a special token."""
        number: int | None = self._cuts.token_to_id(special)
        return number

    def encode(self, texts: Sequence[str], special: bool = True, window: int | None = None) -> list[Encoded]:
        """The tokens of some short texts, at most `window` of each."""
        pieces, numbers = self._pieces(self._standing_in(texts))
        tokenizer = self._make(pieces)
        if window:
            tokenizer.enable_truncation(window)
        found = (tokenizer.encode(text, add_special_tokens=special) for text in texts)
        return [Encoded(numbers[one.ids].tolist(), one.offsets) for one in found]

    def parts(self, texts: Sequence[str]) -> int:
        """How many parts of words are looked up to encode some texts, at most."""
        words, width = {word for text in texts for word in text.split()}, self._texts.dtype.itemsize
        return sum(len(word) * min(len(word), width) for word in words)

    def _standing_in(self, texts: Sequence[str]) -> np.ndarray:
        """The rows of all pieces that stand in the texts, as the tokenizer cuts these into words."""
        cuts = self._cuts
        words = {
            word
            for text in texts
            for word, _ in cuts.pre_tokenizer.pre_tokenize_str(cuts.normalizer.normalize_str(text))
        }
        return np.unique(np.concatenate([self._always, *map(self._within, words)]).astype(int))

    def _rows_within(self, word: str) -> np.ndarray:
        """The rows of all pieces that stand in a word."""
        width = self._texts.dtype.itemsize
        ends = (
            (start, end) for start in range(len(word)) for end in range(start + 1, min(start + width, len(word)) + 1)
        )
        parts = {word[start:end].encode() for start, end in ends}
        wanted = np.array([part for part in parts if len(part) <= width], self._texts.dtype)
        rows = np.minimum(np.searchsorted(self._texts, wanted), len(self._texts) - 1)
        found: np.ndarray = rows[self._texts[rows] == wanted]
        return found

    def _pieces(self, rows: np.ndarray) -> tuple[list[Piece], np.ndarray]:
        """The pieces of some rows and their numbers in the whole vocabulary, in its order."""
        rows = rows[np.argsort(self._rows["number"][rows])]
        texts = [text.decode() for text in self._texts[rows]]
        return list(zip(texts, self._rows["score"][rows].tolist(), strict=True)), self._rows["number"][rows]
