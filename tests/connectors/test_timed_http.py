"""One deadline for a whole exchange, and a bound on what comes: the clock is ours, so that no test waits."""

from __future__ import annotations

import gzip
import http.client
import itertools
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import pytest

from nacre.connectors import safe_http, timed_http
from nacre.connectors.interpreters.http import HttpInterpreter
from nacre.connectors.interpreters.jupyter import JupyterInterpreter
from nacre.connectors.safe_http import fetch
from nacre.connectors.timed_http import exchange, look_up
from nacre.errors import InterpreterError, SourceError

HEAD = b"HTTP/1.1 200 OK\r\n"


@contextmanager
def answering(*pieces: bytes, endless: Callable[[], Iterator[bytes]] | None = None) -> Iterator[int]:
    """A server that says these pieces, then endlessly others, to whoever asks; gives its port."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with suppress(OSError):
            while True:
                connection, _ = listener.accept()
                with connection, suppress(OSError):
                    connection.recv(1 << 16)
                    for piece in itertools.chain(pieces, endless() if endless else ()):
                        connection.sendall(piece)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        with suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(10)


class Clock:
    """A clock that goes on by a step each time that somebody looks."""

    def __init__(self, step: float) -> None:
        self.now, self.step = 1000.0, step

    def monotonic(self) -> float:
        self.now += self.step
        return self.now


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock(0.05)
    for module in (timed_http, safe_http):
        monkeypatch.setattr(module, "time", clock)
    return clock


def get(port: int, timeout_s: float = 5.0, most: int = 1 << 20) -> tuple[int, bytes]:
    return exchange("GET", f"http://127.0.0.1:{port}/", None, {}, timeout_s=timeout_s, most=most)


def drops(start: bytes, drop: bytes) -> Callable[[], Iterator[bytes]]:
    return lambda: itertools.chain([start], itertools.repeat(drop))


TRICKLES = {
    "headers": (HEAD, b"a"),
    "lines of headers": (HEAD, b"X: a\r\n"),
    "preliminary answers": (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "body": (HEAD + b"Content-Length: 900000\r\n\r\n", b"x"),
    "chunks": (HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n"),
    "extensions of a chunk": (HEAD + b"Transfer-Encoding: chunked\r\n\r\n1;", b"x"),
    "trailers": (HEAD + b"Transfer-Encoding: chunked\r\n\r\n0\r\n", b"X: a\r\n"),
}


@pytest.mark.parametrize("what", TRICKLES)
def test_nothing_that_trickles_outlasts_the_deadline(steps: Clock, what: str) -> None:
    with answering(endless=drops(*TRICKLES[what])) as port:
        for ask in (lambda: get(port), lambda: fetch(f"http://127.0.0.1:{port}/", allow_private=True, timeout_s=5)):
            with pytest.raises((OSError, http.client.HTTPException, SourceError)):
                ask()
    assert steps.now < 1000 + 5000, "each read asks how much time is left"


def test_redirects_share_one_deadline(steps: Clock) -> None:
    with (
        answering(
            HEAD.replace(b"200 OK", b"302 Found")
            + b"Location: /again\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        ) as port,
        pytest.raises(SourceError, match="too slow"),
    ):
        fetch(f"http://127.0.0.1:{port}/", allow_private=True, timeout_s=1.5, redirects=1_000_000)


@pytest.mark.parametrize("name", ["endless.example", "x" * 300])
def test_a_look_up_that_never_ends_is_left_behind(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    released = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: released.wait(60) and [])
    with pytest.raises(OSError):
        look_up(name, 80, time.monotonic() + 0.05)
    released.set()


def test_a_name_that_nobody_knows_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: object, **__: object) -> list[object]:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with pytest.raises(SourceError, match="is not known"):
        fetch("http://nobody.example/")


HUGE = {
    "headers": HEAD + (b"X: " + b"a" * 60_000 + b"\r\n") * 90 + b"\r\n",
    "one header": HEAD + b"X: " + b"a" * 400_000 + b"\r\n\r\n",
    "many headers": HEAD + b"X: a\r\n" * 5000 + b"\r\n",
    "chunks of one byte": HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + b"1\r\nx\r\n" * 2_000_000,
}


@pytest.mark.parametrize("what", HUGE)
def test_what_comes_over_the_line_is_bounded(what: str) -> None:
    with answering(HUGE[what]) as port, pytest.raises(OSError):
        status, body = get(port, timeout_s=60, most=1 << 20)
        raise OSError("cut") if len(body) == 1 << 20 else AssertionError(status)


def test_a_packed_body_that_unpacks_to_nothing_ends() -> None:
    packed = gzip.compress(b"page") + b"\0" * (3 << 20)
    head = HEAD + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % (1 << 40)
    with (
        answering(head + packed, endless=lambda: itertools.repeat(b"\0" * 65536)) as port,
        pytest.raises(SourceError, match="too much"),
    ):
        fetch(f"http://127.0.0.1:{port}/", allow_private=True, timeout_s=60, max_bytes=1 << 20)


def test_what_is_in_time_and_within_bounds_is_read() -> None:
    for answer in (HEAD + b"Content-Length: 4\r\n\r\npage", HEAD + b"Connection: close\r\n\r\npage",
                   HEAD + b"Transfer-Encoding: chunked\r\n\r\n4\r\npage\r\n0\r\n\r\n"):  # fmt: skip
        with answering(answer) as port:
            assert get(port) == (200, b"page")
            assert fetch(f"http://127.0.0.1:{port}/", allow_private=True).body == b"page"


@pytest.mark.parametrize("kind", ["http", "jupyter"])
def test_an_interpreter_elsewhere_has_one_deadline_too(steps: Clock, kind: str) -> None:
    with answering(endless=drops(HEAD, b"a")) as port:
        uri = f"http://127.0.0.1:{port}"
        if kind == "jupyter":
            pytest.importorskip("websockets")
        interpreter = HttpInterpreter(uri) if kind == "http" else JupyterInterpreter(uri, start_s=1)
        with pytest.raises(InterpreterError):
            interpreter.run("1", timeout_s=1)
