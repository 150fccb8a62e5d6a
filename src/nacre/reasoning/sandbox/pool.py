"""Keeps one helper alive for any number of threads: starts it late, replaces it when it dies or grows old."""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Callable

from nacre.reasoning.sandbox.helper import Child, Helper, HelperGone

_RETIRE_AFTER = 2000  # runs of one helper share its hash seed and address layout; a new one draws new ones
_TRIES = 3


class Pool:
    """Children from a helper that is always there."""

    def __init__(self, start: Callable[[], Helper]) -> None:
        self._start = start
        self._lock = threading.Lock()
        self._helper: Helper | None = None
        self._using: dict[Helper, int] = {}
        self._renewing = False
        self._pid = os.getpid()
        self._finalizer = weakref.finalize(self, _close_all, self._using)

    def take(self) -> tuple[Helper, Child]:
        """A helper and one of its waiting children; give both back with `give_back`."""
        for _ in range(_TRIES):
            helper = self.helper()
            try:
                return helper, helper.take()
            except HelperGone:
                self._drop(helper)
        helper = self.helper()
        return helper, helper.take()

    def helper(self) -> Helper:
        """The current helper, counted as in use until `give_back`."""
        with self._lock:
            self._notice_fork()
            if self._helper is None:
                self._helper = self._start()
                self._using[self._helper] = 0
            elif self._helper.made >= _RETIRE_AFTER and not self._renewing:
                self._renewing = True
                threading.Thread(target=self._renew, name="nacre-sandbox", daemon=True).start()
            self._using[self._helper] += 1
            return self._helper

    def give_back(self, helper: Helper, child: Child | None = None) -> None:
        """Return what `take` or `helper` gave; the child ends now if it has not."""
        if child is not None:
            helper.release(child)
        with self._lock:
            self._using[helper] -= 1
            self._close_if_idle(helper)

    def discard(self, helper: Helper) -> None:
        """Use this helper no more for new runs: it died or misbehaved."""
        with self._lock:
            if self._helper is helper:
                self._helper = None

    def close(self) -> None:
        """End the helper once its runs are over."""
        with self._lock:
            helper, self._helper = self._helper, None
            if helper is not None:
                self._close_if_idle(helper)

    def _drop(self, helper: Helper) -> None:
        self.discard(helper)
        self.give_back(helper)

    def _close_if_idle(self, helper: Helper) -> None:
        if helper is not self._helper and self._using.get(helper) == 0:
            del self._using[helper]
            helper.close()

    def _renew(self) -> None:
        try:
            fresh = self._start()
        except Exception:
            return  # the old one still serves
        finally:
            self._renewing = False
        with self._lock:
            old, self._helper = self._helper, fresh
            self._using[fresh] = 0
            if old is not None:
                self._close_if_idle(old)

    def _notice_fork(self) -> None:
        """After os.fork() the helper belongs to the parent process; this one needs its own."""
        if self._pid == os.getpid():
            return
        for helper in self._using:
            helper.abandon()
        self._using.clear()
        self._helper, self._pid = None, os.getpid()


def _close_all(using: dict[Helper, int]) -> None:
    for helper in list(using):
        helper.close()
