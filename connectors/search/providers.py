"""Search engines: SearXNG, Tavily, and engines with Bing's form of answer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from nacre.connectors.search.results import ProviderError, SearchProvider, WebResult, get_json, post_json
from nacre.errors import MissingKeyError
from nacre.text.language import language_of, tr


class SearXNG(SearchProvider):
    """A SearXNG server with its JSON format enabled (https://docs.searxng.org/dev/search_api.html).

    Args:
        timeout_s: seconds for one search.
        engines: comma-separated engines; empty for the server's own choice.
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
        data = get_json(
            f"{self.url}/search",
            {"q": query, "format": "json", "language": language, **chosen},
            timeout_s=self.timeout_s,
        )
        found = _results(_field(data, self, "results"), "title", "url", "content", k)
        if not found and data.get("unresponsive_engines"):
            raise ProviderError(
                tr("the engines behind {url} do not answer", url=self.url), uri=self.url, status=0, retry_after_s=0.0
            )
        return found


class Tavily(SearchProvider):
    """Tavily's search interface (https://docs.tavily.com).

    Args:
        timeout_s: seconds for one search.
    """

    cost = "paid"

    def __init__(self, key: str, *, url: str = "https://api.tavily.com/search", timeout_s: float = 15.0) -> None:
        self.name = "tavily"
        self.key = _key(key, "TAVILY_API_KEY")
        self.url = url
        self.timeout_s = timeout_s

    def search(self, query: str, k: int) -> list[WebResult]:
        data = post_json(
            self.url,
            {"query": query, "max_results": k},
            timeout_s=self.timeout_s,
            headers={"Authorization": f"Bearer {self.key}"},
        )
        return _results(_field(data, self, "results"), "title", "url", "content", k)


class BingStyle(SearchProvider):
    """An engine that answers as Bing's web search does: {"webPages": {"value": [{"name", "url", "snippet"}]}}.

    Args:
        url: the interface, such as Bocha's or a gateway's.
        timeout_s: seconds for one search.
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
        data = get_json(self.url, {"q": query, "count": k}, timeout_s=self.timeout_s, headers={self.header: self.key})
        pages = data.get("webPages") if isinstance(data, dict) else None
        return _results((pages or {}).get("value") or [], "name", "url", "snippet", k)


def _key(key: str, variable: str) -> str:
    if not key:
        raise MissingKeyError(
            tr("This search engine needs a key: set {variable}.", variable=variable), variable=variable
        )
    return key


def _field(data: Any, provider: SearXNG | Tavily, name: str) -> list[Any]:
    value = data.get(name) if isinstance(data, dict) else None
    if not isinstance(value, list):
        raise ProviderError(
            tr("{url} gives no {name!r}", url=provider.url, name=name), uri=provider.url, status=200, retry_after_s=0.0
        )
    return value


def _results(rows: Iterable[Any], title: str, url: str, text: str, k: int) -> list[WebResult]:
    found: dict[str, WebResult] = {}
    for row in rows:
        if isinstance(row, Mapping) and isinstance(row.get(url), str) and row[url].startswith(("http://", "https://")):
            found.setdefault(row[url], WebResult(str(row.get(title) or ""), row[url], str(row.get(text) or "")))
    return list(found.values())[:k]
