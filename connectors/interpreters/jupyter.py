"""`JupyterInterpreter`: programs run in a Jupyter kernel elsewhere, by a kernel gateway or any Jupyter server."""

from __future__ import annotations

import contextlib
import json
import ssl
import time
import uuid
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote

from nacre.connectors.timed_http import exchange, server_uri
from nacre.errors import InterpreterError
from nacre.extras import need
from nacre.reasoning.interpreter import Execution
from nacre.reasoning.remote import Ended, RemoteLimits, RemoteRun
from nacre.text.language import tr

_LARGEST_REPLY = 1 << 20
_TOO_BIG = 1009  # RFC 6455: a message larger than the receiver takes
_ENDING_S = 30.0  # for a kernel to be interrupted and removed; a server gives a stubborn one five seconds


class _Channel:
    """The WebSocket of one kernel. What comes over it is read as data, and what does not fit is passed over."""

    def __init__(self, socket: Any) -> None:
        self._socket = socket

    def execute(self, source: str, run: RemoteRun | None, timeout_s: float) -> Ended:
        """Send one cell and listen until it is done, for at most so many seconds."""
        sent = uuid.uuid4().hex
        self._socket.send(json.dumps(_request(source, sent)))
        deadline = time.monotonic() + timeout_s
        missing = {"reply", "idle"}
        while missing:
            try:
                message = _message(self._socket.recv(timeout=max(0.0, deadline - time.monotonic())))
            except TimeoutError:
                return "time"
            except need("websockets.exceptions").ConnectionClosed as closed:
                # Either a message was too large to be taken, or the program has taken the server down.
                return "output" if closed.sent is not None and closed.sent.code == _TOO_BIG else "died"
            kind, content = message["header"].get("msg_type"), message["content"]
            if kind == "status" and content.get("execution_state") in ("restarting", "dead"):
                return "died"
            if message["parent_header"].get("msg_id") != sent:
                continue
            if kind == "execute_reply":
                missing.discard("reply")
            elif kind == "status" and content.get("execution_state") == "idle":
                missing.discard("idle")
            elif run is not None:
                _take(run, str(kind), content)
                if run.full:
                    return "output"
            if time.monotonic() > deadline:
                return "time"
        return "done"


