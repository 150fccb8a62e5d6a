"""Search engines: SearXNG, Tavily, and engines with Bing's form of answer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from nacre.connectors.search.results import ProviderError, SearchProvider, WebResult, ask
from nacre.errors import MissingKeyError
from nacre.text.language import language_of, tr


class SearXNG(SearchProvider):
    """A SearXNG server with its JSON format enabled (https://docs.searxng.org/dev/search_api.html); `engines` are
    comma-separated, empty for the server's own choice.
    """

    cost = "network"

    def __init__(self, url: str, *, timeout_s: float = 10.0, engines: str = "") -> None:
        self.name = "searxng"
        self.url = url.rstrip("/")
        self.timeout_s = timeout_s
        self.engines = engines

    def search(self, query: str, k: int) -> list[WebResult]:
        language = "zh-CN" if language_of(query) == "zh" else "en"
        chosen = {"engines": self.engines} if self.engines else {}
        asked = {"q": query, "format": "json", "language": language, **chosen}
        data = ask(f"{self.url}/search", asked, timeout_s=self.timeout_s)
        found = _results(_field(data, self, "results"), "title", "url", "content", k)
        if not found and data.get("unresponsive_engines"):
            raise ProviderError(tr("the engines behind {url} do not answer", url=self.url), uri=self.url)
        return found


class Tavily(SearchProvider):
    """Tavily's search interface (https://docs.tavily.com); `timeout_s` is for one search."""

    cost = "paid"

    def __init__(self, key: str, *, url: str = "https://api.tavily.com/search", timeout_s: float = 15.0) -> None:
        self.name = "tavily"
        self.key = _key(key, "TAVILY_API_KEY")
        self.url = url
        self.timeout_s = timeout_s

    def search(self, query: str, k: int) -> list[WebResult]:
        headers = {"Authorization": f"Bearer {self.key}"}
        data = ask(self.url, body={"query": query, "max_results": k}, timeout_s=self.timeout_s, headers=headers)
        return _results(_field(data, self, "results"), "title", "url", "content", k)


class BingStyle(SearchProvider):
    """An engine that answers as Bing's web search does, such as Bocha's: {"webPages": {"value": [{"name", "url",
    "snippet"}]}}.
    """

    cost = "paid"

    def __init__(
        self, url: str, key: str, *, header: str = "Ocp-Apim-Subscription-Key", timeout_s: float = 10.0
    ) -> None:
        self.name = "bing"
        self.url = url
        self.key = _key(key, "BING_SEARCH_API_KEY")
        self.header = header
        self.timeout_s = timeout_s

    def search(self, query: str, k: int) -> list[WebResult]:
        data = ask(self.url, {"q": query, "count": k}, timeout_s=self.timeout_s, headers={self.header: self.key})
        pages = data.get("webPages") if isinstance(data, dict) else None
        return _results((pages or {}).get("value") or [], "name", "url", "snippet", k)


def _key(key: str, variable: str) -> str:
    if not key:
        told = tr("This search engine needs a key: set {variable}.", variable=variable)
        raise MissingKeyError(told, variable=variable)
    return key


def _field(data: Any, provider: SearXNG | Tavily, name: str) -> list[Any]:
    value = data.get(name) if isinstance(data, dict) else None
    if not isinstance(value, list):
        raise ProviderError(tr("{url} gives no {name!r}", url=provider.url, name=name), uri=provider.url, status=200)
    return value


def _results(rows: Iterable[Any], title: str, url: str, text: str, k: int) -> list[WebResult]:
    found: dict[str, WebResult] = {}
    for row in rows:
        if isinstance(row, Mapping) and isinstance(row.get(url), str) and row[url].startswith(("http://", "https://")):
            found.setdefault(row[url], WebResult(str(row.get(title) or ""), row[url], str(row.get(text) or "")))
    return list(found.values())[:k]
