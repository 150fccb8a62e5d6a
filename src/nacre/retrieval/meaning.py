"""What the vectors say in a search: how far each chunk stands out among those in its writing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from nacre.retrieval.fusion import ranked
from nacre.retrieval.relevance import LEAST_CHUNKS
from nacre.store.arm import Arm
from nacre.store.calibration import READS, Known
from nacre.store.filters import Filter
from nacre.store.protocol import VectorIndex
from nacre.text.language import language_of
from nacre.text.words import only_names
from nacre.text.writing import WRITINGS, writing_of

Vector = NDArray[np.float32]

# Learned with `VECTOR_WEIGHT`, see there. What all passages of a writing have in common makes some of them near to
# every question; taking half of it out of the question helps where that is not in Latin letters (xquad_zh .973 to
# .978), and costs English .002.
_COMMON = 0.5
# For the words that a chunk in another writing cannot say, and the share of a query's words that the chunk usually says
# which says most: Chinese is counted in words and pairs. Chosen on every second question of a base in two languages.
_FOREIGN, _SAID, _SAID_IN_CHINESE = 0.45, 0.5, 0.2
# Passages near to the best ones are likelier (Rocchio, 1971): where one answer spreads over many, this finds them.
_ECHO, _ECHOING = 0.3, 8
_LEAST_ECHO = 16  # chunks in the base for each that echoes


@dataclass(frozen=True)
class Meaning:
    """The vectors' arm of a search, standardised; all of it holds within the view that it was made in.

    Args:
        foreign: as `fuse` takes it.
        judges: whether the relevance of foreign chunks may be estimated from their vectors: it was learned with
            embedders that tell what they read.
        usual: deviation of cosines that the embedder shows elsewhere, or None.
        said: the share of the query's words that one passage usually says.
    """

    arm: Arm = field(default_factory=lambda: Arm({}))
    foreign: Mapping[int, float] = field(default_factory=dict)
    judges: bool = False
    index: VectorIndex | None = None
    usual: float | None = None
    said: float = _SAID

    def echoed(self, scores: Mapping[int, float], share: float) -> dict[int, float]:
        """Scores with what their nearness to the best ones adds.

        Args:
            share: how much of it, 0 to 1.
        """
        index = self.index
        most = min(_ECHOING, len(index) // _LEAST_ECHO) if index else 0
        best = [(number, score) for number, score in ranked(scores) if number in self.arm.scores][:most]
        if not index or not best:
            return dict(scores)
        numbers = [number for number, _ in best]
        weights = np.exp(np.array([score for _, score in best]) - best[0][1])
        writings, means, vectors = index.writing(numbers), index.means(), index.vectors(numbers)
        rows = np.array([vectors[number] - means.get(writings[number], 0.0) for number in numbers])
        near = _standard(index, (weights / weights.sum() @ rows).astype(np.float32), list(scores), self.usual)
        return {number: score + _ECHO * share * near.get(number, 0.0) for number, score in scores.items()}


def towards(index: VectorIndex, query: str, vector: Vector) -> Vector:
    """The vector of a query without half of what all passages in its writing have in common."""
    mine, means = WRITINGS.index(writing_of(query)), index.means()
    if mine == WRITINGS.index("latin") or not means:
        return vector
    return (vector - _COMMON * means.get(mine, sum(means.values()) / len(means))).astype(np.float32)


def standing_out(
    index: VectorIndex, query: str, vector: Vector, texts: Sequence[str], vectors: Vector, known: Known
) -> list[float | None]:
    """How many deviations some texts lie above the mean of the passages in their writing; None where there is none.

    A small base has too few passages for a mean: there half of it is that of the texts themselves, and half of what
    each text has in common with everything (some are near to every question).
    """
    written = [WRITINGS.index(writing_of(text)) for text in texts]
    if len(index) < LEAST_CHUNKS and known.deviation:
        scores = vectors @ (vector - _COMMON * known.anything(language_of(query)))
        asked = _COMMON * (vectors @ vector)
        usual = {one: (float(asked[np.equal(written, one)].mean()), known.deviation) for one in written}
    else:
        scores = vectors @ towards(index, query, vector)
        usual = dict(index.spread(towards(index, query, vector), known.deviation))
    spread = [usual.get(one) for one in written]
    return [(float(score) - at[0]) / at[1] if at else None for score, at in zip(scores, spread, strict=True)]


def find_meaning(
    index: VectorIndex,
    query: str,
    vector: Vector,
    known: Known,
    most: int,
    audiences: Sequence[int] | None,
    where: Filter,
    also: Sequence[int],
) -> Meaning:
    """The nearest chunks of each writing, and what the vectors say of those that the words found. Of a writing that the
    embedder does not read they say nothing.

    Args:
        known: what is known of the embedder.
        most: chunks of a writing.
    """
    mine, means = WRITINGS.index(writing_of(query)), index.means()
    vector = towards(index, query, vector)
    numbers = set(also)
    others = {other for other in means if other != mine and known.reads(WRITINGS[other]) >= READS}
    for writing in {mine, *others} & means.keys():
        only = writing if len(means) > 1 else None
        numbers.update(number for number, _ in index.search(vector, most, audiences, where, only))
    writings = index.writing(sorted(numbers))
    scores = _standard(index, vector, [one for one, it in writings.items() if it in {mine, *others}], known.deviation)
    read = others if known.reads(WRITINGS[mine]) >= READS and not only_names(query) else set()
    foreign = {number: _FOREIGN for number, writing in writings.items() if writing in read}
    said = _SAID if mine == WRITINGS.index("latin") else _SAID_IN_CHINESE
    return Meaning(Arm(scores), foreign, known.told, index, known.deviation, said)


def _standard(index: VectorIndex, vector: Vector, numbers: Sequence[int], usual: float | None) -> dict[int, float]:
    """How many deviations some chunks lie above the mean of their writing."""
    writings, spread = index.writing(numbers), index.spread(vector, usual)
    found = {}
    for number, score in index.scores(vector, numbers).items():
        if writings[number] in spread:  # else its writing is new here, and not counted yet
            mean, deviation = spread[writings[number]]
            found[number] = (score - mean) / deviation
    return found
