"""Parsing in worker processes that may die: a hostile or broken file costs its own row and nothing else.

A worker is a plain child process with a length-framed pipe, not a `multiprocessing` one: nothing is pickled, the
caller's `__main__` is not run again, and no key of the environment is inherited. It stays warm, so that a small file
costs milliseconds. The kernel keeps the limits (address space, no files written, an alarm) and the walls (see `walls`);
the parent keeps the deadline.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import select
import signal
import struct
import subprocess
import threading
import time
from collections import deque
from dataclasses import replace
from pathlib import Path
from types import TracebackType

from nacre.documents.detect import MIME
from nacre.documents.document import ParsedDocument, from_data
from nacre.documents.limits import Limits, Options
from nacre.documents.office_converter import NEW, convert, program
from nacre.errors import ParseError
from nacre.system import child_process
from nacre.text.language import tr, user_language

_START_SECONDS = 60.0
_PATIENCE = 2.25
_ANSWER_BYTES = 1 << 30
# After so much input a worker is replaced: what its C libraries leak or keep goes with it.
_WORN_BYTES = 256 << 20


class ParserPool:
    """Worker processes that parse. Safe to share between threads; each call takes one worker.

    Args:
        workers: how many processes at most; they start when first needed.
        timeout_s: time for a small document; a bigger file earns more (see `Limits`). None keeps the limits' own.
        options: what is read besides what a reader sees.

    Example:
        >>> with ParserPool(workers=1) as pool:
        ...     pool.parse(b"<h1>Hi</h1>", name="a.html").title
        'Hi'
    """

    def __init__(
        self,
        workers: int = 0,
        timeout_s: float | None = None,
        memory_bytes: int | None = None,
        limits: Limits | None = None,
        options: Options | None = None,
    ) -> None:
        changes = {k: v for k, v in (("seconds", timeout_s), ("memory_bytes", memory_bytes)) if v is not None}
        self.limits = Limits(**{**(limits or Limits()).data(), **changes})
        self.options = options or Options()
        self.workers = workers or min(8, os.cpu_count() or 1)
        self._free = threading.BoundedSemaphore(self.workers)
        self._idle: deque[_Worker] = deque()
        self._lock = threading.Lock()
        self._closed = False

    def parse(self, data: bytes, *, name: str, mime: str | None = None, password: str = "") -> ParsedDocument:
        """Parse one document in a worker; an old office file after it was made a new one, where that can be done."""
        document = self._parse(data, name, mime or "", password)
        if not isinstance(document, str):
            return document
        made = self._parse(convert(data, document), name, "", password)
        assert not isinstance(made, str)  # a new file is never old
        return replace(made, mime=MIME[document])

    def _parse(self, data: bytes, name: str, mime: str, password: str) -> ParsedDocument | str:
        options = json.dumps(self.options.data())
        request = {"name": name, "mime": mime, "password": password, "options": options}
        with self._free:
            worker = self._take()
            try:
                answer = worker.ask(request, data, self.limits.deadline(data))
            except BaseException as error:
                worker.kill()
                if isinstance(error, _Death):
                    raise ParseError(error.reason, uri=name) from None
                raise
            self._give(worker, worn=worker.taken > _WORN_BYTES)
        return _result(answer, name)

    def peak_bytes(self) -> int:
        """The most memory that any idle worker has held so far.

        Returns:
            Resident bytes; 0 where the system does not tell.
        """
        with self._lock:
            return max((worker.peak_bytes() for worker in self._idle), default=0)

    def missing_walls(self) -> dict[str, str]:
        """What this machine keeps from a worker's walls, by starting one."""
        with self._free:
            worker = self._take()
            self._give(worker, worn=False)
        return worker.missing_walls

    def close(self) -> None:
        """End all workers; a later `parse` starts new ones no more."""
        with self._lock:
            self._closed = True
            idle, self._idle = list(self._idle), deque()
        for worker in idle:
            worker.kill()

    def __enter__(self) -> ParserPool:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _take(self) -> _Worker:
        with self._lock:
            if self._closed:
                raise ParseError(tr("the parser pool is closed"), uri="")
            worker = self._idle.pop() if self._idle else None
        if worker is not None and worker.process.poll() is None:
            return worker
        if worker is not None:
            worker.kill()
        return _Worker(self.limits)

    def _give(self, worker: _Worker, worn: bool) -> None:
        with self._lock:
            if not self._closed and not worn:
                self._idle.append(worker)
                return
        worker.kill()


