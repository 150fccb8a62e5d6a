"""What the server adds to a stack: many streams at once over HTTP, beside the same stack called directly.

    .venv/bin/python bench/server.py [--json] [--streams 200] [--pieces 40] [--pause 0.25] [--requests 2000]

Every piece of an answer carries the moment at which the model made it and the number of its question, so that the delay
of each piece is measured where it arrives, and an answer that got into another stream is seen. Client, server and model
share this machine. Memory is the server's, after a warm-up and after the plain requests.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult

from nacre import KnowledgeBase
from nacre.ingest.source import TextSource
from nacre.text.messages import last_user_text

_PIECE = re.compile(rb"q(\d+)at(\d+)z")
_NUMBER = re.compile(r"number (\d+)\?")
_DOCUMENTS = 200
_CLOCK = time.perf_counter_ns  # the same clock in all processes of a Linux machine


class Stamping(BaseChatModel):
    """Writes one word in every pause: the question's number and the time."""

    pieces: int = 40
    pause_s: float = 0.25

    @property
    def _llm_type(self) -> str:
        return "stamping"

    def _generate(self, messages: Any, stop: Any = None, run_manager: Any = None, **kwargs: Any) -> ChatResult:
        return ChatResult(generations=[ChatGeneration(message=AIMessage(self._word(messages)))])

    async def _astream(
        self, messages: Any, stop: Any = None, run_manager: Any = None, **kwargs: Any
    ) -> AsyncIterator[ChatGenerationChunk]:
        for _ in range(self.pieces):
            await asyncio.sleep(self.pause_s)
            yield ChatGenerationChunk(message=AIMessageChunk(content=self._word(messages)))

    def _word(self, messages: Any) -> str:
        found = _NUMBER.findall(last_user_text(messages))
        return f" q{found[-1] if found else 0}at{_CLOCK()}z"


@dataclass
class Seen:
    """What arrived."""

    delays_ms: list[float] = field(default_factory=list)
    errors: int = 0
    mixed: int = 0

    def take(self, number: int, data: bytes) -> int:
        """Note every whole piece in some data; gives the place behind the last."""
        now, end = _CLOCK(), 0
        for piece in _PIECE.finditer(data):
            self.mixed += int(piece[1]) != number
            self.delays_ms.append((now - int(piece[2])) / 1e6)
            end = piece.end()
        return end

    def quantile(self, share: float) -> float:
        """A quantile of the delays in milliseconds."""
        ordered = sorted(self.delays_ms)
        return round(ordered[min(len(ordered) - 1, int(share * len(ordered)))], 2)


def fill(folder: Path) -> None:
    """A small knowledge base, searched by words."""
    with KnowledgeBase.open(folder, "none") as base:
        texts = [
            (f"memory:bench/{n}.md", f"Buoy number {n} is painted red and rings at night.") for n in range(_DOCUMENTS)
        ]
        base.sync(TextSource("memory:bench/", texts))


def stacked(folder: Path, arguments: argparse.Namespace) -> tuple[Any, BaseChatModel]:
    """The server's settings, and the model inside its stacks."""
    from nacre.server.settings import Settings

    return Settings(kb=folder), Stamping(pieces=arguments.pieces, pause_s=arguments.pause)


def question(number: int) -> str:
    """One that some passage fits, with its number."""
    return f"Which buoy is painted red? This is number {number}?"


async def direct(folder: Path, arguments: argparse.Namespace) -> Seen:
    """All streams at once in this process."""
    from nacre.layers.rag import RetrievalAugmented

    _, leaf = stacked(folder, arguments)
    with KnowledgeBase.open(folder) as base:
        model, seen = RetrievalAugmented(inner=leaf, retriever=base.retriever(k=6)), Seen()

        async def one(number: int) -> None:
            async for chunk in model.astream(question(number)):
                seen.take(number, str(chunk.content).encode())

        await asyncio.gather(*(one(number) for number in range(arguments.streams)))
    return seen


async def served(port: int, arguments: argparse.Namespace) -> Seen:
    """All streams at once over HTTP."""
    seen = Seen()

    async def one(number: int) -> None:
        try:
            rest, whole = b"", b""
            async for data in post(
                port, {"model": "nacre", "stream": True, "messages": [{"role": "user", "content": question(number)}]}
            ):
                rest += data
                rest = rest[seen.take(number, rest) :]
                whole = (whole + data)[-200:]
            seen.errors += b"[DONE]" not in whole
        except OSError:
            seen.errors += 1

    await asyncio.gather(*(one(number) for number in range(arguments.streams)))
    return seen


