"""The door: who is let in, how long a client may take, and that nobody shuts out the others."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from nacre import ScriptedChatModel
from nacre.errors import UsageError
from nacre.reasoning.interpreter import Execution
from nacre.server.app import refuse_open_door
from nacre.server.auth.guard import Values
from nacre.server.auth.keys import Keys
from nacre.server.interpreter import InterpreterServer
from nacre.server.settings import Settings

MULTIPART = b'--b\r\ncontent-disposition: form-data; name="file"; filename="planted.md"\r\n\r\nplanted\r\n--b--\r\n'
FORM = {"content-type": "multipart/form-data; boundary=b"}


class Echo:
    """An interpreter that runs nothing."""

    ran = 0

    def run(self, code: str, timeout_s: float = 5.0, *, inputs: Any = None) -> Execution:
        self.ran += 1
        return Execution("ok", value=code)


@pytest.fixture
def interpreter() -> Iterator[Callable[..., tuple[str, Echo]]]:
    started: list[tuple[InterpreterServer, threading.Thread]] = []

    def start(key: str = "") -> tuple[str, Echo]:
        echo = Echo()
        server = InterpreterServer(("127.0.0.1", 0), echo, key)
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        started.append((server, thread))
        return f"http://127.0.0.1:{server.server_address[1]}", echo

    yield start
    for server, thread in started:
        server.shutdown()
        thread.join(15)
        assert not thread.is_alive()


def place(url: str) -> tuple[str, int]:
    host, port = url.removeprefix("http://").split(":")
    return host, int(port)


def foreign(url: str) -> list[dict[str, str]]:
    """What a browser sends for pages that are not the server's own."""
    port = place(url)[1]
    return [
        {"origin": f"http://127.0.0.1:{port - 1}"},
        {"origin": "http://localhost:3000"},
        {"origin": "http://127.0.0.1"},
        {"origin": f"https://127.0.0.1:{port}"},
        {"origin": f"http://x@127.0.0.1:{port}"},
        {"origin": f"http://127.0.0.1:{port}.evil.example"},
        {"origin": "null"},
        {"origin": ""},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"host": "evil.example"},
        {"host": f"127.0.0.1.nip.io:{port}"},
        {"host": f"evil@127.0.0.1:{port}"},
        {"host": f"evil@127.0.0.1:{port}", "origin": f"http://evil@127.0.0.1:{port}"},
        {"origin": "http://evil.example", "x-forwarded-host": "evil.example", "x-forwarded-for": "127.0.0.1"},
    ]


# ---------------------------------------------------------------------------------------------------- pages


def test_pages_of_other_origins_can_do_nothing_by_any_method_or_content_type(serve):
    server = serve()
    for headers in foreign(server.url):
        for method, path, body, kind in (
            ("POST", "/v1/files", MULTIPART, FORM),
            ("POST", "/v1/vector_stores", b'{"name": "planted"}', {"content-type": "text/plain"}),
            ("POST", "/v1/vector_stores", b'{"name": "planted"}', {"content-type": "application/json"}),
            ("GET", "/v1/vector_stores/main", None, {}),
            ("GET", "/v1/models", None, {}),
            ("POST", "/mcp", b"{}", {"content-type": "application/json"}),
            ("DELETE", "/v1/vector_stores/main", None, {}),
        ):
            answer = httpx.request(method, server.url + path, content=body, headers={**kind, **headers})
            assert answer.status_code == 403 and answer.json()["error"]["code"] == "host_not_allowed", (headers, path)
    assert server.state.records.select("files") == server.state.records.select("stores") == []


def test_the_servers_own_page_and_programs_may_ask(serve):
    server = serve()
    port = place(server.url)[1]
    for headers in (
        {},
        {"origin": server.url, "sec-fetch-site": "same-origin"},
        {"sec-fetch-site": "none"},
        {"host": f"localhost:{port}", "origin": f"http://localhost:{port}"},
        {"host": "localhost:9000", "origin": "http://localhost:9000"},  # a port that was forwarded
    ):
        answer = httpx.post(f"{server.url}/v1/files", content=MULTIPART, headers={**FORM, **headers})
        assert answer.status_code == 200, (headers, answer.text)
    # A citation in another program's page leads here: the page of a source holds nothing of anyone.
    assert httpx.get(f"{server.url}/sources/1", headers={"sec-fetch-site": "cross-site"}).status_code == 200


