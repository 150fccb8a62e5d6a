"""OpenTelemetry spans of a stack's calls, by one LangChain callback handler, and where they go.

Names follow the GenAI conventions of OpenTelemetry (status "development" in 2026): `chat`, `retrieval`, `execute_tool`,
`invoke_agent`, `invoke_workflow`. What was said stands on them only where someone asked for it, keys masked.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

from langchain_core.documents import Document
from langchain_core.messages import AIMessage, BaseMessage, ToolMessage

from nacre import __version__
from nacre.decorator.layer import ChatModelDecorator
from nacre.errors import UsageError
from nacre.extras import need
from nacre.telemetry.calls import Call, RunTree
from nacre.text.hygiene import masked
from nacre.text.language import tr
from nacre.text.messages import nacre_of, text_of
from nacre.text.strict_json import to_json

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider as Exporting
    from opentelemetry.trace import Span, TracerProvider

_AGENT = "ReAct"
_SETTINGS = ("temperature", "top_p", "top_k", "max_tokens", "seed", "frequency_penalty", "presence_penalty")
_SCALARS = (str, bool, int, float)
_SWITCH = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"
_ROLES = {"human": "user", "ai": "assistant"}


def export(service: str = "nacre") -> Exporting:
    """Send spans to where `OTEL_EXPORTER_OTLP_ENDPOINT` points, by OTLP over HTTP; unset, to this machine's port 4318.

    `OTEL_SERVICE_NAME`, `OTEL_RESOURCE_ATTRIBUTES`, `OTEL_EXPORTER_OTLP_HEADERS`, `OTEL_TRACES_SAMPLER`, `OTEL_BSP_*`
    and `OTEL_SDK_DISABLED` mean what OpenTelemetry says; `OTEL_TRACES_EXPORTER` is `otlp`, `console` or `none`.
    """
    trace = need("opentelemetry.trace", extra="otel")
    sdk = need("opentelemetry.sdk.trace", extra="otel")
    resources = need("opentelemetry.sdk.resources", extra="otel")
    present = trace.get_tracer_provider()
    if isinstance(present, sdk.TracerProvider):
        return cast("Exporting", present)
    resource = resources.Resource.create()
    if str(resource.attributes.get("service.name", "unknown_service")).startswith("unknown_service"):
        resource = resource.merge(resources.Resource({"service.name": service}))
    provider: Exporting = sdk.TracerProvider(resource=resource)
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
        told = tr(
            "Spans are sent by OTLP over HTTP: OTEL_TRACES_EXPORTER may be otlp, console or none, not {name!r}, and "
            "OTEL_EXPORTER_OTLP_PROTOCOL http/protobuf, not {protocol!r}.",
            name=name,
            protocol=protocol,
        )
        raise UsageError(told)
    return need("opentelemetry.exporter.otlp.proto.http.trace_exporter", extra="otel").OTLPSpanExporter()


class GenAISpans(RunTree):
    """Give it to any model, chain or agent as a callback; one handler serves any number of calls at once.

    Args:
        contents: put questions, answers, arguments and results on the spans, without what looks like a key; None does
            so where `OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT` says so. Otherwise spans hold none of them,
            nor the messages of errors.
        provider: makes the spans; None takes the program's own.
    """

    def __init__(self, contents: bool | None = None, provider: TracerProvider | None = None) -> None:
        super().__init__()
        self._trace = need("opentelemetry.trace", extra="otel")
        self._tracer = self._trace.get_tracer("nacre", __version__, provider)
        asked = os.environ.get(_SWITCH, "").strip().lower() in ("true", "span_only", "span_and_event")
        self.contents = asked if contents is None else contents
        self._spans: dict[Call, Span] = {}

    def began(self, call: Call) -> None:
        """Begin its span, if it is to have one: chains between layers have none."""
        if call.kind == "layer" and call.outer and call.name != _AGENT and call.name not in _layers():
            return
        operation, name, facts = _asked(call, self.contents)
        known = {name: value for name, value in facts.items() if isinstance(value, _SCALARS)}
        outer = call.outer
        while outer and outer not in self._spans:
            outer = outer.outer
        # None: below what runs in this task
        context = self._trace.set_span_in_context(self._spans[outer]) if outer else None
        kinds = self._trace.SpanKind
        self._spans[call] = self._tracer.start_span(
            f"{operation} {name}".strip(),
            context,
            kinds.CLIENT if call.kind in ("model", "search") else kinds.INTERNAL,
            {"gen_ai.operation.name": operation, **known},
        )

    def ended(self, call: Call) -> None:
        """End its span."""
        span = self._spans.pop(call, None)
        if span is None:
            return
        if call.first_word is not None:
            span.set_attribute("gen_ai.request.stream", True)
            span.set_attribute("gen_ai.response.time_to_first_chunk", call.first_word - call.began)
        if call.error is None:
            span.set_attributes(
                {name: value for name, value in _answered(call, self.contents).items() if value is not None}
            )
        else:
            span.set_attribute("error.type", type(call.error).__qualname__)
            # The text of an error may quote the question, or the model's server.
            span.set_status(self._trace.StatusCode.ERROR, masked(str(call.error)) if self.contents else None)
        span.end()


def _asked(call: Call, contents: bool) -> tuple[str, str, dict[str, Any]]:
    """Operation, name and attributes of a call that begins."""
    match call.kind:
        case "model":
            facts = _model(call)
            said = {"gen_ai.input.messages": _said(call.given, "")} if contents else {}
            return "chat", str(facts["gen_ai.request.model"] or ""), facts | said
        case "search":
            source = str(call.metadata.get("data_source") or call.name)
            query = {"gen_ai.retrieval.query.text": masked(call.given)} if contents else {}
            return "retrieval", source, {"gen_ai.data_source.id": source, **query}
        case "tool":
            number = {"gen_ai.tool.call.id": call.about.get("tool_call_id")}
            given = {"gen_ai.tool.call.arguments": as_json(call.given)} if contents else {}
            facts = {"gen_ai.tool.name": call.name, "gen_ai.tool.type": "function", **number, **given}
            return "execute_tool", call.name, facts
        case "program":
            return "execute_tool", call.name, {"gen_ai.tool.name": call.name, "gen_ai.tool.type": "extension"}
        case _:
            kind = "agent" if call.name == _AGENT else "workflow"
            return f"invoke_{kind}", call.name, {f"gen_ai.{kind}.name": call.name, **_session(call)}


def _model(call: Call) -> dict[str, Any]:
    facts, known = call.metadata, call.about.get("invocation_params") or {}
    return {
        "gen_ai.provider.name": facts.get("ls_provider") or str(known.get("_type", "_OTHER")),
        "gen_ai.request.model": facts.get("ls_model_name") or known.get("model") or known.get("model_name"),
        **{f"gen_ai.request.{name}": known.get(name, facts.get(f"ls_{name}")) for name in _SETTINGS},
        **_session(call),
    }


def _session(call: Call) -> dict[str, Any]:
    """The conversation, under any of the names that LangChain's tracers know."""
    named = [call.metadata.get(name) for name in ("session_id", "thread_id", "conversation_id")]
    return {"gen_ai.conversation.id": next((name for name in named if name), None)}


