"""Whatever is sent, the server answers with a client's error, and goes on."""

from __future__ import annotations

import contextlib
import json
import socket
import time
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

WORDS = [
    "",
    "nacre",
    "main",
    "x" * 300,
    "../..",
    "%00",
    "\u0000",
    "\ud7ff",
    "𝒩",
    "é\r\nX-Evil: 1",
    "-1",
    "99999999999999999999999",
    "{}",
    "null",
]
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False)
    | st.sampled_from(WORDS)
    | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["role", "content", "type", "text", "function", "name", "a"]), inner, max_size=3
        )
    ),
    max_leaves=8,
)


def fields(schema: dict[str, Any], operation: dict[str, Any]) -> list[str]:
    body = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
    return list(schema["components"]["schemas"].get(body.get("$ref", "").rpartition("/")[2], {}).get("properties", {}))


@pytest.mark.slow
def test_no_operation_of_the_schema_answers_with_a_5xx(serve):
    server = serve()
    schema = httpx.get(f"{server.url}/openapi.json").json()
    operations = [(m.upper(), p, fields(schema, o), o) for p, item in schema["paths"].items() for m, o in item.items()]
    assert len(operations) > 25
    right = {
        "model": "nacre",
        "messages": [{"role": "user", "content": "tea?"}],
        "input": "tea?",
        "query": "tea",
        "verdict": "up",
        "question": "q",
        "answer": "a",
    }
    client = httpx.Client(base_url=server.url, timeout=30)

    @settings(max_examples=12, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(data=st.data())
    def fuzz(operation, data):
        method, path, names, described = operation
        for parameter in described.get("parameters", []):
            if parameter["in"] == "path":
                path = path.replace(
                    f"{{{parameter['name']}}}", quote(data.draw(st.sampled_from(WORDS)), safe="") or "0"
                )
        body = {name: right[name] for name in names if name in right}
        for name in data.draw(st.lists(st.sampled_from(names), max_size=3)) if names else ():
            body[name] = data.draw(VALUES)
        query = {
            p["name"]: data.draw(st.sampled_from(WORDS))
            for p in described.get("parameters", [])
            if p["in"] == "query" and data.draw(st.booleans())
        }
        answer = client.request(
            method,
            path,
            params=query,
            content=json.dumps(body).encode() if method == "POST" else None,
            headers={"content-type": "application/json"},
        )
        # No encoder is loaded here, which is told as a 400; a model that is not configured would be a 503.
        assert answer.status_code < 500, (method, path, query, body, answer.text)
        if answer.status_code >= 400:
            assert answer.json()["error"]["message"]

    for operation in operations:
        fuzz(operation)
    client.close()
    assert httpx.get(f"{server.url}/readyz").status_code == 200


@pytest.mark.parametrize(
    "sent",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET /" + b"a" * 200_000 + b" HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
        b"POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: -5\r\n\r\n",
        b"POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n",
        b"GET /v1/models HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Request-Id: a\r\n b\r\n\r\n",
        b"GET /page/..%2f..%2fsettings.py HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
        b"GET /page/../app.py HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
    ],
)
def test_broken_http_is_refused_and_the_server_goes_on(serve, sent):
    server = serve()
    host, port = server.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=10) as raw:
        answer = b""
        with contextlib.suppress(OSError):  # it may hang up before it has read everything
            raw.sendall(sent)
            raw.shutdown(socket.SHUT_WR)
            while part := raw.recv(65536):
                answer += part
    assert b"HTTP/1.1 5" not in answer and b"def create_app" not in answer
    assert httpx.get(f"{server.url}/healthz").status_code == 200


def test_deeply_nested_json_is_a_wrong_request(serve):
    server = serve()
    for body in (
        b"[" * 100_000,
        b'{"model": "nacre", "messages": ' + b"[" * 5000 + b"]" * 5000 + b"}",
        b'{"a": 1e999999}',
        b'"\xff\xfe"',
    ):
        answer = httpx.post(
            f"{server.url}/v1/chat/completions", content=body, headers={"content-type": "application/json"}
        )
        assert answer.status_code == 400, answer.text


