"""Programs in Jupyter kernels: a real kernel gateway where one is installed, and a server that says what the test
wants.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest

from nacre.connectors.interpreters import load_interpreter
from nacre.errors import InterpreterError, UsageError
from nacre.reasoning.interpreter import CodeInterpreter
from nacre.reasoning.remote import RemoteLimits

pytest.importorskip("websockets", reason="pip install 'nacre-ai[jupyter]'")
from websockets.sync.server import serve

from nacre.connectors.interpreters.jupyter import JupyterInterpreter

OWN = Path(__file__).parents[3] / ".bench/jupyter/bin/jupyter-kernelgateway"
GATEWAY = shutil.which("jupyter-kernelgateway") or (str(OWN) if OWN.exists() else None)
real = pytest.mark.skipif(
    GATEWAY is None, reason="make .bench/.jupyter, or pip install jupyter-kernel-gateway ipykernel"
)


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[JupyterInterpreter]:
    port, folder = free_port(), tmp_path_factory.mktemp("jupyter")
    assert GATEWAY is not None
    command = [
        GATEWAY,
        "--KernelGatewayApp.ip=127.0.0.1",
        f"--KernelGatewayApp.port={port}",
        "--KernelGatewayApp.auth_token=sesame",
        "--JupyterWebsocketPersonality.list_kernels=True",
    ]
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "JUPYTER_PLATFORM_DIRS": "1"}
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except OSError:
                assert process.poll() is None, (folder / "log").read_text("utf-8")
                time.sleep(0.1)
        yield JupyterInterpreter(f"http://127.0.0.1:{port}", "sesame", limits=RemoteLimits(output=50_000))
    finally:
        process.terminate()
        process.wait(30)


def kernels(interpreter: JupyterInterpreter) -> list[Any]:
    status, body = interpreter._exchange("GET", "/api/kernels")
    assert status == HTTPStatus.OK
    found: list[Any] = json.loads(body)
    return found


@real
def test_a_run_in_a_kernel_is_as_a_run_here(gateway: JupyterInterpreter) -> None:
    assert isinstance(gateway, CodeInterpreter)
    code = "from decimal import Decimal\nprint('打印')\n{'a': (1, Decimal('0.10')), 'read': rows[0][0]['x']}"
    run = gateway.run(code, inputs={"rows": [[{"x": 7}]]})
    assert (run.status, run.value, run.stdout) == ("ok", {"a": (1, Decimal("0.10")), "read": 7}, "打印\n")
    assert run.reads == (("rows", 0, 0, "x"),) and run.seconds > 0
    assert gateway.run("def solution():\n    return 6 * 7\nsolution").value == 42
    assert gateway.run("ans = 'e\U0001f41a'").value == "e\U0001f41a"
    assert gateway.run("import sys\nprint('seen', file=sys.stderr)").stderr == "seen\n"


@real
def test_nothing_is_carried_over_from_run_to_run_in_kernels(gateway: JupyterInterpreter) -> None:
    assert gateway.run("import math\nmath.pi = 3\nkept = 1\nkept").value == 1
    run = gateway.run("import math\n(math.pi > 3, 'kept' in dir())")
    assert run.value == (True, False)
    assert kernels(gateway) == []


@real
@pytest.mark.parametrize(
    ("code", "status", "limit", "told"),
    [
        ("1 / 0", "error", None, "ZeroDivisionError"),
        ("x = (", "error", None, "SyntaxError"),
        ("%matplotlib inline\n!ls", "error", None, "SyntaxError"),
        ("raise SystemExit(3)", "error", None, "SystemExit"),
        ("input('?')", "error", None, "Error"),
        ("while True: pass", "timeout", "time", "did not end"),
        ("[0] * 10 ** 10", "memory", "memory", "MemoryError"),
        ("while True: print('x' * 100)", "error", "output", "more than 50000"),
        ("'x' * (1 << 22)", "error", "value", "larger than"),
        ("open('/', 'w')", "error", None, "IsADirectoryError"),
        ("raise PermissionError(13, 'no')", "blocked", None, "PermissionError"),
    ],
)  # fmt: skip
def test_each_bad_program_in_a_kernel_is_a_status(
    gateway: JupyterInterpreter, code: str, status: str, limit: str | None, told: str
) -> None:
    run = gateway.run(code, timeout_s=2.0)
    assert (run.status, run.limit) == (status, limit), run
    assert told in run.error and len(run.stdout) <= 50_000
    assert kernels(gateway) == []


@real
@pytest.mark.slow
def test_a_program_that_ignores_signals_or_kills_its_kernel_leaves_nothing(gateway: JupyterInterpreter) -> None:
    deaf = gateway.run(
        "import signal\nfor n in (2, 15): signal.signal(n, signal.SIG_IGN)\nwhile True: pass", timeout_s=0.5
    )
    assert (deaf.status, deaf.limit) == ("timeout", "time")
    dead = gateway.run("import os\nos._exit(1)", timeout_s=20.0)
    assert dead.status == "error" and "process ended" in dead.error
    assert gateway.run("1").value == 1
    assert kernels(gateway) == []


@real
def test_kernels_of_several_threads_keep_apart(gateway: JupyterInterpreter) -> None:
    with ThreadPoolExecutor(3) as pool:
        runs = list(pool.map(lambda n: gateway.run(f"print({n})\n{n} * 2"), range(3)))
    assert [(run.value, run.stdout) for run in runs] == [(0, "0\n"), (2, "1\n"), (4, "2\n")]


@real
def test_helpers_of_published_programs_are_there_where_the_kernel_has_them(gateway: JupyterInterpreter) -> None:
    run = gateway.run(
        "x = Symbol('x')\nsolve_it(x * 2 - 6, x)[x]" if has_sympy(gateway) else "timedelta(days=2).days + 1"
    )
    assert run.value == 3


def has_sympy(gateway: JupyterInterpreter) -> bool:
    return gateway.run("import sympy").status == "ok"


@real
def test_the_token_and_the_kernel_are_checked_by_the_server(gateway: JupyterInterpreter) -> None:
    with pytest.raises(InterpreterError, match=r"40[13]"):
        JupyterInterpreter(gateway.uri, "guess").run("1")
    with pytest.raises(InterpreterError, match="cobol"):
        JupyterInterpreter(gateway.uri, "sesame", kernel="cobol").run("1")


# --- a server that cannot be trusted ----------------------------------------------------------------------------------


class Liar:
    """The WebSocket of a kernel that answers every program with what the test gives."""

    def __init__(self, answer: Any) -> None:
        self.answer = answer
        self.removed = 0
        self.server = serve(self._talk, "127.0.0.1", 0, max_size=None)
        self.port = self.server.socket.getsockname()[1]
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)

    def __enter__(self) -> Liar:
        self.thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.server.shutdown()
        self.thread.join()

    def _talk(self, socket: Any) -> None:
        for n, raw in enumerate(socket):
            asked = json.loads(raw)
            for message in self.answer(n, asked) if n else done(asked):
                socket.send(message if isinstance(message, (str, bytes)) else json.dumps(message))


def message(asked: Any, kind: str, **content: Any) -> dict[str, Any]:
    return {"header": {"msg_type": kind}, "parent_header": asked["header"], "metadata": {}, "content": content}


def done(asked: Any) -> list[Any]:
    return [message(asked, "execute_reply", status="ok"), message(asked, "status", execution_state="idle")]


@pytest.fixture
def lied_to(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """An interpreter whose kernel's WebSocket is a liar's; its REST calls are answered here."""
    open_liars: list[Liar] = []

    def make(answer: Any, **options: Any) -> JupyterInterpreter:
        liar = Liar(answer).__enter__()
        open_liars.append(liar)
        interpreter = JupyterInterpreter(f"http://127.0.0.1:{liar.port}", **options)

        def exchange(method: str, path: str, body: Any = None, *, timeout_s: float = 0) -> tuple[int, bytes]:
            liar.removed += method == "DELETE"
            return (201, b'{"id": "k/../1"}') if path == "/api/kernels" else (204, b"")

        monkeypatch.setattr(interpreter, "_exchange", exchange)
        return interpreter

    yield make
    for liar in open_liars:
        liar.__exit__()
        assert liar.removed == 1


def mark_in(asked: Any) -> str:
    return str(asked["content"]["code"].split('"mark": "')[1].split('"')[0])


def test_an_answer_is_read_as_data_and_only_from_the_marked_display(lied_to: Any) -> None:
    def answer(n: int, asked: Any) -> list[Any]:
        shown = mark_in(asked) + 'ok\n[]\n{"t":[1,"two"]}'
        return [
            message(asked, "display_data", data={"text/plain": "ok\n[]\n5"}),
            message({"header": {"msg_id": "another's"}}, "stream", name="stdout", text="not mine"),
            message(asked, "stream", name="stdout", text="mine\ud800"),
            message(asked, "stream", name="__class__", text="x"),
            message(asked, "display_data", data={"text/plain": shown}),
            *done(asked),
        ]

    run = lied_to(answer).run("?")
    assert (run.status, run.value, run.stdout) == ("ok", (1, "two"), "mine\ufffd")


@pytest.mark.parametrize(
    "text",
    ["", "won\n[]\n1", "ok\n[]\n{\"py/object\": 1}", "ok\n[]\nnot json", "ok:nowhere\n[]\n1", "ok\n" + "[" * 100_000, "ok\n[]\n" + "[" * 100_000],
)  # fmt: skip
def test_an_answer_that_is_none_is_an_error_and_no_value(lied_to: Any, text: str) -> None:
    run = lied_to(
        lambda n, asked: [message(asked, "display_data", data={"text/plain": mark_in(asked) + text}), *done(asked)]
    ).run("?")
    assert (run.status, run.value) == ("error", None) and run.error


def test_messages_of_any_shape_are_passed_over(lied_to: Any) -> None:
    strange = [
        "",
        "[]",
        "null",
        "{",
        b"\x00\x01",
        '{"header": 3}',
        '{"header": {"msg_type": ["x"]}}',
        "[" * 50_000,
        "1e999",
    ]

    def answer(n: int, asked: Any) -> list[Any]:
        odd = [
            message(asked, kind, **content)
            for kind, content in [
                ("stream", {}),
                ("stream", {"text": 3}),
                ("display_data", {"data": []}),
                ("display_data", {"data": {"text/plain": {}}}),
            ]
        ]
        return [
            *strange,
            *odd,
            message(asked, "display_data", data={"text/plain": mark_in(asked) + "ok\n[]\n7"}),
            *done(asked),
        ]

    assert lied_to(answer).run("?").value == 7


def test_a_flood_of_output_ends_the_run_at_its_limit(lied_to: Any) -> None:
    flood = lied_to(
        lambda n, asked: [message(asked, "stream", name="stdout", text="x" * 900) for _ in range(5)],
        limits=RemoteLimits(output=1000),
    )
    run = flood.run("?")
    assert (run.status, run.limit, len(run.stdout)) == ("error", "output", 1000)


def test_a_silent_kernel_is_a_timeout_and_a_dead_one_an_error(lied_to: Any) -> None:
    assert lied_to(lambda n, asked: []).run("?", timeout_s=0.2).status == "timeout"


def test_a_kernel_that_dies_says_so(lied_to: Any) -> None:
    run = lied_to(
        lambda n, asked: [{"header": {"msg_type": "status"}, "content": {"execution_state": "restarting"}}]
    ).run("?")
    assert run.status == "error" and "process ended" in run.error


def test_a_message_beyond_all_limits_is_not_kept(lied_to: Any) -> None:
    flood = lied_to(
        lambda n, asked: [message(asked, "stream", name="stdout", text="x" * (2 << 20))],
        limits=RemoteLimits(output=10, value=10),
    )
    run = flood.run("?")
    assert (run.status, run.limit, run.stdout) == ("error", "output", "")


def test_a_connection_that_breaks_in_a_run_is_the_programs_end(lied_to: Any) -> None:
    def answer(n: int, asked: Any) -> list[Any]:
        raise ConnectionAbortedError

    run = lied_to(answer).run("?")
    assert run.status == "error" and "process ended" in run.error


def test_a_program_that_is_too_large_is_not_sent() -> None:
    interpreter = JupyterInterpreter("http://127.0.0.1:9", limits=RemoteLimits(program=1000))
    run = interpreter.run("#" * 2000)
    assert (run.status, run.limit) == ("error", "program")


def test_inputs_that_are_no_plain_data_are_refused() -> None:
    with pytest.raises(UsageError, match="plain data"):
        JupyterInterpreter("http://127.0.0.1:9").run("1", inputs={"a": object()})


def test_no_jupyter_server_is_an_error_with_its_address() -> None:
    with pytest.raises(InterpreterError, match=r"127\.0\.0\.1:9"):
        JupyterInterpreter("http://127.0.0.1:9", secrets.token_hex(4)).run("1")
    with pytest.raises(UsageError, match="http://"):
        JupyterInterpreter("localhost:8888")


def test_interpreters_have_names_and_stacks_know_them(monkeypatch: pytest.MonkeyPatch) -> None:
    from nacre import build, explain

    for name in ("jupyter:http://127.0.0.1:8888/base", "http://127.0.0.1:8100"):
        stack = {"model": "quote", "layers": [{"use": "pal", "interpreter": name}]}
        assert load_interpreter(name).name == name  # type: ignore[attr-defined]
        assert explain(build(stack)) == stack
    monkeypatch.setenv("JUPYTER_TOKEN", "secret")
    assert "secret" not in json.dumps(
        explain(build({"model": "quote", "layers": [{"use": "pal", "interpreter": "jupyter:http://h"}]}))
    )
    for name in ("docker", "", "jupyter:localhost"):
        with pytest.raises(UsageError):
            load_interpreter(name)
