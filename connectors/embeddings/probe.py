"""Is the 8-bit encoder as good as the exact one, and faster? Asked once a model and machine, on a small bilingual set."""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass
from importlib.resources import files
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from nacre.connectors.embeddings.graph import Precision
    from nacre.connectors.embeddings.onnx_encoder import OnnxEncoder

T = TypeVar("T")
Vectors = np.ndarray[Any, np.dtype[Any]]

# An encoder whose vectors turn by less than this loses less than half a point of nDCG@10 (docs/embeddings.md has the figures).
_SIMILARITY = 0.995
_LEAST = 0.98
_AGREEMENT = 0.9
_SPEED_UP = 1.1
_TOP = 5


@dataclass(frozen=True)
class Verdict:
    """What the comparison on the probe set gave."""

    precision: Precision
    similarity: float
    least: float
    agreement: float
    speed_up: float

    def as_dict(self) -> dict[str, Any]:
        """The fields, as JSON takes them."""
        return asdict(self)


def probe_set() -> tuple[list[str], list[str]]:
    """Questions and passages in English and Chinese, written for this purpose."""
    lines = (files("nacre.connectors.embeddings") / "probe.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    return [row["question"] for row in rows], [row["passage"] for row in rows]


def compare(exact: OnnxEncoder, quantised: OnnxEncoder) -> Verdict:
    """Compare two encoders of one model."""
    questions, passages = probe_set()
    (p32, p8), speed_up = side_by_side(
        lambda text: exact.encode([text])[0], lambda text: quantised.encode([text])[0], passages
    )
    q32, q8 = exact.encode(questions), quantised.encode(questions)
    cosines = _cosine(np.vstack([q32, p32]), np.vstack([q8, p8]))
    best32, best8 = _best(q32, p32), _best(q8, p8)
    agreement = float(np.mean([len(set(a) & set(b)) / _TOP for a, b in zip(best32, best8, strict=True)]))
    return verdict(float(cosines.mean()), float(cosines.min()), agreement, speed_up)


def verdict(similarity: float, least: float, agreement: float, speed_up: float) -> Verdict:
    """Judge the figures of a comparison.

    Args:
        agreement: 0 to 1.
    """
    good = similarity >= _SIMILARITY and least >= _LEAST and agreement >= _AGREEMENT
    return Verdict("int8" if good and speed_up >= _SPEED_UP else "fp32", similarity, least, agreement, speed_up)


def side_by_side(
    exact: Callable[[T], Any], quantised: Callable[[T], Any], inputs: Sequence[T]
) -> tuple[tuple[Vectors, Vectors], float]:
    """Run two models on the same inputs in turns, so that a busy machine slows both.

    Returns:
        Both outputs, a row an input, and how many times faster the second is: the median over the inputs.
    """
    for run in (exact, quantised):
        run(inputs[0])  # the first run of a session allocates
    rows: tuple[list[Vectors], list[Vectors]] = ([], [])
    ratios = []
    for value in inputs:
        seconds = []
        for run, out in zip((exact, quantised), rows, strict=True):
            start = time.perf_counter()
            out.append(run(value))
            seconds.append(time.perf_counter() - start)
        ratios.append(seconds[0] / seconds[1])
    return (np.array(rows[0]), np.array(rows[1])), float(np.median(ratios))


def _cosine(a: Vectors, b: Vectors) -> Vectors:
    product: Vectors = (a * b).sum(axis=1) / (np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1))
    return product


def _best(questions: Vectors, passages: Vectors) -> NDArray[np.intp]:
    best: NDArray[np.intp] = np.argsort(-(questions @ passages.T), axis=1)[:, :_TOP]
    return best
