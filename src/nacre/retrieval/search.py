"""A search: both arms, limited to what the asker may see, fused, and every hit looked up in the truth."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from nacre.retrieval.fusion import CANDIDATES, VECTOR_WEIGHT, fuse, ranked
from nacre.retrieval.hit import Hit
from nacre.retrieval.identified import identified, identified_in
from nacre.retrieval.meaning import Meaning, find_meaning, standing_out, towards
from nacre.retrieval.named import (
    FIRST,
    LONG,
    MOST,
    SAMPLE,
    favoured,
    is_name,
    named,
    names,
    naming,
    questioned,
    without_fillers,
)
from nacre.retrieval.phrases import as_written, cited, quoted
from nacre.retrieval.relevance import LEAST_CHUNKS, Signs, content, relevance
from nacre.store.arm import Arm
from nacre.store.calibration import Known
from nacre.store.encoder import Encoder
from nacre.store.filters import Filter
from nacre.store.protocol import KeywordIndex, Store, View
from nacre.store.records import PUBLIC
from nacre.text.language import language_of
from nacre.text.tongue import is_in_another_tongue

_AGAIN_S = 0.01  # until the vectors and the embedder that a search has seen belong together


@dataclass(frozen=True)
class _Asked:
    """A search: the same for both arms.

    Args:
        wording: the query as its words are looked for.
        about: the whole of what is asked, where the query is a part of it.
        limited: the audiences of which chunks may be found; None is all.
    """

    query: str
    wording: str
    about: str
    k: int
    principals: tuple[str, ...] | None
    where: Filter
    arms: Sequence[str]
    encoder: Encoder | None = None
    vector: NDArray[np.float32] | None = None
    limited: Sequence[int] | None = None

    @property
    def most(self) -> int:
        """How many chunks each arm gives."""
        return max(CANDIDATES, self.k)


@dataclass(frozen=True)
class _Found:
    """What the arms say, and their scores together."""

    words: Arm
    reach: float  # what a chunk would score that says all words
    meaning: Meaning
    coverage: float
    scores: Mapping[int, float]


class Searcher:
    """Searches one knowledge base."""

    def __init__(self, store: Store, encoder: Callable[[], Encoder | None]) -> None:
        self.store = store
        self.encoder = encoder

    def search(
        self,
        query: str,
        k: int,
        principals: tuple[str, ...] | None,
        where: Filter,
        arms: Sequence[str],
        about: str = "",
    ) -> list[Hit]:
        """Find passages; once more where the base was given another embedder in between.

        Args:
            about: the whole of what is asked, where the query is a part of it.
        """
        asked = _Asked(query, query, about or query, k, principals, where, arms)
        while True:
            turn = self.store.turn
            encoder = self.encoder() if "vectors" in arms else None
            vector = encoder.query(query) if encoder else None
            hits = self._search(replace(asked, encoder=encoder, vector=vector), turn)
            if hits is not None:
                return hits
            time.sleep(_AGAIN_S)

    def standing_out(self, query: str, texts: Sequence[str]) -> list[float | None]:
        """How far each text stands out by its meaning; None where nothing tells."""
        encoder = self.encoder()
        if encoder is None or not texts:
            return [None] * len(texts)
        vector, vectors, known = encoder.query(query), encoder.documents(texts), Known(self.store.catalog, encoder)
        with self.store.view() as view:
            if not view.vectors or not len(view.vectors):
                return [None] * len(texts)
            return standing_out(view.vectors, query, vector, texts, vectors, known)

    def _search(self, asked: _Asked, turn: int) -> list[Hit] | None:
        """The hits; None where the base has the vectors of another embedder by now."""
        query, k, where, about = asked.query, asked.k, asked.where, asked.about
        by_words = "words" in asked.arms
        with self.store.view() as view:
            if asked.encoder and view.turn != turn:
                return None
            groups = self.store.catalog.audiences()
            visible = audiences(groups, asked.principals)
            asked = replace(asked, limited=sorted(visible) if len(groups) > 1 else None)
            known = Known(self.store.catalog, asked.encoder) if asked.encoder else None
            found = self._found(view, asked, known)
            phrases = quoted(query)
            marks = identified_in(view.words, query, found.scores) if by_words else {}
            most = max(k, CANDIDATES) if phrases or marks else 2 * k
            hits = self._hits(ranked(found.scores), max(most, FIRST) if by_words else most, visible, where)
            if by_words and (documents := self._named(view, asked, hits[:FIRST], visible)):
                asked = replace(asked, wording=without_fillers(query))
                found = self._found(view, asked, known, self._within(view, asked, documents))
                hits = favoured(self._hits(ranked(found.scores), len(found.scores), visible, where), documents, about)
        hits = identified(hits[:most], marks) if marks else hits[:most]
        hits = cited(hits) if len(asked.arms) > 1 else hits
        hits = (as_written(hits, phrases, query) if phrases else hits)[:k]
        return _judged(view.words, asked, hits, found) if by_words else hits

    def _found(self, view: View, asked: _Asked, known: Known | None, also: Collection[int] = ()) -> _Found:
        """What both arms say of their candidates and of some other chunks."""
        query, where, words, meaning, coverage = asked.query, asked.where, Arm({}), Meaning(), 1.0
        if "words" in asked.arms:
            words = view.words.search(asked.wording, asked.most, asked.limited, where)
            for phrase in quoted(query):  # what has all of its words comes first here, whatever else is asked
                phrased = view.words.search(phrase, asked.most, asked.limited, where).scores
                words = _completed(view.words, words, asked.wording, phrased)
            words = _completed(view.words, words, asked.wording, also)
        if known and asked.vector is not None and view.vectors:
            among = [*words.scores, *also]
            meaning = find_meaning(view.vectors, query, asked.vector, known, asked.most, asked.limited, where, among)
            words = _completed(view.words, words, asked.wording, meaning.arm.scores)
            coverage = known.coverage(query)
        weight = self.store.settings().get("fusion_weight", VECTOR_WEIGHT)
        reach = view.words.reach(asked.wording)
        scores = fuse(words, meaning.arm, coverage, weight, meaning.foreign, reach, meaning.said)
        if "words" in asked.arms and meaning.arm.scores:
            scores = meaning.echoed(scores, coverage * min(1.0, weight / VECTOR_WEIGHT))
        return _Found(words, reach, meaning, coverage, scores)

    def _named(self, view: View, asked: _Asked, hits: Sequence[Hit], visible: set[int]) -> dict[int, float]:
        """The documents that a question names, and how far; empty where none of them is long."""
        said, known, by = questioned(asked.about), names(hits), list[str]()
        chunks = self.store.catalog.chunks
        for word, documents in naming(said, known).items():
            if not any(len(chunks(document)) >= LONG for document in documents):
                continue
            scores = view.words.search(word, SAMPLE, asked.limited, asked.where).scores
            sample = self._hits(ranked(scores), SAMPLE, visible, asked.where)
            if is_name(word, sample):
                by.append(word)
                known |= names(sample)
        return named(said, known, by)

    def _within(self, view: View, asked: _Asked, documents: Mapping[int, float]) -> list[int]:
        """The best chunks of the documents that are named best."""
        found: list[int] = []
        for document in sorted(documents, key=lambda one: (-documents[one], one))[:MOST]:
            head = self.store.catalog.find(document)
            if head is None or not head.uri.startswith(asked.where.uri_prefix):
                continue
            where = replace(asked.where, uri_prefix=head.uri)
            found += view.words.search(asked.wording, asked.most, asked.limited, where).scores
            if asked.vector is not None and view.vectors:
                vector = towards(view.vectors, asked.query, asked.vector)
                found += [number for number, _ in view.vectors.search(vector, asked.most, asked.limited, where)]
        return found

    def _hits(self, ranked: Sequence[tuple[int, float]], k: int, visible: set[int], where: Filter) -> list[Hit]:
        """The first k that are still there and still visible: the truth has the last word, not an index."""
        hits: list[Hit] = []
        for at in range(0, len(ranked), k):
            some = ranked[at : at + k]
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


def _completed(index: KeywordIndex, words: Arm, query: str, others: Collection[int]) -> Arm:
    """With the BM25 scores of chunks that something else found."""
    missing = [number for number in others if number not in words.scores]
    if not words.scores or not missing:
        return words
    more = index.search(query, len(missing), among=missing)
    return replace(words, scores={**words.scores, **more.scores})


def _judged(index: KeywordIndex, asked: _Asked, hits: list[Hit], found: _Found) -> list[Hit]:
    """The hits with their relevance."""
    query = asked.query
    words, meaning, coverage = found.words, found.meaning, found.coverage
    wanted = content(query)
    if not hits or not wanted or len(index) < LEAST_CHUNKS:
        return hits
    numbers = [hit.chunk_id for hit in hits]
    said = index.said(wanted, numbers)
    understood = coverage if meaning.arm.scores else 0.0
    judged = []
    for hit in hits:
        number = hit.chunk_id
        foreign = number in meaning.foreign  # only the vectors can tell
        other = not foreign and is_in_another_tongue(query, hit.text)  # of its names the words tell too
        if (foreign or other) and not meaning.judges:
            judged.append(hit)
            continue
        nearness = understood * meaning.arm.standard(number)
        own = Signs(
            reached=words.scores.get(number, 0.0) / found.reach,
            said=said.get(number, 0.0),
            nearness=nearness,
            coverage=understood,
            chinese=float(language_of(query) == "zh"),
        )
        by_meaning = replace(own, reached=0.0, said=0.0, nearness=0.0, foreign=1.0, foreign_nearness=nearness)
        likely = max(relevance(signs) for signs in ([by_meaning] if foreign else [own, by_meaning] if other else [own]))
        judged.append(replace(hit, relevance=round(likely, 4)))
    return judged
