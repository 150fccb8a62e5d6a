"""A collection on a Qdrant server, or on several; `qdrant-client` speaks its REST."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from nacre.errors import KnowledgeBaseError, UnreachableError
from nacre.extras import need
from nacre.store.qdrant.engine import FIELDS, MARK, MEANING, WORDS, ArmsAddress, Engine, Point
from nacre.text.language import tr

_LEAST = (1, 10)  # of the server: `points/query`
_PAGE = 10_000


class HttpEngine(Engine):
    """See `Engine`. Every write waits until it is durable.

    Args:
        client: a connection to use in the place of one of its own.
    """

    def __init__(self, address: ArmsAddress, dim: int | None, patience: int, client: Any = None) -> None:
        self.shown, self._dim, self._name = address.shown, dim, address.collection
        self._package: Any = need("qdrant_client", extra="qdrant")
        self._models = self._package.models
        key = os.environ.get("QDRANT_API_KEY")
        self._client = client or self._package.QdrantClient(
            url=address.url,
            headers={"api-key": key} if key else None,
            timeout=patience,
            check_compatibility=False,  # it warns only; `check` refuses
        )

    def version(self) -> str:
        with self._our_errors():
            return str(self._client.info().version)

    def check(self) -> bool:
        version = self.version()
        with self._our_errors():
            if tuple(map(int, re.findall(r"\d+", version)[:2])) < _LEAST:
                raise KnowledgeBaseError(
                    tr("{place} is Qdrant {version}; Nacre needs 1.10 or later.", place=self.shown, version=version),
                    path=self.shown,
                )
            if not self._client.collection_exists(self._name):
                return False
            held = self._client.get_collection(self._name).config.params
        dense = held.vectors.get(MEANING) if isinstance(held.vectors, dict) else held.vectors
        found = getattr(dense, "size", None)
        fits = (dense is None) == (self._dim is None) and WORDS in (held.sparse_vectors or {})
        if not fits or (dense and (found != self._dim or dense.distance != self._models.Distance.DOT)):
            raise KnowledgeBaseError(
                tr(
                    "{place} holds other vectors ({found} dimensions, the base has {dim}). Name another collection, "
                    "arms=qdrant+http://HOST:6333/NAME, or delete this one.",
                    place=self.shown,
                    found=found or 0,
                    dim=self._dim or 0,
                ),
                path=self.shown,
            )
        return True

    def make(self, dim: int | None) -> None:
        models = self._models
        dense = {MEANING: models.VectorParams(size=dim, distance=models.Distance.DOT)} if dim else {}
        with self._our_errors():
            self.drop()
            self._client.create_collection(
                self._name, vectors_config=dense, sparse_vectors_config={WORDS: models.SparseVectorParams()}
            )
            for field in FIELDS:
                self._client.create_payload_index(self._name, field, models.PayloadSchemaType.INTEGER, wait=True)

    def drop(self) -> None:
        with self._our_errors():
            if self._client.collection_exists(self._name):
                self._client.delete_collection(self._name)

    def mark(self) -> dict[str, Any] | None:
        with self._our_errors():
            try:
                found = self._client.retrieve(self._name, [MARK], with_payload=True)
            except (ValueError, self._package.http.exceptions.UnexpectedResponse) as error:
                if getattr(error, "status_code", 404) == 404:  # no such collection
                    return None
                raise
        return dict(found[0].payload) if found else None

    def set_mark(self, said: Mapping[str, Any]) -> None:
        self._write("upsert", points=[self._models.PointStruct(id=MARK, vector={}, payload=dict(said))])

    def put(self, points: Sequence[Point]) -> None:
        self._write("upsert", points=[self._point(point) for point in points])

    def _point(self, point: Point) -> Any:
        words = self._models.SparseVector(indices=list(point.words), values=list(point.words.values()))
        vectors: dict[str, Any] = {WORDS: words}
        if point.meaning is not None:
            vectors[MEANING] = list(point.meaning)
        return self._models.PointStruct(id=point.number, vector=vectors, payload=dict(point.facts))

    def delete(self, numbers: Sequence[int]) -> None:
        if numbers:
            self._write("delete", points_selector=list(numbers))

    def _write(self, call: str, **what: Any) -> None:
        with self._our_errors():
            getattr(self._client, call)(self._name, wait=True, ordering=self._models.WriteOrdering.STRONG, **what)

    def rank(
        self, asked: Sequence[float] | Mapping[int, float], k: int, limits: Mapping[str, Sequence[int]], looked: int = 0
    ) -> list[tuple[int, float]]:
        models, dense = self._models, not isinstance(asked, Mapping)
        must = [
            models.FieldCondition(key=name, match=models.MatchAny(any=list(values))) for name, values in limits.items()
        ]
        if isinstance(asked, Mapping):
            asked = models.SparseVector(indices=list(asked), values=list(asked.values()))
        with self._our_errors():
            found = self._client.query_points(
                self._name,
                query=asked,
                using=MEANING if dense else WORDS,
                limit=k,
                query_filter=models.Filter(must=must) if must else None,
                search_params=models.SearchParams(hnsw_ef=looked, exact=not looked) if dense else None,
                with_payload=False,
            ).points
        return [(int(point.id), float(point.score)) for point in found]

    def rows(self) -> dict[int, int]:
        found: dict[int, int] = {}
        offset: Any = None
        with self._our_errors():
            while True:
                some, offset = self._client.scroll(self._name, limit=_PAGE, offset=offset, with_payload=["audience"])
                found |= {point.id: point.payload["audience"] for point in some if point.id != MARK}
                if offset is None:
                    return found

    def close(self) -> None:
        self._client.close()

    @contextmanager
    def _our_errors(self) -> Iterator[None]:
        errors = self._package.http.exceptions
        try:
            yield
        except errors.UnexpectedResponse as error:
            raise self._refused(error) from None
        except (errors.ResponseHandlingException, OSError) as error:
            why = " ".join(str(error).split())[:200]
            raise UnreachableError(
                tr(
                    "{place} does not answer ({why}). Start Qdrant there, or leave arms out of the address: "
                    "PostgreSQL then answers alone, more slowly. What is stored there is safe.",
                    place=self.shown,
                    why=why,
                ),
                path=self.shown,
            ) from None

    def _refused(self, error: Any) -> KnowledgeBaseError:
        if error.status_code in (401, 403):
            return KnowledgeBaseError(
                tr(
                    "{place} refuses the key. Set QDRANT_API_KEY to one that may read the collection, and write it "
                    "where the base is synced.",
                    place=self.shown,
                ),
                path=self.shown,
            )
        why = " ".join((error.content or b"").decode("utf-8", "replace").split())[:200]
        return KnowledgeBaseError(
            tr("{place}: Qdrant refuses ({code}: {why}).", place=self.shown, code=error.status_code, why=why),
            path=self.shown,
        )
