"""Parsing in worker processes that may die: a hostile or broken file costs its own row and nothing else.

A worker is a child process with a length-framed pipe: nothing is pickled, the caller's `__main__` is not run again
and no key of the environment is inherited. It stays warm, so that a small file costs milliseconds. The kernel keeps the
limits (address space, no files written, an alarm) and the walls (see `walls`); the parent ends a worker that does
nothing. Pages that only OCR can read are read by a worker of another kind, with more memory and time.
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
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from nacre.documents import ocr
from nacre.documents.dispatch import MIME
from nacre.documents.document import ParsedDocument, from_data
from nacre.documents.limits import Limits, OnPage, Options
from nacre.documents.office_converter import NEW, NeedsConversion, convert, program
from nacre.errors import ParseError
from nacre.system import child_process
from nacre.text.language import tr, user_language

_START_SECONDS = 60.0
_IDLE_SECONDS = 30.0  # by the clock, without using the processor
_PATIENCE = 2.25  # times the processor time, by the clock, where a system does not tell what a process used
_ALARM = 60  # the same for a worker whose parent is gone
_ANSWER_BYTES = 1 << 30
_PAGE = b'{"read"'  # a message between request and answer
_ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
# After so much input a worker is replaced: what its C libraries leak or keep goes with it.
_WORN_BYTES = 256 << 20


class ParserPool:
    """Worker processes that parse. Safe to share between threads; each call takes one worker, started when needed.

    Args:
        timeout_s: time for a small document; a bigger file earns more (see `Limits`). None keeps the limits' own.
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
        self.limits = Limits(**{**asdict(limits or Limits()), **changes})
        self.options = options or Options()
        self.workers = workers or min(8, os.cpu_count() or 1)
        self._free = threading.BoundedSemaphore(self.workers)
        self._idle: deque[_Worker] = deque()
        self._lock = threading.Lock()
        self._closed = False

    def parse(
        self, data: bytes, *, name: str, mime: str | None = None, password: str = "", on_page: OnPage = None
    ) -> ParsedDocument:
        """Parse one document in a worker; an old office file after it was made a new one, where that can be done."""
        try:
            return self._parse(data, name, mime or "", password, on_page)
        except NeedsConversion as old:
            if not program():
                raise ParseError(old.message, uri=name) from None
            made = self._parse(convert(data, old.kind), name, "", password, on_page)
            return replace(made, mime=MIME[old.kind])

    def _parse(self, data: bytes, name: str, mime: str, password: str, on_page: OnPage) -> ParsedDocument:
        """The document, its pictures of text read where they can be."""
        options = json.dumps(asdict(self.options))
        request = {"name": name, "mime": mime, "password": password, "options": options}
        seconds = self.limits.deadline(data)
        answer = self._ask(request, data, seconds, None)
        scans = min(len(answer["scans"]), self.limits.ocr_pages)
        if not scans or not ocr.installed():
            return _result(answer, name)
        try:
            seconds += scans * self.limits.ocr_seconds
            return _result(self._ask(request, data, seconds, on_page or (lambda page, pages: None)), name)
        except ParseError as error:
            if "reason" in answer:
                raise
            found = _result(answer, name)
            return replace(found, warnings=(*found.warnings, tr("OCR failed: {why}", why=error.message)))

    def _ask(self, request: dict[str, str], data: bytes, seconds: float, on_page: OnPage) -> dict[str, Any]:
        """What a worker, which may lie, says of a document."""
        with self._free:
            worker = self._take(reads=on_page is not None)
            try:
                answer = worker.ask(request, data, seconds, on_page)
            except BaseException as error:
                worker.kill()
                if isinstance(error, _Death):
                    raise ParseError(str(error), uri=request["name"]) from None
                raise
            self._give(worker, worn=worker.taken > _WORN_BYTES)
        try:
            told = json.loads(answer)
            return {**told, "scans": list(told["scans"])}
        except (ValueError, TypeError, KeyError) as error:
            raise ParseError(tr("its parser gave back nonsense"), uri=request["name"]) from error

    def peak_bytes(self) -> int:
        """The most memory that any idle worker has held so far."""
        with self._lock:
            return max((worker.peak_bytes() for worker in self._idle), default=0)

    def used_seconds(self) -> float:
        """Processor time that the idle workers have used so far; 0 where the system does not tell."""
        with self._lock:
            return sum(worker.used_seconds() or 0.0 for worker in self._idle)

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

    def __exit__(self, *raised: object) -> None:
        self.close()

    def _take(self, reads: bool = False) -> _Worker:
        with self._lock:
            if self._closed:
                raise ParseError(tr("the parser pool is closed"), uri="")
            worker = next((one for one in reversed(self._idle) if one.reads == reads), None)
            if worker is not None:
                self._idle.remove(worker)
        if worker is not None and worker.process.poll() is None:
            return worker
        if worker is not None:
            worker.kill()
        return _Worker(self.limits, reads)

    def _give(self, worker: _Worker, worn: bool) -> None:
        with self._lock:
            if not self._closed and not worn:
                self._idle.append(worker)
                return
        worker.kill()


