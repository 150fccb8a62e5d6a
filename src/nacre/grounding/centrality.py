"""The sentences that say most of what a text is about: its summary in its own words."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

from nacre.grounding.ranking import prior
from nacre.grounding.stopwords import stopwords
from nacre.text.markers import as_quoted
from nacre.text.tables import is_row
from nacre.text.words import sentences, words

_LEAST, _MOST = 20, 400  # characters of a sentence that can stand for others
_HAN_LEAST = 8
_READ = 2000  # sentences that are weighed; of a longer text every so many
_SAME = 0.6  # of the words of two sentences: the second says nothing new


def central(text: str, count: int) -> list[tuple[int, int]]:
    """The most telling sentences of a text.

    Returns:
        (start, end) of each, in the order of the text.

    Examples:
        >>> text = "Pearls grow in shells. It rained. Large pearls grow slowly, in the largest shells of warm lagoons."
        >>> [text[start:end] for start, end in central(text, 1)]
        ['Large pearls grow slowly, in the largest shells of warm lagoons.']
    """
    spans = [(a, b) for a, b in sentences(text) if _tells(text[a:b])]
    spans = spans[:: max(1, len(spans) // _READ)]
    said = [Counter(term for term in words(text[a:b]) if term not in stopwords()) for a, b in spans]
    everywhere = Counter(term for counts in said for term in counts)
    weights = {term: prior(term) * math.log(1 + count) for term, count in everywhere.items()}
    scores = [sum(weights[term] for term in counts) / (4 + len(counts)) ** 0.6 for counts in said]
    chosen: list[int] = []
    for at in sorted(range(len(spans)), key=lambda at: (-scores[at], at)):
        if len(chosen) < count and not any(_alike(said[at], said[other]) for other in chosen):
            chosen.append(at)
    return [spans[at] for at in sorted(chosen)]


def _tells(sentence: str) -> bool:
    least = _LEAST if sentence.isascii() else _HAN_LEAST
    return least <= len(sentence) <= _MOST and not is_row(sentence) and sentence[-1] in ".!。！；;"


def _alike(one: Counter[str], other: Counter[str]) -> bool:
    return len(one.keys() & other.keys()) >= _SAME * max(1, min(len(one), len(other)))


def stated(text: str, spans: Sequence[tuple[int, int]]) -> list[str]:
    """The sentences at some places, each on one line, as an answer may quote them."""
    return [as_quoted(" ".join(text[start:end].split())) for start, end in spans]
