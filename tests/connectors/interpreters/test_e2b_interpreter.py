"""E2B through its real package, against a service on the loopback address that runs the cells in a process here."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from nacre.connectors.interpreters import load_interpreter
from nacre.errors import InterpreterError
from nacre.reasoning.interpreter import CodeInterpreter
from nacre.reasoning.remote import RemoteLimits

pytest.importorskip("e2b_code_interpreter", reason="pip install 'nacre-ai[e2b]'")
from nacre.connectors.interpreters.e2b import E2BInterpreter

# A kernel as far as a cell can see: one namespace, and a display. What it writes are the lines of the service's answer.
KERNEL = r"""
import json, sys, types
out, space = sys.stdout, {}

def say(**line):
    out.write(json.dumps(line) + "\n"); out.flush()

class Stream:
    def __init__(self, kind): self.kind = kind
    def write(self, text): say(type=self.kind, text=text, timestamp=0); return len(text)
    def flush(self): pass

module = types.ModuleType("IPython.display")
module.display = lambda data, raw: say(type="result", text=data["text/plain"], is_main_result=False)
sys.modules["IPython"], sys.modules["IPython.display"] = types.ModuleType("IPython"), module
sys.stdout, sys.stderr = Stream("stdout"), Stream("stderr")
for line in sys.stdin:
    try:
        exec(json.loads(line), space)
    except BaseException as error:
        say(type="error", name=type(error).__name__, value=str(error), traceback="")
    out.write("\n"); out.flush()
"""


class Service(ThreadingHTTPServer):
    """The parts of E2B's interface that a run uses, with the status codes that it documents."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.kernels: dict[str, subprocess.Popen[str]] = {}
        self.created: list[dict[str, Any]] = []

    def create(self, asked: dict[str, Any]) -> str:
        name = f"sandbox{len(self.created)}"
        self.created.append(asked)
        environment = {"PATH": os.environ["PATH"], "PYTHONIOENCODING": "utf-8"}
        self.kernels[name] = subprocess.Popen(
            [sys.executable, "-c", KERNEL],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
            encoding="utf-8",
        )
        return name

    def end(self, name: str) -> bool:
        kernel = self.kernels.pop(name, None)
        if kernel is None:
            return False
        kernel.kill()
        kernel.communicate()
        return True


class Handler(BaseHTTPRequestHandler):
    server: Service
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.path == "/sandboxes" or self.path == "/v2/sandboxes":
            if self.headers["X-API-KEY"] != "e2b_0000":
                return self.answer(401, {"code": 401, "message": "wrong key"})
            name = self.server.create(asked)
            return self.answer(201, {"templateID": "t", "sandboxID": name, "clientID": "c", "envdVersion": "0.4.0"})
        if self.path == "/execute":
            return self.execute(self.headers["E2b-Sandbox-Id"], asked["code"])
        return self.answer(404, {"code": 404, "message": self.path})

    def do_DELETE(self) -> None:
        self.answer(204 if self.server.end(self.path.rsplit("/", 1)[1]) else 404, None)

    def do_GET(self) -> None:
        self.answer(200 if self.headers["E2b-Sandbox-Id"] in self.server.kernels else 502, None)

    def execute(self, name: str, code: str) -> None:
        kernel = self.server.kernels[name]
        assert kernel.stdin is not None and kernel.stdout is not None
        kernel.stdin.write(json.dumps(code) + "\n")
        kernel.stdin.flush()
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        try:
            while (line := kernel.stdout.readline()).strip():
                self.wfile.write(f"{len(line.encode()):x}\r\n{line}\r\n".encode())
                self.wfile.flush()
            if line:
                self.wfile.write(b"0\r\n\r\n")
            self.close_connection = not line  # a kernel that died takes its connection along
        except (OSError, ValueError):  # the client has left, or the sandbox was ended meanwhile
            self.close_connection = True

    def answer(self, status: int, body: Any) -> None:
        data = b"" if body is None else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: object) -> None: ...


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    with Service() as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        address = f"http://127.0.0.1:{server.server_address[1]}"
        monkeypatch.setenv("E2B_API_URL", address)
        monkeypatch.setenv("E2B_SANDBOX_URL", address)
        monkeypatch.setenv("E2B_HTTP_VERSION", "1.1")
        monkeypatch.setenv("E2B_API_KEY", "e2b_0000")
        yield server
        assert not server.kernels, "every sandbox was killed"
        server.shutdown()
        thread.join()


def test_a_run_in_e2b_is_as_a_run_here(service: Service) -> None:
    interpreter = load_interpreter("e2b")
    assert isinstance(interpreter, CodeInterpreter)
    run = interpreter.run("print('打印')\n{'read': rows[0][0]['x'], 'pair': (1, 2.5)}", inputs={"rows": [[{"x": 7}]]})
    assert (run.status, run.value, run.stdout) == ("ok", {"read": 7, "pair": (1, 2.5)}, "打印\n")
    assert run.reads == (("rows", 0, 0, "x"),)
    assert service.created[0]["allow_internet_access"] is False


def test_each_e2b_run_has_a_sandbox_of_its_own(service: Service) -> None:
    interpreter = E2BInterpreter()
    assert interpreter.run("kept = 1\nkept").value == 1
    assert interpreter.run("'kept' in dir()").value is False
    assert len(service.created) == 2


@pytest.mark.parametrize(
    ("code", "status", "limit"),
    [
        ("1 / 0", "error", None),
        ("while True: pass", "timeout", "time"),
        ("import time\ntime.sleep(60)", "timeout", "time"),
        ("while True: print('x' * 100)", "error", "output"),
        ("import sys\nfor n in range(200): sys.__stderr__.write('x')\nsys.stderr.write('y' * 6000)", "error", "output"),
        ("'x' * (1 << 22)", "error", "value"),
        ("[0] * 10 ** 10", "memory", "memory"),
        ("import os\nos._exit(1)", "error", None),
    ],
)
def test_each_bad_program_in_e2b_is_a_status(service: Service, code: str, status: str, limit: str | None) -> None:
    run = E2BInterpreter(limits=RemoteLimits(output=5000)).run(code, timeout_s=1.5)
    assert (run.status, run.limit) == (status, limit), run
    assert run.error and len(run.stdout) <= 5000


def test_a_wrong_key_and_no_service_are_errors_with_a_cure(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InterpreterError, match="E2B_API_KEY"):
        E2BInterpreter("e2b_wrong").run("1")
    monkeypatch.setenv("E2B_API_URL", "http://127.0.0.1:9")
    with pytest.raises(InterpreterError, match="E2B_API_KEY"):
        E2BInterpreter().run("1")


def test_the_key_is_no_part_of_the_name() -> None:
    assert E2BInterpreter("e2b_secret", template="mine").name == "e2b:mine"
