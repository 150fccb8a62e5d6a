"""The two arms of a search in Qdrant. Only candidates come from there: whatever is said of given chunks, and of the
base as a whole, the truth says.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nacre.store import bm25
from nacre.store.arm import Arm
from nacre.store.filters import Filter
from nacre.store.postgres.catalog import condition_of
from nacre.store.postgres.keyword_index import SqlKeywordIndex, kept_word
from nacre.store.postgres.vector_index import EF_FACTOR, KeptMoments, PgVectorIndex, visible
from nacre.store.qdrant.arms import Arms, number_of
from nacre.store.qdrant.engine import Engine

_DOCUMENTS = 10_000  # that a filter may let through for a request to name them; above, PostgreSQL answers
_EQUALS = 32  # more than are wanted: chunks that score as much as the last of them
Connect = Callable[[], AbstractContextManager[Any]]


class QdrantKeywordIndex(SqlKeywordIndex):
    """BM25 by Qdrant's sparse vectors; see `SqlKeywordIndex`."""

    def __init__(self, connection: Connect, arms: Arms) -> None:
        super().__init__(connection)
        self._arms = arms

    def search(
        self,
        query: str,
        k: int,
        audiences: Sequence[int] | None = None,
        where: Filter | None = None,
        among: Sequence[int] = (),
    ) -> Arm:
        if not among and (weights := bm25.query_weights(query)):
            with self._connection() as connection:
                limits = _limits(connection, audiences, where)
                if limits is not None:
                    asked = self._asked(connection, weights)
                    words: dict[int, float] = {}
                    for word, worth in asked.worth.items():
                        number = number_of(kept_word(word))
                        words[number] = words.get(number, 0.0) + worth
                    found = self._arms.ask(connection, lambda engine: _best(engine, words, k, limits))
                    if found is not None:
                        return Arm(dict(found), 0.0, asked.deviation)
        return super().search(query, k, audiences, where, among)


class QdrantVectorIndex(PgVectorIndex):
    """Inner products by Qdrant; see `PgVectorIndex`.

    Args:
        graph: whether Qdrant's graph may be asked where much may be seen.
    """

    def __init__(self, connection: Connect, graph: bool, kept: KeptMoments, arms: Arms) -> None:
        super().__init__(connection, False, kept)
        self._arms, self._by_graph = arms, graph

    def search(
        self,
        vector: NDArray[np.float32],
        k: int,
        audiences: Sequence[int] | None = None,
        where: Filter | None = None,
        writing: int | None = None,
    ) -> list[tuple[int, float]]:
        if not np.isfinite(vector).all():
            return []
        with self._connection() as connection:
            limits = _limits(connection, audiences, where)
            if limits is not None:
                if writing is not None:
                    limits["writing"] = [writing]
                free = writing is None and (where is None or where.is_empty)
                looked = EF_FACTOR * k if self._by_graph and free and visible(connection, audiences) else 0
                asked = vector.astype(np.float32).tolist()
                found = self._arms.ask(connection, lambda engine: _best(engine, asked, k, limits, looked))
                if found is not None and looked and len(found) < k:
                    found = self._arms.ask(connection, lambda engine: _best(engine, asked, k, limits))
                if found is not None:
                    return found
        return super().search(vector, k, audiences, where, writing)


def _best(
    engine: Engine,
    asked: Sequence[float] | Mapping[int, float],
    k: int,
    limits: Mapping[str, Sequence[int]],
    looked: int = 0,
) -> list[tuple[int, float]]:
    """The first k; of equals the earliest chunks, as in every store, while Qdrant gives any of them."""
    found = engine.rank(asked, k + _EQUALS, limits, looked)
    if len(found) == k + _EQUALS and found[-1][1] == found[k - 1][1]:
        found = engine.rank(asked, 10 * (k + _EQUALS), limits, looked)
    return sorted(found, key=lambda hit: (-hit[1], hit[0]))[:k]


def _limits(connection: Any, audiences: Sequence[int] | None, where: Filter | None) -> dict[str, list[int]] | None:
    """What Qdrant tests before it ranks; None where that is too much to say. The truth reads the filter, in the state
    that the search sees, so that it means the same everywhere.
    """
    limits: dict[str, list[int]] = {} if audiences is None else {"audience": list(audiences)}
    if where and not where.is_empty:
        condition, values = condition_of(where)
        query = f"SELECT d.id FROM documents d WHERE {condition} LIMIT {_DOCUMENTS + 1}"
        limits["document"] = [number for (number,) in connection.execute(query, values)]
        if len(limits["document"]) > _DOCUMENTS:
            return None
    return limits
