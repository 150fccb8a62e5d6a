"""Figures for Prometheus; spans of requests, which FastAPI makes itself, with those of the stacks inside."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics, generate_latest

from nacre.extras import need
from nacre.server.settings import ServerSettings
from nacre.telemetry import GenAISpans, export

# Asked every few seconds by machines, of which nobody reads a trace.
_UNSEEN = frozenset({"/healthz", "/readyz", "/metrics"})
# FastAPI would log bodies that do not fit, and messages of errors; figures are at /metrics.
OFF: Any = {"tracing": False, "metrics": False, "logs": False, "operation_spans": False, "auto_configure": False}
"""FastAPI's telemetry for a server that sends none."""
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})  # strangers can invent more of them
_BUCKETS = (0.005, 0.025, 0.1, 0.5, 2.5, 10.0, 60.0)


class Telemetry:
    """Sends spans where the environment says; see `nacre.telemetry.spans`."""

    def __init__(self, settings: ServerSettings) -> None:
        self._trace = need("opentelemetry.trace", extra="otel")
        self._provider, self._contents = export(), settings.otel_contents

    def spans(self) -> GenAISpans:
        """What makes the spans inside of one request."""
        return GenAISpans(self._contents, self._provider)

    @property
    def fastapi(self) -> Any:
        """FastAPI's telemetry: a span for each request that is not a machine's, and nothing else."""
        return {
            **OFF,
            "tracing": True,
            "tracer_provider": self._provider,
            "exclude": lambda scope: scope.get("path") in _UNSEEN,
        }

    def name_request(self, request: str) -> None:
        """Put the id of the request on its span, by which log and audit log name it."""
        self._trace.get_current_span().set_attribute("nacre.request_id", request)

    def flush(self) -> None:
        """Send what has not been sent."""
        self._provider.force_flush(5_000)


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
