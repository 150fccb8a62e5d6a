"""Providers as they really answer, from a real server; each test is a quirk that has cost somebody a day."""

from __future__ import annotations

import asyncio
import json
import threading
from types import SimpleNamespace
from typing import Any

import pytest
from langchain_core.callbacks import UsageMetadataCallbackHandler
from langchain_core.exceptions import ContextOverflowError
from langchain_core.messages import AIMessage, AIMessageChunk, HumanMessage, SystemMessage, ToolMessage
from langchain_core.tools import tool
from pydantic import BaseModel

from nacre.connectors.models import load_model
from nacre.errors import (
    MissingKeyError,
    ModelError,
    ModelUnavailableError,
    NacreError,
    UnknownProviderError,
    UnsupportedInputError,
    UnsupportedParameterError,
)


@tool
def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


class Joke(BaseModel):
    """A joke."""

    setup: str


def model_at(server: Any, spec: str = "openai_compatible:m", **kwargs: Any) -> Any:
    return load_model(spec, base_url=server.url, api_key="k", **kwargs)


def merged(chunks: list[AIMessageChunk]) -> AIMessageChunk:
    whole = chunks[0]
    for chunk in chunks[1:]:
        whole += chunk
    return whole


def tokens(message: AIMessage) -> tuple[int, int, int]:
    usage: Any = message.usage_metadata
    return usage["input_tokens"], usage["output_tokens"], usage["total_tokens"]


def calls(message: AIMessage) -> list[tuple[str, dict[str, Any]]]:
    return [(call["name"], call["args"]) for call in message.tool_calls]


# Answers and usage


def test_provider_answers_whole_and_streamed_alike(server: Any, wire: SimpleNamespace) -> None:
    server.answers = [wire.completion("Hello, 世界."), wire.text_stream("Hello, ", "世", "界.")]
    model = model_at(server)
    whole, streamed = model.invoke("q"), merged(list(model.stream("q")))
    assert whole.text == streamed.text == "Hello, 世界."
    assert tokens(whole) == tokens(streamed) == (7, 3, 10)
    assert server.requests[1]["stream_options"] == {"include_usage": True}
    assert whole.response_metadata["finish_reason"] == streamed.response_metadata["finish_reason"] == "stop"


async def test_provider_answers_async(server: Any, wire: SimpleNamespace) -> None:
    server.answers = [wire.completion("Hi."), wire.text_stream("H", "i.")]
    model = model_at(server)
    assert (await model.ainvoke("q")).text == "Hi."
    assert merged([chunk async for chunk in model.astream("q")]).text == "Hi."


def test_provider_first_token_comes_before_the_last_is_written(server: Any, wire: SimpleNamespace) -> None:
    gate = threading.Event()
    server.answers = [
        wire.stream(wire.event(content="first"), wire.event(content=" last"), wire.event("stop"), gate=gate)
    ]
    chunks = model_at(server).stream("q")
    assert next(chunks).text == "first"
    gate.set()
    assert "".join(chunk.text for chunk in chunks) == " last"


def test_provider_usage_repeated_in_every_chunk_counts_once(server: Any, wire: SimpleNamespace) -> None:
    running = [
        {**wire.event(content=c), "usage": {"prompt_tokens": 7, "completion_tokens": n, "total_tokens": 7 + n}}
        for n, c in enumerate("abc", 1)
    ]
    server.answers = [wire.stream(*running, wire.event("stop"))]
    handler = UsageMetadataCallbackHandler()
    message = merged(list(model_at(server).stream("q", config={"callbacks": [handler]})))
    assert tokens(message) == (7, 3, 10)
    assert handler.usage_metadata["served-name"]["total_tokens"] == 10


def test_provider_moonshot_usage_inside_the_last_choice(server: Any, wire: SimpleNamespace) -> None:
    last = wire.event("stop")
    last["choices"][0]["usage"] = wire.usage["usage"]
    server.answers = [wire.stream(wire.event(content="Hi"), last)]
    message = merged(list(model_at(server, "moonshot:moonshot-v1-8k").stream("q")))
    assert message.usage_metadata["total_tokens"] == 10
    assert "usage_estimated" not in message.response_metadata


