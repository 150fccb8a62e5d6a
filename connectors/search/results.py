"""What a search engine gives: results, and the protocol that every provider speaks."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import urlencode

from nacre.connectors.safe_http import fetch
from nacre.errors import SourceError
from nacre.system.net import seconds_to_wait
from nacre.text.language import tr
from nacre.text.strict_json import to_json

MAX_BYTES = 8 << 20


@dataclass(frozen=True)
class WebResult:
    """One hit of a web search."""

    title: str
    url: str
    text: str


class SearchProvider(Protocol):
    """A search engine behind an interface. Those here derive from it, and so say once what a search is."""

    name: str
    cost: str

    def search(self, query: str, k: int) -> list[WebResult]:
        """Search the web: results, best first; empty when there are none."""


class ProviderError(SourceError):
    """A search provider failed: `status` is the HTTP status or 0, `retry_after_s` what the server asked for or 0."""

    status: int = 0
    retry_after_s: float = 0.0


def ask(
    url: str,
    parameters: Mapping[str, Any] | None = None,
    *,
    body: Mapping[str, Any] | None = None,
    timeout_s: float,
    headers: Mapping[str, str] | None = None,
    max_bytes: int = MAX_BYTES,
) -> Any:
    """GET an address that the operator has configured, perhaps in a private network, or POST a body of JSON to it, and
    read the JSON that comes back; `timeout_s` is for the whole exchange.
    """
    sent = {"Accept": "application/json", **({"Content-Type": "application/json"} if body else {}), **(headers or {})}
    data = to_json(body).encode() if body else None
    asked = f"{url}{'&' if '?' in url else '?'}{urlencode(parameters)}" if parameters else url
    try:
        answer = fetch(asked, allow_private=True, max_bytes=max_bytes, timeout_s=timeout_s, headers=sent, data=data)
    except SourceError as error:
        raise ProviderError(error.message, uri=url) from error
    if answer.status != 200:
        said = answer.body[:200].decode("utf-8", "replace").strip()
        wait = seconds_to_wait(answer.headers.get("retry-after")) or 0.0
        told = tr("{url} answers {status}: {said}", url=url, status=answer.status, said=said)
        raise ProviderError(told, uri=url, status=answer.status, retry_after_s=wait)
    try:
        return json.loads(answer.body)
    except ValueError as error:
        told = tr("{url} gives no JSON. Is the JSON format enabled there?", url=url)
        raise ProviderError(told, uri=url, status=200) from error
