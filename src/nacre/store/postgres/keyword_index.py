"""BM25 over postings in SQL: the same terms, lengths and weights as the folder's index, so the same scores."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from hashlib import blake2b
from typing import Any, NamedTuple

from nacre.store import bm25
from nacre.store.arm import Arm
from nacre.store.filters import Filter
from nacre.store.postgres.catalog import condition_of
from nacre.store.protocol import KeywordIndex

_K1, _B = 1.2, 0.75
B0 = _K1 * (1 - _B)
"""A word scores count / (count + B0 + `length_factor` * length), times what it is worth in the query."""
_LONGEST = 200  # characters
_NEXT_TO_NOTHING, _MANY, _NEAR = 0.02, 5000, 2000  # of what a query is worth; chunks; chunks
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
        worth: what each word scores at most.
        common: words that many chunks hold, and that together score next to nothing.
        factor: see `length_factor`.
        deviation: of the query's scores over all chunks.
    """

    worth: dict[str, float]
    common: frozenset[str]
    factor: float
    deviation: float


class SqlKeywordIndex(KeywordIndex):
    """The words of a base as one connection sees them.

    Args:
        connection: gives a connection for one look.
    """

    def __init__(self, connection: Callable[[], AbstractContextManager[Any]]) -> None:
        self._connection = connection

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
            asked = self._asked(connection, weights)
            limits, values = _limits(audiences, where, among)
            values |= {"b0": B0, "factor": asked.factor, "k": k}
            rows = None
            if asked.common and not among:
                rows = _best(connection, asked, limits, values)
            if rows is None:
                ranked = _ranked(asked.worth, limits, values)
                rows = connection.execute(f"{ranked} ORDER BY score DESC, p.chunk LIMIT %(k)s", values).fetchall()
        return Arm(dict(rows), 0.0, asked.deviation)

    def _asked(self, connection: Any, weights: Mapping[str, float]) -> Asked:
        there = tallies(connection, [CHUNKS, LENGTH, *map(word_key, weights)])
        total, holding = there.get(CHUNKS, 0) + 2, _holding(there, weights)
        worth = {word: weight * bm25.idf(holding[word], total - 1) * (1 + _K1) for word, weight in weights.items()}
        common = _common(worth, holding)
        return Asked(worth, common, length_factor(there), bm25.deviation(weights, holding, total))

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


def _common(worth: Mapping[str, float], holding: Mapping[str, int]) -> frozenset[str]:
    found, left = set[str](), _NEXT_TO_NOTHING * sum(worth.values())
    for word in sorted(worth, key=lambda one: worth[one]):
        left -= worth[word]
        if left < 0:
            break
        if holding[word] > _MANY:
            found.add(word)
    return frozenset(found)


def _ranked(worth: Mapping[str, float], limits: str, values: dict[str, Any]) -> str:
    """The query for the chunks that hold some words, with their scores."""
    values |= {"words": [kept_word(word) for word in worth], "worth": list(worth.values())}
    return (
        "SELECT p.chunk, sum(q.worth * p.count / (p.count + %(b0)s::float8 + %(factor)s::float8 * p.length)) AS score"
        " FROM unnest(%(words)s::text[], %(worth)s::float8[]) AS q(word, worth)"
        f" JOIN postings p ON p.word = q.word {limits} GROUP BY p.chunk"
    )


def _best(connection: Any, asked: Asked, limits: str, values: dict[str, Any]) -> list[tuple[int, float]] | None:
    """The first k without reading all that hold the common words: only those that come so near without them that these
    could lift them among the first. None where that says too little.
    """
    common = {word: asked.worth[word] for word in asked.common}
    rare = {word: worth for word, worth in asked.worth.items() if word not in common}
    near = connection.execute(
        f"WITH ranked AS MATERIALIZED ({_ranked(rare, limits, values)}) SELECT chunk, score FROM ranked WHERE score >="
        " (SELECT score FROM ranked ORDER BY score DESC OFFSET %(k)s - 1 LIMIT 1) - %(lift)s::float8 LIMIT %(most)s",
        {**values, "lift": sum(common.values()), "most": values["k"] + _NEAR},
    ).fetchall()
    if not near or len(near) == values["k"] + _NEAR:
        return None
    # An index by chunk knows the few that are left; the empty text keeps the planner from the one by word.
    lifted = _ranked(common, "WHERE p.chunk = ANY(%(near)s)", values).replace("p.word =", "p.word || '' =")
    scores = dict(near)
    for chunk, more in connection.execute(lifted, {**values, "near": list(scores)}):
        scores[chunk] += more
    return sorted(scores.items(), key=lambda row: (-row[1], row[0]))[: values["k"]]


def _limits(audiences: Sequence[int] | None, where: Filter | None, among: Sequence[int]) -> tuple[str, dict[str, Any]]:
    """What stands between the postings and their ranking."""
    conditions, values = [], dict[str, Any]()
    if audiences is not None:
        conditions.append("p.audience = ANY(%(audiences)s)")
        values["audiences"] = list(audiences)
    if among:
        conditions.append("p.chunk = ANY(%(among)s)")
        values["among"] = list(among)
    if where and not where.is_empty:
        condition, more = condition_of(where)
        conditions.append(
            f"p.chunk IN (SELECT c.id FROM chunks c JOIN documents d ON d.id = c.document WHERE {condition})"
        )
        values |= more
    return ("WHERE " + " AND ".join(conditions) if conditions else ""), values