def test_provider_without_usage_gets_an_estimate_that_says_so(server: Any, wire: SimpleNamespace) -> None:
    server.answers = [
        wire.completion("four words are here", usage=False),
        wire.stream(wire.event(content="four words are here"), wire.event("stop")),
    ]
    model = model_at(server)
    for message in (model.invoke("a question"), merged(list(model.stream("a question")))):
        assert message.response_metadata["usage_estimated"] is True
        assert message.usage_metadata["output_tokens"] == 4


def test_provider_reasoning_is_kept_and_stays_out_of_the_text(server: Any, wire: SimpleNamespace) -> None:
    server.answers = [
        wire.completion("42", reasoning_content="Let me think."),
        wire.stream(
            wire.event(reasoning_content="Let me "),
            wire.event(reasoning_content="think."),
            wire.event(content="42"),
            wire.event("stop"),
        ),
    ]
    model = model_at(server, "deepseek:deepseek-reasoner")
    for message in (model.invoke("q"), merged(list(model.stream("q")))):
        assert message.text == "42"
        assert message.additional_kwargs["reasoning_content"] == "Let me think."
        assert {"type": "reasoning", "reasoning": "Let me think."} in message.content_blocks


def test_provider_spark_streams_without_finish_reason(server: Any, wire: SimpleNamespace) -> None:
    def spark(text: str, **more: Any) -> dict[str, Any]:
        return {
            "code": 0,
            "message": "Success",
            "sid": "s",
            "choices": [{"delta": {"role": "assistant", "content": text}, "index": 0}],
            **more,
        }

    server.answers = [wire.stream(spark("你"), spark("好"), spark("", usage=wire.usage["usage"]))]
    message = merged(list(model_at(server, "spark:4.0Ultra").stream("q", stop=["停"])))
    assert (message.text, message.usage_metadata["total_tokens"]) == ("你好", 10)
    assert "stream_options" not in server.requests[0] and "stop" not in server.requests[0]


def test_provider_spark_error_with_status_200_is_an_error(server: Any, wire: SimpleNamespace) -> None:
    refusal = {"code": 10013, "message": "input content audit failed", "sid": "s"}
    server.answers = [wire.Answer(body=refusal), wire.stream(refusal)]
    model = model_at(server, "spark:4.0Ultra")
    with pytest.raises(ModelError, match="10013 input content audit failed"):
        model.invoke("q")
    with pytest.raises(ModelError, match="10013"):
        list(model.stream("q"))


# Tool calls


def tool_deltas(wire: SimpleNamespace, kind: str) -> list[dict[str, Any]]:
    """Two parallel calls of `add`, streamed the way a family of servers does it."""

    def piece(**call: Any) -> dict[str, Any]:
        function = {key: call.pop(key) for key in ("name", "arguments") if key in call}
        return wire.event(tool_calls=[{**call, "function": function, "type": "function"}])

    halves = [("c1", '{"a": 1,', ' "b": 2}'), ("c2", '{"a": 3,', ' "b": 4}')]
    deltas = []
    for n, (id_, first, second) in enumerate(halves):
        if kind == "standard":
            deltas += [
                piece(index=n, id=id_, name="add", arguments=""),
                piece(index=n, arguments=first),
                piece(index=n, arguments=second),
            ]
        elif kind == "no index, whole calls":  # Ollama
            deltas += [piece(id=id_, name="add", arguments=first + second)]
        elif kind == "no index, pieces":
            deltas += [piece(id=id_, name="add", arguments=first), piece(arguments=second)]
        elif kind == "index always 0":  # older vLLM, sglang
            deltas += [piece(index=0, id=id_, name="add", arguments=first), piece(index=0, id="", arguments=second)]
        elif kind == "id and name repeated":
            deltas += [
                piece(index=n, id=id_, name="add", arguments=first),
                piece(index=n, id=id_, name="add", arguments=second),
            ]
        elif kind == "empty strings":  # DashScope
            deltas += [
                piece(index=n, id=id_, name="add", arguments=first),
                piece(index=n, id="", name="", arguments=second),
            ]
        elif kind == "index as text":
            deltas += [piece(index=str(n), id=id_, name="add", arguments=first), piece(index=str(n), arguments=second)]
        elif kind == "arguments as object":
            deltas += [piece(id=id_, name="add", arguments={"a": 2 * n + 1, "b": 2 * n + 2})]
        elif kind == "starts at index 1":  # bridges from the Responses API: pipecat-ai/pipecat#4987
            deltas += [piece(index=n + 1, id=id_, name="add", arguments=first), piece(index=n + 1, arguments=second)]
    return [*deltas, wire.event("tool_calls"), wire.usage]


