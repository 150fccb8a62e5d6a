"""A search: both arms, limited to what the asker may see, fused, and every hit looked up in the truth."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from nacre.retrieval.fusion import CANDIDATES, VECTOR_WEIGHT, fuse
from nacre.retrieval.hit import Hit
from nacre.retrieval.relevance import LEAST_CHUNKS, Signs, content, relevance
from nacre.store import calibration
from nacre.store.arm import Arm
from nacre.store.encoder import Encoder
from nacre.store.filters import Filter
from nacre.store.folder.catalog import Catalog
from nacre.store.folder.indexes import Indexes
from nacre.store.folder.keyword_index import Words
from nacre.store.folder.vector_index import VectorIndex
from nacre.store.records import PUBLIC
from nacre.store.settings import SettingsFile
from nacre.text.language import language_of


class Searcher:
    """Searches one knowledge base."""

    def __init__(self, catalog: Catalog, indexes: Indexes, encoder: Callable[[], Encoder | None]) -> None:
        self.catalog = catalog
        self.indexes = indexes
        self.encoder = encoder
        self.settings = SettingsFile(indexes.folder)

    def search(
        self, query: str, k: int, principals: tuple[str, ...] | None, where: Filter, arms: Sequence[str]
    ) -> list[Hit]:
        """Find passages."""
        self.indexes.refresh()
        visible = self.audiences(principals)
        limited = None if self._all_public() else sorted(visible)
        most = max(CANDIDATES, k)
        encoder = self.encoder() if "vectors" in arms else None
        vector = encoder.query(query) if encoder else None
        documents = self._documents(where) if encoder else None
        words, vectors, coverage = Arm({}), Arm({}), 1.0
        with self.indexes.view() as view:
            if "words" in arms:
                words = view.words.search(query, most, limited, where)
            if vector is not None and view.vectors:
                vectors = _nearest(view.vectors, vector, most, limited, documents, list(words.scores))
        if encoder:
            words = _completed(view.words, words, query, vectors)
            coverage = calibration.coverage(self.catalog, encoder, query)
        weight = self.settings.now().get("fusion_weight", VECTOR_WEIGHT)
        hits = self._hits(fuse(words, vectors, coverage, weight), k, visible, where)
        return _judged(view.words, query, hits, words, vectors, coverage) if "words" in arms else hits

    def audiences(self, principals: tuple[str, ...] | None) -> set[int]:
        """The audiences that an asker belongs to.

        Returns:
            Their numbers; everyone belongs to the public one.
        """
        mine = set(principals or ())
        return {number for number, names in self.catalog.audiences().items() if number == PUBLIC or mine & set(names)}

    def _all_public(self) -> bool:
        return not self.catalog.db.read("SELECT 1 FROM audiences WHERE id <> 0 LIMIT 1")

    def _documents(self, where: Filter) -> NDArray[np.int64] | None:
        """The documents that a filter lets through, sorted; None means all."""
        if where.is_empty:
            return None
        condition, values = where.sql()
        rows = self.catalog.db.read(f"SELECT id FROM documents WHERE {condition} ORDER BY id", values)
        return np.array([row[0] for row in rows], np.int64)

    def _hits(self, ranked: Sequence[tuple[int, float]], k: int, visible: set[int], where: Filter) -> list[Hit]:
        """The first k that are still there and still visible: the truth has the last word, not an index."""
        hits: list[Hit] = []
        condition, values = where.sql()
        for at in range(0, len(ranked), 2 * k):
            some = dict(ranked[at : at + 2 * k])
            rows = self.catalog.db.read(
                'SELECT c.id, c.text, d.uri, d.title, c.heading, c.page, c.start, c."end", d.id, d.version, d.audience'
                " FROM chunks c JOIN documents d ON d.id = c.document"
                f" WHERE c.id IN ({','.join('?' * len(some))}) AND {condition}",
                [*some, *values],
            )
            by_id = {row[0]: row for row in rows if row[10] in visible}
            for number, score in some.items():
                if number in by_id and len(hits) < k:
                    _, text, uri, title, heading, page, start, end, document, version, _ = by_id[number]
                    hits.append(
                        Hit(
                            text,
                            score,
                            uri,
                            title,
                            tuple(json.loads(heading)),
                            page,
                            start,
                            end,
                            number,
                            document,
                            version,
                        )
                    )
            if len(hits) == k:
                break
        return hits


def _nearest(
    index: VectorIndex,
    vector: NDArray[np.float32],
    most: int,
    audiences: Sequence[int] | None,
    documents: NDArray[np.int64] | None,
    also: Sequence[int],
) -> Arm:
    """The nearest chunks, and the cosines of those that the words found."""
    limited = None if audiences is None else np.array(audiences, np.int64)
    scores = dict(index.search(vector, most, limited, documents))
    scores.update(index.scores(vector, [number for number in also if number not in scores]))
    return Arm(scores, *index.spread(vector))


def _completed(index: Words, words: Arm, query: str, vectors: Arm) -> Arm:
    """With the BM25 scores of the chunks that the vectors found."""
    missing = [number for number in vectors.scores if number not in words.scores]
    if not words.scores or not missing:
        return words
    more = index.search(query, len(missing), among=missing)
    return replace(words, scores={**words.scores, **more.scores})


def _judged(index: Words, query: str, hits: list[Hit], words: Arm, vectors: Arm, coverage: float) -> list[Hit]:
    """The hits with their relevance."""
    wanted = content(query)
    if not hits or not wanted or len(index) < LEAST_CHUNKS:
        return hits
    language, numbers = language_of(query), [hit.chunk_id for hit in hits]
    reach, said = index.reach(query), index.said(wanted, numbers)
    understood = coverage if vectors.scores else 0.0
    judged = []
    for hit in hits:
        number = hit.chunk_id
        if understood >= 0.5 and language_of(hit.text) != language:  # only the vectors can tell
            judged.append(hit)
            continue
        signs = Signs(
            reached=words.scores.get(number, 0.0) / reach,
            said=said.get(number, 0.0),
            nearness=understood * vectors.standard(number) if vectors.scores else 0.0,
            coverage=understood,
            chinese=float(language == "zh"),
        )
        judged.append(replace(hit, relevance=round(relevance(signs), 4)))
    return judged
