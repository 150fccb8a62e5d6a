"""BM25's arithmetic (Robertson and Zaragoza, 2009), the same for every keyword index: terms, their weight and their
spread.
"""

from __future__ import annotations

import functools
import math
import re
import unicodedata
from collections import Counter
from collections.abc import Mapping

from nacre.text.han import IDEOGRAPHS
from nacre.text.variants import simplified
from nacre.text.words import words

WORDS_AT_MOST = 256  # different words of a query; longer queries keep their first
_HAN_RUN, _HAN_CHARACTER = re.compile(rf"[{IDEOGRAPHS}]+"), re.compile(rf"[{IDEOGRAPHS}]")
_ONE = "="  # before a single character; no word has it
RULES = "4"  # count up whenever a text gets other terms: an index of other rules is made anew
# Questions are full of words that statements do without, so their rarity in the base says nothing. They count half.
_FUNCTION_WORDS = """
a an and are as at be been but by for from had has have in is it its of on or that the their thes this those to was were
which with 的 了 是 在 和 与 有 为 被 之 于 及 或 以 也 就 都 而 等 其 中 个 这 那 一个 什么 谁 哪 哪些 哪个 哪里
何 为何 何时 吗
呢 多少 几 怎么 怎样 如何 为什么 请问
"""
_HALF = frozenset(_FUNCTION_WORDS.split())
_FISCAL = re.compile(r"\b[FC]Y ?['’]?((?:19|20)?\d\d)(?!\d)", re.IGNORECASE)


def terms(text: str) -> list[str]:
    """The index terms of a text: its words, every pair of neighbouring Chinese characters that is no word, and, marked,
    each Chinese character.

    The pairs find names that the dictionary lacks and words that it cuts differently in question and document. Terms
    hold no white space.

    Example:
        >>> terms("故乡")
        ['故乡', '=故', '=乡']
    """
    runs = _runs(text)
    return [*_words_and_pairs(text, runs), *(f"{_ONE}{one}" for run in runs for one in run if one not in _HALF)]


@functools.lru_cache(maxsize=64)  # one search asks several times: for the best chunks, for those of the vectors
def query_weights(query: str) -> Mapping[str, float]:
    """The terms of a query, and how much each counts. A character counts alone where the query has it as a word."""
    found = _words_and_pairs(query, _runs(query))
    counts = Counter([*found, *(one for word in found if (one := alone(word)) != word)])
    for year in _FISCAL.finditer(query):  # what "FY" stands by is a year, and rare though it is it tells nothing
        counts.subtract(words(year.group())[1:])
    counts = +counts + Counter({year: 1 for year in fiscal_years(query) if counts[year] < 1})
    return {word: n * (0.5 if word in _HALF else 1.0) for word, n in list(counts.items())[:WORDS_AT_MOST]}


def fiscal_years(query: str) -> list[str]:
    """The years that a query names as those who write reports do, as everybody writes them.

    Example:
        >>> fiscal_years("Sales of FY22 and FY 2021")
        ['2022', '2021']
    """
    return [year if len(year) == 4 else f"20{year}" for year in _FISCAL.findall(query)]


def alone(word: str) -> str:
    """The term under which a chunk is found that has a word of one Chinese character within a longer one (税, 增值税);
    other words stay as they are.
    """
    return f"{_ONE}{word}" if _HAN_CHARACTER.fullmatch(word) and word not in _HALF else word


def _runs(text: str) -> list[str]:
    return [simplified(run) for run in _HAN_RUN.findall(unicodedata.normalize("NFKC", text))]


def _words_and_pairs(text: str, runs: list[str]) -> list[str]:
    found = words(text)
    known = set(found)
    pairs = (run[at : at + 2] for run in runs for at in range(len(run) - 1))
    return [*found, *(pair for pair in pairs if pair not in known)]


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