KINDS = [
    "standard", "no index, whole calls", "no index, pieces", "index always 0", "id and name repeated", "empty strings", "index as text",
    "arguments as object", "starts at index 1",
]  # fmt: skip


@pytest.mark.filterwarnings("ignore:Pydantic serializer warnings")  # the SDK's, about arguments that are no string
@pytest.mark.parametrize("kind", KINDS)
def test_provider_streamed_tool_calls_join(server: Any, wire: SimpleNamespace, kind: str) -> None:
    server.answers = [wire.stream(*tool_deltas(wire, kind))]
    message = merged(list(model_at(server).bind_tools([add]).stream("q")))
    assert calls(message) == [("add", {"a": 1, "b": 2}), ("add", {"a": 3, "b": 4})]
    assert [call["id"] for call in message.tool_calls] == ["c1", "c2"]
    assert not message.invalid_tool_calls


@pytest.mark.parametrize(
    "spec",
    [
        "dashscope:qwen-plus",
        "deepseek:deepseek-v4-flash",
        "moonshot:kimi-k2.6",
        "ollama:m",
        "vllm:m",
        "qianfan:m",
        "openai:gpt-4o",
    ],
)
def test_provider_whole_tool_calls(server: Any, wire: SimpleNamespace, spec: str) -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "add", "arguments": '{"a": 1, "b": 2}'}}
    server.answers = [wire.completion(None, tool_calls=[call], finish="tool_calls")]
    assert calls(model_at(server, spec).bind_tools([add]).invoke("q")) == [("add", {"a": 1, "b": 2})]


@pytest.mark.parametrize(
    ("spec", "choice", "body"),
    [
        ("openai:gpt-4o", "named", {}),
        ("vllm:m", "named", {}),
        ("zhipu:glm-4.6", "auto", {}),
        ("dashscope:qwen-plus", "named", {"enable_thinking": False}),
        ("dashscope:qwq-plus", "auto", {}),
        ("deepseek:deepseek-v4-flash", "named", {"thinking": {"type": "disabled"}}),
        ("deepseek:deepseek-reasoner", "auto", {}),
        ("moonshot:kimi-k2.6", "named", {"thinking": {"type": "disabled"}}),
        ("moonshot:kimi-k2.7-code", "auto", {}),
        ("moonshot:kimi-k3", "named", {}),
    ],
)
def test_provider_forced_tool_choice_is_what_it_takes(
    server: Any, wire: SimpleNamespace, spec: str, choice: str, body: dict[str, Any]
) -> None:
    server.answers = lambda request, n: (
        wire.stream(*tool_deltas(wire, "standard")) if request.get("stream") else wire.completion("x")
    )
    model_at(server, spec).bind_tools([add], tool_choice="add").invoke("q")
    (sent,) = server.requests
    assert sent["tool_choice"] == ("auto" if choice == "auto" else {"type": "function", "function": {"name": "add"}})
    assert {key: sent[key] for key in ("thinking", "enable_thinking") if key in sent} == body


def test_provider_thinking_chosen_by_the_caller_is_left_alone(server: Any, wire: SimpleNamespace) -> None:
    server.answers = [wire.completion("x")]
    model_at(server, "deepseek:deepseek-v4-flash", thinking={"type": "enabled"}).bind_tools(
        [add], tool_choice="any"
    ).invoke("q")
    assert server.requests[0]["thinking"] == {"type": "enabled"}


def test_provider_reasoning_goes_back_with_tool_calls_where_it_must(server: Any, wire: SimpleNamespace) -> None:
    server.answers = lambda request, n: wire.completion("x")
    asked = AIMessage(
        "",
        tool_calls=[{"name": "add", "args": {"a": 1, "b": 2}, "id": "c1"}],
        additional_kwargs={"reasoning_content": "Hm."},
    )
    chat = [HumanMessage("q"), asked, ToolMessage("3", tool_call_id="c1")]
    model_at(server, "deepseek:deepseek-v4-flash").invoke(chat)
    model_at(server, "vllm:m").invoke(chat)
    assert server.requests[0]["messages"][1]["reasoning_content"] == "Hm."
    assert "reasoning_content" not in server.requests[1]["messages"][1]


