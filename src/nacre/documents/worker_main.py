"""The child process of `ParserPool`: it reads limits, then requests and files, and writes documents or reasons."""

from __future__ import annotations

import json
import os
import resource
import signal
import struct
import sys
from typing import BinaryIO

from nacre.documents.dispatch import parse
from nacre.documents.document import to_data
from nacre.documents.limits import Limits, Options
from nacre.documents.ocr import load
from nacre.documents.office_converter import NeedsConversion
from nacre.documents.walls import raise_walls
from nacre.errors import ParseError

_OUT_OF_MEMORY = 77


def main() -> None:
    """Serve until the pipe closes."""
    source, target = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    # A library that prints must not write into the frames.
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    told = json.loads(_read(source))
    reads = told.pop("reads")
    limits = Limits(**told)
    missing = raise_walls(load if reads else None)
    _confine(limits)
    _write(target, json.dumps(missing).encode())
    while True:
        request = json.loads(_read(source))
        data = _read(source)
        # The default action of both signals ends the process even inside C code, and even when the parent is gone.
        signal.setitimer(signal.ITIMER_PROF, float(request["seconds"]))
        signal.alarm(int(request["alarm"]))
        try:
            answer = _answer(data, request, limits, target if reads else None)
        except MemoryError:
            os._exit(_OUT_OF_MEMORY)
        signal.alarm(0)
        signal.setitimer(signal.ITIMER_PROF, 0)
        _write(target, answer)


def _answer(data: bytes, request: dict[str, str], limits: Limits, target: BinaryIO | None) -> bytes:
    """The document or the reason."""

    def tell(page: int, pages: int) -> None:
        if target is not None:
            _write(target, json.dumps({"read": [page, pages]}).encode())

    asked = {key: request[key] for key in ("name", "mime", "password")}
    try:
        options = Options(**json.loads(request["options"]))
        document = parse(data, **asked, limits=limits, options=options, ocr=target is not None, on_page=tell)
    except ParseError as error:
        if isinstance(error.__cause__, MemoryError):
            raise MemoryError from error
        told = {"reason": error.message, "scans": getattr(error, "scans", ())}
        return json.dumps(told | {"convert": error.kind if isinstance(error, NeedsConversion) else ""}).encode()
    return json.dumps(to_data(document), separators=(",", ":")).encode()


def _confine(limits: Limits) -> None:
    for what, most in (
        (resource.RLIMIT_AS, limits.memory_bytes),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NOFILE, 64),
    ):
        hard = resource.getrlimit(what)[1]
        least = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(what, (least, least))


def _read(source: BinaryIO) -> bytes:
    head = source.read(8)
    if len(head) < 8:
        sys.exit(0)
    size = struct.unpack(">Q", head)[0]
    try:
        data = source.read(size)
    except MemoryError:
        os._exit(_OUT_OF_MEMORY)
    return data if len(data) == size else sys.exit(0)


def _write(target: BinaryIO, frame: bytes) -> None:
    target.write(struct.pack(">Q", len(frame)))
    target.write(frame)
    target.flush()