class _Death(Exception):
    """The worker died or had to be killed; the reason is for people."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class _Worker:
    """One child process and its two pipes."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.process = child_process.start(
            child_process.module("nacre.documents.worker_main"),
            child_process.environment() | {"NACRE_LANG": user_language(), "PYTHONHASHSEED": "0"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            new_session=True,
        )
        self.taken = 0
        self.seconds = _START_SECONDS
        deadline = time.monotonic() + _START_SECONDS
        try:
            self._send(json.dumps(limits.data()).encode(), deadline)
            self.missing_walls: dict[str, str] = json.loads(self._receive(deadline))
        except (_Death, ValueError):
            self.kill()
            raise ParseError(tr("a parser process cannot start here"), uri="") from None

    def ask(self, request: dict[str, str], data: bytes, seconds: float) -> bytes:
        """Send one document, wait for its answer."""
        # Processor time decides, for other programs may hold the machine; the clock ends a worker that only waits.
        deadline = time.monotonic() + _PATIENCE * seconds
        head = json.dumps(request | {"seconds": str(seconds), "alarm": str(int(_PATIENCE * seconds) + 2)}).encode()
        self.taken += len(data)
        self.seconds = seconds
        self._send(head, deadline)
        self._send(data, deadline)
        return self._receive(deadline)

    def peak_bytes(self) -> int:
        """Resident high-water mark of the process."""
        try:
            status = Path(f"/proc/{self.process.pid}/status").read_text()
        except OSError:
            return 0
        found = re.search(r"VmHWM:\s*(\d+) kB", status)
        return int(found.group(1)) << 10 if found else 0

    def kill(self) -> None:
        """End the process, whatever it does."""
        self.process.kill()
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                # A half-sent frame cannot be flushed to the dead.
                with contextlib.suppress(OSError):
                    pipe.close()
        self.process.wait()

    def _send(self, frame: bytes, deadline: float) -> None:
        assert self.process.stdin is not None
        out = self.process.stdin.fileno()
        os.set_blocking(out, False)
        view = memoryview(struct.pack(">Q", len(frame)) + frame)
        while view:
            if not select.select([], [out], [], max(0.0, deadline - time.monotonic()))[1]:
                raise _Death(self._too_slow())
            try:
                view = view[os.write(out, view[: 1 << 20]) :]
            except BlockingIOError:
                continue
            except BrokenPipeError:
                raise _Death(self._cause()) from None

    def _receive(self, deadline: float) -> bytes:
        size = struct.unpack(">Q", self._read(8, deadline))[0]
        if size > _ANSWER_BYTES:
            raise _Death(tr("its text is too big"))
        return self._read(size, deadline)

    def _read(self, size: int, deadline: float) -> bytes:
        assert self.process.stdout is not None
        source, parts = self.process.stdout.fileno(), bytearray()
        while len(parts) < size:
            if not select.select([source], [], [], max(0.0, deadline - time.monotonic()))[0]:
                raise _Death(self._too_slow())
            piece = os.read(source, min(size - len(parts), 1 << 20))
            if not piece:
                raise _Death(self._cause())
            parts += piece
        return bytes(parts)

    def _too_slow(self) -> str:
        return tr("it was not parsed within {seconds:.0f} s", seconds=self.seconds)

    def _cause(self) -> str:
        code = self.process.wait()
        if code in {-signal.SIGPROF, -signal.SIGALRM}:
            return self._too_slow()
        if code == 77:
            most = self.limits.memory_bytes >> 20
            return tr("it needs more than {most} MiB of memory to parse", most=most)
        return tr("it crashed its parser (exit status {code}), perhaps for want of memory", code=code)


def _result(answer: bytes, name: str) -> ParsedDocument | str:
    """The document, or the kind of an old office file that can be converted."""
    try:
        data = json.loads(answer)
        if data.get("convert") in NEW and program():
            return str(data["convert"])
        if "reason" in data:
            raise ParseError(str(data["reason"]), uri=name)
        return from_data(data)
    except (ValueError, TypeError, KeyError, IndexError, AttributeError) as error:
        raise ParseError(tr("its parser gave back nonsense"), uri=name) from error
