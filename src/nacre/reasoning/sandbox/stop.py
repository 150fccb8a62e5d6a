"""End a run from another thread, as the cancellation of a task does."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from nacre.reasoning.sandbox.helper import Child, kill


class Stop:
    """Kills the child of one run, at once or as soon as it has one."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._child: Child | None = None
        self._asked = False

    @property
    def asked(self) -> bool:
        """Whether the run is to end."""
        return self._asked

    def now(self) -> None:
        """End the run; nothing happens when it is over."""
        with self._lock:
            self._asked = True
            if self._child is not None:
                kill(self._child)

    @contextmanager
    def kills(self, child: Child) -> Iterator[None]:
        """While this lasts, `now` kills the child; its descriptors must stay open as long."""
        with self._lock:
            self._child = child
            if self._asked:
                kill(child)
        try:
            yield
        finally:
            with self._lock:
                self._child = None
