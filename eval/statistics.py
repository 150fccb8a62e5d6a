"""How sure a figure is: bootstrap intervals and a paired test, the same every time for the same items."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist

import numpy as np

_SEED = 20260101
_DRAWS = 2000
_FLIPS = 10_000


def interval(values: Sequence[float], level: float = 0.95) -> tuple[float, float]:
    """The interval of a mean: by bootstrap, but where every item is right, or every one wrong, Wilson's (1927) for
    shares.

    Drawing again from items that are all alike shows no spread, and 20 right answers of 20 do not prove that all are.

    Args:
        level: coverage, 0 to 1.
    """
    if len(values) and set(values) in ({0.0}, {1.0}):
        return _wilson(float(values[0]), len(values), level)
    return bootstrap(values, level)


def bootstrap(values: Sequence[float], level: float = 0.95) -> tuple[float, float]:
    """The bootstrap percentile interval of a mean (Efron, 1979).

    Args:
        level: coverage, 0 to 1.
    """
    if not len(values):
        return float("nan"), float("nan")
    low, high = np.quantile(_means(np.asarray(values, dtype=float)), [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def _wilson(share: float, n: int, level: float) -> tuple[float, float]:
    z = NormalDist().inv_cdf((1 + level) / 2)
    centre, half = share + z * z / (2 * n), z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return max(0.0, round((centre - half) / (1 + z * z / n), 12)), min(1.0, (centre + half) / (1 + z * z / n))


def _means(sample: np.ndarray) -> np.ndarray:
    random = np.random.default_rng(_SEED)
    # In blocks, so that a large set does not fill the memory.
    block = max(1, 4_000_000 // len(sample))
    parts = [
        sample[random.integers(0, len(sample), (min(block, _DRAWS - at), len(sample)))].mean(axis=1)
        for at in range(0, _DRAWS, block)
    ]
    return np.concatenate(parts)


def paired_losses(changes: Sequence[Sequence[float]]) -> list[float]:
    """Whether the same items went worse, by several metrics at once: a paired sign-flip test (Fisher, 1935).

    Looking at five metrics gives five chances of a false alarm. The step-down maximum of Westfall and Young (1993)
    corrects for that exactly as far as the metrics differ: signs are flipped for an item as a whole, so metrics that
    move together count as one. (Holm's correction would count them five times and miss small, sure losses.)

    Args:
        changes: (metrics, items) after minus before, turned so that less than 0 is worse; 0 where an item has no value.
    """
    moved = np.asarray(changes, dtype=np.float32)
    moved = moved[:, (moved != 0).any(axis=0)]
    scale = np.sqrt((moved**2).sum(axis=1))
    live = np.flatnonzero(scale > 0)
    found = [1.0] * len(scale)
    if not len(live):
        return found
    standard = moved[live] / scale[live, None]
    observed = -standard.sum(axis=1)
    order = np.argsort(-observed, kind="stable")
    reached = _reached(standard[order], observed[order])
    # A metric is never surer than one that stands out more.
    for metric, p in zip(live[order], np.maximum.accumulate((reached + 1) / (_FLIPS + 1)), strict=True):
        found[int(metric)] = float(p)
    return found


def _reached(standard: np.ndarray, observed: np.ndarray) -> np.ndarray:
    """How often chance reaches each observed statistic, counting the largest of it and all that stand out less."""
    random = np.random.default_rng(_SEED)
    counts = np.zeros(len(observed))
    block = 500  # flips at a time, so that a large set does not fill the memory
    for _ in range(_FLIPS // block):
        signs = random.choice(np.array([-1, 1], np.float32), size=(block, standard.shape[1]))
        chance = signs @ standard.T
        largest = np.maximum.accumulate(chance[:, ::-1], axis=1)[:, ::-1]
        counts += (largest >= observed - 1e-4).sum(axis=0)
    return counts