class JupyterInterpreter:
    """A `CodeInterpreter` that starts a fresh Jupyter kernel for every run and removes it afterwards.

    It speaks the REST interface and the WebSocket of Jupyter Server 2, which the Jupyter Kernel Gateway shares. A
    kernel is no sandbox: its program may do whatever the kernel's user may. Run the server in a container or
    machine that holds nothing else.

    Args:
        token: the server's token, "" where it has none.
        kernel: which of the server's kernels; one of Python 3.10 or later.
        start_s: seconds for a kernel to start.
    """

    def __init__(
        self,
        uri: str,
        token: str = "",
        *,
        kernel: str = "python3",
        limits: RemoteLimits | None = None,
        start_s: float = 60.0,
    ) -> None:
        self.uri, self._start_s = server_uri(uri, 8888), start_s
        self.name = f"jupyter:{self.uri}"  # a stack file names it so; the token is no part of it
        self._websockets = need("websockets.sync.client", extra="jupyter")
        self.kernel, self.limits = kernel, limits or RemoteLimits()
        self._headers = {"Authorization": f"token {token}"} if token else {}

    def run(self, code: str, timeout_s: float = 5.0, *, inputs: Mapping[str, Any] | None = None) -> Execution:
        """Run one program in a kernel of its own, for so many seconds at most; starting the kernel does not count."""
        run = RemoteRun(code, inputs, self.limits)
        if run.refused:
            return run.refused
        with self._started() as kernel_id, self._connected(kernel_id) as channel:
            ready = channel.execute(run.preparation, None, self._start_s)
            if ready != "done":
                raise self._failed(f"the kernel {self.kernel!r} does not get ready ({ready})")
            begin = time.monotonic()
            ended = channel.execute(run.program, run, timeout_s)
            seconds = time.monotonic() - begin
            if ended in ("time", "output"):
                with contextlib.suppress(InterpreterError):
                    self._exchange("POST", f"/api/kernels/{quote(kernel_id)}/interrupt")
        return run.execution(ended, timeout_s=timeout_s, seconds=seconds)

    @contextlib.contextmanager
    def _started(self) -> Iterator[str]:
        status, answer = self._exchange("POST", "/api/kernels", {"name": self.kernel}, timeout_s=self._start_s)
        if not 200 <= status < 300:
            raise self._failed(f"it answers {status} when asked for the kernel {self.kernel!r}")
        try:
            started = json.loads(answer)
        except (ValueError, RecursionError) as error:
            raise self._failed(f"the answer is no JSON ({error})") from error
        kernel_id = started.get("id") if isinstance(started, dict) else None
        if not isinstance(kernel_id, str):
            raise self._failed("it names no kernel")
        try:
            yield kernel_id
        finally:
            self._remove(kernel_id)

    def _remove(self, kernel_id: str) -> None:
        """End a kernel. A server refuses that for a moment while it is starting a dead one again."""
        for pause_s in (0.2, 0.5, 1.0, 2.0, 4.0, 0.0):
            with contextlib.suppress(InterpreterError):  # the run is over; a server that is gone took its kernel along
                if self._exchange("DELETE", f"/api/kernels/{quote(kernel_id)}")[0] in (204, 404):
                    return
            time.sleep(pause_s)

    @contextlib.contextmanager
    def _connected(self, kernel_id: str) -> Iterator[_Channel]:
        address = f"ws{self.uri.removeprefix('http')}/api/kernels/{quote(kernel_id)}/channels"
        options = {"ssl": ssl.create_default_context()} if address.startswith("wss:") else {}
        largest = 4 * (self.limits.value + self.limits.output) + _LARGEST_REPLY
        try:
            with self._websockets.connect(
                f"{address}?session_id={uuid.uuid4().hex}",
                additional_headers=self._headers,
                open_timeout=self._start_s,
                close_timeout=2.0,
                max_size=largest,
                proxy=None,
                **options,
            ) as socket:
                yield _Channel(socket)
        except (OSError, need("websockets.exceptions").WebSocketException) as error:
            raise self._failed(f"{type(error).__name__}: {error}") from error

    def _exchange(self, method: str, path: str, body: Any = None, *, timeout_s: float = _ENDING_S) -> tuple[int, bytes]:
        """One request of the REST interface: status and body of the answer."""
        data = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json", **self._headers}
        try:
            return exchange(method, self.uri + path, data, headers, timeout_s=timeout_s, most=_LARGEST_REPLY)
        except OSError as error:
            raise self._failed(f"{type(error).__name__}: {error}") from error

    def _failed(self, why: str) -> InterpreterError:
        told = tr(
            "The Jupyter server at {uri} did not run the program: {why}. Check address, token and kernel.",
            uri=self.uri,
            why=why,
        )
        return InterpreterError(told)


def _take(run: RemoteRun, kind: str, content: dict[str, Any]) -> None:
    if kind == "stream" and isinstance(content.get("text"), str):
        run.write(str(content.get("name")), content["text"])
    elif kind == "display_data" and isinstance(content.get("data"), dict):
        text = content["data"].get("text/plain")
        if isinstance(text, str):
            run.show(text)


def _request(source: str, sent: str) -> dict[str, Any]:
    """An `execute_request` of the Jupyter protocol 5.3 (jupyter-client.readthedocs.io/en/stable/messaging.html)."""
    header = {"msg_id": sent, "username": "nacre", "session": sent, "msg_type": "execute_request", "version": "5.3"}
    content = {"code": source, "silent": False, "store_history": False, "user_expressions": {}}
    content |= {"allow_stdin": False, "stop_on_error": True}
    return {
        "header": header,
        "parent_header": {},
        "metadata": {},
        "content": content,
        "buffers": [],
        "channel": "shell",
    }


def _message(raw: str | bytes) -> dict[str, dict[str, Any]]:
    """The parts of a message that are looked at; empty ones where it is something else."""
    try:
        message = json.loads(raw) if isinstance(raw, str) else None
    except (ValueError, RecursionError):
        message = None
    parts = message if isinstance(message, dict) else {}
    looked_at = ("header", "parent_header", "content")
    return {name: part if isinstance(part := parts.get(name), dict) else {} for name in looked_at}
