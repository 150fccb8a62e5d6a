"""A collection in a folder, searched by Qdrant's engine in this process: for tests and measurements, and one process at
a time.
"""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

from nacre.errors import KnowledgeBaseError
from nacre.extras import need
from nacre.store.qdrant.engine import FIELDS, MARK, MEANING, WORDS, ArmsAddress, Engine, Point
from nacre.system.files import private_folder
from nacre.text.language import tr

_PAGE = 10_000
_open: dict[Path, tuple[Any, int]] = {}  # the engine locks its folder: who opens it twice shares it
_opening = threading.Lock()


class EdgeEngine(Engine):
    """See `Engine`."""

    def __init__(self, address: ArmsAddress, dim: int | None) -> None:
        self._q: Any = need("qdrant_edge", install="pip install qdrant-edge-py")
        self._address, self._dim = address, dim
        self._folder = Path(address.url.removeprefix("file://")) / address.collection
        with _opening:
            shard, users = _open.get(self._folder, (None, 0))
            if shard is None and self._folder.exists():
                with self._our_errors():
                    shard = self._q.EdgeShard.load(str(self._folder))
            _open[self._folder] = (shard, users + 1)

    @property
    def _shard(self) -> Any:
        return _open[self._folder][0]

    def version(self) -> str:
        return version("qdrant-edge-py")

    def check(self) -> bool:
        return self._shard is not None

    def make(self, dim: int | None) -> None:
        q = self._q
        dense = {MEANING: q.EdgeVectorParams(size=dim, distance=q.Distance.Dot)} if dim else None
        config = q.EdgeConfig(vectors=dense, sparse_vectors={WORDS: q.EdgeSparseVectorParams()})
        with _opening, self._our_errors():
            users = self._forget()
            private_folder(self._folder)
            shard = q.EdgeShard.create(str(self._folder), config)
            for field in FIELDS:
                shard.update(q.UpdateOperation.create_field_index(field, q.PayloadSchemaType.Integer))
            _open[self._folder] = (shard, users)

    def drop(self) -> None:
        with _opening, self._our_errors():
            self._forget()

    def _forget(self) -> int:
        shard, users = _open[self._folder]
        if shard is not None:
            shard.close()
        _open[self._folder] = (None, users)
        shutil.rmtree(self._folder, ignore_errors=True)
        return users

    def mark(self) -> dict[str, Any] | None:
        if self._shard is None:
            return None
        with self._our_errors():
            found = self._shard.retrieve([MARK], True, False)
        return dict(found[0].payload) if found else None

    def set_mark(self, said: Mapping[str, Any]) -> None:
        with self._our_errors():
            self._shard.update(self._q.UpdateOperation.upsert_points([self._q.Point(MARK, {}, dict(said))]))
            self._shard.flush()

    def put(self, points: Sequence[Point]) -> None:
        with self._our_errors():
            self._shard.update(self._q.UpdateOperation.upsert_points([self._point(point) for point in points]))

    def _point(self, point: Point) -> Any:
        vectors: dict[str, Any] = {WORDS: self._q.SparseVector(list(point.words), list(point.words.values()))}
        if point.meaning is not None:
            vectors[MEANING] = list(point.meaning)
        return self._q.Point(point.number, vectors, dict(point.facts))

    def delete(self, numbers: Sequence[int]) -> None:
        if numbers:
            with self._our_errors():
                self._shard.update(self._q.UpdateOperation.delete_points(list(numbers)))

    def rank(
        self, asked: Sequence[float] | Mapping[int, float], k: int, limits: Mapping[str, Sequence[int]], looked: int = 0
    ) -> list[tuple[int, float]]:
        q = self._q
        must = [q.FieldCondition(name, match=q.MatchAny(list(values))) for name, values in limits.items()]
        sparse = isinstance(asked, Mapping)
        vector = q.SparseVector(list(asked), list(asked.values())) if isinstance(asked, Mapping) else list(asked)
        request = q.QueryRequest(
            limit=k,
            query=q.Query.Nearest(vector, using=WORDS if sparse else MEANING),
            filter=q.Filter(must=must) if must else None,
            params=None if sparse else q.SearchParams(hnsw_ef=looked or None, exact=not looked),
        )
        with self._our_errors():
            return [(int(point.id), float(point.score)) for point in self._shard.query(request)]

    def rows(self) -> dict[int, int]:
        found: dict[int, int] = {}
        offset: Any = None
        while True:
            request = self._q.ScrollRequest(offset=offset, limit=_PAGE, with_payload=True)
            with self._our_errors():
                some, offset = self._shard.scroll(request)
            found |= {point.id: point.payload["audience"] for point in some if point.id != MARK}
            if offset is None:
                return found

    def optimize(self) -> None:
        """Build the graph, which a server does by itself, and the compact form of the words."""
        with self._our_errors():
            self._shard.optimize()

    def close(self) -> None:
        with _opening:
            if self._folder not in _open:
                return
            shard, users = _open.pop(self._folder)
            if users > 1:
                _open[self._folder] = (shard, users - 1)
            elif shard is not None:
                shard.close()

    @contextmanager
    def _our_errors(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:
            if type(error) is not Exception:  # the engine raises the plain one only
                raise
            why = " ".join(str(error).split())[:200]
            raise KnowledgeBaseError(
                tr("{place}: Qdrant's engine refuses ({why}).", place=self._address.shown, why=why),
                path=self._address.shown,
            ) from None
