"""Spans of the server's requests, which FastAPI makes itself, with those of the stacks inside them."""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any

from nacre.extras import need
from nacre.server.settings import ServerSettings
from nacre.telemetry import GenAISpans, export

# Asked every few seconds by machines, of which nobody reads a trace.
_UNSEEN = frozenset({"/healthz", "/readyz", "/metrics"})
# FastAPI would log bodies that do not fit, and messages of errors; figures are at /metrics.
OFF: Any = {"tracing": False, "metrics": False, "logs": False, "operation_spans": False, "auto_configure": False}
"""FastAPI's telemetry for a server that sends none."""


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
        return {**OFF, "tracing": True, "tracer_provider": self._provider, "exclude": _unseen}

    def name_request(self, request: str) -> None:
        """Put the id of the request on its span, by which log and audit log name it."""
        self._trace.get_current_span().set_attribute("nacre.request_id", request)

    def flush(self) -> None:
        """Send what has not been sent."""
        self._provider.force_flush(5_000)


def _unseen(scope: MutableMapping[str, Any]) -> bool:
    return scope.get("path") in _UNSEEN
