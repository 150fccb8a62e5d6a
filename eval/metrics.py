"""Metrics that give the same number every time: of rankings as trec_eval has them, and of answers in both languages."""

from __future__ import annotations

import math
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache

from nacre.eval.canonical import canonical
from nacre.eval.gold import DATE, NUMBER, REGEX, parts_of, pattern_of
from nacre.text.han import HAN
from nacre.text.vocabulary import vocabulary

# --- rankings ---------------------------------------------------------------------------------------------------------


def ndcg(ranking: Sequence[str], relevant: Mapping[str, int], k: int = 10) -> float:
    """Normalised discounted cumulative gain (Järvelin and Kekäläinen, 2002), linear as in trec_eval; 0 to 1."""
    gain = sum(relevant.get(document, 0) / math.log2(rank + 1) for rank, document in enumerate(ranking[:k], 1))
    best = sum(score / math.log2(rank + 1) for rank, score in enumerate(sorted(relevant.values(), reverse=True)[:k], 1))
    return gain / best if best else 0.0


def recall(ranking: Sequence[str], relevant: Mapping[str, int], k: int = 10) -> float:
    """The share of the relevant documents that is among the first k, 0 to 1."""
    return len(set(ranking[:k]) & set(relevant)) / len(relevant) if relevant else 0.0


def reciprocal_rank(ranking: Sequence[str], relevant: Mapping[str, int], k: int = 10) -> float:
    """One over the rank of the first relevant document, 0 when none is among the first k; the mean is MRR@k."""
    return next((1 / rank for rank, document in enumerate(ranking[:k], 1) if document in relevant), 0.0)


def average_precision(ranking: Sequence[str], relevant: Mapping[str, int]) -> float:
    """The mean of the precisions at every relevant document, 0 to 1; the mean over queries is MAP."""
    found, total = 0, 0.0
    for rank, document in enumerate(ranking, 1):
        if document in relevant:
            found += 1
            total += found / rank
    return total / len(relevant) if relevant else 0.0


# --- answers ----------------------------------------------------------------------------------------------------------

_ARTICLES = re.compile(r"\b(?:an?|the)\b(?=\s+\w)")
_TOKEN = re.compile(rf"[{HAN}]|[^\W_{HAN}]+(?:\.\d+)?")
_LETTER = re.compile(r"\(?([A-Za-z])[).]?")
# What right before an answer says that it is none.
_DENIED = re.compile("|".join(vocabulary("nacre.eval", "sayings")["denied"]))
_FURTHEST = 40  # characters before an answer in which it may be denied
_LONGEST = 4000  # characters of an answer that a regular expression reads


@lru_cache(maxsize=4096)  # of passages: many questions are shown the same
def normalise(text: str) -> str:
    """An answer as it is compared: tokens of its canonical form, without punctuation and articles, joined by blanks.

    >>> normalise("The 1,200 RMB（每年）.")
    '1200 cny 每 年'
    """
    return " ".join(tokens(text))


def tokens(text: str) -> list[str]:
    """The tokens of an answer that are compared: Latin words and numbers whole, Han characters one by one."""
    folded = canonical(unicodedata.normalize("NFKC", text).casefold())
    return _TOKEN.findall(_ARTICLES.sub(" ", folded))


def exact_match(answer: str, gold: Sequence[str]) -> float:
    """Whether the answer equals a gold answer."""
    return float(any(_equals(answer, each) for each in gold))


def _equals(answer: str, gold: str) -> bool:
    if gold.startswith(REGEX):
        return bool(pattern_of(gold).fullmatch(answer.strip()[:_LONGEST]))
    if NUMBER.fullmatch(gold):
        return len(tokens(answer)) <= 2 and bool(contains(answer, [gold]))
    return normalise(answer) == normalise(plain(gold))


def token_f1(answer: str, gold: Sequence[str]) -> float:
    """The harmonic mean of token precision and recall (SQuAD; Chinese by characters, as CMRC 2018), 0 to 1.

    What says a number, a date or a pattern is found as by `contains`; a gold answer that is denied gives nothing.
    """
    return max((_overlap(answer, each) for each in gold), default=0.0)