def test_provider_structured_output_is_asked_for_as_it_supports(server: Any, wire: SimpleNamespace) -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "Joke", "arguments": '{"setup": "s"}'}}
    server.answers = [wire.completion(None, tool_calls=[call], finish="tool_calls"), wire.completion('{"setup": "s"}')]
    assert model_at(server, "zhipu:glm-4.6").with_structured_output(Joke).invoke("q") == Joke(setup="s")
    assert model_at(server, "openai:gpt-4o").with_structured_output(Joke).invoke("q") == Joke(setup="s")
    assert "tools" in server.requests[0] and server.requests[1]["response_format"]["type"] == "json_schema"


# Requests


def test_provider_dashscope_gets_nothing_that_it_refuses(server: Any, wire: SimpleNamespace) -> None:
    server.answers = [wire.completion("x")]
    system = SystemMessage(
        [{"type": "text", "text": "Be "}, {"type": "text", "text": "brief."}],
        additional_kwargs={"__openai_role__": "developer"},
    )
    model_at(server, "dashscope:qwen-plus", max_tokens=9, temperature=2.0, store=False).invoke(
        [system, HumanMessage("q")], top_k=3
    )
    (sent,) = server.requests
    assert sent["messages"][0] == {"role": "system", "content": "Be brief."}
    assert (sent["max_tokens"], sent["temperature"], sent["top_k"]) == (9, 1.99, 3)
    assert not {"max_completion_tokens", "store"} & sent.keys()


def test_provider_thinking_models_of_dashscope_are_streamed_under_invoke(server: Any, wire: SimpleNamespace) -> None:
    server.answers = lambda request, n: (
        wire.stream(
            wire.event(reasoning_content="Hm."),
            wire.event(content="4"),
            wire.event(content="2"),
            wire.event("stop"),
            wire.usage,
        )
        if request.get("stream")
        else wire.Answer(
            400, {"error": {"message": "parameter.enable_thinking must be set to false for non-streaming calls"}}
        )
    )
    message = model_at(server, "dashscope:qwen3-32b").invoke("q")
    assert type(message) is AIMessage
    assert (message.text, message.additional_kwargs["reasoning_content"], message.usage_metadata["total_tokens"]) == (
        "42",
        "Hm.",
        10,
    )


def test_provider_thinking_models_of_dashscope_give_json_too(server: Any, wire: SimpleNamespace) -> None:
    server.answers = lambda request, n: (
        wire.text_stream('{"setup":', ' "s"}')
        if request.get("stream")
        else wire.Answer(400, {"error": {"message": "no"}})
    )
    model = model_at(server, "dashscope:qwen3-32b").with_structured_output(Joke, method="json_mode")
    assert model.invoke("q") == Joke(setup="s")


def test_provider_models_of_openai_that_have_only_the_responses_api(server: Any, wire: SimpleNamespace) -> None:
    done = {
        "id": "r1", "object": "response", "created_at": 1, "model": "gpt-5-codex", "status": "completed", "parallel_tool_calls": True,
        "tool_choice": "auto", "tools": [], "usage": {"input_tokens": 7, "output_tokens": 3, "total_tokens": 10},
        "output": [{"id": "m1", "type": "message", "role": "assistant", "status": "completed", "content": [{"type": "output_text", "text": "Hi.", "annotations": []}]}],
    }  # fmt: skip
    begun = {
        "type": "response.created",
        "sequence_number": 0,
        "response": {**done, "status": "in_progress", "output": [], "usage": None},
    }
    piece = {
        "type": "response.output_text.delta",
        "sequence_number": 1,
        "item_id": "m1",
        "output_index": 0,
        "content_index": 0,
        "delta": "Hi.",
        "logprobs": [],
    }
    end = {"type": "response.completed", "sequence_number": 2, "response": done}
    server.answers = lambda request, n: (
        wire.stream(begun, piece, end) if request.get("stream") else wire.Answer(body=done)
    )
    model = model_at(server, "openai:gpt-5-codex")
    for message in (model.invoke("q", stop=["x"], temperature=0.1), merged(list(model.stream("q", stop=["x"])))):
        assert (message.text, message.usage_metadata["total_tokens"]) == ("Hi.", 10)
    assert not {"stop", "temperature", "stream_usage", "stream_options"} & (
        server.requests[0].keys() | server.requests[1].keys()
    )


