"""One run: the program goes into a child, output and an answer come out, and a deadline holds."""

from __future__ import annotations

import os
import select
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from nacre.reasoning.sandbox.helper import Child, kill
from nacre.reasoning.sandbox.limits import Limits

STARTED = b"s"  # the first byte of every answer, written when the program has arrived
_PART = 1 << 16
_BESIDE_THE_VALUE = 1 << 19  # nonce, status, the cells that were read, or the text of an error


@dataclass
class Record:
    """What came out of a child."""

    stdout: bytearray = field(default_factory=bytearray)
    stderr: bytearray = field(default_factory=bytearray)
    answer: bytearray = field(default_factory=bytearray)
    ended: str = "closed"  # "closed" by the child; "time" or "output": a limit was passed and it was killed
    seconds: float = 0.0

    @property
    def started(self) -> bool:
        """Whether the child took the whole program."""
        return self.answer[:1] == STARTED


def exchange(child: Child, request: bytes, limits: Limits, timeout_s: float) -> Record:
    """Give a child its program and collect what it says until it ends or a limit is passed."""
    start = time.monotonic()
    record = Record()
    sinks = {child.stdout: (record.stdout, limits.output), child.stderr: (record.stderr, limits.output)}
    sinks[child.answer] = (record.answer, limits.value + _BESIDE_THE_VALUE)
    for fd in (child.program, *sinks):
        os.set_blocking(fd, False)
    record.ended = _pump(child, memoryview(request), sinks, record, start + timeout_s)
    record.seconds = time.monotonic() - start
    return record


def _pump(
    child: Child, request: memoryview, sinks: dict[int, tuple[bytearray, int]], record: Record, deadline: float
) -> str:
    poll = select.poll()
    poll.register(child.program, select.POLLOUT)
    for fd in sinks:
        poll.register(fd, select.POLLIN)
    still_open = set(sinks)
    while still_open:
        events = poll.poll(max(0.0, deadline - time.monotonic()) * 1000)
        if time.monotonic() >= deadline:
            kill(child)
            return "time"
        for fd, _ in events:
            if fd == child.program:
                written = _write(fd, request)
                request = request[max(0, written) :]
                if written < 0 or not request:
                    poll.unregister(fd)
            elif not _read(fd, sinks[fd][0]):
                poll.unregister(fd)
                still_open.discard(fd)
            elif len(sinks[fd][0]) > sinks[fd][1]:
                kill(child)
                return "output"
    return "closed"


def _write(fd: int, data: memoryview) -> int:
    """How many bytes the child took; -1 when it is dead."""
    try:
        return os.write(fd, data[:_PART])
    except BlockingIOError:
        return 0
    except BrokenPipeError:
        return -1


def _read(fd: int, sink: bytearray) -> bool:
    try:
        part = os.read(fd, _PART)
    except BlockingIOError:
        return True
    sink += part
    return bool(part)


class Stop:
    """Kills the child of one run, at once or as soon as it has one."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._child: Child | None = None
        self.asked = False  # whether the run is to end

    def now(self) -> None:
        """End the run; nothing happens when it is over."""
        with self._lock:
            self.asked = True
            if self._child is not None:
                kill(self._child)

    @contextmanager
    def kills(self, child: Child) -> Iterator[None]:
        """While this lasts, `now` kills the child; its descriptors must stay open as long."""
        with self._lock:
            self._child = child
            if self.asked:
                kill(child)
        try:
            yield
        finally:
            with self._lock:
                self._child = None
