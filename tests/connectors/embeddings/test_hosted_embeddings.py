"""Embeddings of a service, against a real HTTP server that misbehaves on demand."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from nacre.connectors.embeddings import load_embedder
from nacre.connectors.embeddings.openai_compatible import limits_of
from nacre.connectors.embeddings.prefixes import prefixes_for
from nacre.errors import MissingKeyError, ModelError, ModelUnavailableError, UsageError

Answer = Callable[[dict[str, Any]], tuple[int, dict[str, str], dict[str, Any]]]


def embedding_of(text: str) -> list[float]:
    return [float(len(text)), 1.0, 0.0]


def embed(request: dict[str, Any]) -> tuple[int, dict[str, str], dict[str, Any]]:
    rows = [
        {"object": "embedding", "index": n, "embedding": embedding_of(text)} for n, text in enumerate(request["input"])
    ]
    body = {
        "object": "list",
        "model": request["model"],
        "data": rows[::-1],
        "usage": {"prompt_tokens": 1, "total_tokens": 1},
    }
    return 200, {}, body


class Service(ThreadingHTTPServer):
    """Answers with `script` first, then as it should."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.requests: list[dict[str, Any]] = []
        self.script: list[Answer] = []
        self.lock = threading.Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/v1"


class _Handler(BaseHTTPRequestHandler):
    server: Service

    def do_POST(self) -> None:
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with self.server.lock:
            self.server.requests.append({**request, "path": self.path, "key": self.headers.get("Authorization")})
            answer = self.server.script.pop(0) if self.server.script else embed
        status, headers, body = answer(request)
        raw = json.dumps(body).encode()
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", "Content-Length": str(len(raw)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(raw)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def service() -> Iterator[Service]:
    server = Service()
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def embedder(service: Service) -> Iterator[Callable[..., Any]]:
    made = []

    def make(model: str = "some-model", provider: str = "openai_compatible", **kwargs: Any) -> Any:
        made.append(load_embedder(f"{provider}:{model}@{service.url}", **kwargs))
        return made[-1]

    yield make
    for one in made:
        one.close()  # type: ignore[attr-defined]


def failing(status: int, **headers: str) -> Answer:
    return lambda _: (
        status,
        {name.replace("_", "-"): value for name, value in headers.items()},
        {"error": {"message": "busy"}},
    )


def test_texts_come_back_in_their_order_in_batches_of_the_allowed_size(
    service: Service, embedder: Callable[..., Any]
) -> None:
    texts = ["x" * n for n in range(1, 24)]
    vectors = embedder(batch_size=5).embed_documents(texts)
    assert [round(v[0] / v[1]) for v in vectors] == list(range(1, 24))
    assert sorted(len(request["input"]) for request in service.requests) == [3, 5, 5, 5, 5]
    assert {request["path"] for request in service.requests} == {"/v1/embeddings"}


def test_vectors_have_unit_length(embedder: Callable[..., Any]) -> None:
    assert sum(x * x for x in embedder().embed_query("abc")) == pytest.approx(1)


def test_a_busy_server_is_asked_again(service: Service, embedder: Callable[..., Any]) -> None:
    service.script = [failing(429, Retry_After="0.01"), failing(503, Retry_After="0.01")]
    assert len(embedder().embed_documents(["a"])) == 1
    assert len(service.requests) == 3


def test_a_server_that_stays_busy_is_reported_after_the_retries(service: Service, embedder: Callable[..., Any]) -> None:
    service.script = [failing(429, Retry_After="0.01")] * 9
    with pytest.raises(ModelUnavailableError, match="429"):
        embedder(max_retries=2).embed_documents(["a"])
    assert len(service.requests) == 3


def test_a_refused_key_is_named(service: Service, embedder: Callable[..., Any]) -> None:
    service.script = [failing(401)]
    with pytest.raises(MissingKeyError, match="ZHIPUAI_API_KEY"):
        embedder("embedding-3", provider="zhipu", api_key="wrong").embed_query("a")
    assert service.requests[0]["key"] == "Bearer wrong"


def test_too_few_vectors_are_an_error_and_not_a_shift(service: Service, embedder: Callable[..., Any]) -> None:
    service.script = [lambda request: embed({**request, "input": request["input"][:1]})]
    with pytest.raises(ModelError, match="1 vectors for 2 texts"):
        embedder().embed_documents(["a", "b"])


def test_nobody_there_is_said(service: Service) -> None:
    one = load_embedder("openai_compatible:m@http://127.0.0.1:9/v1", max_retries=0)
    with pytest.raises(ModelUnavailableError, match=r"127\.0\.0\.1:9"):
        one.embed_query("a")
    one.close()  # type: ignore[attr-defined]


def test_long_texts_are_cut_and_empty_ones_sent_as_something(service: Service, embedder: Callable[..., Any]) -> None:
    embedder(max_tokens=10).embed_documents(["水" * 50, "", "ok"])
    assert service.requests[0]["input"] == ["水" * 10, ".", "ok"]


def test_a_request_keeps_to_its_tokens(service: Service, embedder: Callable[..., Any]) -> None:
    embedder("bge-large-zh", provider="qianfan", api_key="k").embed_documents(["水" * 300] * 40)
    assert all(len("".join(request["input"])) <= 384 * 16 for request in service.requests)
    assert max(len(request["input"]) for request in service.requests) == 16


def test_prefixes_of_known_models_go_out_with_the_text(service: Service, embedder: Callable[..., Any]) -> None:
    e5 = embedder("multilingual-e5-large", provider="vllm")
    e5.embed_query("q")
    e5.embed_documents(["d"])
    assert [request["input"] for request in service.requests] == [["query: q"], ["passage: d"]]
    assert e5.identity["document_prefix"] == "passage: "


def test_identity_asks_for_an_unknown_dimension_once(service: Service, embedder: Callable[..., Any]) -> None:
    one = embedder()
    assert one.identity["dim"] == one.identity["dim"] == 3
    assert len(service.requests) == 1
    assert embedder("text-embedding-3-large", provider="openai").identity["dim"] == 3072
    shorter = embedder("text-embedding-3-large", provider="openai", dimensions=256)
    assert shorter.identity["dim"] == 256
    shorter.embed_query("a")
    assert service.requests[-1]["dimensions"] == 256


async def test_it_can_be_awaited(embedder: Callable[..., Any]) -> None:
    assert len(await embedder().aembed_documents(["a", "b"])) == 2


@pytest.mark.parametrize(
    ("spec", "kind"),
    [("openai:text-embedding-3-small", MissingKeyError), ("openai_compatible:m", UsageError), ("none", UsageError)],
)
def test_what_is_missing_in_a_name_is_said(spec: str, kind: type[Exception]) -> None:
    with pytest.raises(kind):
        load_embedder(spec)


def test_limits_and_prefixes_are_looked_up_by_pattern() -> None:
    assert limits_of("dashscope", "text-embedding-v4").texts == 10
    assert limits_of("nobody", "x").tokens == 512
    assert prefixes_for("intfloat/multilingual-e5-small").query == "query: "
    assert prefixes_for("/models/bge-small-zh-v1.5/").query.startswith("为这个句子")
    assert prefixes_for("BAAI/bge-m3") == prefixes_for("all-MiniLM-L6-v2") == ("", "")
    assert prefixes_for("bge-small-en", {"query": "Q ", "passage": "P "}) == ("Q ", "P ")
