"""One LangChain callback handler that turns a stack's runs into OpenTelemetry spans.

Layers, models, retrievers and tools report to LangChain's callbacks already, so nothing of theirs is wrapped. Names follow
the GenAI conventions of OpenTelemetry (status "development" in 2026): `chat`, `retrieval`, `execute_tool`, `invoke_agent`,
`invoke_workflow`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from uuid import UUID

from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.documents import Document
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, LLMResult

from nacre import __version__
from nacre.decorator.layer import ChatModelDecorator
from nacre.extras import need
from nacre.telemetry import content
from nacre.text.hygiene import masked
from nacre.text.messages import nacre_of

if TYPE_CHECKING:
    from opentelemetry.trace import Span, TracerProvider

_AGENT = "ReAct"
_SANDBOX = "python"
"""The name under which a layer runs a program: see `nacre.layers.pal`."""
_SETTINGS = ("temperature", "top_p", "top_k", "max_tokens", "seed", "frequency_penalty", "presence_penalty")
_SCALARS = (str, bool, int, float)


@dataclass
class _Run:
    span: Span
    own: bool = True
    """False for a run between two spans, which shows the outer one to those inside."""
    outer: _Run | None = None
    inside: set[UUID] = field(default_factory=set)
    """Runs that have not ended; they do with this one, since LangChain does not tell when a whole answer is cancelled."""
    began: float = field(default_factory=time.perf_counter)
    streamed: bool = False


class GenAISpans(BaseCallbackHandler):
    """Give it to any model, chain or agent as a callback; one handler serves any number of calls at once.

    Args:
        contents: put questions, answers, arguments and results on the spans, without what looks like a key; None does so
            where `OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT` says so. Otherwise spans hold none of them, nor
            the messages of errors.
        provider: makes the spans; None takes the program's own.
    """

    run_inline = True  # in the order of the calls, and not in a thread for each

    def __init__(self, contents: bool | None = None, provider: TracerProvider | None = None) -> None:
        self._trace = need("opentelemetry.trace", extra="otel")
        self._tracer = self._trace.get_tracer("nacre", __version__, provider)
        self.contents = content.wanted() if contents is None else contents
        self._runs: dict[UUID, _Run] = {}

    # --- layers -------------------------------------------------------------------------------------------------------

    def on_chain_start(
        self,
        serialized: dict[str, Any] | None,
        inputs: Any,
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        metadata: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        """A layer begins, or the outermost chain, or a program; chains between them are left out."""
        name = str(kwargs.get("name") or "chain")
        if name == _AGENT:
            self._begin(run_id, parent_run_id, "invoke_agent", name, {"gen_ai.agent.name": name, **_session(metadata)})
        elif name == _SANDBOX and parent_run_id in self._runs:
            self._begin(
                run_id, parent_run_id, "execute_tool", name, {"gen_ai.tool.name": name, "gen_ai.tool.type": "extension"}
            )
        elif name in _layers() or parent_run_id not in self._runs:
            self._begin(
                run_id, parent_run_id, "invoke_workflow", name, {"gen_ai.workflow.name": name, **_session(metadata)}
            )
        else:
            outer = self._runs[parent_run_id]
            self._keep(run_id, _Run(outer.span, own=False, outer=outer))

    def on_chain_end(self, outputs: Any, *, run_id: UUID, **kwargs: Any) -> None:
        """It ended."""
        own = nacre_of(outputs) if isinstance(outputs, AIMessage) else {}
        facts: dict[str, Any] = {}
        if "abstained" in own:
            facts["nacre.abstained"] = bool(own["abstained"])
        if "citations" in own:
            facts["nacre.grounding.citations"] = len(own["citations"])
        self._end(run_id, facts)

    def on_chain_error(self, error: BaseException, *, run_id: UUID, **kwargs: Any) -> None:
        """It failed."""
        self._fail(run_id, error)

    # --- models -------------------------------------------------------------------------------------------------------

    def on_chat_model_start(
        self,
        serialized: dict[str, Any] | None,
        messages: list[list[BaseMessage]],
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        metadata: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        """A model is asked."""
        facts, known = metadata or {}, kwargs.get("invocation_params") or {}
        asked = {
            "gen_ai.provider.name": facts.get("ls_provider") or str(known.get("_type", "_OTHER")),
            "gen_ai.request.model": facts.get("ls_model_name") or known.get("model") or known.get("model_name"),
            **{f"gen_ai.request.{name}": known.get(name, facts.get(f"ls_{name}")) for name in _SETTINGS},
            **_session(facts),
        }
        if self.contents:
            asked["gen_ai.input.messages"] = content.said(messages[0])
        self._begin(run_id, parent_run_id, "chat", str(asked["gen_ai.request.model"] or ""), asked, client=True)

    def on_llm_new_token(self, token: Any, *, run_id: UUID, **kwargs: Any) -> None:
        """A piece of an answer came."""
        run = self._runs.get(run_id)
        if run and not run.streamed:
            run.streamed = True
            run.span.set_attribute("gen_ai.request.stream", True)
            run.span.set_attribute("gen_ai.response.time_to_first_chunk", time.perf_counter() - run.began)

    def on_llm_end(self, response: LLMResult, *, run_id: UUID, **kwargs: Any) -> None:
        """It answered."""
        generation = response.generations[0][0] if response.generations and response.generations[0] else None
        message = generation.message if isinstance(generation, ChatGeneration) else None
        self._end(run_id, self._answered(message) if isinstance(message, AIMessage) else {})

    def on_llm_error(self, error: BaseException, *, run_id: UUID, **kwargs: Any) -> None:
        """It failed."""
        self._fail(run_id, error)

    def _answered(self, message: AIMessage) -> dict[str, Any]:
        facts = message.response_metadata
        finish = str(facts.get("finish_reason") or ("tool_calls" if message.tool_calls else "stop"))
        usage: Mapping[str, Any] = message.usage_metadata or {}
        read, written = usage.get("input_token_details") or {}, usage.get("output_token_details") or {}
        said = {
            "gen_ai.response.model": facts.get("model_name"),
            "gen_ai.response.id": facts.get("id"),
            "gen_ai.response.finish_reasons": [finish],
            "gen_ai.usage.input_tokens": usage.get("input_tokens"),
            "gen_ai.usage.output_tokens": usage.get("output_tokens"),
            "gen_ai.usage.cache_read.input_tokens": read.get("cache_read"),
            "gen_ai.usage.cache_creation.input_tokens": read.get("cache_creation"),
            "gen_ai.usage.reasoning.output_tokens": written.get("reasoning"),
        }
        if self.contents:
            said["gen_ai.output.messages"] = content.said([message], finish)
        return said

    # --- retrievals and tools -----------------------------------------------------------------------------------------

    def on_retriever_start(
        self,
        serialized: dict[str, Any] | None,
        query: str,
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        metadata: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        """Documents are looked for."""
        source = str((metadata or {}).get("data_source") or kwargs.get("name") or "retriever")
        query_text = {"gen_ai.retrieval.query.text": masked(query)} if self.contents else {}
        self._begin(
            run_id, parent_run_id, "retrieval", source, {"gen_ai.data_source.id": source, **query_text}, client=True
        )

    def on_retriever_end(self, documents: Sequence[Document], *, run_id: UUID, **kwargs: Any) -> None:
        """They were found, or not."""
        self._end(run_id, {"gen_ai.retrieval.documents": content.found(documents)} if self.contents else {})

    def on_retriever_error(self, error: BaseException, *, run_id: UUID, **kwargs: Any) -> None:
        """The search failed."""
        self._fail(run_id, error)

    def on_tool_start(
        self,
        serialized: dict[str, Any] | None,
        input_str: str,
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        inputs: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        """A tool is called."""
        name = str((serialized or {}).get("name") or kwargs.get("name") or "tool")
        call = {
            "gen_ai.tool.name": name,
            "gen_ai.tool.type": "function",
            "gen_ai.tool.call.id": kwargs.get("tool_call_id"),
        }
        if self.contents:
            call["gen_ai.tool.call.arguments"] = content.as_json(input_str if inputs is None else inputs)
        self._begin(run_id, parent_run_id, "execute_tool", name, call)

    def on_tool_end(self, output: Any, *, run_id: UUID, **kwargs: Any) -> None:
        """It gave its result."""
        result = getattr(output, "content", output)
        self._end(run_id, {"gen_ai.tool.call.result": content.as_json(result)} if self.contents else {})

    def on_tool_error(self, error: BaseException, *, run_id: UUID, **kwargs: Any) -> None:
        """It failed."""
        self._fail(run_id, error)

    # --- spans --------------------------------------------------------------------------------------------------------

    def _begin(
        self,
        run_id: UUID,
        parent: UUID | None,
        operation: str,
        name: str,
        facts: Mapping[str, Any],
        *,
        client: bool = False,
    ) -> None:
        outer = self._runs.get(parent) if parent else None
        context = self._trace.set_span_in_context(outer.span) if outer else None  # None: below what runs in this task
        kind = self._trace.SpanKind.CLIENT if client else self._trace.SpanKind.INTERNAL
        known = {key: value for key, value in facts.items() if isinstance(value, _SCALARS)}
        span = self._tracer.start_span(
            f"{operation} {name}".strip(), context, kind, {"gen_ai.operation.name": operation, **known}
        )
        self._keep(run_id, _Run(span, outer=outer))

    def _keep(self, run_id: UUID, run: _Run) -> None:
        self._runs[run_id] = run
        if run.outer:
            run.outer.inside.add(run_id)

    def _take(self, run_id: UUID) -> _Run | None:
        """A run that ends, and with it whatever is still open inside."""
        run = self._runs.pop(run_id, None)
        if run:
            for left in list(run.inside):
                self._fail(left, asyncio.CancelledError())
            if run.outer:
                run.outer.inside.discard(run_id)
        return run

    def close(self) -> None:
        """End what is still open: calls that were cancelled without a word. For a handler of one call, when it is over."""
        for run_id in list(self._runs):
            self._fail(run_id, asyncio.CancelledError())

    def _end(self, run_id: UUID, facts: Mapping[str, Any]) -> None:
        run = self._take(run_id)
        if run and run.own:
            run.span.set_attributes({key: value for key, value in facts.items() if value is not None})
            run.span.end()

    def _fail(self, run_id: UUID, error: BaseException) -> None:
        run = self._take(run_id)
        if run and run.own:
            run.span.set_attribute("error.type", type(error).__qualname__)
            # The text of an error may quote the question, or the model's server.
            run.span.set_status(self._trace.StatusCode.ERROR, masked(str(error)) if self.contents else None)
            run.span.end()


def _session(metadata: Mapping[str, Any] | None) -> dict[str, Any]:
    """The conversation, under any of the names that LangChain's tracers know."""
    named = [(metadata or {}).get(name) for name in ("session_id", "thread_id", "conversation_id")]
    return {"gen_ai.conversation.id": next((name for name in named if name), None)}


def _layers() -> set[str]:
    """The names of all layers, a user's own among them."""
    kinds, names = [*ChatModelDecorator.__subclasses__()], set()
    while kinds:
        kind = kinds.pop()
        names.add(kind.__name__)
        kinds += kind.__subclasses__()
    return names
