"""How much work may go into reading an answer: it is a stranger's, and whoever reads it pays."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

from nacre.reasoning.sandbox.inside.encode import DEPTH, NODES
from nacre.text.language import tr

_NODES = NODES + 8_000  # the value, and beside it the cells that were read: some thousand, five parts each
_LOOK = 1000  # steps between two looks at the clock


class OutOfBudget(ValueError):
    """The answer is larger than an answer may be."""


class OutOfTime(Exception):
    """The run's time is over, or nobody waits for it any more."""


class Budget:
    """What is left for one answer, all its parts together; without a timeout nobody looks at the clock."""

    def __init__(
        self, timeout_s: float | None = None, used_s: float = 0.0, stopped: Callable[[], bool] = lambda: False
    ) -> None:
        self.timeout_s = math.inf if timeout_s is None else timeout_s
        self._deadline, self._stopped = time.monotonic() + self.timeout_s - used_s, stopped
        self._nodes, self._comparisons, self._until_look = _NODES, _NODES, _LOOK

    @property
    def spent(self) -> int:
        """Steps so far; the difference of two is the weight of what was read between them."""
        return 2 * _NODES - self._nodes - self._comparisons

    def node(self, depth: int) -> None:
        """Pay for one part of a value."""
        if depth > DEPTH:
            raise OutOfBudget(tr("it is nested deeper than {depth} levels", depth=DEPTH))
        self._nodes -= 1
        if self._nodes < 0:
            raise OutOfBudget(tr("it has more than {nodes} parts", nodes=NODES))
        self._step()

    def comparison(self, weight: int) -> None:
        """Pay for comparing what shares a hash, twice what reading it took: then sets in sets never cost more."""
        self._comparisons -= 2 * weight
        if self._comparisons < 0:
            raise OutOfBudget(tr("too many of its keys or members share a hash"))
        self._step()

    def _step(self) -> None:
        self._until_look -= 1
        if self._until_look < 0:
            self._until_look = _LOOK
            if self._stopped() or time.monotonic() > self._deadline:
                raise OutOfTime