def test_half_a_character_is_a_wrong_request(serve):
    server = serve()
    for path, body in (
        ("/v1/responses", b'{"model": "nacre", "input": "tea?", "tools": [{"type": "\\ud800"}]}'),
        ("/v1/vector_stores", b'{"name": "\\ud800"}'),
        ("/v1/feedback", b'{"verdict": "up", "question": "\\udfff", "answer": "a"}'),
    ):
        answer = httpx.post(f"{server.url}{path}", content=body, headers={"content-type": "application/json"})
        assert answer.status_code == 400 and answer.json()["error"]["message"], (path, answer.text)
    kept = b'{"model": "nacre", "store": true, "stream": true, "input": [{"role": "user", "content": "tea \\ud800?"}]}'
    events = httpx.post(f"{server.url}/v1/responses", content=kept, headers={"content-type": "application/json"}).text
    assert "response.completed" in events


def test_a_fault_of_the_servers_own_has_a_request_id_and_is_logged_once(serve, caplog):
    server = serve(lambda messages, n: RuntimeError("secret of the provider"))
    body = {"model": "nacre", "messages": [{"role": "user", "content": "When is tea served?"}]}
    answer = httpx.post(f"{server.url}/v1/chat/completions", json=body, headers={"x-request-id": "mine"})
    assert answer.status_code == 500 and answer.headers["x-request-id"] == "mine" and "secret" not in answer.text
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert [record.levelname for record in caplog.records].count("ERROR") == 1


def test_contents_never_reach_the_log(serve, caplog):
    server = serve()
    with caplog.at_level("INFO", logger="nacre.server"):
        httpx.post(
            f"{server.url}/v1/chat/completions",
            json={"model": "nacre", "messages": [{"role": "user", "content": "When is tea served? SECRET"}]},
        )
        httpx.get(f"{server.url}/v1/models/a%0d%0aFORGED", headers={"x-request-id": "FORGED line"})
    assert "/v1/chat/completions" in caplog.text
    assert "SECRET" not in caplog.text and "FORGED" not in caplog.text


@pytest.mark.slow
def test_uploads_of_every_sort_of_document_leave_the_server_up(serve, shared_data):
    server = serve()
    client = httpx.Client(base_url=server.url, timeout=60)
    paths = sorted(
        path for path in (shared_data / "docs").rglob("*") if path.is_file() and path.stat().st_size < 300_000
    )[::4]
    ids = [
        client.post("/v1/files", files={"file": (path.name, path.read_bytes())}, data={"purpose": "assistants"}).json()[
            "id"
        ]
        for path in paths
    ]
    assert len(ids) > 20
    assert client.post("/v1/vector_stores/main/file_batches", json={"file_ids": ids}).status_code == 200
    until = time.monotonic() + 200
    while (counts := client.get("/v1/vector_stores/main").json()["file_counts"])["in_progress"]:
        assert client.get("/readyz").status_code == 200 and time.monotonic() < until
        time.sleep(0.5)
    assert counts["completed"] > len(ids) * 0.7, counts
    failed = client.get("/v1/vector_stores/main/files?limit=500&filter=failed").json()["data"]
    assert all(entry["last_error"]["message"] for entry in failed) and len(failed) == counts["failed"]
    client.close()


@pytest.mark.parametrize("path", ["/v1/files", "/v1/audio/transcriptions"])
@pytest.mark.parametrize("extra", ["charset=punycode", "charset*=utf-8''punycode", 'CharSet="utf-7"'])
def test_a_form_chooses_no_decoder(serve, path, extra):
    server = serve(audio={"base_url": "http://127.0.0.1:9/v1"})
    body = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.txt"\r\n\r\ntea\r\n--b--\r\n'
    for kinds in ([f"multipart/form-data; boundary=b; {extra}"], [f"Multipart/Form-Data; {extra}; boundary=b", "a/b"]):
        answer = httpx.post(f"{server.url}{path}", content=body, headers=[("content-type", kind) for kind in kinds])
        assert (answer.status_code, answer.json()["error"]["code"]) == (415, "unsupported_encoding")
    if path == "/v1/files":
        plain = {"content-type": "multipart/form-data; charset=UTF-8; boundary=b"}
        assert httpx.post(f"{server.url}{path}", content=body, headers=plain).status_code == 200
