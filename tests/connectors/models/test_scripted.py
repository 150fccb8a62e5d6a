"""The scripted model is what every other test stands on, so it is held to LangChain's own suites too."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from langchain_core.caches import InMemoryCache
from langchain_core.callbacks import UsageMetadataCallbackHandler
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, HumanMessage
from langchain_core.tools import tool
from langchain_tests.integration_tests import ChatModelIntegrationTests
from langchain_tests.unit_tests import ChatModelUnitTests
from pydantic import BaseModel

from nacre.connectors.models.scripted import ScriptedChatModel
from nacre.errors import NacreError


@tool
def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


def merged(chunks: list[AIMessageChunk]) -> AIMessageChunk:
    whole = chunks[0]
    for chunk in chunks[1:]:
        whole += chunk
    return whole


def test_scripted_replies_come_in_order_and_questions_are_recorded() -> None:
    model = ScriptedChatModel(["one", AIMessage("two", response_metadata={"mark": 2})])
    assert model.invoke("a").text == "one"
    reply = model.invoke([HumanMessage("b"), AIMessage("c"), HumanMessage("d")])
    assert (reply.text, reply.response_metadata["mark"]) == ("two", 2)
    assert [[m.text for m in call] for call in model.calls] == [["a"], ["b", "c", "d"]]


def test_scripted_function_sees_messages_and_the_number_of_the_call() -> None:
    model = ScriptedChatModel(lambda messages, n: f"{n}:{messages[-1].text}")
    assert [model.invoke(q).text for q in "xyz"] == ["0:x", "1:y", "2:z"]


@pytest.mark.parametrize(
    "text",
    ["", " ", "one", "Two words.", " leading and trailing \n", "中文和 English 混排。\n\n第二段", "{braces} ▲🐚\u200d"],
)
def test_scripted_stream_joins_to_the_same_text(text: str) -> None:
    chunks = list(ScriptedChatModel([text]).stream("q"))
    assert merged(chunks).text == text == ScriptedChatModel([text]).invoke("q").text
    assert len(chunks) >= max(1, len(text.split()))


def test_scripted_tool_calls_survive_streaming() -> None:
    calls = [{"name": "add", "args": {"a": 1, "b": 2}, "id": "1"}, {"name": "add", "args": {"a": 3, "b": 4}, "id": "2"}]
    model = ScriptedChatModel([AIMessage("Adding.", tool_calls=calls)] * 2).bind_tools([add], tool_choice="any")
    whole = merged(list(model.stream("q")))
    assert whole.tool_calls == model.invoke("q").tool_calls
    assert [c["args"] for c in whole.tool_calls] == [{"a": 1, "b": 2}, {"a": 3, "b": 4}]
    assert whole.text == "Adding."


def test_scripted_records_bound_tools_and_stop() -> None:
    model = ScriptedChatModel(["a STOP b"])
    assert model.bind_tools([add], tool_choice="add").invoke("q", stop=["STOP"]).text == "a "
    (kwargs,) = model.call_kwargs
    assert (kwargs["tools"][0]["function"]["name"], kwargs["tool_choice"], kwargs["stop"]) == ("add", "add", ["STOP"])


def test_scripted_exceptions_are_raised_and_the_script_goes_on() -> None:
    model = ScriptedChatModel([TimeoutError("first"), "second"])
    with pytest.raises(TimeoutError, match="first"):
        model.invoke("q")
    assert model.invoke("q").text == "second"


def test_scripted_stream_may_break_in_the_middle() -> None:
    seen = []
    with pytest.raises(ConnectionError):
        for chunk in ScriptedChatModel([("Half ", "an ", ConnectionError())]).stream("q"):
            seen.append(chunk.text)
    assert seen == ["Half ", "an "]


def test_scripted_end_of_the_script_is_said_clearly() -> None:
    model = ScriptedChatModel(["only"])
    model.invoke("q")
    with pytest.raises(NacreError, match="has 1 replies and this is call 2"):
        model.invoke("q")
    with pytest.raises(NacreError, match="list or a function"):
        ScriptedChatModel("text")
    with pytest.raises(NacreError, match="not int"):
        ScriptedChatModel([7]).invoke("q")  # type: ignore[list-item]


def test_scripted_usage_is_counted_once_by_langchain() -> None:
    handler = UsageMetadataCallbackHandler()
    model = ScriptedChatModel(["four words are here", "x"])
    model.invoke("two words", config={"callbacks": [handler]})
    assert handler.usage_metadata["scripted"]["total_tokens"] == 6
    assert merged(list(model.stream("two words"))).usage_metadata == {
        "input_tokens": 2,
        "output_tokens": 1,
        "total_tokens": 3,
    }


def test_scripted_calls_from_many_threads_get_each_reply_once() -> None:
    model = ScriptedChatModel([str(n) for n in range(200)])
    with ThreadPoolExecutor(16) as pool:
        replies = list(pool.map(lambda _: model.invoke("q").text, range(200)))
    assert sorted(replies, key=int) == [str(n) for n in range(200)]


async def test_scripted_async_calls_overlap() -> None:
    running = most = 0

    class Watched(ScriptedChatModel):
        async def _astream(self, *args: Any, **kwargs: Any) -> Any:
            nonlocal running, most
            running += 1
            most = max(most, running)
            async for chunk in super()._astream(*args, **kwargs):
                yield chunk
            running -= 1

    model = Watched(["a b c"] * 20, delay_s=0.01)
    await asyncio.gather(*(model.ainvoke("q") for _ in range(20)))
    assert most == 20


def test_scripted_models_never_answer_for_each_other_from_a_cache() -> None:
    cache = InMemoryCache()
    assert ScriptedChatModel(["a"], cache=cache).invoke("q").text == "a"
    assert ScriptedChatModel(["b"], cache=cache).invoke("q").text == "b"


def test_scripted_replies_are_not_changed_by_use() -> None:
    reply = AIMessage("again", response_metadata={"list": [1]})
    model = ScriptedChatModel([reply, reply])
    model.invoke("q").response_metadata["list"].append(2)
    assert model.invoke("q").response_metadata["list"] == [1]
    assert reply.id is None


class Joke(BaseModel):
    """A joke."""

    setup: str
    punchline: str


def test_scripted_structured_output_reads_the_scripted_tool_call() -> None:
    call = {"name": "Joke", "args": {"setup": "s", "punchline": "p"}, "id": "1"}
    model = ScriptedChatModel([AIMessage("", tool_calls=[call])])
    assert model.with_structured_output(Joke).invoke("q") == Joke(setup="s", punchline="p")


class TestScriptedUnit(ChatModelUnitTests):
    expected_skips = frozenset({"test_init_from_env", "test_serdes"})

    @property
    def chat_model_class(self) -> type[BaseChatModel]:
        return ScriptedChatModel

    @property
    def chat_model_params(self) -> dict[str, Any]:
        return {"replies": ["Hello."]}


class TestScriptedIntegration(ChatModelIntegrationTests):
    """The tests of answers; a script does not choose tools by itself."""

    # Tools and structured output are tested above with replies that call them; the rest needs a real model.
    expected_skips = frozenset(
        "test_" + name
        for name in [
            "invoke_with_model_override",
            "ainvoke_with_model_override",
            "stream_with_model_override",
            "astream_with_model_override",
            "tool_calling",
            "tool_calling_async",
            "bind_runnables_as_tools",
            "tool_message_histories_string_content",
            "tool_message_histories_list_content",
            "tool_choice",
            "tool_calling_with_no_arguments",
            "tool_message_error_status",
            "structured_few_shot_examples",
            "structured_output",
            "structured_output_async",
            "structured_output_pydantic_2_v1",
            "structured_output_optional_param",
            "json_mode",
            "pdf_inputs",
            "audio_inputs",
            "image_inputs",
            "image_tool_message",
            "pdf_tool_message",
            "anthropic_inputs",
            "agent_loop",
            "stream_time",
            "unicode_tool_call_integration",
        ]
    )
    has_tool_calling = False
    has_structured_output = False

    @property
    def chat_model_class(self) -> type[BaseChatModel]:
        return ScriptedChatModel

    @property
    def chat_model_params(self) -> dict[str, Any]:
        return {"replies": lambda messages, n: "Hello, hello, and hello again."}