async def post(port: int, body: dict[str, Any]) -> AsyncIterator[bytes]:
    """The raw bytes of an answer: a client that costs next to nothing."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    content = json.dumps(body).encode()
    head = (
        "POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(content)}\r\nConnection: close\r\n\r\n"
    )
    writer.write(head.encode() + content)
    try:
        while data := await reader.read(65536):
            yield data
    finally:
        writer.close()


async def plain(port: int, count: int) -> int:
    """Whole answers, eight at a time; gives how many were none."""
    wrong = 0

    async def some(numbers: range) -> None:
        nonlocal wrong
        for number in (n % _DOCUMENTS for n in numbers):
            data = b"".join(
                [
                    part
                    async for part in post(
                        port, {"model": "nacre", "messages": [{"role": "user", "content": question(number)}]}
                    )
                ]
            )
            if f"q{number}at".encode() not in data:
                wrong += 1
                if wrong == 1:
                    print(data[-600:], file=sys.stderr)

    await asyncio.gather(*(some(range(first, count, 8)) for first in range(8)))
    return wrong


def resident_mib(process: int) -> float:
    """Memory of a process."""
    pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
    return round(pages * 4096 / 2**20, 1)


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """All figures."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "kb"
        fill(folder)
        alone = asyncio.run(direct(folder, arguments))
        command = [
            sys.executable,
            __file__,
            "--serve",
            str(folder),
            "--pieces",
            str(arguments.pieces),
            "--pause",
            str(arguments.pause),
        ]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
            try:
                assert server.stdout is not None
                port = int(server.stdout.readline())
                over = asyncio.run(served(port, arguments))
                wrong = asyncio.run(plain(port, 500))
                before = resident_mib(server.pid)
                began = time.perf_counter()
                wrong += asyncio.run(plain(port, arguments.requests))
                seconds = time.perf_counter() - began
                after = resident_mib(server.pid)
            finally:
                server.terminate()
    return {
        "streams": arguments.streams,
        "pieces": len(over.delays_ms),
        "expected_pieces": arguments.streams * arguments.pieces,
        "errors": over.errors,
        "mixed": over.mixed,
        "direct_ms_p50": alone.quantile(0.5),
        "direct_ms_p99": alone.quantile(0.99),
        "served_ms_p50": over.quantile(0.5),
        "served_ms_p99": over.quantile(0.99),
        "added_ms_p50": round(over.quantile(0.5) - alone.quantile(0.5), 2),
        "added_ms_p99": round(over.quantile(0.99) - alone.quantile(0.99), 2),
        "requests": arguments.requests,
        "wrong": wrong,
        "requests_per_second": round(arguments.requests / seconds, 1),
        "memory_mib_before": before,
        "memory_mib_after": after,
    }


def serve(arguments: argparse.Namespace) -> None:
    """Be the server: print the port, then serve until terminated."""
    import socket

    import uvicorn

    from nacre.server.app import create_app

    settings, leaf = stacked(Path(arguments.serve), arguments)
    listening = socket.create_server(("127.0.0.1", 0), backlog=1024)
    print(listening.getsockname()[1], flush=True)
    uvicorn.Server(uvicorn.Config(create_app(settings, leaf), log_level="warning", access_log=False)).run(
        sockets=[listening]
    )


_TARGETS: dict[str, tuple[str, Callable[[dict[str, Any]], bool]]] = {
    "errors": ("0", lambda r: r["errors"] == 0 and r["pieces"] == r["expected_pieces"]),
    "mixed": ("0", lambda r: r["mixed"] == 0),
    "added_ms_p50": ("≤ 5", lambda r: r["added_ms_p50"] <= 5),
    "added_ms_p99": ("≤ 50", lambda r: r["added_ms_p99"] <= 50),
    "wrong": ("0", lambda r: r["wrong"] == 0),
    "memory_mib_after": ("≤ before + 20", lambda r: r["memory_mib_after"] <= r["memory_mib_before"] + 20),
}


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--streams", type=int, default=200)
    parser.add_argument("--pieces", type=int, default=40)
    parser.add_argument("--pause", type=float, default=0.25)
    parser.add_argument("--requests", type=int, default=2000)
    parser.add_argument("--serve", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.serve:
        serve(arguments)
        return 0
    result = measure(arguments)
    if arguments.json:
        print(json.dumps(result))
        return 0
    for name, value in result.items():
        target, met = _TARGETS.get(name, ("", None))
        print(f"{name:22} {value!s:>10}   {target:16} {'' if met is None else 'yes' if met(result) else 'NO'}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