def _answered(call: Call, contents: bool) -> dict[str, Any]:
    """Attributes of what a call gave."""
    match call.kind:
        case "model":
            return _reply(call.gave, contents) if isinstance(call.gave, AIMessage) else {}
        case "search":
            return {"gen_ai.retrieval.documents": as_json([_document(each) for each in call.gave])} if contents else {}
        case "tool":
            result = getattr(call.gave, "content", call.gave)
            return {"gen_ai.tool.call.result": as_json(result)} if contents else {}
        case _:
            own = nacre_of(call.gave) if isinstance(call.gave, AIMessage) else {}
            return {
                "nacre.abstained": bool(own["abstained"]) if "abstained" in own else None,
                "nacre.grounding.citations": len(own["citations"]) if "citations" in own else None,
            }


def _reply(message: AIMessage, contents: bool) -> dict[str, Any]:
    facts = message.response_metadata
    finish = str(facts.get("finish_reason") or ("tool_calls" if message.tool_calls else "stop"))
    usage: Mapping[str, Any] = message.usage_metadata or {}
    read, written = usage.get("input_token_details") or {}, usage.get("output_token_details") or {}
    return {
        "gen_ai.response.model": facts.get("model_name"),
        "gen_ai.response.id": facts.get("id"),
        "gen_ai.response.finish_reasons": [finish],
        "gen_ai.usage.input_tokens": usage.get("input_tokens"),
        "gen_ai.usage.output_tokens": usage.get("output_tokens"),
        "gen_ai.usage.cache_read.input_tokens": read.get("cache_read"),
        "gen_ai.usage.cache_creation.input_tokens": read.get("cache_creation"),
        "gen_ai.usage.reasoning.output_tokens": written.get("reasoning"),
        "gen_ai.output.messages": _said([message], finish) if contents else None,
    }


def _layers() -> set[str]:
    """The names of all layers, a user's own among them."""
    kinds, names = [*ChatModelDecorator.__subclasses__()], set()
    while kinds:
        kind = kinds.pop()
        names.add(kind.__name__)
        kinds += kind.__subclasses__()
    return names


def _said(messages: Sequence[BaseMessage], finish: str) -> str:
    """Messages in the form of the conventions' schema; `finish` is "" for what is no answer."""
    return as_json([_message(message, finish) for message in messages])


def as_json(value: Any) -> str:
    """Any value as an attribute."""
    return masked(to_json(value, ensure_ascii=False, default=str))


def _message(message: BaseMessage, finish: str) -> dict[str, Any]:
    plain = {"role": _ROLES.get(message.type, message.type), "parts": _parts(message)}
    return {**plain, "finish_reason": finish} if finish else plain


def _parts(message: BaseMessage) -> list[dict[str, Any]]:
    if isinstance(message, ToolMessage):
        return [{"type": "tool_call_response", "id": message.tool_call_id, "response": text_of(message)}]
    text = text_of(message)
    parts: list[dict[str, Any]] = [{"type": "text", "content": text}] if text else []
    if isinstance(message, AIMessage):
        parts += [
            {"type": "tool_call", "id": call["id"], "name": call["name"], "arguments": call["args"]}
            for call in message.tool_calls
        ]
    return parts


def _document(document: Document) -> dict[str, Any]:
    facts: Mapping[str, Any] = document.metadata
    score = facts.get("score")
    return {
        "id": str(document.id or facts.get("uri", "")),
        **({"score": float(score)} if isinstance(score, (int, float)) else {}),
    }