async def test_provider_thinking_models_are_streamed_under_ainvoke(server: Any, wire: SimpleNamespace) -> None:
    server.answers = lambda request, n: (
        wire.text_stream("4", "2") if request.get("stream") else wire.Answer(400, {"error": {"message": "no"}})
    )
    assert (await model_at(server, "dashscope:qwq-plus").ainvoke("q")).text == "42"


@pytest.mark.parametrize(
    ("spec", "given", "sent"),
    [
        ("openai:gpt-5-mini", {"max_tokens": 9}, {"max_completion_tokens": 9}),
        ("openai:gpt-4o", {"temperature": 0.0}, {"temperature": 0.0}),
        ("zhipu:glm-4.6", {"temperature": 1.5, "seed": 1}, {"temperature": 1.0}),
        ("qianfan:ernie-4.5-turbo-128k", {"temperature": 0.0}, {"temperature": 0.01}),
        ("spark:4.0Ultra", {"temperature": 0.0}, {"temperature": 0.01}),
        ("moonshot:kimi-k2.6", {"temperature": 0.3, "top_p": 0.5}, {}),
        ("moonshot:moonshot-v1-8k", {"temperature": 0.3}, {"temperature": 0.3}),
    ],
)
def test_provider_parameters_are_what_it_takes(
    server: Any, wire: SimpleNamespace, spec: str, given: dict[str, Any], sent: dict[str, Any]
) -> None:
    server.answers = [wire.completion("x")]
    model_at(server, spec, **given).invoke("q")
    got = {key: value for key, value in server.requests[0].items() if key not in ("model", "messages", "stream")}
    assert got == sent


def test_provider_reasoning_models_of_openai_refuse_tuning_at_the_call_too(server: Any, wire: SimpleNamespace) -> None:
    server.answers = [wire.completion("a STOP b")]
    assert model_at(server, "openai:gpt-5-mini").invoke("q", temperature=0.1, stop=["STOP"]).text == "a "
    assert not {"temperature", "stop"} & server.requests[0].keys()


@pytest.mark.parametrize("spec", ["zhipu:glm-4.6", "spark:4.0Ultra", "openai:gpt-5-mini"])
def test_provider_stop_strings_beyond_its_limit_are_cut_here(server: Any, wire: SimpleNamespace, spec: str) -> None:
    server.answers = lambda request, n: (
        wire.text_stream("Action: x\nObs", "erv", "ation: invented", " and more")
        if request.get("stream")
        else wire.completion("Action: x\nObservation: invented")
    )
    model = model_at(server, spec)
    stop = ["Observation:", "观察："]
    assert model.invoke("q", stop=stop).text == "Action: x\n"
    message = merged(list(model.stream("q", stop=stop)))
    assert (message.text, message.response_metadata["finish_reason"]) == ("Action: x\n", "stop")
    assert all("stop" not in request for request in server.requests)


def test_provider_stop_strings_within_its_limit_are_sent(server: Any, wire: SimpleNamespace) -> None:
    server.answers = lambda request, n: wire.completion("x")
    model_at(server, "zhipu:glm-4.6").invoke("q", stop=["Observation:"])
    model_at(server, "vllm:m").invoke("q", stop=["1", "2", "3", "4", "5", "6"])
    assert [len(request["stop"]) for request in server.requests] == [1, 6]


def test_provider_gets_text_that_can_be_sent(server: Any, wire: SimpleNamespace) -> None:
    server.answers = lambda request, n: wire.completion("x")
    model_at(server).invoke(
        [HumanMessage("a\ud800b\x00c\n{braces}"), HumanMessage([{"type": "text", "text": "\udfff"}])]
    )
    model_at(server).invoke("长" * 100_000)
    assert [message["content"] for message in server.requests[0]["messages"]] == ["a\ufffdbc\n{braces}", "\ufffd"]
    assert len(server.requests[1]["messages"][0]["content"]) == 100_000


