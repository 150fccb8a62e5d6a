"""How far a tokenizer's vocabulary covers the language of a text: the weight that its vectors deserve."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from nacre.connectors.embeddings.pieces import Encoded
from nacre.text.han import IDEOGRAPHS

_HAN = re.compile(f"[{IDEOGRAPHS}]")
_WORD = re.compile(rf"[^\W\d_{IDEOGRAPHS}]+")
# Vocabularies made for Chinese know 7,000 characters (BERT-Chinese), multilingual ones 5,000 or more, English BERT 500.
_ENOUGH_HAN = 3000
# Pieces a word: a vocabulary knows a language when its words stay nearly whole.
_WHOLE, _SHREDDED = 1.6, 4.0
_READ = 2000  # characters; each word is tokenised
_ALL_HAN = ["".join(map(chr, range(at, min(at + 250, 0xA000)))) for at in range(0x4E00, 0xA000, 250)]  # within a window
_KEPT = 5000  # words whose pieces are remembered: most of a question's are in the next one too
_HAN_PER_WORD = 2  # a Chinese word has about two characters


class Coverage:
    """Coverage by one tokenizer: `read` gives the tokens of texts without special ones, `number_of` the number of a
    special one.
    """

    def __init__(
        self,
        read: Callable[[Sequence[str]], Sequence[Encoded]],
        number_of: Callable[[str], int | None],
        han: float | None = None,
    ) -> None:
        self._read = read
        self._han = han
        self._pieces: dict[str, tuple[int, bool]] = {}
        self._strange = {number_of(name) for name in ("[UNK]", "<unk>")}

    def __call__(self, text: str) -> float:
        """0 (the encoder cannot tell a text's words apart) to 1 (its words are known, whole; or it has no letters)."""
        text = text[:_READ]
        han, words = len(_HAN.findall(text)) / _HAN_PER_WORD, _WORD.findall(text)
        if not han and not words:
            return 1.0
        return ((han and han * self.han()) + len(words) * self._alphabetic(words)) / (han + len(words))

    def han(self) -> float:
        """The share of common Han characters that the vocabulary knows, alone or within words: 0 to 1."""
        if self._han is None:
            read = [zip(found.ids, found.offsets, strict=True) for found in self._read(_ALL_HAN)]
            unknown = sum(end - start for one in read for number, (start, end) in one if number in self._strange)
            self._han = min(1.0, (sum(map(len, _ALL_HAN)) - unknown) / _ENOUGH_HAN)
        return self._han

    def _alphabetic(self, words: list[str]) -> float:
        if not words:
            return 1.0
        pieces = self._counted(words)
        unknown = sum(strange for _, strange in pieces)
        mean = sum(count for count, _ in pieces) / len(words)
        whole = min(1.0, max(0.0, (_SHREDDED - mean) / (_SHREDDED - _WHOLE)))
        return whole * (1 - unknown / len(words))

    def _counted(self, words: list[str]) -> list[tuple[int, bool]]:
        """Into how many pieces each word is cut, and whether one of them is strange."""
        known = self._pieces
        new = [word for word in dict.fromkeys(words) if word not in known]
        read = [found.ids for found in self._read(new)] if new else []
        fresh = {w: (len(ids), not self._strange.isdisjoint(ids)) for w, ids in zip(new, read, strict=True)}
        found = [fresh.get(word) or known[word] for word in words]
        # Another dictionary takes the place of this one, which another thread may be reading.
        self._pieces = fresh if len(known) + len(fresh) > _KEPT else known | fresh
        return found
