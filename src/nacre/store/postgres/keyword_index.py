"""BM25 over postings in SQL: the same terms, lengths and weights as the folder's index, so the same scores.

A common word is held by most chunks and says next to nothing. So the words are read one after the other, the rarest
first, until those left cannot lift a chunk among the best that holds none of the words read (MaxScore: Turtle and
Flood, 1995); of them only what the near ones hold is looked up.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from hashlib import blake2b
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from nacre.store import bm25
from nacre.store.arm import Arm
from nacre.store.filters import Filter
from nacre.store.postgres.catalog import condition_of
from nacre.store.postgres.textsearch import candidates
from nacre.store.protocol import KeywordIndex

_K1, _B = 1.2, 0.75
B0 = _K1 * (1 - _B)
"""A word scores count / (count + B0 + `length_factor` * length), times what it is worth in the query."""
_LONGEST = 200  # characters
_AT_ONCE = 2000  # postings that cost no more than to ask for them apart
_A_CHUNK = 80  # postings that are read in the time that it takes to look up one chunk
_LEAST_SHARE, _LOOKED, _SURE = 0.25, (1.3, 5.2), 0.999  # seen, to ask pg_textsearch; for each wanted; of its scores
CHUNKS, LENGTH = "chunks", "length"
"""Keys of the tallies of the whole base; a word's is `word_key`, an audience's `audience_key`."""


def word_key(word: str) -> str:
    """The key under which the chunks that hold a word are tallied."""
    return f"w:{kept_word(word)}"


def kept_word(word: str) -> str:
    """A word as it is kept: an index takes no row of thousands of bytes."""
    return word if len(word) <= _LONGEST else f"#{blake2b(word.encode(), digest_size=16).hexdigest()}"


def audience_key(audience: int) -> str:
    """The key under which the chunks of an audience are tallied."""
    return f"a:{audience}"


def kept_length(length: int) -> int:
    """A length as an index of one byte keeps it (Lucene's SmallFloat, which tantivy follows): exact to 40, then in ever
    wider steps."""
    over = length - 24
    shift = over.bit_length() - 4
    return length if over < 16 else 24 + (over >> shift << shift)


def length_factor(there: Mapping[str, int]) -> float:
    """What a chunk's length counts in the scores of its words, by the tallies of the base."""
    return _K1 * _B * (there.get(CHUNKS, 0) + 1) / max(1, there.get(LENGTH, 0))


class Asked(NamedTuple):
    """A query's words as one state of the base weighs them.

    Args:
        worth: what each word scores at most, the most first.
        holding: how many chunks hold each, of those that the asker may see about.
        share: of all chunks, that the asker may see.
        factor: see `length_factor`.
        deviation: of the query's scores over all chunks.
    """

    worth: dict[str, float]
    holding: dict[str, float]
    share: float
    factor: float
    deviation: float

    def of(self, words: Iterable[str]) -> Asked:
        """Some of the words."""
        return self._replace(worth={word: self.worth[word] for word in words})

    def parameters(self) -> dict[str, Any]:
        """What a query over postings is told."""
        words = [kept_word(word) for word in self.worth]
        return {"words": words, "worth": list(self.worth.values()), "b0": B0, "factor": self.factor}


class SqlKeywordIndex(KeywordIndex):
    """The words of a base as one connection sees them.

    Args:
        connection: gives a connection for one look.
        extension: whether pg_textsearch is asked where it is there.
    """

    def __init__(self, connection: Callable[[], AbstractContextManager[Any]], extension: bool = False) -> None:
        self._connection, self._extension = connection, extension

    def __len__(self) -> int:
        return self._tallies([CHUNKS]).get(CHUNKS, 0)

    def search(
        self,
        query: str,
        k: int,
        audiences: Sequence[int] | None = None,
        where: Filter | None = None,
        among: Sequence[int] = (),
    ) -> Arm:
        weights = bm25.query_weights(query)
        if not weights:
            return Arm({})
        with self._connection() as connection:
            asked = self._asked(connection, weights, audiences)
            free, scores = where is None or where.is_empty, None
            if among:
                scores = _scores(connection, asked, *_limits(audiences, where, among))
            elif self._extension and free and asked.share >= _LEAST_SHARE:
                scores = _by_extension(connection, asked, weights, k, audiences)
            if scores is None:
                scores = _best(connection, asked, k, *_limits(audiences, where, among), at_once=not free)
        best = sorted(scores.items(), key=lambda row: (-round(row[1], 9), row[0]))[:k]  # equals in any order of adding
        return Arm(dict(best), 0.0, asked.deviation)

    def _asked(self, connection: Any, weights: Mapping[str, float], audiences: Sequence[int] | None = None) -> Asked:
        mine = list(map(audience_key, audiences or ()))
        there = tallies(connection, [CHUNKS, LENGTH, *mine, *map(word_key, weights)])
        total, holding = there.get(CHUNKS, 0) + 2, _holding(there, weights)
        share = 1.0 if audiences is None else sum(there.get(key, 0) for key in mine) / total
        worth = {word: weight * bm25.idf(holding[word], total - 1) * (1 + _K1) for word, weight in weights.items()}
        worth = dict(sorted(worth.items(), key=lambda one: -one[1]))
        seen = {word: share * count for word, count in holding.items()}
        return Asked(worth, seen, share, length_factor(there), bm25.deviation(weights, holding, total))

    def reach(self, query: str) -> float:
        weights = bm25.query_weights(query)
        return sum(weights[word] * value for word, value in self._idf(weights).items())

    def said(self, wanted: Sequence[str], among: Sequence[int]) -> dict[int, float]:
        idf = self._idf(dict.fromkeys(wanted[: bm25.WORDS_AT_MOST], 1.0))
        most = sum(idf.values())
        with self._connection() as connection:
            rows = connection.execute(
                "SELECT p.chunk, sum(q.worth) FROM unnest(%s::text[], %s::float8[]) AS q(word, worth)"
                " JOIN postings p ON p.word = q.word WHERE p.chunk = ANY(%s) GROUP BY p.chunk",
                ([kept_word(word) for word in idf], list(idf.values()), list(among)),
            ).fetchall()
        return {number: score / most for number, score in rows}

    def _idf(self, wanted: Mapping[str, float]) -> dict[str, float]:
        there = self._tallies([CHUNKS, *map(word_key, wanted)])
        total, holding = there.get(CHUNKS, 0) + 2, _holding(there, wanted)
        return {word: bm25.idf(max(1, count), total) for word, count in holding.items()}

    def _tallies(self, keys: Sequence[str]) -> dict[str, int]:
        with self._connection() as connection:
            return tallies(connection, keys)


def tallies(connection: Any, keys: Sequence[str]) -> dict[str, int]:
    """How many there are: what was folded, and what came since."""
    rows = connection.execute(
        "SELECT key, sum(n)::bigint FROM (SELECT key, total AS n FROM tallies WHERE key = ANY(%(keys)s)"
        " UNION ALL SELECT key, delta FROM tallied WHERE key = ANY(%(keys)s)) AS all_of_them GROUP BY key",
        {"keys": list(keys)},
    ).fetchall()
    return dict(rows)


def _holding(there: Mapping[str, int], words: Mapping[str, float]) -> dict[str, int]:
    return {word: there.get(word_key(word), 0) for word in words}


_SCORED = """
    FROM unnest(%(words)s::text[], %(worth)s::float8[]) AS q(word, worth) JOIN postings p ON p.word = q.word,
    LATERAL (SELECT q.worth * p.count / (p.count + %(b0)s::float8 + %(factor)s::float8 * p.length)) AS s(score)
"""


def _by_extension(
    connection: Any, asked: Asked, weights: Mapping[str, float], k: int, audiences: Sequence[int] | None
) -> dict[int, float] | None:
    """The scores of the first k chunks, and of some more; None where that is not sure of it."""
    kept = {kept_word(word): weight for word, weight in weights.items()}
    for times in _LOOKED:
        looked = math.ceil(k * times / asked.share)
        found = candidates(connection, kept, looked)
        if found is None:
            return None
        near = [chunk for chunk, audience in found if audiences is None or audience in audiences]
        scores = _scores(connection, asked, *_limits(audiences, None, near)) if near else {}
        best = sorted(scores.values(), reverse=True)
        if len(found) < looked or (len(best) > k and best[-1] < _SURE * best[k - 1]):
            return scores
    return None


def _scores(connection: Any, asked: Asked, limits: str, values: Mapping[str, Any]) -> dict[int, float]:
    """What a query's words score in a few chunks."""
    # An index by chunk knows the few; the empty text keeps the planner from the one by word.
    scored = _SCORED.replace("p.word =", "p.word || '' =")
    query = f"SELECT p.chunk, sum(s.score) {scored} {limits} GROUP BY p.chunk"
    return dict(connection.execute(query, {**values, **asked.parameters()}).fetchall())


def _best(
    connection: Any, asked: Asked, k: int, limits: str, values: Mapping[str, Any], *, at_once: bool
) -> dict[int, float]:
    """The scores of the first k chunks, and of some more.

    Args:
        at_once: to limit the chunks costs more than to read them.
    """
    query = f"SELECT array_send(array_agg(p.chunk)), array_send(array_agg(s.score)) {_SCORED} {limits}"
    left, chunks = list(asked.worth), np.empty(0, np.int64)
    scores: NDArray[Any] = np.empty(0)
    while left:
        some = left if at_once else _next(left, asked.holding, chunks.size)
        left = left[len(some) :]
        asking = {**values, **asked.of(some).parameters()}
        read = connection.execute(query, asking, binary=True).fetchone()
        found, more = _array(read[0], ">i8"), _array(read[1], ">f8")
        chunks, places = np.unique(np.concatenate([chunks, found]), return_inverse=True)
        scores = np.bincount(places, np.concatenate([scores, more]), chunks.size)
        least = float(np.partition(scores, -k)[-k]) if chunks.size >= k else 0.0
        lift = sum(asked.worth[word] for word in left)
        near = scores >= least - lift
        if left and lift < least and _A_CHUNK * near.sum() < sum(asked.holding[word] for word in left):
            chunks, scores = chunks[near], scores[near]
            lifted = _scores(connection, asked.of(left), *_limits(None, None, chunks.tolist()))
            return {n: score + lifted.get(n, 0.0) for n, score in zip(chunks.tolist(), scores.tolist(), strict=True)}
    first = scores >= (least if chunks.size else 0.0)
    return dict(zip(chunks[first].tolist(), scores[first].tolist(), strict=True))


def _next(left: Sequence[str], holding: Mapping[str, float], read: int) -> list[str]:
    """The words to read next: the first, and others as long as they are rare."""
    some, most = [left[0]], max(_AT_ONCE, read) - holding[left[0]]
    for word in left[1:]:
        most -= holding[word]
        if most < 0:
            break
        some.append(word)
    return some


def _array(sent: bytes | None, kind: str) -> NDArray[Any]:
    """An array as PostgreSQL sends it: twenty bytes about it, then each value behind its length."""
    rows = np.frombuffer((sent or b"")[20:], [("length", ">i4"), ("value", kind)])
    return rows["value"].astype(kind[1:])


def _limits(audiences: Sequence[int] | None, where: Filter | None, among: Sequence[int]) -> tuple[str, dict[str, Any]]:
    """What stands between the postings and their ranking."""
    conditions, values = [], dict[str, Any]()
    if audiences is not None:
        conditions.append("p.audience = ANY(%(audiences)s)")
        values["audiences"] = list(audiences)
    if among:
        conditions.append("p.chunk = ANY(%(among)s::bigint[])")
        values["among"] = f"{{{','.join(map(str, among))}}}"  # thousands are written faster so
    if where and not where.is_empty:
        condition, more = condition_of(where)
        conditions.append(
            f"p.chunk IN (SELECT c.id FROM chunks c JOIN documents d ON d.id = c.document WHERE {condition})"
        )
        values |= more
    return ("WHERE " + " AND ".join(conditions) if conditions else ""), values