# Images

IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}
STANDARD_IMAGE = {"type": "image", "base64": "iVBORw0KGgo=", "mime_type": "image/png"}


@pytest.mark.parametrize(
    "spec",
    [
        "openai:gpt-4o",
        "dashscope:qwen3-vl-plus",
        "zhipu:glm-4.5v",
        "moonshot:kimi-k2.6",
        "ollama:anything",
        "vllm:anything",
    ],
)
@pytest.mark.parametrize("block", [IMAGE, STANDARD_IMAGE], ids=["openai", "standard"])
def test_provider_images_pass_to_models_that_see(
    server: Any, wire: SimpleNamespace, spec: str, block: dict[str, Any]
) -> None:
    server.answers = lambda request, n: (
        wire.text_stream("A cat.") if request.get("stream") else wire.completion("A cat.")
    )
    assert model_at(server, spec).invoke([HumanMessage([{"type": "text", "text": "What?"}, block])]).text == "A cat."
    sent = server.requests[0]["messages"][0]["content"][1]
    assert (sent["type"], sent["image_url"]["url"]) == ("image_url", "data:image/png;base64,iVBORw0KGgo=")


@pytest.mark.parametrize(
    "spec",
    ["openai:gpt-3.5-turbo", "dashscope:qwen-plus", "zhipu:glm-4.6", "spark:4.0Ultra", "qianfan:ernie-4.5-turbo-128k"],
)
def test_provider_images_for_models_that_do_not_see_are_refused(server: Any, spec: str) -> None:
    with pytest.raises(UnsupportedInputError, match="takes no images"):
        model_at(server, spec).invoke([HumanMessage([{"type": "text", "text": "What?"}, IMAGE])])
    assert server.requests == []


def test_provider_profile_overrules_the_table_on_images(server: Any, wire: SimpleNamespace) -> None:
    server.answers = [wire.completion("A cat.")]
    model = model_at(server, "zhipu:glm-9", profile={"image_inputs": True})
    assert model.invoke([HumanMessage([IMAGE])]).text == "A cat."


# Errors


def test_provider_429_waits_as_told_and_asks_again(server: Any, wire: SimpleNamespace) -> None:
    server.answers = [
        wire.Answer(429, {"error": {"message": "slow down"}}, {"retry-after": "1"}),
        wire.completion("Hello."),
    ]
    assert model_at(server).invoke("q").text == "Hello."
    assert server.times[1] - server.times[0] >= 1.0


def test_provider_429_without_end_is_bounded(server: Any, wire: SimpleNamespace) -> None:
    server.answers = lambda request, n: wire.Answer(
        429, {"error": {"message": "quota used up"}}, {"retry-after": "100000"}
    )
    with pytest.raises(ModelUnavailableError, match=r"HTTP 429.*quota used up.*100000 s") as caught:
        model_at(server, max_retries=0).invoke("q")
    assert (caught.value.status, caught.value.retry_after_s) == (429, 100000)  # type: ignore[attr-defined]
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("status", "said", "kind", "pattern"),
    [
        (400, "bad parameter", ModelError, "HTTP 400.*bad parameter"),
        (401, "invalid key", MissingKeyError, "DASHSCOPE_API_KEY"),
        (403, "no access", ModelError, "HTTP 403.*no access"),
        (404, "model not found", UnknownProviderError, "qwen-none.*model not found"),
        (500, "oops", ModelUnavailableError, "HTTP 500.*oops"),
        (503, "overloaded", ModelUnavailableError, "HTTP 503"),
        (400, "This model's maximum context length is 10 tokens", ContextOverflowError, "too long"),
        (400, "Range of input length should be [1, 30720]", UnsupportedInputError, "too long"),
    ],
)
@pytest.mark.parametrize("streaming", [False, True], ids=["invoke", "stream"])
def test_provider_errors_become_ours(
    server: Any, wire: SimpleNamespace, status: int, said: str, kind: type[Exception], pattern: str, streaming: bool
) -> None:
    server.answers = lambda request, n: wire.Answer(status, {"error": {"message": said, "type": "t", "code": None}})
    model = model_at(server, "dashscope:qwen-none", max_retries=0)
    with pytest.raises(kind, match=pattern) as caught:
        list(model.stream("q")) if streaming else model.invoke("q")
    assert isinstance(caught.value, NacreError)
    assert caught.value.__cause__ is not None
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("arguments", "read"),
    [
        (json.dumps(json.dumps({"a": 2, "b": 5})), {"a": 2, "b": 5}),
        ("[2, 5]", None),
        ('"two"', None),
        ("7", None),
        ({"a": 2, "b": 5}, {"a": 2, "b": 5}),
        ('{"a": 2, "b": 5}', {"a": 2, "b": 5}),
        ("null", {}),
        ("", {}),
    ],
)
def test_provider_arguments_that_are_no_object_are_an_invalid_call_not_an_error(
    server: Any, wire: SimpleNamespace, arguments: Any, read: dict[str, Any] | None
) -> None:
    call = {"id": "c", "type": "function", "function": {"name": "add", "arguments": arguments}}
    server.answers = [wire.completion("", tool_calls=[call])]
    message = model_at(server).bind_tools([add]).invoke("2 and 5?")
    assert [call["args"] for call in message.tool_calls] == ([] if read is None else [read])
    assert [call["args"] for call in message.invalid_tool_calls] == ([] if read is not None else [arguments])


