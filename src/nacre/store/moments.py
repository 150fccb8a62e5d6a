"""Mean and spread of a query's cosines over all vectors of a base, by their writing, from the first two moments of the
vectors: additive, so that vectors may come and go.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

_USUAL = 0.1  # deviation of cosines, where the encoder's own was never measured
_USUAL_COUNTS = 20  # vectors that the encoder's own deviation is worth
_MEAN_COUNTS = 5  # and the mean of all, beside that of one writing


@dataclass
class Moments:
    """What is known of the vectors of each writing.

    Args:
        counts: how many there are, by writing.
        sums: the sum of their outer products, and below it their sum: (dim + 1, dim), by writing.
    """

    counts: dict[int, int] = field(default_factory=dict)
    sums: dict[int, NDArray[np.float64]] = field(default_factory=dict)

    def count(self, vectors: NDArray[np.float32], writings: NDArray[np.int64], sign: int) -> None:
        """Take some vectors in (1) or out (-1)."""
        for writing in np.unique(writings).tolist():
            mine = vectors[writings == writing]
            more = np.vstack([mine.T @ mine, mine.sum(axis=0, dtype=np.float64)[None, :]]).astype(np.float64)
            self.sums[writing] = self.sums.get(writing, 0.0) + sign * more
            self.counts[writing] = self.counts.get(writing, 0) + sign * len(mine)
            if not self.counts[writing]:
                del self.counts[writing], self.sums[writing]

    def means(self) -> dict[int, NDArray[np.float64]]:
        """The mean vector of each writing, near that of all where there are few."""
        usual = sum(sums[-1] for sums in self.sums.values()) / max(1, sum(self.counts.values()))
        return {
            writing: (self.sums[writing][-1] + _MEAN_COUNTS * usual) / (count + _MEAN_COUNTS)
            for writing, count in self.counts.items()
        }

    def spread(self, vector: NDArray[np.float32], usual: float | None) -> dict[int, tuple[float, float]]:
        """Mean and standard deviation of a query's cosines.

        Args:
            usual: deviation that the encoder shows elsewhere; few vectors leave theirs near it.
        """
        found = {}
        for writing, mean in self.means().items():
            count, sums = self.counts[writing], self.sums[writing]
            centre = float(sums[-1] @ vector) / count
            variance = max(0.0, float(vector @ sums[:-1] @ vector) / count - centre * centre)
            prior = _USUAL_COUNTS * (usual or _USUAL) ** 2
            deviation = np.sqrt((count * variance + prior) / (count + _USUAL_COUNTS))
            found[writing] = (float(mean @ vector), float(deviation))
        return found
