"""A real HTTP server on the loopback that answers as a model provider would."""

from __future__ import annotations

import contextlib
import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace
from typing import Any

import pytest


@dataclass
class Answer:
    """What the server sends: a status and JSON, or a stream of events with a way to end."""

    status: int = 200
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    events: list[Any] | None = None
    hang_up: bool = False
    """Close the connection in the middle of the body."""
    gate: threading.Event | None = None
    """Wait for this before the last event."""


def completion(text: str | None = "Hello.", *, usage: bool = True, finish: str = "stop", **message: Any) -> Answer:
    body: dict[str, Any] = {
        "id": "c1", "object": "chat.completion", "created": 1, "model": "served-name",
        "choices": [{"index": 0, "finish_reason": finish, "message": {"role": "assistant", "content": text, **message}}],
    }  # fmt: skip
    if usage:
        body["usage"] = {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}
    return Answer(body=body)


def event(finish: str | None = None, **delta: Any) -> dict[str, Any]:
    return {
        "id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "served-name",
        "choices": [{"index": 0, "delta": delta, "finish_reason": finish}],
    }  # fmt: skip


USAGE = {
    "id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "served-name", "choices": [],
    "usage": {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10},
}  # fmt: skip


def stream(*events: Any, done: bool = True, **kwargs: Any) -> Answer:
    return Answer(events=[*events, *(["[DONE]"] if done else [])], **kwargs)


def text_stream(*pieces: str) -> Answer:
    return stream(
        event(role="assistant", content=""), *(event(content=piece) for piece in pieces), event("stop"), USAGE
    )


Responder = Callable[[dict[str, Any], int], Answer]


class _Http(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128


class ModelServer:
    """Answers `/v1/chat/completions` from a list or a function, and keeps the requests."""

    def __init__(self) -> None:
        self.requests: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.times: list[float] = []
        self.answers: list[Answer] | Responder = []
        self._lock = threading.Lock()
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                server._answer(self)

            def log_message(self, *args: Any) -> None:
                pass

        self._http = _Http(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._http.server_port}/v1"

    def close(self) -> None:
        self._http.shutdown()
        self._thread.join()
        self._http.server_close()

    def _answer(self, handler: BaseHTTPRequestHandler) -> None:
        request = json.loads(handler.rfile.read(int(handler.headers["content-length"])))
        with self._lock:
            n = len(self.requests)
            self.requests.append(request)
            self.headers.append({key.lower(): value for key, value in handler.headers.items()})
            self.times.append(time.monotonic())
        answer = self.answers(request, n) if callable(self.answers) else self.answers[n]
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # the client may hang up first
            _send(handler, answer)


def _send(handler: BaseHTTPRequestHandler, answer: Answer) -> None:
    handler.send_response(answer.status)
    for key, value in answer.headers.items():
        handler.send_header(key, value)
    if answer.events is None:
        body = answer.body.encode() if isinstance(answer.body, str) else json.dumps(answer.body).encode()
        handler.send_header("content-type", "text/html" if isinstance(answer.body, str) else "application/json")
        handler.send_header("content-length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)
        return
    handler.send_header("content-type", "text/event-stream")
    handler.send_header("transfer-encoding", "chunked")
    handler.end_headers()
    for number, item in enumerate(answer.events):
        if answer.gate and number == len(answer.events) - 1:
            answer.gate.wait(10)
        data = f"data: {item if isinstance(item, str) else json.dumps(item)}\n\n".encode()
        handler.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
        handler.wfile.flush()
    if answer.hang_up:
        handler.close_connection = True
        return
    handler.wfile.write(b"0\r\n\r\n")


@pytest.fixture
def server() -> Iterator[ModelServer]:
    server = ModelServer()
    yield server
    server.close()


@pytest.fixture(autouse=True)
def no_configuration(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tests of a developer's machine with keys in its environment are the tests of one without."""
    for name in list(os.environ):
        if name.endswith(("_API_KEY", "_BASE_URL", "_API_BASE", "_API_PASSWORD")) or name in (
            "NACRE_MODEL",
            "OLLAMA_HOST",
            "OPENAI_MODEL",
        ):
            monkeypatch.delenv(name)
    monkeypatch.setenv("NACRE_LANG", "en")


@pytest.fixture
def wire() -> SimpleNamespace:
    """The words of the protocol, for tests to put answers together."""
    return SimpleNamespace(
        Answer=Answer, completion=completion, event=event, stream=stream, text_stream=text_stream, usage=USAGE
    )


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """A skipped standard test is invisible; a class that lists its `expected_skips` makes every other one fail."""
    outcome = yield
    report = outcome.get_result()  # type: ignore[attr-defined]
    expected = getattr(getattr(item, "cls", None), "expected_skips", None)
    if expected is None or hasattr(report, "wasxfail") or report.failed:
        return
    name = getattr(item, "originalname", item.name)
    if report.skipped and name not in expected:
        report.outcome, report.longrepr = (
            "failed",
            f"{name} was skipped, and is not among the expected skips: {report.longrepr}",
        )
    elif report.when == "call" and report.passed and name in expected:
        report.outcome, report.longrepr = "failed", f"{name} runs now; take it out of the expected skips"