def test_allowed_origins_and_the_public_address_go_on_working(serve):
    server = serve(
        allow_origins=["http://app.example:3000"], public_url="https://ask.example/", allow_hosts=["ask.example"]
    )
    origin = {"origin": "http://app.example:3000", "sec-fetch-site": "cross-site"}
    answer = httpx.post(f"{server.url}/v1/files", content=MULTIPART, headers={**FORM, **origin})
    assert answer.status_code == 200 and answer.headers["access-control-allow-origin"] == origin["origin"]
    asked = {"access-control-request-method": "DELETE", "access-control-request-headers": "authorization"}
    assert httpx.options(f"{server.url}/v1/files/x", headers={**origin, **asked}).status_code == 200
    behind = {"host": "ask.example", "origin": "https://ask.example"}
    assert httpx.get(f"{server.url}/v1/models", headers=behind).status_code == 200
    assert httpx.get(f"{server.url}/v1/models", headers={"origin": "http://app.example:3001"}).status_code == 403
    key = server.state.keys.add("page")
    answer = httpx.get(f"{server.url}/v1/models", headers={**origin, "authorization": f"Bearer {key}"})
    assert answer.status_code == 200 and answer.headers["access-control-allow-origin"] == origin["origin"]


# ---------------------------------------------------------------------------------------------------- machines


@pytest.mark.parametrize(
    ("client", "here", "peer", "status"),
    [
        (("127.0.0.1", 5), ("127.0.0.1", 80), None, 200),
        (("::1", 5), ("::1", 80), None, 200),
        (("::ffff:127.0.0.1", 5), ("::ffff:127.0.0.1", 80), None, 200),
        (("10.9.9.9", 5), ("127.0.0.1", 80), None, 403),
        (("::ffff:10.9.9.9", 5), ("127.0.0.1", 80), None, 403),
        (("127.0.0.1", 5), ("10.9.9.9", 80), None, 403),
        (("127.0.0.1", 5), ("0.0.0.0", 80), None, 403),
        (("127.0.0.1", 5), ("127.0.0.1", 80), ("10.9.9.9", 5), 403),  # X-Forwarded-For made it 127.0.0.1
        (("10.9.9.9", 5), ("127.0.0.1", 80), ("127.0.0.1", 5), 200),  # a proxy here, which its Host names
        (None, ("/run/nacre.sock", None), None, 403),  # a socket file: whoever is behind it
        (None, None, None, 403),
    ],
)
def test_without_keys_both_ends_are_this_machines_whatever_the_headers_say(serve, client, here, peer, status):
    server = serve()
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    lies = [(b"host", b"localhost"), (b"x-forwarded-for", b"127.0.0.1"), (b"forwarded", b"for=127.0.0.1")]
    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "GET", "scheme": "http",
        "path": "/v1/models", "raw_path": b"/v1/models", "query_string": b"", "root_path": "", "headers": lies,
        "client": client, "server": here, "state": {} if peer is None else {"peer": peer},
    }  # fmt: skip
    asyncio.run(server.app(scope, receive, send))
    assert sent[0]["status"] == status


def test_the_last_key_revoked_leaves_the_door_shut_also_after_a_restart(serve):
    server = serve()
    assert httpx.get(f"{server.url}/v1/models").status_code == 200
    server.state.keys.add("last")
    assert server.state.keys.revoke("last")
    # Nobody asked while there was a key: the server must know all the same.
    assert httpx.get(f"{server.url}/v1/models").status_code == 401
    again = serve()
    assert httpx.get(f"{again.url}/v1/models").status_code == 401
    wide = Settings.model_validate({"kb": server.settings.kb, "server": {"host": "0.0.0.0"}})
    with pytest.raises(UsageError, match="keys add"):
        refuse_open_door(wide)
    again.state.keys.open_door()
    assert httpx.get(f"{again.url}/v1/models").status_code == 401, "guarded once is guarded until the process ends"
    assert httpx.get(f"{serve().url}/v1/models").status_code == 200