@pytest.mark.parametrize(
    ("status", "said", "parameter"),
    [
        (400, {"message": "Not with this one.", "code": "unsupported_parameter", "param": "stop"}, "stop"),
        (400, {"message": "Unsupported parameter: 'stop' is not supported with this model."}, "stop"),
        (400, {"message": "hub/library/tiny:1b does not support tools"}, "tools"),
        (400, {"message": '"auto" tool choice requires --enable-auto-tool-choice to be set'}, "tools"),
        (404, {"message": "No endpoints found that support tool use."}, "tools"),
        (422, {"message": "stop: Extra inputs are not permitted"}, "stop"),
        (400, {"message": "该模型不支持工具调用"}, "tools"),
        (200, {"message": "this model does not support function calling"}, "tools"),
        (400, {"message": "Unknown field in tools[0].function.parameters"}, None),
        (400, {"message": "A message of a tool must follow a call of a tool."}, None),
        (400, {"message": "Unsupported parameter: 'tools[0].strict'"}, None),
        (503, {"message": "The model has stopped, does not support tools"}, None),
    ],
)
def test_provider_that_refuses_one_parameter_names_it(
    server: Any, wire: SimpleNamespace, status: int, said: dict[str, Any], parameter: str | None
) -> None:
    server.answers = lambda request, n: wire.Answer(status, {"error": {"type": "t", **said}})
    with pytest.raises(ModelError) as caught:
        model_at(server, "dashscope:qwen-none", max_retries=0).invoke("q")
    assert getattr(caught.value, "parameter", None) == parameter
    assert isinstance(caught.value, UnsupportedParameterError) is (parameter is not None)


@pytest.mark.parametrize("how", ["error event", "hang up", "silent end"])
def test_provider_stream_that_breaks_is_an_error_not_an_end(server: Any, wire: SimpleNamespace, how: str) -> None:
    begun = [wire.event(role="assistant", content="Half an")]
    server.answers = lambda request, n: {
        "error event": wire.stream(*begun, {"error": {"message": "worker died", "code": 500}}, done=False),
        "hang up": wire.stream(*begun, done=False, hang_up=True),
        "silent end": wire.stream(*begun, done=False),
    }[how]
    seen = []
    with pytest.raises(ModelUnavailableError, match="broke off") as caught:
        for chunk in model_at(server).stream("q"):
            seen.append(chunk.text)
    assert "".join(seen) == "Half an"
    assert caught.value.uri == server.url
    assert len(server.requests) == 1, "what has been shown is never asked for again"


@pytest.mark.parametrize("how", ["error event", "hang up", "silent end"])
async def test_provider_async_stream_that_breaks_is_an_error(server: Any, wire: SimpleNamespace, how: str) -> None:
    begun = [wire.event(role="assistant", content="Half an")]
    server.answers = [
        {
            "error event": wire.stream(*begun, {"error": {"message": "worker died"}}, done=False),
            "hang up": wire.stream(*begun, done=False, hang_up=True),
            "silent end": wire.stream(*begun, done=False),
        }[how]
    ]
    with pytest.raises(ModelUnavailableError, match="broke off"):
        async for _ in model_at(server).astream("q"):
            pass


