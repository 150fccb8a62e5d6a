"""Vectors in pgvector, by a plan of our own: its graph loses permitted passages where few may be seen, so what may be
seen is counted first, and scanned exactly where it is little.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nacre.store.filters import Filter
from nacre.store.moments import Moments
from nacre.store.postgres.catalog import condition_of
from nacre.store.postgres.keyword_index import CHUNKS, audience_key, tallies
from nacre.store.protocol import VectorIndex

_GRAPH_SHARE, _GRAPH_LEAST = 0.25, 50_000  # of the chunks, and chunks: what must be visible for the graph to be asked
EF_FACTOR = 4
"""What Qdrant's graph looks at for each candidate."""
_LOOKED, _EF_MOST = 1.3, 1000  # at for each candidate that may be seen, by pgvector's graph; its limit


class PgVectorIndex(VectorIndex):
    """The vectors of a base as one connection sees them.

    Args:
        graph: whether there is an HNSW index to ask.
        kept: the moments that this process has read.
    """

    def __init__(self, connection: Callable[[], AbstractContextManager[Any]], graph: bool, kept: KeptMoments) -> None:
        self._connection, self._graph, self._kept = connection, graph, kept

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
        limits, values = _limits(audiences, where, writing)
        values |= {"vector": literal(vector), "k": k}
        free = writing is None and (where is None or where.is_empty)
        with self._connection() as connection:
            if self._graph and free and (share := visible(connection, audiences)):
                found = _by_graph(connection, values, share, vector.size)
                if len(found) >= k:
                    return found[:k]
            # Adding zero keeps the planner from a graph, whose first answers may be none that the asker may see.
            rows = connection.execute(
                "SELECT chunk, -far FROM (SELECT chunk, (embedding <#> %(vector)s::vector) + 0 AS far FROM vectors"
                f" {limits} ORDER BY far, chunk LIMIT %(k)s) AS near",
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
            query = "SELECT chunk, writing FROM vectors WHERE chunk = ANY(%s)"
            return dict(connection.execute(query, (list(numbers),)).fetchall())

    def vectors(self, numbers: Sequence[int]) -> dict[int, NDArray[np.float32]]:
        with self._connection() as connection:
            query = "SELECT chunk, vector_send(embedding) FROM vectors WHERE chunk = ANY(%s)"
            rows = connection.execute(query, (list(numbers),)).fetchall()
        return {number: received(sent) for number, sent in rows}

    def means(self) -> dict[int, NDArray[np.float64]]:
        return self._moments().means()

    def spread(self, vector: NDArray[np.float32], usual: float | None = None) -> dict[int, tuple[float, float]]:
        return self._moments().spread(vector, usual)

    def _moments(self) -> Moments:
        with self._connection() as connection:
            return self._kept.now(connection)


class KeptMoments:
    """The moments of a base as a process last read them: they are megabytes, and change with a sync only."""

    def __init__(self) -> None:
        self._seen: list[tuple[int, int]] | None = None
        self._moments = Moments()

    def now(self, connection: Any) -> Moments:
        """The moments as the connection sees them."""
        seen = connection.execute("SELECT writing, folded FROM moments ORDER BY writing").fetchall()
        if seen != self._seen:
            self._moments, self._seen = read_moments(connection), seen
        return self._moments


def read_moments(connection: Any, lock: str = "") -> Moments:
    """The moments as they stand in the table."""
    rows = connection.execute(f"SELECT writing, count, sums FROM moments {lock}").fetchall()
    found = Moments({writing: count for writing, count, _ in rows})
    for writing, _, sums in rows:
        flat = np.frombuffer(sums, "<f8")  # (dim + 1) times dim
        dim = int((math.sqrt(4 * flat.size + 1) - 1) / 2)
        found.sums[writing] = flat.reshape(dim + 1, dim).copy()
    return found


def received(sent: bytes) -> NDArray[np.float32]:
    """A vector as pgvector sends it: two short numbers, then big-endian float32."""
    return np.frombuffer(sent[4:], ">f4").astype("<f4")


def literal(vector: NDArray[np.float32]) -> str:
    """A vector as pgvector reads it; float32 keeps its value through its shortest decimal."""
    return "[" + ",".join(map(str, vector.astype(np.float32).tolist())) + "]"


def visible(connection: Any, audiences: Sequence[int] | None) -> float:
    """The share of the chunks that may be seen, if that is enough for a graph to find the nearest of it; else 0."""
    there = tallies(connection, [CHUNKS, *map(audience_key, audiences or ())])
    total = there.pop(CHUNKS, 0)
    seen = total if audiences is None else sum(there.values())
    return seen / total if seen >= max(1, _GRAPH_LEAST, _GRAPH_SHARE * total) else 0.0


def _by_graph(connection: Any, values: dict[str, Any], share: float, dim: int) -> list[tuple[int, float]]:
    """The nearest that a graph of halved numbers finds, ranked by the whole ones; perhaps less than k."""
    looked = min(_EF_MOST, math.ceil(values["k"] * _LOOKED / share))
    setting = "SELECT to_regclass('vectors_graph') IS NOT NULL, set_config('hnsw.ef_search', %s, true)" + "".join(
        f", set_config('{way}', %s, true)"
        for way in ("enable_seqscan", "enable_sort")  # other ways than the graph's
    )
    if not connection.execute(setting, (str(looked), "off", "off")).fetchone()[0]:
        looked = 0  # it comes with the next sync
    rows = connection.execute(
        "SELECT chunk, inner_product(embedding, %(vector)s::vector)"
        " FROM (SELECT chunk, audience, embedding FROM vectors"
        f" ORDER BY embedding::halfvec({dim}) <#> %(vector)s::vector::halfvec({dim}) LIMIT {looked}) AS near"
        + (" WHERE audience = ANY(%(audiences)s)" if "audiences" in values else ""),
        values,
        prepare=False,
    ).fetchall()
    connection.execute(setting, (str(looked), "on", "on"))
    return sorted(rows, key=lambda row: (-row[1], row[0]))


def _limits(audiences: Sequence[int] | None, where: Filter | None, writing: int | None) -> tuple[str, dict[str, Any]]:
    conditions, values = [], dict[str, Any]()
    if writing is not None:
        conditions.append("writing = %(writing)s")
        values["writing"] = writing
    if audiences is not None:
        conditions.append("audience = ANY(%(audiences)s)")
        values["audiences"] = list(audiences)
    if where and not where.is_empty:
        condition, more = condition_of(where)
        conditions.append(f"document IN (SELECT d.id FROM documents d WHERE {condition})")
        values |= more
    return ("WHERE " + " AND ".join(conditions) if conditions else ""), values
