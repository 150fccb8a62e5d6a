"""Figures for Prometheus."""

from __future__ import annotations

from contextlib import AbstractContextManager

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics, generate_latest

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})  # strangers can invent more of them
_BUCKETS = (0.005, 0.025, 0.1, 0.5, 2.5, 10.0, 60.0)


class Metrics:
    """Counts what one server does."""

    def __init__(self) -> None:
        # When a series began is nobody's question, and a line for each.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self._registry = registry = CollectorRegistry()
        self._requests = Counter("nacre_requests", "Requests.", ("method", "route", "status"), registry=registry)
        self._seconds = Histogram(
            "nacre_request_seconds", "Their time.", ("route",), registry=registry, buckets=_BUCKETS
        )
        self._tokens = Counter("nacre_tokens", "Tokens.", ("model", "direction"), registry=registry)
        self._spent = Counter("nacre_spend", "Money.", ("model", "currency"), registry=registry)
        self._abstained = Counter("nacre_abstentions", "Answers that say that there is none.", registry=registry)
        self._streams = Gauge("nacre_open_streams", "Streams that are open now.", registry=registry)

    @property
    def streams(self) -> int:
        """How many answers are being streamed now."""
        return int(self._registry.get_sample_value("nacre_open_streams") or 0)

    def streaming(self) -> AbstractContextManager[None]:
        """Count one for as long as it is open."""
        return self._streams.track_inprogress()

    def count(self, method: str, route: str, status: int, seconds: float) -> None:
        """A request has ended; its route is the pattern of its path, of which strangers cannot make more."""
        self._requests.labels(method if method in _METHODS else "other", route, status).inc()
        self._seconds.labels(route).observe(seconds)

    def answered(self, model: str, asked: int, said: int, abstained: bool) -> None:
        """An answer was given, for so many tokens read and written."""
        self._tokens.labels(model, "input").inc(asked)
        self._tokens.labels(model, "output").inc(said)
        self._abstained.inc(abstained)

    def spent(self, model: str, currency: str, nanos: int) -> None:
        """A call of a model was charged."""
        self._spent.labels(model, currency).inc(nanos / 1e9)

    def text(self) -> str:
        """All figures, in Prometheus' text form."""
        return generate_latest(self._registry).decode()