@pytest.mark.parametrize("events", [(), ("<html>oops</html>",)], ids=["nothing", "html"])
def test_provider_stream_that_is_none_is_one_error(server: Any, wire: SimpleNamespace, events: tuple[str, ...]) -> None:
    server.answers = lambda request, n: wire.stream(*events)
    with pytest.raises(ModelUnavailableError, match="broke off"):
        list(model_at(server).stream("q"))


def test_provider_halves_of_characters_are_joined_and_a_lone_one_never_shown(
    server: Any, wire: SimpleNamespace
) -> None:
    pieces = [wire.event(content=text) for text in ("a\ud83d", "\ude00b\udc00", "c\ud83d")]
    server.answers = lambda request, n: wire.stream(*pieces, wire.event("stop"))
    assert "".join(chunk.text for chunk in model_at(server).stream("q")) == "a😀b\ufffdc"


@pytest.mark.parametrize("spec", ["ollama:m", "openai:m"])
def test_provider_out_of_reach_says_where_and_what_to_do(spec: str, unused_tcp_port: int) -> None:
    url = f"http://127.0.0.1:{unused_tcp_port}/v1"
    model = load_model(spec, base_url=url, api_key="k", max_retries=0)
    with pytest.raises(ModelUnavailableError, match=r"refused.*(Start the server|Check the network)") as caught:
        model.invoke("q")
    assert caught.value.uri == url


def test_provider_that_is_a_web_page_is_recognised(server: Any, wire: SimpleNamespace) -> None:
    server.answers = lambda request, n: wire.Answer(200, "<html>Welcome</html>")
    with pytest.raises(ModelError, match=r"no chat completion.*base URL"):
        model_at(server).invoke("q")


def test_provider_slow_answer_times_out(server: Any, wire: SimpleNamespace) -> None:
    gate = threading.Event()
    server.answers = [wire.stream(wire.event(content="x"), gate=gate)]
    with pytest.raises(ModelUnavailableError):
        model_at(server, timeout=0.2, max_retries=0).invoke("q", stream=True)
    gate.set()


# LangChain's habits


def test_provider_same_name_on_two_servers_never_shares_a_cache(server: Any, wire: SimpleNamespace) -> None:
    here = load_model("vllm:m", base_url=server.url)
    there = load_model("vllm:m", base_url="http://127.0.0.1:1/v1")
    assert here._get_llm_string() != there._get_llm_string()


def test_provider_counts_tokens_without_the_network() -> None:
    model = load_model("openai:gpt-4o", api_key="k")
    assert model.get_num_tokens("知识库 and twelve characters") == 7
    assert model.get_num_tokens_from_messages([HumanMessage("four")]) == 5


async def test_provider_calls_overlap(server: Any, wire: SimpleNamespace) -> None:
    everyone = threading.Barrier(20)

    def answer(request: dict[str, Any], n: int) -> Any:
        everyone.wait(20)
        return wire.completion("x")

    server.answers = answer
    model = model_at(server, max_retries=0)
    assert len(await asyncio.gather(*(model.ainvoke("q") for _ in range(20)))) == 20


def test_provider_closed_stream_lets_go_of_the_server(server: Any, wire: SimpleNamespace) -> None:
    gate = threading.Event()
    server.answers = [
        wire.stream(wire.event(content="x"), wire.event(content="y"), wire.event("stop"), gate=gate),
        wire.completion("next"),
    ]
    model = model_at(server)
    chunks = model.stream("q")
    assert next(chunks).text == "x"
    chunks.close()
    gate.set()
    assert model.invoke("q").text == "next"


def test_provider_model_serves_one_event_loop_after_another(server: Any, wire: SimpleNamespace) -> None:
    server.answers = lambda request, n: wire.text_stream("x") if request.get("stream") else wire.completion("x")
    model = model_at(server, max_retries=0)

    async def both() -> str:
        streamed = [chunk.text async for chunk in model.astream("q")]
        return (await model.ainvoke("q")).text + "".join(streamed)

    assert [asyncio.run(both()) for _ in range(4)] == ["xx"] * 4
