"""Web search over several providers: the first that works answers, those that fail rest, answers are kept a while."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from cachetools import TTLCache

from nacre.connectors.search.results import ProviderError, SearchProvider, WebResult
from nacre.errors import ToolError, UsageError
from nacre.text.hygiene import searched
from nacre.text.language import tr

FIRST_REST_S = 20.0
LONGEST_REST_S = 900.0


@dataclass
class _Rest:
    """How often a provider has failed in a row, and until when it is left alone."""

    failures: int = 0
    until: float = 0.0


class WebSearch:
    """Search providers in the order of preference. One object may serve many threads; results are kept for `cache_s`
    seconds (0: not at all), by any clock of seconds.
    """

    def __init__(
        self,
        *providers: SearchProvider,
        cache_s: float = 3600.0,
        cache_size: int = 512,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if not providers:
            raise UsageError(tr("Web search needs at least one provider, such as SearXNG(url)."))
        self.providers: Sequence[SearchProvider] = providers
        self.clock = clock
        self._rests = [_Rest() for _ in providers]
        self._cache: TTLCache[tuple[str, int], list[WebResult]] = TTLCache(max(1, cache_size), cache_s, timer=clock)
        self._lock = threading.Lock()

    def search(self, query: str, k: int = 5) -> list[WebResult]:
        """Search the web."""
        query = searched(query)
        key = (" ".join(query.split()).casefold(), k)
        with self._lock:
            if kept := self._cache.get(key):
                return kept
        reasons = []
        for provider, rest in zip(self.providers, self._rests, strict=True):
            waiting = rest.until - self.clock()
            if waiting > 0:
                reasons.append(tr("{name}: resting for {waiting:.0f} s", name=provider.name, waiting=waiting))
                continue
            try:
                results = provider.search(query, k)
            except ProviderError as error:
                self._failed(rest, error)
                reasons.append(f"{provider.name}: {error.message}")
                continue
            rest.failures = 0
            with self._lock:
                self._cache[key] = results
            return results
        told = tr("No search engine answers ({reasons}).", reasons="; ".join(reasons), reasons2="；".join(reasons))
        raise ToolError(told, tool="web_search")

    def _failed(self, rest: _Rest, error: ProviderError) -> None:
        """Rest twice as long after each failure, or as long as the server asks."""
        with self._lock:
            rest.failures += 1
            pause = min(LONGEST_REST_S, FIRST_REST_S * 2 ** (rest.failures - 1))
            rest.until = self.clock() + max(pause, min(error.retry_after_s, LONGEST_REST_S))
