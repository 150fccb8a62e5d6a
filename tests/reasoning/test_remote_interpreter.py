"""Programs on another machine: a real server on the loopback address, and servers that answer nonsense."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from nacre.connectors.interpreters import http
from nacre.connectors.interpreters.http import HttpInterpreter
from nacre.errors import InterpreterError, UsageError
from nacre.reasoning.interpreter import CodeInterpreter, Execution
from nacre.reasoning.sandbox import PythonInterpreter
from nacre.server.interpreter import InterpreterServer


def address(server: HTTPServer | InterpreterServer) -> str:
    return f"http://127.0.0.1:{server.server_address[1]}"


@pytest.fixture(scope="module")
def remote(python: PythonInterpreter) -> Iterator[HttpInterpreter]:
    with InterpreterServer(("127.0.0.1", 0), python, key="open sesame") as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield HttpInterpreter(address(server), key="open sesame")
        server.shutdown()
        thread.join()


def test_a_remote_run_is_as_a_run_here(remote: HttpInterpreter) -> None:
    assert isinstance(remote, CodeInterpreter)
    code = "from decimal import Decimal\nprint('打印')\n{'a': (1, Decimal('0.10')), 'read': rows[0][0]['x']}"
    run = remote.run(code, inputs={"rows": [[{"x": 7}]]})
    assert (run.status, run.value, run.stdout) == ("ok", {"a": (1, Decimal("0.10")), "read": 7}, "打印\n")
    assert run.reads == (("rows", 0, 0, "x"),)
    assert remote.run("while True: pass", timeout_s=0.5).status == "timeout"
    assert remote.run("import socket\nsocket.socket()").status == "blocked"


def test_the_key_is_asked_for(remote: HttpInterpreter) -> None:
    with pytest.raises(InterpreterError, match="wrong key"):
        HttpInterpreter(remote.uri, key="guess").run("1")
    with pytest.raises(InterpreterError, match="401"):
        HttpInterpreter(remote.uri).run("1")


def test_a_bad_request_is_refused_with_words(remote: HttpInterpreter) -> None:
    with pytest.raises(InterpreterError, match="timeout_s"):
        remote.run("1", timeout_s=-1)
    with pytest.raises(InterpreterError, match="404"):
        HttpInterpreter(remote.uri + "/elsewhere", key="open sesame").run("1")


def test_a_server_that_others_can_reach_needs_a_key(python: PythonInterpreter) -> None:
    with pytest.raises(UsageError, match="NACRE_INTERPRETER_KEY"):
        InterpreterServer(("0.0.0.0", 0), python)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{}",
        b'{"status": "ok"}',
        b"\xff",
        b'{"status":"won","value":"1"}',
        b"[" * 100_000,
        b'{"a":{"status":"ok"}}',
        b'{"a":1,' * 50 + b'"b":1}',
    ],
)
def test_a_server_that_answers_nonsense_is_an_error_with_its_address(body: bytes) -> None:
    with pytest.raises(InterpreterError, match=r"127\.0\.0\.1"):
        answered(body)


def answered(body: bytes) -> Execution:
    """What is made of an answer."""

    class Fixed(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            with suppress(OSError):  # the other side has read enough
                self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None: ...

    with HTTPServer(("127.0.0.1", 0), Fixed) as server:
        thread = threading.Thread(target=server.handle_request, daemon=True)
        thread.start()
        try:
            return HttpInterpreter(address(server)).run("1")
        finally:
            thread.join()


def written(**parts: str) -> bytes:
    return json.dumps({**Execution("ok", 1).to_data(), **parts}, ensure_ascii=False).encode()


@pytest.mark.parametrize("name", ["stdout", "stderr", "error", "value", "reads", "unknown"])
def test_no_part_of_an_answer_is_read_that_is_larger_than_a_sandbox_writes(name: str) -> None:
    with pytest.raises(InterpreterError, match=f"{name} has more than 2097152 bytes"):
        answered(written(**{name: "\U0001f600" + "a" * (2 << 20)}))


def test_no_answer_is_read_that_is_larger_than_all_its_parts() -> None:
    with pytest.raises(InterpreterError, match="it has more than 4194304 bytes"):
        answered(written(**dict.fromkeys(("stdout", "stderr", "error"), "铁" * (500 << 10))))


def test_all_that_a_sandbox_writes_is_read() -> None:
    most, value = '"' * (1 << 20), "\n" * ((1 << 19) - 1)
    run = Execution("ok", value, stdout=most, stderr="\U0001f600")
    assert answered(json.dumps(run.to_data()).encode()) == run


def test_a_value_that_no_sandbox_gives_is_not_sent() -> None:
    run = Execution("ok", "a" * (1 << 20)).to_data()
    assert (run["status"], run["limit"], run["value"]) == ("error", "value", "null")


class Trickle(BaseHTTPRequestHandler):
    """Answers a byte at a time, each within the timeout of a socket, and at last with a run."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        body = json.dumps(Execution("ok", 1).to_data()).encode()
        with suppress(OSError):  # the other side has hung up
            self.wfile.write(b"HTTP/1.0 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body))
            for byte in body:
                self.wfile.write(bytes([byte]))
                time.sleep(0.02)

    def log_message(self, format: str, *args: object) -> None: ...


def test_one_deadline_holds_for_a_whole_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "_ON_THE_WAY_S", 0.1)
    with HTTPServer(("127.0.0.1", 0), Trickle) as server:
        thread = threading.Thread(target=server.handle_request, daemon=True)
        thread.start()
        with pytest.raises(InterpreterError, match=r"127\.0\.0\.1"):
            HttpInterpreter(address(server)).run("1", timeout_s=0.1)
        thread.join()


def test_inputs_that_are_no_json_are_not_sent() -> None:
    for inputs in ({"x": float("nan")}, {"x": object()}):
        with pytest.raises(UsageError, match="inputs"):
            HttpInterpreter("http://127.0.0.1:9").run("1", inputs=inputs)


def test_no_server_is_an_error_with_its_address() -> None:
    with pytest.raises(InterpreterError, match=r"127\.0\.0\.1:9"):
        HttpInterpreter("http://127.0.0.1:9").run("1")


@pytest.mark.parametrize(
    "uri",
    ["localhost", "http://", "http://host:99999", "http://host:port", "http://[::1", "ftp://host", "jupyter:host"],
)
def test_what_is_no_address_is_refused(uri: str) -> None:
    with pytest.raises(UsageError, match="http://host:8100"):
        HttpInterpreter(uri)


def test_a_run_survives_the_wire_and_nothing_else_does() -> None:
    run = Execution(
        "error", value={1, 2}, stdout="a", error="b", seconds=0.5, stderr="c", limit="disk", reads=(("t", 0, 1, "x"),)
    )
    assert Execution.from_data(run.to_data()) == run
    with pytest.raises(ValueError):
        Execution.from_data({**run.to_data(), "value": '{"py/object": "os.system"}'})