class _Death(Exception):
    """The worker died or had to be killed; the reason is for people."""


class _Worker:
    """One child process and its two pipes."""

    def __init__(self, limits: Limits, reads: bool = False) -> None:
        self.limits = replace(limits, memory_bytes=limits.ocr_memory_bytes) if reads else limits
        self.reads = reads
        self.process = child_process.start(
            child_process.module("nacre.documents.worker_main"),
            child_process.environment() | {"NACRE_LANG": user_language(), "PYTHONHASHSEED": "0", **_ONE_THREAD},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            new_session=True,
        )
        self.taken = 0
        self.seconds = _START_SECONDS
        try:
            self._send(json.dumps({**asdict(self.limits), "reads": reads}).encode())
            self.missing_walls: dict[str, str] = json.loads(self._receive())
        except (_Death, ValueError):
            self.kill()
            raise ParseError(tr("a parser process cannot start here"), uri="") from None

    def ask(self, request: dict[str, str], data: bytes, seconds: float, on_page: OnPage) -> bytes:
        """Send one document, wait for its answer."""
        head = json.dumps(request | {"seconds": str(seconds), "alarm": str(_ALARM * (int(seconds) + 1))}).encode()
        self.taken += len(data)
        self.seconds = seconds
        self._send(head)
        self._send(data)
        while (answer := self._receive()).startswith(_PAGE):
            if on_page:
                on_page(*json.loads(answer)["read"])
        return answer

    def used_seconds(self) -> float | None:
        """Processor time that the process has used; None where the system does not tell."""
        try:
            fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            return None
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

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

    def _wait(self, reading: list[int], writing: list[int]) -> None:
        """Until a pipe is ready: as long as the process works, and has not worked for more than it may."""
        began = quiet = time.monotonic()
        used: float | None = None
        start = self.used_seconds()
        while not any(select.select(reading, writing, [], 0.5)):
            now, before = time.monotonic(), used
            used = self.used_seconds()
            if used != before:
                quiet = now
            too_long = used is not None and start is not None and used - start > _PATIENCE * self.seconds
            blind = used is None and now - began > _PATIENCE * self.seconds
            if too_long or blind or now - quiet > _IDLE_SECONDS:
                raise _Death(self._too_slow())

    def _send(self, frame: bytes) -> None:
        assert self.process.stdin is not None
        out = self.process.stdin.fileno()
        os.set_blocking(out, False)
        view = memoryview(struct.pack(">Q", len(frame)) + frame)
        while view:
            self._wait([], [out])
            try:
                view = view[os.write(out, view[: 1 << 20]) :]
            except BlockingIOError:
                continue
            except BrokenPipeError:
                raise _Death(self._cause()) from None

    def _receive(self) -> bytes:
        size = struct.unpack(">Q", self._read(8))[0]
        if size > _ANSWER_BYTES:
            raise _Death(tr("its text is too big"))
        return self._read(size)

    def _read(self, size: int) -> bytes:
        assert self.process.stdout is not None
        source, parts = self.process.stdout.fileno(), bytearray()
        while len(parts) < size:
            self._wait([source], [])
            piece = os.read(source, min(size - len(parts), 1 << 20))
            if not piece:
                raise _Death(self._cause())
            parts += piece
        return bytes(parts)

    def _too_slow(self) -> str:
        return tr("it was not parsed within {seconds:.0f} s; split it", seconds=self.seconds)

    def _cause(self) -> str:
        code = self.process.wait()
        if code in {-signal.SIGPROF, -signal.SIGALRM}:
            return self._too_slow()
        if code == 77:
            most = self.limits.memory_bytes >> 20
            return tr("it needs more than {most} MiB of memory to parse; split it", most=most)
        return tr("it crashed its parser (exit status {code}), perhaps for want of memory", code=code)


def _result(data: dict[str, Any], name: str) -> ParsedDocument:
    try:
        if data.get("convert") in NEW:
            raise NeedsConversion(data["convert"])
        if "reason" in data:
            raise ParseError(str(data["reason"]), uri=name)
        return from_data(data)
    except (ValueError, TypeError, KeyError, IndexError, AttributeError) as error:
        raise ParseError(tr("its parser gave back nonsense"), uri=name) from error
