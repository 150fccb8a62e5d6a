"""What one index says of the candidates of a search."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Arm:
    """What one index says of the candidates.

    Args:
        scores: score by chunk number; a missing chunk has score 0.
    """

    scores: Mapping[int, float]
    mean: float = 0.0
    deviation: float = 1.0

    def standard(self, number: int) -> float:
        """How far a chunk stands out."""
        return (self.scores.get(number, 0.0) - self.mean) / self.deviation
