"""A local server that speaks as SearXNG, MediaWiki, Tavily, Bing and an image interface do."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

PICTURE = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mNk+M8AAAMBAQDJ/pLvAAAAAElFTkSuQmCC"
)
ARTICLES = {
    "Marie Curie": "Marie Curie was a physicist. She was born in Warsaw. She won two Nobel Prizes. She moved to Paris. "
    "She studied radioactivity. She died in 1934.\n\n== Legacy ==\nThe curie is named after her. Warsaw has a museum about her.",
    "居里夫人": "玛丽·居里是物理学家。她出生于华沙。她两次获得诺贝尔奖。她后来移居巴黎。她研究放射性。她于1934年去世。",
}


class Outside:
    """What the server does, and what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, dict[str, str], Any]] = []
        self.fail: dict[str, int] = {}
        self.pages: dict[str, tuple[int, dict[str, str], bytes]] = {}
        self.url = ""

    def answer(self, path: str, query: dict[str, str], body: Any) -> tuple[int, dict[str, str], bytes]:
        self.asked.append((path, query, body))
        if self.fail.get(path):
            return self.fail[path], {"Retry-After": "7"}, b"no"
        if path in self.pages:
            return self.pages[path]
        made = getattr(self, "_" + path.strip("/").replace("/", "_").replace(".", "_").replace("-", "_"), None)
        if made is None:
            return 404, {}, b"nothing here"
        return 200, {"Content-Type": "application/json"}, json.dumps(made(query, body), ensure_ascii=False).encode()

    def _search(self, query: dict[str, str], body: Any) -> Any:
        rows = [
            {
                "title": f"About {query['q']} {n}",
                "url": f"https://example.org/{n}",
                "content": f"Snippet {n}",
                "engine": "x",
                "score": 1.0,
            }
            for n in range(3)
        ]
        return {
            "query": query["q"],
            "number_of_results": 0,
            "results": [*rows, rows[0], {"title": "bad", "url": "javascript:alert(1)", "content": ""}],
            "unresponsive_engines": [],
        }

    def _tavily(self, query: dict[str, str], body: Any) -> Any:
        return {
            "query": body["query"],
            "results": [{"title": "T", "url": "https://example.org/t", "content": "From Tavily", "score": 0.9}],
        }

    def _bing(self, query: dict[str, str], body: Any) -> Any:
        return {"webPages": {"value": [{"name": "B", "url": "https://example.org/b", "snippet": "From Bing"}]}}

    def _w_api_php(self, query: dict[str, str], body: Any) -> Any:
        if query.get("list") == "search":
            titles = [title for title in ARTICLES if query["srsearch"].casefold() in ARTICLES[title].casefold()]
            return {
                "query": {
                    "search": [
                        {"title": title, "snippet": '<span class="searchmatch">x</span> &amp; y'} for title in titles
                    ]
                }
            }
        title = {"Madame Curie": "Marie Curie"}.get(query["titles"], query["titles"])
        if title in ARTICLES:
            return {"query": {"pages": {"7": {"pageid": 7, "title": title, "extract": ARTICLES[title]}}}}
        return {"query": {"pages": {"-1": {"title": title, "missing": ""}}}}

    def _v1_images_generations(self, query: dict[str, str], body: Any) -> Any:
        return {"created": 1, "data": [{"b64_json": base64.b64encode(PICTURE).decode()}]}


@pytest.fixture
def outside() -> Iterator[Outside]:
    state = Outside()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._reply(None)

        def do_POST(self) -> None:
            self._reply(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

        def _reply(self, body: Any) -> None:
            parts = urlsplit(self.path)
            status, headers, data = state.answer(
                parts.path, {key: values[0] for key, values in parse_qs(parts.query).items()}, body
            )
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *arguments: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    state.url = f"http://127.0.0.1:{server.server_address[1]}"
    yield state
    server.shutdown()
    server.server_close()
    thread.join(5)
