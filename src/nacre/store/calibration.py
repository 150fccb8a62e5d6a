"""What is found out about an embedder, and remembered with the base: how far it understands a language, and how much
its cosines scatter.

A sentence is asked as a query: an embedder at home in its language puts the chunk that it was taken from five standard
deviations and more above the rest; one that sees only strange letters puts it two or three above.
Measured: 5.4 to 6.1 for all-MiniLM-L6-v2 on three English sets, 2.7 and 3.5 on two Chinese ones.

Cosines of unrelated texts scatter by .1 with all-MiniLM-L6-v2 and by .02 with multilingual-e5-small. A base of a few
chunks cannot show that; some sentences that have nothing to do with each other can.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nacre.store.encoder import Encoder
from nacre.store.protocol import DocumentStore, VectorIndex, WriteSession
from nacre.text.language import Language, language_of, tr
from nacre.text.tokens import estimate
from nacre.text.words import only_names, sentences
from nacre.text.writing import NAMES, SAMPLES, listed_writings

READS = 0.5  # coverage from which an embedder counts as reading a writing

_NAMES = 0.5  # a number that stands in one chunk or two is found first by it (.47 to .80 of them by 1); so is by .1
_KEY, _DEVIATION = "coverage", "deviation"
MEASURED = (_KEY, _DEVIATION)
"""Keys of what is remembered: a copy without them would rank otherwise."""
_LOOKED_AT = 400  # chunks, to find sentences of both languages
_SAMPLE = 16  # sentences of a language
_LEAST_CHUNKS = 64  # in a smaller base a standard deviation says little
_STRANGE, _AT_HOME = 3.0, 5.0  # standard deviations
UNRELATED: Mapping[Language, tuple[str, ...]] = {
    "en": (
        "The bakery on the corner opens at six in the morning.",
        "Glaciers carve deep valleys over thousands of years.",
        "Please restart the router when the red light blinks.",
        "She won the chess tournament at the age of twelve.",
        "Invoices are paid within thirty days of receipt.",
        "Whales communicate over great distances by low sounds.",
        "Add two eggs and a pinch of salt to the flour.",
        "The court dismissed the appeal for lack of evidence.",
        "Vaccines train the immune system to recognise a virus.",
        "Tickets for the concert sold out within minutes.",
        "Steel expands when it is heated and shrinks as it cools.",
        "The garden needs water every second day in summer.",
    ),
    "zh": (
        "街角的面包店早上六点开门。",
        "冰川经过几千年刻出深谷。",
        "红灯闪烁时请重新启动路由器。",
        "她十二岁就赢得了象棋比赛。",
        "发票在收到后三十天内付款。",
        "鲸鱼用低沉的声音远距离交流。",
        "在面粉里加两个鸡蛋和一小撮盐。",
        "法院因证据不足驳回了上诉。",
        "疫苗训练免疫系统识别病毒。",
        "演唱会的门票几分钟就卖光了。",
        "钢铁受热膨胀，冷却时收缩。",
        "夏天花园隔一天要浇一次水。",
    ),
}


def calibrate(catalog: DocumentStore, session: WriteSession, index: VectorIndex, encoder: Encoder) -> None:
    """Measure and remember, when the base is new or has grown by half since the last time.

    Args:
        encoder: the embedder; one that tells its coverage is not measured.
    """
    if catalog.meta(_DEVIATION) is None:
        named = encoder.identity.get("named", True)
        session.remember(_DEVIATION, json.dumps(scatter(encoder) if named else _scatter_within(catalog, index)))
    kept = json.loads(catalog.meta(_KEY) or "{}")
    if encoder.coverage("") is not None or len(index) < max(_LEAST_CHUNKS, 1.5 * kept.get("chunks", 0)):
        return
    found: dict[str, float] = {"chunks": len(index)}
    rows = catalog.sample(_LOOKED_AT)
    languages: tuple[Language, ...] = ("en", "zh")
    for language in languages:
        sample = [(number, text) for number, text in rows if language_of(text) == language][:_SAMPLE]
        if len(sample) >= _SAMPLE // 2:
            mean = sum(_stands_out(index, encoder, number, text) for number, text in sample) / len(sample)
            found[language] = round(min(1.0, max(0.0, (mean - _STRANGE) / (_AT_HOME - _STRANGE))), 3)
    session.remember(_KEY, json.dumps(found))


class Known:
    """What is known of an embedder in a base."""

    def __init__(self, catalog: DocumentStore, encoder: Encoder) -> None:
        self._catalog, self._encoder = catalog, encoder
        self._covered: dict[str, float] = {}

    @property
    def told(self) -> bool:
        """Whether the embedder itself tells what it reads."""
        return self._encoder.coverage("") is not None

    @property
    def deviation(self) -> float | None:
        """Of the cosines of texts that have nothing to do with each other; None where it was never measured."""
        kept = self._catalog.meta(_DEVIATION)
        return float(json.loads(kept)) if kept else None

    def anything(self, language: Language) -> NDArray[np.float32]:
        """The mean of queries in a language that have nothing to do with each other."""
        return _anything(self._encoder, language)

    def coverage(self, query: str) -> float:
        """How far the embedder understands a query, 0 to 1: its language, as far as that is known, and as much of it as
        it reads. Of numbers and identifiers it knows little more than how they are spelt.
        """
        if query not in self._covered:
            self._covered[query] = self._coverage(query)
        return self._covered[query]

    def _coverage(self, query: str) -> float:
        if only_names(query):
            return _NAMES
        told = self._encoder.coverage(query)
        if told is None:
            told = float(json.loads(self._catalog.meta(_KEY) or "{}").get(language_of(query), 1.0))
        read = min(1.0, self._encoder.max_tokens / max(1, estimate(query)))
        return told * read**2  # part of it is read, and in that part one question is mixed with all else

    def reads(self, writing: str) -> float:
        """How far the embedder reads a writing, 0 to 1; of one without a sample only the embedder's word counts."""
        return self.coverage(SAMPLES[writing]) if writing in SAMPLES else float(not self.told)


