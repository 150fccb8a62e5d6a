"""How sure a figure is: bootstrap intervals and a paired test, the same every time for the same items."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist

import numpy as np

_SEED = 20260101
_DRAWS = 2000
_FLIPS, _BLOCK = 10_000, 500  # so many at a time, so that a large set does not fill the memory


def interval(values: Sequence[float], level: float = 0.95, groups: Sequence[str] | None = None) -> tuple[float, float]:
    """The interval of a mean: by bootstrap, but where all items are alike, Wilson's (1927) for shares.

    Drawing again from items that are all alike shows no spread, and 20 right answers of 20 do not prove that all are.
    Values of one group, as the paraphrases of a question are, are drawn together.
    """
    if len(values) and set(values) in ({0.0}, {1.0}):
        share, n, z = (
            float(values[0]),
            len(set(groups)) if groups else len(values),
            NormalDist().inv_cdf((1 + level) / 2),
        )
        centre, half = share + z * z / (2 * n), z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
        return max(0.0, round((centre - half) / (1 + z * z / n), 12)), min(1.0, (centre + half) / (1 + z * z / n))
    return bootstrap(values, level, groups)


def bootstrap(values: Sequence[float], level: float = 0.95, groups: Sequence[str] | None = None) -> tuple[float, float]:
    """The bootstrap percentile interval of a mean (Efron, 1979)."""
    if not len(values):
        return float("nan"), float("nan")
    sample = np.asarray(values, dtype=float)
    if groups is None or len(set(groups)) == len(values):
        means = _means(sample)
    else:
        which = np.unique(np.asarray(groups), return_inverse=True)[1]
        sums, sizes = np.bincount(which, sample), np.bincount(which).astype(float)
        means = _means(sums) / _means(sizes)  # the same draws, since the seed is
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def _means(sample: np.ndarray) -> np.ndarray:
    random = np.random.default_rng(_SEED)
    # In blocks, so that a large set does not fill the memory.
    block = max(1, 4_000_000 // len(sample))
    parts = [
        sample[random.integers(0, len(sample), (min(block, _DRAWS - at), len(sample)))].mean(axis=1)
        for at in range(0, _DRAWS, block)
    ]
    return np.concatenate(parts)


def grouped(changes: Sequence[Sequence[float]], groups: Sequence[str]) -> np.ndarray:
    """Changes, (metrics, items), summed over the items of a group, so that it counts as one: (metrics, groups)."""
    which = np.unique(np.asarray(groups), return_inverse=True)[1]
    return np.array([np.bincount(which, row) for row in np.asarray(changes, dtype=float)])


def paired_losses(changes: Sequence[Sequence[float]] | np.ndarray) -> list[float]:
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
    standard, observed = standard[order], observed[order]
    # How often chance reaches each observed statistic, counting the largest of it and all that stand out less.
    dice, reached = np.random.default_rng(_SEED), np.zeros(len(observed))
    for _ in range(_FLIPS // _BLOCK):
        signs = dice.choice(np.array([-1, 1], np.float32), size=(_BLOCK, standard.shape[1]))
        largest = np.maximum.accumulate((signs @ standard.T)[:, ::-1], axis=1)[:, ::-1]
        reached += (largest >= observed - 1e-4).sum(axis=0)
    # A metric is never surer than one that stands out more.
    for metric, p in zip(live[order], np.maximum.accumulate((reached + 1) / (_FLIPS + 1)), strict=True):
        found[int(metric)] = float(p)
    return found


def smallest_drop(n: int, noise: float, alpha: float, power: float = 0.8) -> float | None:
    """The smallest drop (0 to 1) of a share that a paired sign test over n questions shows; None where none is seen.

    `noise` is the share of them that changes between two runs that are alike, `alpha` the level of the test.
    """
    low, high = 0.0, 1.0 - noise / 2
    if _power(n, noise, high, alpha) < power:
        return None
    while high - low > 0.0005:
        middle = (low + high) / 2
        low, high = (low, middle) if _power(n, noise, middle, alpha) >= power else (middle, high)
    return high


def _power(n: int, noise: float, drop: float, alpha: float) -> float:
    """How often a drop is shown, when of the m questions that change more change for the worse than chance would."""
    worse = min(1.0, noise / 2 + drop)
    changed = min(1.0, worse + noise / 2)
    spread = 6 * math.sqrt(n * changed * (1 - changed)) + 8
    chances = _binomial(n, changed)
    total = 0.0
    for m in range(max(0, int(n * changed - spread)), min(n, int(n * changed + spread)) + 1):
        rare = np.flatnonzero(_tails(m, 0.5) < alpha)
        if len(rare):
            total += chances[m] * _tails(m, worse / changed)[rare[0]]
    return float(total)


def _tails(n: int, p: float) -> np.ndarray:
    """The chances of k or more successes, for k from 0 to n."""
    found: np.ndarray = np.cumsum(_binomial(n, p)[::-1])[::-1]
    return found


def _binomial(n: int, p: float) -> np.ndarray:
    """The chances of 0 to n successes."""
    k = np.arange(n + 1)
    if p >= 1:
        return np.asarray(k == n, dtype=float)
    logs = np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, n + 1)))])
    found: np.ndarray = np.exp(logs[n] - logs - logs[::-1] + k * math.log(max(p, 1e-300)) + (n - k) * math.log1p(-p))
    return found
