"""Sides of the data: split by document, near-duplicates together, and no question of an evaluation set in train."""

from __future__ import annotations

import random
import unicodedata
import zlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from nacre.eval.metrics import tokens
from nacre.finetuning.rows import Row, Split, with_split
from nacre.text.language import language_of

SHARES: Mapping[Split, float] = {"train": 0.7, "valid": 0.15, "test": 0.15}
_HASHES, _BAND, _SHINGLE = 64, 4, 8  # a pair that shares 70 % of its shingles meets in a band with p > 0.98
_PRIME = (1 << 61) - 1
_NEAR = 0.6  # of the hashes
_ALIKE = 0.8  # of the words of two questions


def groups(texts: Mapping[str, str]) -> dict[str, str]:
    """Documents that say nearly the same, by MinHash (Broder, 1997).

    Args:
        texts: by address.

    Returns:
        Each address with the one that stands for its group.
    """
    prints = {uri: _minhash(text) for uri, text in texts.items()}
    parent = {uri: uri for uri in texts}
    bands: dict[tuple[int, bytes], str] = {}
    for uri, found in prints.items():
        for at in range(0, _HASHES, _BAND):
            other = bands.setdefault((at, found[at : at + _BAND].tobytes()), uri)
            if np.mean(found == prints[other]) >= _NEAR:
                parent[_root(parent, uri)] = _root(parent, other)
    return {uri: _root(parent, uri) for uri in texts}


def _root(parent: dict[str, str], uri: str) -> str:
    while parent[uri] != uri:
        uri = parent[uri]
    return uri


def _minhash(text: str) -> np.ndarray:
    plain = "".join(unicodedata.normalize("NFKC", text).casefold().split())
    shingles = {plain[at : at + _SHINGLE] for at in range(max(1, len(plain) - _SHINGLE + 1))}
    hashed = np.array([zlib.crc32(s.encode("utf-8", "surrogatepass")) for s in shingles], dtype=np.uint64)
    rng = np.random.default_rng(_HASHES)
    least = np.full(_HASHES, np.iinfo(np.uint64).max, dtype=np.uint64)
    for at, factor in enumerate(rng.integers(1, 1 << 31, _HASHES, dtype=np.uint64)):
        least[at] = ((hashed * factor + np.uint64(at)) % np.uint64(_PRIME)).min()
    return least


def sides(group_of: Mapping[str, str], weights: Mapping[str, int], seed: int) -> dict[str, Split]:
    """A side for each document: the same for a whole group, and shares as in `SHARES` of the weights.

    Args:
        weights: how many rows each document gives.
    """
    weight: Counter[str] = Counter()
    for uri, group in group_of.items():
        weight[group] += weights.get(uri, 0)
    order = sorted(weight)
    random.Random(seed).shuffle(order)
    total, filled, side = sum(weight.values()), Counter[str](), {}
    for group in sorted(order, key=lambda g: -weight[g]):  # the largest to where most is missing
        side[group] = max(SHARES, key=lambda s: (SHARES[s] * total - filled[s], SHARES[s]))
        filled[side[group]] += weight[group]
    return {uri: side[group] for uri, group in group_of.items()}


def split_rows(rows: Sequence[Row], seed: int) -> list[Row]:
    """Rows whose file names no side get one: by document, else by question."""
    loose = [row for row in rows if not row.split]
    if not loose:
        return list(rows)
    keys = {row.document or row.asked for row in loose}
    wanted = sides({key: key for key in keys}, Counter(row.document or row.asked for row in loose), seed)
    few = len(keys) < 10  # nothing can be held out of so little
    return [r if r.split else with_split(r, "train" if few else wanted[r.document or r.asked]) for r in rows]


def interleaved(rows: Sequence[Row], seed: int) -> list[Row]:
    """Rows in an order of which every stretch is like the whole, since a short training sees but the first of them:
    kinds and languages evenly spread, and a question with its passage beside the same question without it.
    """
    asked: dict[str, list[Row]] = {}
    for row in rows:
        asked.setdefault(row.asked, []).append(row)
    alike: dict[tuple[str, ...], list[list[Row]]] = {}
    for question, group in asked.items():
        alike.setdefault((language_of(question), *sorted({row.kind for row in group})), []).append(group)
    chance, placed = random.Random(seed), []
    for groups in alike.values():
        chance.shuffle(groups)
        shift = chance.random()
        placed += [((n + shift) / len(groups), group) for n, group in enumerate(groups)]
    return [row for _, group in sorted(placed, key=lambda found: found[0]) for row in group]


def leaks(rows: Iterable[Row], questions: Iterable[str]) -> list[Row]:
    """Rows that ask what an evaluation set asks, in the same or nearly the same words."""
    known = [frozenset(tokens(question)) for question in questions]
    exact = set(known)
    by_word: dict[str, set[int]] = {}
    for at, words in enumerate(known):
        for word in words:
            by_word.setdefault(word, set()).add(at)
    return [row for row in rows if _stands(frozenset(tokens(row.asked)), exact, known, by_word)]


def _stands(
    mine: frozenset[str], exact: set[frozenset[str]], known: Sequence[frozenset[str]], by_word: Mapping[str, set[int]]
) -> bool:
    if mine in exact:
        return bool(mine)
    shared = Counter(at for word in mine for at in by_word.get(word, ()))
    return any(count >= _ALIKE * len(mine | known[at]) for at, count in shared.items())
