"""Keys: no route without one, and never a document of someone else, by any route."""

from __future__ import annotations

import json
import re
from typing import Any

import httpx
import pytest
from fastapi.routing import APIRoute

from nacre import NacreError
from nacre.server.app import refuse_open_door
from nacre.server.auth.guard import _PUBLIC
from nacre.server.auth.keys import Keys
from nacre.server.settings import Settings

BODIES: dict[str, Any] = {
    "/v1/chat/completions": {
        "model": "nacre",
        "messages": [{"role": "user", "content": "What is the salary of the director?"}],
    },
    "/v1/responses": {"model": "nacre", "input": "What is the salary of the director?"},
    "/v1/vector_stores/{store}/search": {"query": "What is the salary of the director?"},
    "/v1/vector_stores/{store}/files": {"file_id": "FILE"},
    "/v1/vector_stores/{store}/file_batches": {"file_ids": ["FILE"]},
    "/v1/vector_stores": {"name": "x", "file_ids": ["FILE"]},
    "/v1/vector_stores/{store}": {"name": "taken over"},
    "/v1/embeddings": {"model": "nacre", "input": "x"},
    "/v1/feedback": {"verdict": "up", "question": "q", "answer": "a"},
}


PAGES = [("GET", path) for path in ("/", "/page/{name}", "/sources/{document}", "/favicon.ico", "/openapi.json")]


def routes(app: Any) -> list[tuple[str, str]]:
    """Every (method, path) that the application has."""
    schema = [(method.upper(), path) for path, item in app.openapi()["paths"].items() for method in item]
    assert len(schema) + len(PAGES) >= len([route for route in app.routes if isinstance(route, APIRoute)])
    return sorted([*schema, *PAGES, ("POST", "/mcp")])


def filled(path: str, names: dict[str, str]) -> str:
    return re.sub(r"\{(\w+)\}", lambda match: names.get(match[1], "1"), path)


def call(url: str, method: str, path: str, key: str | None, names: dict[str, str]) -> httpx.Response:
    headers = {} if key is None else {"authorization": f"Bearer {key}"}
    body = json.loads(json.dumps(BODIES.get(path, {})).replace("FILE", names.get("file", "file-0")))
    files = {"file": ("x.txt", b"x")} if method == "POST" and path.startswith(("/v1/files", "/v1/audio")) else None
    sent: dict[str, Any] = {"files": files} if files else {"json": body} if method == "POST" else {}
    return httpx.request(method, url + filled(path, names), headers=headers, **sent)


def test_every_route_is_refused_without_a_key_or_with_a_wrong_one(serve):
    server = serve()
    server.state.keys.add("owner")
    walked = 0
    for method, path in [*routes(server.app), ("GET", "/mcp")]:  # with a key, this one is a stream without end
        place = filled(path, {"document": "1", "name": "index.html"})
        if _PUBLIC.fullmatch(place) and method == "GET":
            continue
        walked += 1
        for key in (None, "nk-guess", "nk-" + "A" * 43):
            answer = call(server.url, method, path, key, {})
            assert answer.status_code == 401, (method, path, answer.status_code)
            assert answer.json()["error"]["code"] == "invalid_api_key"
            assert answer.headers["www-authenticate"] == "Bearer"
    assert walked > 25


def test_what_is_public_shows_nothing_of_anyone(serve):
    server = serve()
    server.state.keys.add("owner")
    for path in ("/", "/sources/1", "/sources/2", "/healthz", "/readyz"):
        answer = httpx.get(server.url + path)
        assert answer.status_code == 200 and "pearls a year" not in answer.text and "workshop" not in answer.text


def test_a_walk_over_all_routes_with_anothers_key_never_meets_a_document(serve):
    server = serve(
        lambda messages, n: (
            "Ninety thousand [1]." if "pearls a year" in str(messages[-1].content) else "I do not know."
        ),
        trace=True,
    )
    hr = server.state.keys.add("hr", ("hr",))
    stranger = server.state.keys.add("stranger", ("sales",))
    client = server.openai(hr)
    secret = "The vault code is four pearls and a shell."
    file = client.files.create(file=("vault.md", secret.encode()), purpose="assistants")
    store = client.vector_stores.create(name="secret store", file_ids=[file.id])
    batch = client.vector_stores.file_batches.create_and_poll("main", file_ids=[file.id], poll_interval_ms=50)
    assert batch.file_counts.completed == 1
    documents = {d["uri"]: d["document_id"] for d in server.state.bases.main.documents()}
    hidden = [number for uri, number in documents.items() if "hours" not in uri]
    assert len(hidden) == 2
    made = client.responses.create(**BODIES["/v1/responses"], store=True)
    assert "Ninety" in made.output_text
    # hr sees them: the walk below would find something if it could.
    asked = client.chat.completions.with_raw_response.create(**BODIES["/v1/chat/completions"])
    assert "Ninety" in asked.parse().choices[0].message.content
    trace = asked.headers["x-request-id"]
    assert "pearls a year" in call(server.url, "GET", "/v1/traces/{trace}", hr, {"trace": trace}).text
    assert client.vector_stores.search("main", query="vault code").data[0].content[0].text == secret
    for method, path in routes(server.app):
        for number in hidden:
            for place in ("main", store.id):
                names = {
                    "file": file.id,
                    "store": place,
                    "batch": batch.id,
                    "document": str(number),
                    "response": made.id,
                    "trace": trace,
                    "model": "nacre",
                    "name": "index.html",
                }
                answer = call(server.url, method, path, stranger, names)
                for word in ("vault", "four pearls", "pearls a year", "secret store", "Ninety"):
                    assert word not in answer.text, (method, path, answer.text)
                assert answer.status_code < 500, (method, path, answer.text)
    # And nothing of it was deleted or renamed.
    assert "Ninety" in client.responses.retrieve(made.id).output_text
    assert client.files.retrieve(file.id).filename == "vault.md"
    assert client.vector_stores.retrieve(store.id).name == "secret store"
    assert client.vector_stores.search("main", query="vault code").data[0].content[0].text == secret
    client.close()


