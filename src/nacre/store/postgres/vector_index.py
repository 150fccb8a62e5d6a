"""Vectors in pgvector, by a plan of our own: its graph loses permitted passages where few may be seen, so what may be
seen is counted first, and scanned exactly where it is little.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nacre.store.filters import Filter
from nacre.store.postgres.catalog import condition_of
from nacre.store.postgres.keyword_index import CHUNKS, audience_key, tallies
from nacre.store.protocol import ALL, VectorIndex
from nacre.text.writing import WRITINGS, writing_of

_USUAL = 0.1  # deviation of cosines, where the encoder's own was never measured
_USUAL_COUNTS = 20  # vectors that the encoder's own deviation is worth
_BEGINNING = 1200  # bytes of a chunk that tell its writing
_GRAPH_SHARE, _GRAPH_LEAST = 0.25, 50_000  # of the chunks, and chunks: what must be visible for the graph to be asked
_EF_FACTOR, _EF_MOST = 4, 1000  # what the graph looks at for each candidate, and pgvector's limit


class PgVectorIndex(VectorIndex):
    """The vectors of a base as one connection sees them.

    Args:
        graph: whether there is an HNSW index to ask.
    """

    def __init__(self, connection: Callable[[], AbstractContextManager[Any]], graph: bool) -> None:
        self._connection, self._graph = connection, graph

    def __len__(self) -> int:
        with self._connection() as connection:
            return int(connection.execute("SELECT count(*) FROM vectors").fetchone()[0])

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
        limits, values = _limits(audiences, where)
        values |= {"vector": literal(vector), "k": k}
        with self._connection() as connection:
            if self._graph and (where is None or where.is_empty) and _many(connection, audiences):
                found = _by_graph(connection, limits, values)
                if len(found) == k:
                    return found
            # Adding zero keeps the planner from the graph, whose first answers may be none that the asker may see.
            rows = connection.execute(
                "SELECT chunk, -(embedding <#> %(vector)s::vector) FROM vectors"
                f" {limits} ORDER BY (embedding <#> %(vector)s::vector) + 0, chunk LIMIT %(k)s",
                values,
            ).fetchall()
        return [(number, float(cosine)) for number, cosine in rows]

    def scores(self, vector: NDArray[np.float32], numbers: Sequence[int]) -> dict[int, float]:
        if not numbers or not np.isfinite(vector).all():
            return {}
        with self._connection() as connection:
            rows = connection.execute(
                "SELECT chunk, -(embedding <#> %s::vector) FROM vectors WHERE chunk = ANY(%s)",
                (literal(vector), list(numbers)),
            ).fetchall()
        return dict(rows)

    def writing(self, numbers: Sequence[int]) -> dict[int, int]:
        with self._connection() as connection:
            rows = connection.execute(
                "SELECT v.chunk, substr(c.text, 1, %s) FROM vectors v JOIN chunks c ON c.id = v.chunk"
                " WHERE v.chunk = ANY(%s)",
                (_BEGINNING, list(numbers)),
            ).fetchall()
        return {number: WRITINGS.index(writing_of(text.decode("utf-8", "ignore"))) for number, text in rows}

    def vectors(self, numbers: Sequence[int]) -> dict[int, NDArray[np.float32]]:
        with self._connection() as connection:
            rows = connection.execute(
                "SELECT chunk, embedding::text FROM vectors WHERE chunk = ANY(%s)", (list(numbers),)
            ).fetchall()
        return {number: np.array(json.loads(written), np.float32) for number, written in rows}

    def means(self) -> dict[int, NDArray[np.float64]]:
        count, sums = self._moments()
        return {ALL: sums[-1] / count} if count else {}

    def spread(self, vector: NDArray[np.float32], usual: float | None = None) -> dict[int, tuple[float, float]]:
        count, sums = self._moments()
        if not count:
            return {ALL: (0.0, usual or _USUAL)}
        mean = float(sums[-1] @ vector) / count
        variance = max(0.0, float(vector @ sums[:-1] @ vector) / count - mean * mean)
        prior = _USUAL_COUNTS * (usual or _USUAL) ** 2
        return {ALL: (mean, float(np.sqrt((count * variance + prior) / (count + _USUAL_COUNTS))))}

    def _moments(self) -> tuple[int, NDArray[np.float64]]:
        with self._connection() as connection:
            row = connection.execute("SELECT sums FROM moments").fetchone()
        if not row or not row[0]:
            return 0, np.zeros((1, 0))
        width = (len(row[0]) - 8) // 8  # of sums: (dim + 1) times dim
        return unpack_moments(row[0], int((math.sqrt(4 * width + 1) - 1) / 2))


def literal(vector: NDArray[np.float32]) -> str:
    """A vector as pgvector reads it; float32 keeps its value through its shortest decimal."""
    return "[" + ",".join(map(str, vector.astype(np.float32).tolist())) + "]"


def moments(vectors: NDArray[np.float32]) -> tuple[int, NDArray[np.float64]]:
    """How many vectors, the sum of their outer products, and below it their sum: additive, so that vectors may come and
    go."""
    return len(vectors), np.vstack([vectors.T @ vectors, vectors.sum(axis=0, dtype=np.float64)[None, :]]).astype("<f8")


def pack_moments(count: int, sums: NDArray[np.float64]) -> bytes:
    """Moments as a row keeps them."""
    return count.to_bytes(8, "little", signed=True) + sums.astype("<f8").tobytes()


def unpack_moments(kept: bytes, dim: int) -> tuple[int, NDArray[np.float64]]:
    """Moments again."""
    return int.from_bytes(kept[:8], "little", signed=True), np.frombuffer(kept[8:], "<f8").reshape(dim + 1, dim)


def _many(connection: Any, audiences: Sequence[int] | None) -> bool:
    """Whether enough may be seen for the graph to find the nearest of it."""
    keys = [CHUNKS, *map(audience_key, audiences or ())]
    there = tallies(connection, keys)
    total = there.pop(CHUNKS, 0)
    visible = total if audiences is None else sum(there.values())
    return visible >= _GRAPH_LEAST and visible >= _GRAPH_SHARE * total


def _by_graph(connection: Any, limits: str, values: dict[str, Any]) -> list[tuple[int, float]]:
    looked = min(_EF_MOST, _EF_FACTOR * values["k"])
    for setting, value in (
        ("hnsw.ef_search", str(looked)),
        ("hnsw.iterative_scan", "strict_order"),
        ("enable_seqscan", "off"),
        ("enable_bitmapscan", "off"),
    ):
        connection.execute("SELECT set_config(%s, %s, true)", (setting, value))
    rows = connection.execute(
        "SELECT chunk, -(embedding <#> %(vector)s::vector) FROM vectors"
        f" {limits} ORDER BY embedding <#> %(vector)s::vector LIMIT %(k)s",
        values,
        prepare=False,
    ).fetchall()
    for setting in ("enable_seqscan", "enable_bitmapscan"):
        connection.execute("SELECT set_config(%s, 'on', true)", (setting,))
    return [(number, float(cosine)) for number, cosine in rows]


def _limits(audiences: Sequence[int] | None, where: Filter | None) -> tuple[str, dict[str, Any]]:
    conditions, values = [], dict[str, Any]()
    if audiences is not None:
        conditions.append("audience = ANY(%(audiences)s)")
        values["audiences"] = list(audiences)
    if where and not where.is_empty:
        condition, more = condition_of(where)
        conditions.append(f"document IN (SELECT d.id FROM documents d WHERE {condition})")
        values |= more
    return ("WHERE " + " AND ".join(conditions) if conditions else ""), values
