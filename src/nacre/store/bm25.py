"""BM25's arithmetic (Robertson and Zaragoza, 2009), the same for every keyword index: terms, their weight and their
spread.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections import Counter
from collections.abc import Mapping

from nacre.text.han import IDEOGRAPHS
from nacre.text.words import words

WORDS_AT_MOST = 256  # different words of a query; longer queries keep their first
_HAN_RUN = re.compile(rf"[{IDEOGRAPHS}]{{2,}}")
# Questions are full of words that statements do without, so their rarity in the base says nothing. They count half.
_FUNCTION_WORDS = """
a an and are as at be been but by for from had has have in is it its of on or that the their thes this those to was were
which with 的 了 是 在 和 与 有 为 被 之 于 及 或 以 也 就 都 而 等 其 中 个 这 那 一个 什么 谁 哪 哪些 哪个 哪里
何 为何 何时 吗
呢 多少 几 怎么 怎样 如何 为什么 请问
"""
_HALF = frozenset(_FUNCTION_WORDS.split())


def terms(text: str) -> list[str]:
    """The index terms of a text: its words, and every pair of neighbouring Chinese characters that is no word.

    The pairs find names that the dictionary lacks and words that it cuts differently in question and document. Terms
    hold no white space; document and query must go through this same function.

    Example:
        >>> terms("故乡")
        ['故乡']
    """
    found = words(text)
    known = set(found)
    for run in _HAN_RUN.findall(unicodedata.normalize("NFKC", text)):
        found.extend(pair for at in range(len(run) - 1) if (pair := run[at : at + 2]) not in known)
    return found


def query_weights(query: str) -> dict[str, float]:
    """The terms of a query, and how much each counts."""
    counts = Counter(terms(query))
    return {word: n * (0.5 if word in _HALF else 1.0) for word, n in list(counts.items())[:WORDS_AT_MOST]}


def idf(holding: int, total: int) -> float:
    """How much a term says that so many of all chunks hold."""
    return math.log(1 + (total - holding + 0.5) / (holding + 0.5))


def deviation(weights: Mapping[str, float], holding: Mapping[str, int], total: int) -> float:
    """Of a query's scores over all chunks, if words fell independently: a word scores its idf or nothing."""
    variance = 0.0
    for word, weight in weights.items():
        share = (holding[word] + 0.5) / (total + 1)
        variance += (weight * idf(holding[word], total)) ** 2 * share * (1 - share)
    return math.sqrt(variance)