def test_uploads_are_given_to_ones_own_principals_only(serve):
    server = serve()
    key = server.state.keys.add("two", ("hr", "sales"), write_main=True)
    client = server.openai(key)
    file = client.files.create(file=("a.md", b"Sales of combs rose."), purpose="assistants")
    headers = {"authorization": f"Bearer {key}"}
    body = {"file_id": file.id, "attributes": {"principals": "board"}}
    answer = httpx.post(f"{server.url}/v1/vector_stores/main/files", json=body, headers=headers)
    assert answer.status_code == 403 and answer.json()["error"]["code"] == "foreign_principals"
    body["attributes"]["principals"] = "sales"
    assert httpx.post(f"{server.url}/v1/vector_stores/main/files", json=body, headers=headers).status_code == 200
    row = server.state.records.one("entries", "file = ?", file.id)
    assert json.loads(row["principals"]) == ["sales"]
    client.close()


def test_a_read_only_key_changes_nothing(serve):
    server = serve()
    key = server.state.keys.add("reader", read_only=True)
    refused = 0
    for method, path in routes(server.app):
        answer = call(server.url, method, path, key, {"store": "main"})
        if answer.status_code == 403 and answer.json()["error"]["code"] == "read_only_key":
            refused += 1
    assert refused >= 8
    assert server.state.records.select("files") == [] and server.state.records.select("stores") == []


def test_a_revoked_key_is_refused_at_once_and_only_hashes_are_kept(serve):
    server = serve()
    server.state.keys.add("other")
    key = server.state.keys.add("leaver")
    assert call(server.url, "GET", "/v1/models", key, {}).status_code == 200
    assert key.encode() not in b"".join(path.read_bytes() for path in server.settings.store.glob("keys.sqlite*"))
    assert key not in json.dumps(server.state.keys.all())
    assert server.state.keys.revoke("leaver")
    assert call(server.url, "GET", "/v1/models", key, {}).status_code == 401


def test_limits_of_a_key(serve):
    server = serve()
    slow = server.state.keys.add("slow", per_minute=2)
    poor = server.state.keys.add("poor", tokens_per_day=5)
    assert [call(server.url, "GET", "/v1/models", slow, {}).status_code for _ in range(3)] == [200, 200, 429]
    assert int(call(server.url, "GET", "/v1/models", slow, {}).headers["retry-after"]) >= 1
    assert call(server.url, "POST", "/v1/chat/completions", poor, {}).status_code == 200
    answer = call(server.url, "POST", "/v1/chat/completions", poor, {})
    assert answer.status_code == 429 and answer.json()["error"]["code"] == "insufficient_quota"


def test_without_keys_only_this_machine_may_ask(serve, tmp_path):
    server = serve()
    for headers in ({"host": "evil.example"}, {"origin": "https://evil.example"}, {"origin": "null"}):
        answer = httpx.get(f"{server.url}/v1/models", headers=headers)
        assert answer.status_code == 403 and answer.json()["error"]["code"] == "host_not_allowed"
    assert httpx.get(f"{server.url}/v1/models", headers={"origin": server.url}).status_code == 200
    assert (
        "access-control-allow-origin"
        not in httpx.get(f"{server.url}/v1/models", headers={"origin": server.url}).headers
    )
    data = tmp_path / "data"
    data.mkdir()
    settings = Settings.model_validate({"kb": server.settings.kb, "server": {"host": "0.0.0.0", "data": data}})
    with pytest.raises(NacreError, match="keys"):
        refuse_open_door(settings)
    keys = Keys(data)
    keys.add("someone")
    keys.close()
    refuse_open_door(settings)


def test_the_audit_log_says_who_drew_on_which_document_and_nothing_of_the_contents(serve):
    server = serve()
    key = server.state.keys.add("hr", ("hr",))
    call(server.url, "POST", "/v1/chat/completions", key, {})
    row = server.state.records.select("audit")[-1]
    assert row["asker"] == server.state.keys.all()[0]["id"] and row["model"] == "nacre" and row["tokens"] > 0
    assert json.loads(row["documents"]) and all(entry.startswith("main/") for entry in json.loads(row["documents"]))
    assert "salary" not in json.dumps(row).lower()
