"""Spans of a served question: from the process's own provider, and as a real collector receives them."""

from __future__ import annotations

import gzip
import os
import socket
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest

pytest.importorskip("opentelemetry.sdk")
from opentelemetry import trace
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from nacre.errors import UsageError
from nacre.telemetry import export

ASKED = {"model": "nacre", "messages": [{"role": "user", "content": "When does the workshop open?"}]}
PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.fixture(scope="module")
def exporter():
    """What the process's one provider has sent; a process can have no second one."""
    if not isinstance(trace.get_tracer_provider(), TracerProvider):
        trace.set_tracer_provider(TracerProvider())
    exporter = InMemorySpanExporter()
    trace.get_tracer_provider().add_span_processor(SimpleSpanProcessor(exporter))
    return exporter


def ended(exporter: InMemorySpanExporter, name: str) -> dict[str, Any]:
    """The spans, once that of the request has ended: the client has its answer a moment before."""
    for _ in range(200):
        spans = {span.name: span for span in exporter.get_finished_spans()}
        if name in spans:
            return spans
        time.sleep(0.01)
    raise AssertionError(list(spans))


@pytest.mark.parametrize("streamed", [False, True])
def test_a_request_holds_the_spans_of_its_stack_below_the_callers_own(serve, exporter, streamed):
    server = serve(otel=True)
    exporter.clear()
    body = {**ASKED, "stream": streamed, "metadata": {"session_id": "talk"}}
    answer = httpx.post(f"{server.url}/v1/chat/completions", json=body, headers={"traceparent": PARENT})
    assert answer.status_code == 200 and "nine" in answer.text
    httpx.get(f"{server.url}/healthz")
    name = "POST /v1/chat/completions"
    spans = ended(exporter, name)
    assert {f"{span.context.trace_id:032x}" for span in spans.values()} == {PARENT.split("-")[1]}
    assert set(spans) == {name, "invoke_workflow RetrievalAugmented", "retrieval main", "chat scripted"}
    assert f"{spans[name].parent.span_id:016x}" == PARENT.split("-")[2]
    assert spans["invoke_workflow RetrievalAugmented"].parent.span_id == spans[name].context.span_id
    assert spans[name].attributes["http.response.status_code"] == 200
    assert spans[name].attributes["nacre.request_id"] == answer.headers["x-request-id"]
    assert spans["chat scripted"].attributes["gen_ai.conversation.id"] == "talk"
    told = "".join(span.to_json() for span in spans.values())
    assert "workshop" not in told and "nine" not in told


def test_contents_only_where_the_settings_ask_for_them(serve, exporter):
    server = serve(otel=True, otel_contents=True)
    exporter.clear()
    httpx.post(f"{server.url}/v1/chat/completions", json=ASKED)
    assert (
        "When does the workshop open"
        in ended(exporter, "POST /v1/chat/completions")["chat scripted"].attributes["gen_ai.input.messages"]
    )


def test_a_refused_request_is_a_span_and_no_secret(serve, exporter):
    server = serve(otel=True)
    server.state.keys.add("owner")
    exporter.clear()
    httpx.get(f"{server.url}/v1/models", headers={"authorization": "Bearer nk-guessed-key-0123456789abcdef"})
    for _ in range(200):
        if exporter.get_finished_spans():
            break
        time.sleep(0.01)
    (span,) = exporter.get_finished_spans()
    assert span.attributes["http.response.status_code"] == 401 and "guessed" not in span.to_json()


class Collector(ThreadingHTTPServer):
    """Takes OTLP over HTTP, as the OpenTelemetry collector does."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Receiver)
        self.spans: list[Any] = []
        self.services: set[str] = set()
        self.headers: list[Any] = []


class _Receiver(BaseHTTPRequestHandler):
    server: Collector

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        message = ExportTraceServiceRequest.FromString(
            gzip.decompress(body) if self.headers.get("content-encoding") == "gzip" else body
        )
        self.server.headers.append((self.path, dict(self.headers)))
        for resource in message.resource_spans:
            self.server.services |= {
                a.value.string_value for a in resource.resource.attributes if a.key == "service.name"
            }
            self.server.spans += [span for scope in resource.scope_spans for span in scope.spans]
        reply = ExportTraceServiceResponse().SerializeToString()
        self.send_response(200)
        self.send_header("content-type", "application/x-protobuf")
        self.send_header("content-length", str(len(reply)))
        self.end_headers()
        self.wfile.write(reply)

    def log_message(self, *args: Any) -> None:
        pass


def test_nacre_serve_sends_its_spans_to_the_collector_of_the_environment(folder: Path):
    with Collector() as collector, socket.create_server(("127.0.0.1", 0)) as free:
        thread = threading.Thread(target=collector.serve_forever, daemon=True)
        thread.start()
        port = free.getsockname()[1]
        free.close()
        environment = {
            **os.environ,
            "NACRE_MODEL": "quote",
            "NACRE_OTEL": "true",
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{collector.server_address[1]}",
            "OTEL_EXPORTER_OTLP_HEADERS": "x-tenant=shell",
            "OTEL_EXPORTER_OTLP_COMPRESSION": "gzip",
            "OTEL_BSP_SCHEDULE_DELAY": "100",
        }
        command = [str(Path(sys.executable).with_name("nacre")), "serve", "--kb", str(folder), "--port", str(port)]
        with subprocess.Popen(command, stderr=subprocess.DEVNULL, env=environment) as server:
            try:
                for _ in range(300):
                    try:
                        if httpx.get(f"http://127.0.0.1:{port}/readyz").status_code == 200:
                            break
                    except httpx.TransportError:
                        time.sleep(0.1)
                assert httpx.post(f"http://127.0.0.1:{port}/v1/chat/completions", json=ASKED).status_code == 200
            finally:
                server.terminate()  # what is not sent yet is sent before the process ends
        collector.shutdown()
        thread.join()
    named = {span.name: span for span in collector.spans}
    assert (
        collector.services == {"nacre"}
        and collector.headers[0][0] == "/v1/traces"
        and collector.headers[0][1]["x-tenant"] == "shell"
    )
    assert {"POST /v1/chat/completions", "invoke_workflow RetrievalAugmented", "retrieval main"} <= set(named)
    (chat,) = (span for name, span in named.items() if name.startswith("chat"))
    facts = {a.key: a.value for a in chat.attributes}
    assert facts["gen_ai.operation.name"].string_value == "chat" and facts["gen_ai.usage.input_tokens"].int_value > 0
    assert "gen_ai.input.messages" not in facts
    assert chat.trace_id == named["POST /v1/chat/completions"].trace_id


def test_a_protocol_that_is_not_there_is_told(monkeypatch):
    code = "from nacre.telemetry import export\nexport()"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert UsageError.__name__ in done.stderr and "http/protobuf" in done.stderr


@pytest.mark.parametrize(("exporter", "told"), [("console", '"name": "job"'), ("none", "")])
def test_the_console_is_standard_error_and_none_is_none(exporter, told):
    code = "from nacre.telemetry import export\nwith export().get_tracer('t').start_as_current_span('job'): pass"
    environment = {**os.environ, "OTEL_TRACES_EXPORTER": exporter, "OTEL_SERVICE_NAME": "mine"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout == "" and told in done.stderr and ('"mine"' in done.stderr) == bool(told)


def test_a_program_with_a_provider_of_its_own_keeps_it(exporter):
    assert export() is trace.get_tracer_provider()
