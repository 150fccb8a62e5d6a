"""A search: both arms, limited to what the asker may see, fused, and every hit looked up in the truth."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
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
from nacre.store.protocol import KeywordIndex, Store, VectorIndex
from nacre.store.records import PUBLIC
from nacre.text.language import language_of


class Searcher:
    """Searches one knowledge base."""

    def __init__(self, store: Store, encoder: Callable[[], Encoder | None]) -> None:
        self.store = store
        self.encoder = encoder

    def search(
        self, query: str, k: int, principals: tuple[str, ...] | None, where: Filter, arms: Sequence[str]
    ) -> list[Hit]:
        """Find passages."""
        most = max(CANDIDATES, k)
        encoder = self.encoder() if "vectors" in arms else None
        vector = encoder.query(query) if encoder else None
        words, vectors, coverage = Arm({}), Arm({}), 1.0
        with self.store.view() as view:
            groups = self.store.catalog.audiences()
            visible = audiences(groups, principals)
            limited = sorted(visible) if len(groups) > 1 else None
            if "words" in arms:
                words = view.words.search(query, most, limited, where)
            if vector is not None and view.vectors:
                vectors = _nearest(view.vectors, vector, most, limited, where, list(words.scores))
        if encoder:
            words = _completed(view.words, words, query, vectors)
            coverage = calibration.coverage(self.store.catalog, encoder, query)
        weight = self.store.settings().get("fusion_weight", VECTOR_WEIGHT)
        hits = self._hits(fuse(words, vectors, coverage, weight), k, visible, where)
        return _judged(view.words, query, hits, words, vectors, coverage) if "words" in arms else hits

    def _hits(self, ranked: Sequence[tuple[int, float]], k: int, visible: set[int], where: Filter) -> list[Hit]:
        """The first k that are still there and still visible: the truth has the last word, not an index."""
        hits: list[Hit] = []
        for at in range(0, len(ranked), 2 * k):
            some = ranked[at : at + 2 * k]
            passages = self.store.catalog.passages([number for number, _ in some], where)
            for number, score in some:
                passage = passages.get(number)
                if passage and passage.audience in visible:
                    facts = passage._asdict()
                    del facts["audience"]
                    hits.append(Hit(score=score, chunk_id=number, **facts))
                if len(hits) == k:
                    return hits
        return hits


def audiences(groups: Mapping[int, tuple[str, ...]], principals: tuple[str, ...] | None) -> set[int]:
    """The numbers of the audiences that an asker belongs to; everyone belongs to the public one."""
    mine = set(principals or ())
    return {number for number, names in groups.items() if number == PUBLIC or not mine.isdisjoint(names)}


def _nearest(
    index: VectorIndex,
    vector: NDArray[np.float32],
    most: int,
    audiences: Sequence[int] | None,
    where: Filter,
    also: Sequence[int],
) -> Arm:
    """The nearest chunks, and the cosines of those that the words found."""
    scores = dict(index.search(vector, most, audiences, where))
    scores.update(index.scores(vector, [number for number in also if number not in scores]))
    return Arm(scores, *index.spread(vector))


def _completed(index: KeywordIndex, words: Arm, query: str, vectors: Arm) -> Arm:
    """With the BM25 scores of the chunks that the vectors found."""
    missing = [number for number in vectors.scores if number not in words.scores]
    if not words.scores or not missing:
        return words
    more = index.search(query, len(missing), among=missing)
    return replace(words, scores={**words.scores, **more.scores})


def _judged(index: KeywordIndex, query: str, hits: list[Hit], words: Arm, vectors: Arm, coverage: float) -> list[Hit]:
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
