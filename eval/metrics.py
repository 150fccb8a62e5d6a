"""Metrics that give the same number every time: of rankings as trec_eval has them, and of answers in both languages."""

from __future__ import annotations

import math
import re
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence

from nacre.eval.canonical import canonical
from nacre.text.han import HAN

# --- rankings ---------------------------------------------------------------------------------------------------------


def ndcg(ranking: Sequence[str], relevant: Mapping[str, int], k: int = 10) -> float:
    """Normalised discounted cumulative gain (Järvelin and Kekäläinen, 2002), with linear gains as in trec_eval.

    Returns:
        0 to 1.
    """
    gain = sum(relevant.get(document, 0) / math.log2(rank + 1) for rank, document in enumerate(ranking[:k], 1))
    best = sum(score / math.log2(rank + 1) for rank, score in enumerate(sorted(relevant.values(), reverse=True)[:k], 1))
    return gain / best if best else 0.0


def recall(ranking: Sequence[str], relevant: Mapping[str, int], k: int = 10) -> float:
    """The share of the relevant documents that is among the first k.

    Returns:
        0 to 1.
    """
    return len(set(ranking[:k]) & set(relevant)) / len(relevant) if relevant else 0.0


def reciprocal_rank(ranking: Sequence[str], relevant: Mapping[str, int], k: int = 10) -> float:
    """One over the rank of the first relevant document; the mean over queries is MRR@k.

    Returns:
        0 to 1; 0 when none is among the first k.
    """
    return next((1 / rank for rank, document in enumerate(ranking[:k], 1) if document in relevant), 0.0)


def average_precision(ranking: Sequence[str], relevant: Mapping[str, int]) -> float:
    """The mean of the precisions at every relevant document; the mean over queries is MAP.

    Returns:
        0 to 1.
    """
    found, total = 0, 0.0
    for rank, document in enumerate(ranking, 1):
        if document in relevant:
            found += 1
            total += found / rank
    return total / len(relevant) if relevant else 0.0


# --- answers ----------------------------------------------------------------------------------------------------------

_ARTICLES = re.compile(r"\b(?:a|an|the)\b")
_TOKEN = re.compile(rf"[{HAN}]|[^\W_{HAN}]+(?:\.\d+)?")


def normalise(text: str) -> str:
    """An answer as it is compared: NFKC, case folded, numbers and dates in one form, without punctuation and articles.

    Returns:
        Tokens joined by single spaces; every Han character is a token.

    Examples:
        >>> normalise("The 1,200 RMB（每年）.")
        '1200 rmb 每 年'
    """
    return " ".join(tokens(text))


def tokens(text: str) -> list[str]:
    """The tokens of an answer that EM, F1 and contains compare.

    Returns:
        Latin words and numbers whole, Han characters one by one.
    """
    folded = canonical(unicodedata.normalize("NFKC", text).casefold())
    return _TOKEN.findall(_ARTICLES.sub(" ", folded))


def exact_match(answer: str, gold: Sequence[str]) -> float:
    """Whether the answer equals a gold answer."""
    return float(any(tokens(answer) == tokens(g) for g in gold))


def token_f1(answer: str, gold: Sequence[str]) -> float:
    """The harmonic mean of token precision and recall (SQuAD; Chinese by characters, as CMRC 2018).

    Returns:
        0 to 1.
    """
    return max((_f1(Counter(tokens(answer)), Counter(tokens(g))) for g in gold), default=0.0)


def _f1(said: Counter[str], wanted: Counter[str]) -> float:
    common = sum((said & wanted).values())
    if not common:
        return 0.0
    precision, recalled = common / sum(said.values()), common / sum(wanted.values())
    return 2 * precision * recalled / (precision + recalled)


def contains(answer: str, gold: Sequence[str]) -> float:
    """Whether a gold answer stands in the answer, token for token."""
    said = f" {normalise(answer)} "
    return float(any(f" {wanted} " in said for wanted in map(normalise, gold) if wanted))