def _overlap(answer: str, gold: str) -> float:
    found, said = _found(answer, gold), normalise(answer)
    wanted = normalise(plain(gold)) if found is None else normalise(found)
    if found is None and (gold.startswith(REGEX) or f" {wanted} " in f" {said} "):
        return 0.0
    words, others = Counter(said.split()), Counter(wanted.split())
    words = words if found is None else words | others  # option "A" is no article
    common = sum((words & others).values())
    if not common:
        return 0.0
    precision, recalled = common / sum(words.values()), common / sum(others.values())
    return 2 * precision * recalled / (precision + recalled)


def contains(answer: str, gold: Sequence[str]) -> float:
    """Whether a gold answer stands in the answer, token for token, and is not denied there."""
    return float(any(_found(answer, each) is not None for each in gold))


def held(texts: Iterable[str], gold: Sequence[str]) -> float:
    """Whether some texts hold a gold answer: one of them, or where it has several parts, each part one of them."""
    texts = list(texts)
    return float(any(all(any(contains(text, [part]) for text in texts) for part in parts_of(each)) for each in gold))


def _found(answer: str, gold: str) -> str | None:
    """What of an answer says a gold answer; None where nothing does, or denies it."""
    if len(parts := parts_of(gold)) > 1:
        found = [_found(answer, part) for part in parts]
        return None if None in found else " ".join(filter(None, found))
    if gold.startswith(REGEX):
        match = pattern_of(gold).search(answer[:_LONGEST])
        return match and match[0]
    if number := NUMBER.fullmatch(gold):
        return _near(answer, number)
    if len(gold) == 1 and gold.isascii() and gold.isalpha():
        return gold if _lettered(answer, gold.upper()) else None
    said, wanted = f" {normalise(answer)} ", normalise(plain(gold))
    at = said.find(f" {wanted} ") if wanted else -1
    while at >= 0:
        if not _denied(said[max(0, at - _FURTHEST) : at + 1], wanted):
            return wanted
        at = said.find(f" {wanted} ", at + 1)
    return None


def _denied(before: str, wanted: str) -> bool:
    if before.endswith(" minus "):
        return True
    denied = _DENIED.search(before)
    return denied is not None and not (denied[0] == " no " and wanted[:1].isdigit())  # "no 5": a number of something


def _lettered(answer: str, letter: str) -> bool:
    """Whether an option is named: "A", "(A)", "option A"; not by the article."""
    if (whole := _LETTER.fullmatch(answer.strip())) and whole[1].upper() == letter:
        return True
    for found in re.finditer(rf"(?<![\w'’-]){letter}(?![\w'’-])", answer):
        word = re.match(r"\s+([a-z]+)", answer[found.end() :])
        if letter not in "AI" or not word or word[1] in ("is", "are", "was", "and", "or", "because"):
            return not re.search(r"\bnot\s+$", answer[: found.start()])
    return False


def _near(answer: str, number: re.Match[str]) -> str | None:
    """The number within the tolerance that stands in the answer, in the unit where there is one."""
    value, tolerance = float(number["number"]), float(number["tolerance"] or 0)
    unit = tokens(f"1 {number['unit']}")[1:]
    said = tokens(answer)
    for n, token in enumerate(said):
        if re.fullmatch(r"\d+(?:\.\d+)?", token) and said[n + 1 : n + 1 + len(unit)] == unit:
            sign = -1 if n and said[n - 1] == "minus" else 1
            denied = sign > 0 and _denied(f" {' '.join(said[max(0, n - 4) : n])} ", token)
            if not denied and abs(sign * float(token) - value) <= tolerance + 1e-9:
                return " ".join(said[n - (sign < 0) : n + 1 + len(unit)])
    return None


def plain(gold: str) -> str:
    """A gold answer as a text: of a number with a tolerance the number, of a date the date, of several texts all."""
    if number := NUMBER.fullmatch(gold):
        return f"{number['number']} {number['unit']}".strip()
    if len(parts := parts_of(gold)) > 1:
        return ", ".join(map(plain, parts))
    return gold.removeprefix(DATE).strip() if gold.startswith(DATE) else gold
