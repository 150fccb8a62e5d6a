"""Spans of stacks, read back from OpenTelemetry's own in-memory exporter."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("opentelemetry.sdk")
from langchain_core.messages import AIMessage
from langchain_core.runnables import RunnableLambda
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from nacre import KnowledgeBase, ProgramAided, ReAct, RetrievalAugmented, Retry, ScriptedChatModel
from nacre.ingest.source import TextSource
from nacre.telemetry import GenAISpans
from nacre.tools import make_tools

QUESTION = "When does the workshop open? My key is sk-abcdefghijklmnopqrstuvwx."
ANSWER = "The workshop opens at nine [1]."


class Traced:
    """A handler and what it made."""

    def __init__(self, contents: bool | None = None) -> None:
        self._exporter = InMemorySpanExporter()
        self.provider = TracerProvider()
        self.provider.add_span_processor(SimpleSpanProcessor(self._exporter))
        self.handler = GenAISpans(contents, self.provider)

    @property
    def config(self) -> Any:
        return {"callbacks": [self.handler]}

    def spans(self) -> dict[str, Any]:
        """Finished spans by name; the handler must hold none that are open."""
        assert self.handler._open == {} == self.handler._spans
        spans = self._exporter.get_finished_spans()
        assert len({span.context.trace_id for span in spans}) <= 1
        return {span.name: span for span in spans}

    def everything(self) -> str:
        return "".join(span.to_json() for span in self._exporter.get_finished_spans())


@pytest.fixture
def base(tmp_path: Path):
    with KnowledgeBase.open(tmp_path / "kb", "none") as base:
        base.sync(
            TextSource("memory:a/", [("memory:a/hours.md", "The workshop opens at nine in the morning.", "Hours")])
        )
        yield base


def stack(base: Any, replies: Any) -> Any:
    return RetrievalAugmented(inner=Retry(inner=ScriptedChatModel(replies), wait_s=0.0), retriever=base.retriever(k=2))


def parent(spans: dict[str, Any], name: str) -> str:
    inside = spans[name].parent
    return next((outer.name for outer in spans.values() if inside and outer.context.span_id == inside.span_id), "")


WAYS = {
    "invoke": lambda model, question, config: model.invoke(question, config),
    "ainvoke": lambda model, question, config: asyncio.run(model.ainvoke(question, config)),
    "stream": lambda model, question, config: list(model.stream(question, config)),
    "astream": lambda model, question, config: asyncio.run(drain(model, question, config)),
}


async def drain(model: Any, question: str, config: Any) -> list[Any]:
    return [chunk async for chunk in model.astream(question, config)]


@pytest.mark.parametrize("way", WAYS)
def test_layers_model_and_retrieval_are_spans_inside_each_other(base, way):
    traced = Traced()
    WAYS[way](stack(base, [ANSWER]), QUESTION, traced.config)
    spans = traced.spans()
    assert set(spans) == {
        "invoke_workflow RetrievalAugmented",
        "invoke_workflow Retry",
        "retrieval KnowledgeBaseRetriever",
        "chat scripted",
    }
    assert parent(spans, "invoke_workflow RetrievalAugmented") == ""
    assert parent(spans, "retrieval KnowledgeBaseRetriever") == "invoke_workflow RetrievalAugmented"
    assert parent(spans, "invoke_workflow Retry") == "invoke_workflow RetrievalAugmented"
    assert parent(spans, "chat scripted") == "invoke_workflow Retry"
    chat = spans["chat scripted"]
    assert chat.kind is SpanKind.CLIENT and chat.attributes["gen_ai.operation.name"] == "chat"
    assert chat.attributes["gen_ai.request.model"] == "scripted"
    assert chat.attributes["gen_ai.usage.input_tokens"] > 0 and chat.attributes["gen_ai.usage.output_tokens"] == 6
    assert chat.attributes["gen_ai.response.finish_reasons"] == ("stop",)
    assert chat.attributes.get("gen_ai.request.stream", False) == ("stream" in way)
    assert ("gen_ai.response.time_to_first_chunk" in chat.attributes) == ("stream" in way)
    assert spans["invoke_workflow RetrievalAugmented"].attributes["nacre.grounding.citations"] == 1


def test_no_contents_unless_asked_for_and_then_no_secrets(base, monkeypatch):
    traced = Traced()
    stack(base, [ANSWER]).invoke(QUESTION, traced.config)
    assert not any(word in traced.everything() for word in ("workshop", "nine", "abcdefgh", "memory:a"))
    monkeypatch.setenv("OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT", "SPAN_ONLY")
    traced = Traced()
    stack(base, [ANSWER]).invoke(QUESTION, traced.config)
    spans, told = traced.spans(), traced.everything()
    assert "sk-abc" not in told and "[secret]" in told
    asked = json.loads(spans["chat scripted"].attributes["gen_ai.input.messages"])
    assert asked[-1]["role"] == "user" and "When does the workshop open?" in asked[-1]["parts"][0]["content"]
    said = json.loads(spans["chat scripted"].attributes["gen_ai.output.messages"])
    assert said == [{"role": "assistant", "parts": [{"type": "text", "content": ANSWER}], "finish_reason": "stop"}]
    documents = json.loads(spans["retrieval KnowledgeBaseRetriever"].attributes["gen_ai.retrieval.documents"])
    assert documents and documents[0]["score"] > 0


@pytest.mark.parametrize("value", ["", "false", "NO_CONTENT", "EVENT_ONLY"])
def test_values_of_the_switch_that_keep_contents_off_spans(monkeypatch, value):
    monkeypatch.setenv("OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT", value)
    assert not Traced().handler.contents


@pytest.mark.parametrize("way", WAYS)
def test_a_failed_call_and_the_one_that_replaced_it(base, way):
    traced = Traced()
    WAYS[way](stack(base, [TimeoutError("the server at 10.0.0.7 said: workshop"), ANSWER]), QUESTION, traced.config)
    traced.spans()
    calls = [span for span in traced._exporter.get_finished_spans() if span.name == "chat scripted"]
    assert [span.status.status_code for span in calls] == [StatusCode.ERROR, StatusCode.UNSET]
    assert calls[0].attributes["error.type"] == "TimeoutError" and "10.0.0.7" not in traced.everything()


def test_an_agents_tools_and_its_sandbox(base):
    def reply(messages: Any, n: int) -> AIMessage:
        calls = [(found.name, {"query": "opening hours"}), (python.name, {"code": "6 * 7"})]
        if n < 2:
            return AIMessage("", tool_calls=[{"name": calls[n][0], "args": calls[n][1], "id": f"call_{n}"}])
        return AIMessage("It opens at nine [1].")

    traced = Traced(contents=True)
    tools = make_tools(["kb", "python"], kb=base)
    found, python = tools[0], tools[-1]
    ReAct(inner=ScriptedChatModel(reply), tools=tools).invoke(
        "When does it open?", {**traced.config, "metadata": {"session_id": "s1"}}
    )
    spans = traced.spans()
    agent = spans["invoke_agent ReAct"]
    assert agent.attributes["gen_ai.agent.name"] == "ReAct" and agent.attributes["gen_ai.conversation.id"] == "s1"
    program = spans[f"execute_tool {python.name}"]
    assert (
        program.attributes["gen_ai.tool.call.arguments"] == '{"code": "6 * 7"}'
        and "42" in program.attributes["gen_ai.tool.call.result"]
    )
    tool = spans[f"execute_tool {found.name}"]
    assert tool.parent.span_id == agent.context.span_id
    assert (
        "opening hours" in tool.attributes["gen_ai.tool.call.arguments"]
        and "nine" in tool.attributes["gen_ai.tool.call.result"]
    )


def test_a_program_of_pal_is_an_executed_tool():
    traced = Traced()
    reply = ProgramAided(inner=ScriptedChatModel(["```python\ndef solution():\n    return 6 * 7\n```"])).invoke(
        "Six times seven?", traced.config
    )
    assert "42" in reply.text
    spans = traced.spans()
    assert parent(spans, "execute_tool python") == "invoke_workflow ProgramAided"


def test_a_stream_that_is_left_ends_its_spans(base):
    async def leave(traced: Traced) -> None:
        chunks = stack(base, [ANSWER]).astream(QUESTION, traced.config)
        async for chunk in chunks:
            if chunk.text:
                break
        await chunks.aclose()

    traced = Traced()
    asyncio.run(leave(traced))
    assert traced.spans()["invoke_workflow RetrievalAugmented"].attributes["error.type"]


def test_an_answer_that_is_cancelled_ends_its_spans(base):
    async def cancel(model: Any, traced: Traced) -> None:
        task = asyncio.create_task(model.ainvoke(QUESTION, traced.config))
        await asyncio.sleep(0.3)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    slow = ScriptedChatModel([ANSWER, ANSWER], delay_s=0.2)
    traced = Traced()
    asyncio.run(cancel(Retry(inner=slow), traced))
    assert traced.spans()["chat scripted"].attributes["error.type"] == "CancelledError"
    traced = Traced()
    asyncio.run(cancel(slow, traced))  # no layer around it: only its caller knows
    traced.handler.close()
    assert traced.spans()["chat scripted"].attributes["error.type"] == "CancelledError"


def test_below_a_span_of_the_callers_own_and_around_a_chain_of_the_callers_own(base):
    traced = Traced()
    with traced.provider.get_tracer("app").start_as_current_span("job"):
        (RunnableLambda(str.strip) | stack(base, [ANSWER])).invoke(QUESTION, traced.config)
    spans = traced.spans()
    assert parent(spans, "invoke_workflow RunnableSequence") == "job"
    assert parent(spans, "invoke_workflow RetrievalAugmented") == "invoke_workflow RunnableSequence"
    assert "invoke_workflow strip" not in spans
