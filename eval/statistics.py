"""How sure a figure is: bootstrap intervals and a paired test, the same every time for the same items."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

_SEED = 20260101
_DRAWS = 2000


def interval(values: Sequence[float], level: float = 0.95) -> tuple[float, float]:
    """The bootstrap percentile interval of a mean (Efron, 1979).

    Args:
        values: (n,) one number an item.
        level: coverage, 0 to 1.

    Returns:
        (low, high); (nan, nan) for no items.
    """
    if not len(values):
        return float("nan"), float("nan")
    sample = np.asarray(values, dtype=float)
    draws = _means(sample)
    low, high = np.quantile(draws, [(1 - level) / 2, (1 + level) / 2])
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


def paired_loss(before: Sequence[float], after: Sequence[float]) -> tuple[float, float]:
    """Whether the same items went worse: a paired sign-flip permutation test (Fisher, 1935).

    Args:
        before: (n,) one number an item.
        after: (n,) the same items, in the same order.

    Returns:
        (mean change, p): p is the chance of a loss at least this large if the two runs were alike.
    """
    change = np.asarray(after, dtype=float) - np.asarray(before, dtype=float)
    moved = change[change != 0]
    if not len(moved):
        return 0.0, 1.0
    random = np.random.default_rng(_SEED)
    observed = moved.sum()
    signs = random.choice([-1.0, 1.0], size=(10_000, len(moved)))
    worse = int((signs @ np.abs(moved) <= observed + 1e-12).sum())
    return float(change.mean()), (worse + 1) / 10_001