@functools.lru_cache(maxsize=4)
def _anything(encoder: Encoder, language: Language) -> NDArray[np.float32]:
    mean: NDArray[np.float32] = encoder.queries(UNRELATED[language]).mean(axis=0)
    return mean


def languages(catalog: DocumentStore, encoder: Encoder | None) -> list[dict[str, Any]]:
    """Which languages a base holds, from a sample, and whether the embedder reads them.

    Returns:
        {"writing", "name", "share", "read"}, the most frequent first; `read` is None where there are words only.
    """
    known = Known(catalog, encoder) if encoder else None
    shares = listed_writings(text for _, text in catalog.sample(_LOOKED_AT))
    return [
        {
            "writing": writing,
            "name": tr(NAMES[writing]),
            "share": round(share, 3),
            "read": known.reads(writing) >= READS if known else None,
        }
        for writing, share in shares.items()
    ]


def measured(catalog: DocumentStore, encoder: Encoder) -> bool:
    """Whether nothing is left to measure that the embedder alone can tell."""
    return catalog.meta(_DEVIATION) is not None or not encoder.identity.get("named", True)


@functools.lru_cache(maxsize=4)
def scatter(encoder: Encoder) -> float:
    """The deviation of an embedder's cosines, in the languages that it understands."""
    found = []
    for texts in UNRELATED.values():
        if (told := encoder.coverage(texts[0])) is None or told >= 0.5:
            cosines = encoder.queries(texts) @ encoder.documents(texts).T
            found += [float(np.delete(row, n).std()) for n, row in enumerate(cosines)]
    return round(float(np.mean(found)), 5) if found else 0.0


def _scatter_within(catalog: DocumentStore, index: VectorIndex) -> float:
    """The same by the base's own vectors: an embedder that was given as an object may cost or count."""
    there = index.vectors([number for number, _ in catalog.sample(_LOOKED_AT)])
    vectors = np.array(list(there.values()))
    pairs = (vectors @ vectors.T)[np.triu_indices(len(vectors), 1)] if len(vectors) > 2 else vectors
    return round(float(pairs.std()), 5) if len(pairs) else 0.0


def _stands_out(index: VectorIndex, encoder: Encoder, number: int, text: str) -> float:
    """How many standard deviations a chunk lies above all others when one of its sentences is asked."""
    spans = [text[start:end] for start, end in sentences(text)] or [text]
    vector = encoder.query(min(spans, key=lambda sentence: abs(len(sentence) - 60)))
    mean, deviation = index.spread(vector)[index.writing([number])[number]]
    return (index.scores(vector, [number]).get(number, mean) - mean) / deviation
