"""A tracer provider from OpenTelemetry's own environment variables, for programs that have none."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any, cast

from nacre.errors import UsageError
from nacre.extras import need
from nacre.text.language import tr

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider


def export(service: str = "nacre") -> TracerProvider:
    """Send spans to where `OTEL_EXPORTER_OTLP_ENDPOINT` points, by OTLP over HTTP; unset, to this machine's port 4318.

    `OTEL_SERVICE_NAME`, `OTEL_RESOURCE_ATTRIBUTES`, `OTEL_EXPORTER_OTLP_HEADERS`, `OTEL_TRACES_SAMPLER`, `OTEL_BSP_*`
    and `OTEL_SDK_DISABLED` mean what OpenTelemetry says; `OTEL_TRACES_EXPORTER` is `otlp`, `console` or `none`.
    """
    trace = need("opentelemetry.trace", extra="otel")
    sdk = need("opentelemetry.sdk.trace", extra="otel")
    resources = need("opentelemetry.sdk.resources", extra="otel")
    present = trace.get_tracer_provider()
    if isinstance(present, sdk.TracerProvider):
        return cast("TracerProvider", present)
    resource = resources.Resource.create()
    if str(resource.attributes.get("service.name", "unknown_service")).startswith("unknown_service"):
        resource = resource.merge(resources.Resource({"service.name": service}))
    provider: TracerProvider = sdk.TracerProvider(resource=resource)
    if (exporter := _exporter()) is not None:
        provider.add_span_processor(need("opentelemetry.sdk.trace.export", extra="otel").BatchSpanProcessor(exporter))
    trace.set_tracer_provider(provider)
    return provider


def _exporter() -> Any:
    name = os.environ.get("OTEL_TRACES_EXPORTER", "").strip() or "otlp"
    if name == "none":
        return None
    if name == "console":  # standard output is MCP's over stdio
        return need("opentelemetry.sdk.trace.export", extra="otel").ConsoleSpanExporter(out=sys.stderr)
    protocol = os.environ.get("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL") or os.environ.get("OTEL_EXPORTER_OTLP_PROTOCOL")
    if name != "otlp" or (protocol or "http/protobuf") != "http/protobuf":
        raise UsageError(
            tr(
                "Spans are sent by OTLP over HTTP: OTEL_TRACES_EXPORTER may be otlp, console or none, "
                "not {name!r}, and OTEL_EXPORTER_OTLP_PROTOCOL http/protobuf, not {protocol!r}.",
                name=name,
                protocol=protocol,
            )
        )
    return need("opentelemetry.exporter.otlp.proto.http.trace_exporter", extra="otel").OTLPSpanExporter()