def test_the_door_is_not_opened_while_there_are_keys_and_older_files_are_shut(tmp_path):
    keys = Keys(tmp_path)
    key = keys.add("one")
    with pytest.raises(UsageError, match="Revoke"):
        keys.open_door()
    keys._database.execute("drop table door")
    keys._database.execute("alter table keys drop column write_main")
    keys.close()
    older = Keys(tmp_path)
    assert older.find(key).write_main is False and older.shut
    older.close()


def test_a_server_that_others_can_reach_is_guarded_whatever_became_of_its_keys(serve):
    server = serve(host="0.0.0.0")  # the fixture listens on loopback all the same
    assert httpx.get(f"{server.url}/v1/models").status_code == 401


# ---------------------------------------------------------------------------------------------------- time


def ends(raw: socket.socket) -> bytes:
    """All that comes until the server hangs up; a test that waits in vain runs into the socket's timeout."""
    found = b""
    with contextlib.suppress(ConnectionError):
        while part := raw.recv(65536):
            found += part
    return found


def trickled(url: str, first: bytes, drop: bytes = b"a", pause_s: float = 0.05) -> bytes:
    """Send something whole, then a byte now and then, until the server hangs up."""
    with socket.create_connection(place(url), timeout=10) as raw:
        raw.sendall(first)
        got, until = b"", time.monotonic() + 10
        raw.settimeout(pause_s)
        while time.monotonic() < until:
            try:
                raw.sendall(drop)
                part = raw.recv(65536)
            except TimeoutError:
                continue
            except ConnectionError:
                return got
            if not part:
                return got
            got += part
    raise AssertionError("held for ever")


@pytest.mark.parametrize(
    "first",
    [
        b"",
        b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX: ",
        b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\nGET /healthz HTTP/1.1\r\nX: ",  # the second request
        b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n" * 3 + b"G",
        b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 100000\r\n\r\n",  # a body that nobody reads
        b"POST /v1/files HTTP/1.1\r\nHost: evil.example\r\nContent-Length: 100000\r\n\r\n",  # of a refused request
        b"POST /v1/feedback HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 100000\r\n\r\n",  # a body that is read
        b"POST /v1/files HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: multipart/form-data; boundary=b\r\nContent-Length: 100000\r\n\r\n--b\r\n",
    ],
)
def test_whatever_is_trickled_is_hung_up_on(serve, first):
    server = serve(patience_s=0.4)
    trickled(server.url, first)
    assert httpx.get(f"{server.url}/healthz").status_code == 200


def test_a_chunked_body_that_trickles_is_hung_up_on_and_told_why(serve):
    server = serve(patience_s=0.4)
    head = b"POST /v1/feedback HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\n"
    assert b" 408 " in trickled(server.url, head, b"1\r\n{\r\n")


def test_a_client_that_takes_its_time_between_whole_requests_is_served(serve):
    server = serve(patience_s=0.4)
    with httpx.Client(base_url=server.url) as client:
        for _ in range(2):
            assert client.get("/healthz").status_code == 200
            time.sleep(0.6)
        # A body that moves is not cut off by the clock of the headers.
        body = (b" " * 8192 for _ in range(6) if not time.sleep(0.1))
        assert client.post("/v1/feedback", content=body).status_code == 400


@pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="asks Linux who is connected")
def test_a_client_that_never_reads_its_answer_is_hung_up_on(serve):
    server = serve(patience_s=0.4, max_body_mb=64)
    kept = httpx.post(f"{server.url}/v1/files", files={"file": ("big", b"x" * (32 << 20))}).json()["id"]
    raw = socket.socket()
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    raw.settimeout(10)
    raw.connect(place(server.url))
    raw.sendall(f"GET /v1/files/{kept}/content HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
    ports, until = (raw.getpeername()[1], raw.getsockname()[1]), time.monotonic() + 30
    assert _serving(*ports)
    while _serving(*ports):
        assert time.monotonic() < until, "held for ever"
        time.sleep(0.05)
    assert len(ends(raw)) < 32 << 20
    raw.close()
    # Who reads gets all of it.
    assert len(httpx.get(f"{server.url}/v1/files/{kept}/content").content) == 32 << 20


def _serving(server: int, client: int) -> bool:
    """Whether the server's end of a connection is open to this machine's kernel. Both ports name it: the client's alone
    may be that of a connection of another test, to another server, at the same time."""
    lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return any(
        line[1].endswith(f":{server:04X}") and line[2].endswith(f":{client:04X}") and line[3] == "01" for line in lines
    )


# ---------------------------------------------------------------------------------------------------- how many


def test_held_connections_make_way_for_those_who_ask(serve):
    server = serve(max_connections=12, patience_s=30)
    with contextlib.ExitStack() as stack:
        held = [stack.enter_context(socket.create_connection(place(server.url), timeout=10)) for _ in range(11)]
        for raw in held:
            raw.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
            raw.recv(1000)
            raw.sendall(b"GET /heal")
        for _ in range(20):
            assert httpx.get(f"{server.url}/readyz").status_code == 200


def test_one_address_makes_way_for_itself_and_takes_nobody_elses_place(serve):
    server = serve(max_connections=100, max_per_address=3, patience_s=30)
    with contextlib.ExitStack() as stack:

        def ask(raw: socket.socket) -> None:
            raw.sendall(b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
            got = b""
            while b'"ok"}' not in got:
                part = raw.recv(1000)
                assert part, got
                got += part

        def connect(address: str) -> socket.socket:
            raw = stack.enter_context(socket.socket())
            raw.settimeout(10)
            raw.bind((address, 0))
            raw.connect(place(server.url))
            ask(raw)
            return raw

        other = connect("127.0.0.1")
        many = [connect("127.0.0.2") for _ in range(9)]
        for raw in many[:6]:  # the oldest had to go
            assert ends(raw) == b""
        for raw in (other, *many[6:]):
            ask(raw)


def test_answers_under_way_are_never_displaced(serve):
    model = ScriptedChatModel(lambda messages, n: "It opens at nine.", delay_s=1.0)
    server = serve(model, max_connections=50, max_per_address=2)
    body = {"model": "nacre", "messages": [{"role": "user", "content": "When does the workshop open?"}]}
    found: list[int] = []

    def ask() -> None:
        found.append(httpx.post(f"{server.url}/v1/chat/completions", json=body, timeout=30).status_code)

    threads = [threading.Thread(target=ask) for _ in range(2)]
    for thread in threads:
        thread.start()
    until = time.monotonic() + 20
    while len(model.calls) < 2 and time.monotonic() < until:  # a connection that has not asked yet may be displaced
        time.sleep(0.01)
    refused = 0
    while any(thread.is_alive() for thread in threads) and time.monotonic() < until:
        with contextlib.suppress(httpx.TransportError):
            refused += httpx.get(f"{server.url}/healthz").status_code == 503
    for thread in threads:
        thread.join(30)
    assert found == [200, 200] and refused


# ---------------------------------------------------------------------------------------------------- the interpreter


def test_the_interpreters_door_is_the_same(interpreter):
    url, echo = interpreter()
    body = json.dumps({"code": "1+41"}).encode()
    kind = {"content-type": "application/json"}
    for headers in foreign(url):
        assert httpx.post(f"{url}/run", content=body, headers={**kind, **headers}).status_code == 403, headers
    for given in ({}, {"content-type": "text/plain"}, {"content-type": "application/x-www-form-urlencoded"}, FORM):
        assert httpx.post(f"{url}/run", content=body, headers=given).status_code == 415, given
    assert echo.ran == 0
    answer = httpx.post(f"{url}/run", content=body, headers={"content-type": "application/json; charset=utf-8"})
    assert answer.status_code == 200 and echo.ran == 1
    assert httpx.get(f"{url}/health").json() == {"ok": True}
    assert httpx.get(f"{url}/run").status_code == 405 and httpx.get(f"{url}/other").status_code == 404


def test_the_interpreter_with_a_key_runs_for_nobody_else(interpreter):
    url, echo = interpreter("shell of a snail")
    for headers in ({}, {"authorization": "Bearer wrong"}, {"authorization": "Basic shell of a snail"}):
        assert httpx.post(f"{url}/run", json={"code": "1"}, headers=headers).status_code == 401
    assert echo.ran == 0
    shown = {"authorization": "Bearer shell of a snail"}
    assert httpx.post(f"{url}/run", json={"code": "1"}, headers=shown).status_code == 200
    big = "POST /run HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer shell of a snail\r\nContent-Length: 40000000\r\n\r\n"
    with socket.create_connection(place(url), timeout=10) as raw:
        raw.sendall(big.encode())
        assert b" 413 " in raw.recv(1000)
    assert httpx.get(f"{url}/health").status_code == 200


# ---------------------------------------------------------------------------------------------------- as a command


@pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
def test_keys_by_command_say_what_became_of_the_door(folder: Path):
    command = str(Path(sys.executable).with_name("nacre"))

    def keys(*arguments: str) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "NACRE_LANG": "en"}
        return subprocess.run(
            [command, "keys", *arguments, "--kb", str(folder)],
            capture_output=True, text=True, timeout=60, env=environment,
        )  # fmt: skip

    assert keys("add", "anna", "--write-main").returncode == 0
    assert "writes into main" in keys("list").stdout
    assert keys("add", "ben", "--read-only", "--write-main").returncode == 2
    assert keys("add", "ben", "--principals", "key:123").returncode == 2
    assert keys("open").returncode == 2
    assert "refuses everybody" in keys("revoke", "anna").stderr
    assert keys("open").returncode == 0


# ---------------------------------------------------------------------------------------------------- what is sent


def test_a_body_of_two_lengths_is_refused_and_its_connection_closed(serve):
    server = serve()
    with socket.create_connection(place(server.url), timeout=10) as raw:
        raw.sendall(
            b"POST /v1/vector_stores HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"
            b"2\r\n{}\r\n0\r\n\r\nGET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
        )
        told = ends(raw)
    assert told.startswith(b"HTTP/1.1 400 ") and b" 200 " not in told
    assert len(httpx.get(f"{server.url}/v1/vector_stores").json()["data"]) == 1, "only main"


MANY = b'{"model": "nacre", "messages": [{"role": "user", "content": "x"}], "more": [' + b"0," * 300_000 + b"0]}"


@pytest.mark.parametrize("body", [MANY, MANY.decode().encode("utf-16"), MANY.decode().encode("utf-32-le")])
def test_a_body_of_very_many_values_is_refused_before_it_is_read(serve, body):
    server = serve()
    told = httpx.post(f"{server.url}/v1/chat/completions", content=body, headers={"content-type": "application/json"})
    assert told.status_code == 413 and "250" in told.json()["error"]["message"]


def test_a_long_text_of_marks_is_no_body_of_many_values(serve):
    server = serve()
    said = '1,2:[{\\"' * 100_000
    body = {"model": "nacre", "messages": [{"role": "user", "content": said}]}
    assert httpx.post(f"{server.url}/v1/chat/completions", json=body, timeout=60).status_code == 200
    told = httpx.post(f"{server.url}/v1/files", files={"file": ("a.csv", b"1," * 300_000)})
    assert told.status_code == 200


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
def test_values_are_counted_whichever_way_a_body_is_cut(size):
    body = b'{"a,:[{": ["\\\\", "\\"", "\\\\\\",", 1, {}], "b": "\xc3\xa9,"}'
    values = Values()
    assert [values.add(body[at : at + size]) for at in range(0, len(body), size)][-1] == 10


def test_no_stream_of_messages_holds_a_connection(serve):
    pytest.importorskip("mcp")
    server = serve()
    told = httpx.get(f"{server.url}/mcp", headers={"accept": "text/event-stream"}, timeout=5)
    assert told.status_code == 405 and told.headers["allow"] == "POST"


# ---------------------------------------------------------------------------------------------------- another file


def test_a_key_file_that_is_replaced_or_deleted_is_noticed(serve, tmp_path):
    server = serve()
    old = server.state.keys.add("old")
    folder = Path(server.state.keys._database.path).parent
    asked = lambda key: httpx.get(f"{server.url}/v1/me", headers={"authorization": f"Bearer {key}"}).status_code  # noqa: E731
    assert asked(old) == 200
    other = Keys(tmp_path / "other")
    new = other.add("new")
    other.close()
    for path in folder.glob("keys.sqlite*"):
        path.unlink()
    assert asked(old) == 401, "deleted"
    for path in folder.glob("keys.sqlite*"):
        path.unlink()
    (tmp_path / "other" / "keys.sqlite").rename(folder / "keys.sqlite")
    assert (asked(old), asked(new), asked("none")) == (401, 200, 401), "replaced"
    for path in folder.glob("keys.sqlite*"):
        path.unlink()
    (folder / "keys.sqlite").write_bytes(b"no database" * 100)
    assert (asked(new), asked("none")) == (401, 401), "no database"
