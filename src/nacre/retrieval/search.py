"""A search: both arms, limited to what the asker may see, fused, and every hit looked up in the truth."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from nacre.retrieval.compound import Finding
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
    """A search: the same for both arms, and for all parts of what is asked."""

    about: str  # the whole of it
    principals: tuple[str, ...] | None
    most: int
    where: Filter
    arms: Sequence[str]
    is_long: Callable[[int], bool]  # whether a document is
    turn: int  # that the embedder is of
    known: Known | None  # of the embedder
    query: str = ""
    wording: str = ""  # the same as its words are looked for
    phrases: Sequence[str] = ()  # of it, to be found as they are written
    vector: NDArray[np.float32] | None = None
    limited: Sequence[int] | None = None


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
        queries: Sequence[str],
        k: int,
        principals: tuple[str, ...] | None,
        where: Filter,
        arms: Sequence[str],
        about: str,
    ) -> list[Finding]:
        """Find passages for each query; once more where the base was given another embedder in between.

        Args:
            about: the whole of what is asked, of which the queries are parts.
        """
        is_long = functools.cache(lambda document: len(self.store.catalog.chunks(document)) >= LONG)
        while True:
            turn = self.store.turn
            encoder = self.encoder() if "vectors" in arms else None
            known = Known(self.store.catalog, encoder) if encoder else None
            most = max(CANDIDATES, k)
            asked = _Asked(about, principals, most, where, arms, is_long, turn, known)
            vectors = encoder.each_query(queries) if encoder else [None] * len(queries)
            found = [self._find(asked, k, one, vector) for one, vector in zip(queries, vectors, strict=True)]
            if all(found):
                return [one for one in found if one]
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

    def _find(self, asked: _Asked, k: int, query: str, vector: NDArray[np.float32] | None) -> Finding | None:
        """What is found for one query; None where the vectors of the base are another embedder's by now."""
        phrases = quoted(query, is_part=query != asked.about)
        asked = replace(asked, query=query, wording=query, phrases=phrases, vector=vector)
        with self.store.view() as view:
            return None if asked.known and view.turn != asked.turn else self._search(view, asked, k)

    def _search(self, view: View, asked: _Asked, k: int) -> Finding:
        query, phrases, where, by_words = asked.query, asked.phrases, asked.where, "words" in asked.arms
        groups = self.store.catalog.audiences()
        visible = audiences(groups, asked.principals)
        asked = replace(asked, limited=sorted(visible) if len(groups) > 1 else None)
        found = self._found(view, asked)
        marks = identified_in(view.words, query, found.scores) if by_words else {}
        most = max(k, CANDIDATES if phrases or marks else min(2 * k, CANDIDATES))
        hits = self._hits(ranked(found.scores), max(most, FIRST) if by_words else most, visible, where)
        if by_words and (documents := self._named(view, asked, hits[:FIRST], visible)):
            asked = replace(asked, wording=without_fillers(query))
            found = self._found(view, asked, self._within(view, asked, documents))
            hits = favoured(self._hits(ranked(found.scores), len(found.scores), visible, where), documents, asked.about)
        hits = identified(hits[:most], marks) if marks else hits[:most]
        hits = cited(hits) if len(asked.arms) > 1 else hits
        hits = (as_written(hits, phrases, query) if phrases else hits)[:k]
        return Finding(hits, functools.partial(_judged, view.words, query, found) if by_words else list)

    def _found(self, view: View, asked: _Asked, also: Collection[int] = ()) -> _Found:
        """What both arms say of their candidates and of some other chunks."""
        query, where, known, words, meaning, coverage = asked.query, asked.where, asked.known, Arm({}), Meaning(), 1.0
        if "words" in asked.arms:
            words = view.words.search(asked.wording, asked.most, asked.limited, where)
            for phrase in asked.phrases:  # what has all of its words comes first here, whatever else is asked
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
        for word, documents in naming(said, known).items():
            if not any(map(asked.is_long, documents)):
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


def _judged(index: KeywordIndex, query: str, found: _Found, hits: Sequence[Hit]) -> list[Hit]:
    """The hits with their relevance."""
    meaning, wanted = found.meaning, content(query)
    if not hits or not wanted or len(index) < LEAST_CHUNKS:
        return list(hits)
    said = index.said(wanted, [hit.chunk_id for hit in hits])
    understood = found.coverage if meaning.arm.scores else 0.0
    chinese = float(language_of(query) == "zh")
    judged = []
    for hit in hits:
        number = hit.chunk_id
        foreign = number in meaning.foreign  # only the vectors can tell
        other = not foreign and is_in_another_tongue(query, hit.text)  # of its names the words tell too
        if (foreign or other) and not meaning.judges:
            judged.append(hit)
            continue
        nearness = understood * meaning.arm.standard(number)
        reached = found.words.scores.get(number, 0.0) / found.reach
        signs = [] if foreign else [Signs(reached, said.get(number, 0.0), nearness, understood, chinese)]
        if foreign or other:
            signs.append(Signs(0.0, 0.0, 0.0, understood, chinese, 1.0, nearness))
        judged.append(replace(hit, relevance=round(max(map(relevance, signs)), 4)))
    return judged
