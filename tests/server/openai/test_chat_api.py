"""Chat completions, asked by the real SDKs."""

from __future__ import annotations

import gzip
import json
import time

import httpx
import openai
import pytest
from langchain_core.messages import AIMessage

from nacre.errors import ModelError, UnsupportedParameterError

QUESTION = [{"role": "user", "content": "When does the workshop open?"}]
WEATHER = {
    "type": "function",
    "function": {"name": "weather", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}},
}


def test_every_stack_is_a_model(serve):
    client = serve().openai()
    assert {"nacre", "nacre-strict", "nacre-agent"} <= {model.id for model in client.models.list()}
    assert client.models.retrieve("nacre").owned_by == "nacre"
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("gpt-5")
    client.close()


def test_whole_answer_carries_url_citations_that_open_the_source(serve):
    server = serve()
    client = server.openai()
    reply = client.chat.completions.create(model="nacre", messages=QUESTION)
    message = reply.choices[0].message
    assert message.content == "The workshop opens at nine in the morning [1]."
    assert reply.choices[0].finish_reason == "stop"
    assert reply.usage.total_tokens == reply.usage.prompt_tokens + reply.usage.completion_tokens > 10
    citation = message.annotations[0].url_citation
    assert message.content[citation.start_index : citation.end_index].startswith("The workshop opens")
    assert citation.url.startswith(server.url + "/sources/")
    found = httpx.get(citation.url.replace("/sources/", "/v1/sources/")).json()
    assert (
        found["text"][found["start"] - found["offset"] : found["end"] - found["offset"]]
        == "The workshop opens at nine in the morning."
    )
    client.close()


def test_stream_spells_the_answer_and_ends_with_annotations_and_usage(serve):
    client = serve().openai()
    chunks = list(
        client.chat.completions.create(
            model="nacre", messages=QUESTION, stream=True, stream_options={"include_usage": True}
        )
    )
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert text == "The workshop opens at nine in the morning [1]."
    assert sum(1 for chunk in chunks if chunk.choices and chunk.choices[0].delta.content) > 3
    annotations = [
        a for c in chunks if c.choices for a in (c.choices[0].delta.model_extra or {}).get("annotations", [])
    ]
    assert annotations[0]["url_citation"]["title"] == "Opening hours"
    assert [c.choices[0].finish_reason for c in chunks if c.choices and c.choices[0].finish_reason] == ["stop"]
    assert chunks[-1].choices == [] and chunks[-1].usage.total_tokens > 10
    client.close()


def test_tools_of_the_caller_pass_through_and_come_back_as_tool_calls(serve):
    call = AIMessage("", tool_calls=[{"name": "weather", "args": {"city": "Wien"}, "id": "call_1"}])
    server = serve(lambda messages, n: call)
    client = server.openai()
    asked = {"model": "nacre", "messages": QUESTION, "tools": [WEATHER], "tool_choice": "auto"}
    choice = client.chat.completions.create(**asked).choices[0]
    assert choice.finish_reason == "tool_calls"
    assert choice.message.tool_calls[0].function.arguments == '{"city": "Wien"}'
    deltas = [
        c.choices[0].delta.tool_calls[0]
        for c in client.chat.completions.create(**asked, stream=True)
        if c.choices and c.choices[0].delta.tool_calls
    ]
    assert deltas[0].function.name == "weather" and deltas[0].index == 0
    assert "".join(d.function.arguments for d in deltas) == '{"city": "Wien"}'
    client.close()


@pytest.mark.parametrize("stack", ["plain", "nacre", "agent"])
@pytest.mark.parametrize("stream", [False, True])
def test_a_model_that_refuses_tools_is_given_those_of_the_caller_as_text(serve, stack, stream):
    def replies(messages, n):
        if "Action Input" not in str(messages[0].content):
            return UnsupportedParameterError("a template without tools", parameter="tools")
        if "sunny" in str(messages[-1].content):
            return "Final Answer: It is sunny."
        return 'Thought: look\nAction: weather\nAction Input: {"city": "Wien"}\nObservation: rain'

    agent = {"layers": [{"use": "react", "tools": ["python"]}]}
    server = serve(replies, stacks={"plain": {"layers": []}, "nacre": {"layers": ["rag"]}, "agent": agent})
    with server.openai() as client:

        def ask(messages):
            asked = {"model": stack, "messages": messages, "tools": [WEATHER]}
            if not stream:
                return client.chat.completions.create(**asked).choices[0]
            with client.chat.completions.stream(**asked) as events:
                return events.get_final_completion().choices[0]

        choice = ask(QUESTION)
        assert choice.finish_reason == "tool_calls" and len(choice.message.tool_calls) == 1
        call = choice.message.tool_calls[0]
        assert (call.function.name, json.loads(call.function.arguments)) == ("weather", {"city": "Wien"})
        result = {"role": "tool", "tool_call_id": call.id, "content": "sunny"}
        assert ask([*QUESTION, choice.message, result]).message.content == "It is sunny."


def test_an_agents_own_searches_are_never_tool_calls(serve):
    def replies(messages, n):
        if n % 2 == 0:
            return 'Thought: look it up\nAction: search_knowledge_base\nAction Input: {"query": "workshop opens"}'
        return "Final Answer: At nine."

    client = serve(replies).openai()
    chunks = list(client.chat.completions.create(model="nacre-agent", messages=QUESTION, stream=True))
    deltas = [chunk.choices[0].delta for chunk in chunks if chunk.choices]
    assert not any(delta.tool_calls for delta in deltas)
    assert "".join(delta.content or "" for delta in deltas) == "At nine."
    thoughts = "".join((delta.model_extra or {}).get("reasoning_content", "") for delta in deltas)
    assert "search_knowledge_base" in thoughts
    message = client.chat.completions.create(model="nacre-agent", messages=QUESTION).choices[0].message
    assert message.tool_calls is None and message.content == "At nine."
    client.close()


def test_langchain_chat_openai_reads_stream_and_whole(serve):
    from langchain_openai import ChatOpenAI

    model = ChatOpenAI(base_url=f"{serve().url}/v1", api_key="none", model="nacre", stream_usage=True, max_retries=0)
    whole = model.invoke("When does the workshop open?")
    assert whole.text == "The workshop opens at nine in the morning [1]."
    assert whole.usage_metadata["total_tokens"] > 10
    merged = None
    for chunk in model.stream("When does the workshop open?"):
        merged = chunk if merged is None else merged + chunk
    assert merged.text == whole.text and merged.usage_metadata == whole.usage_metadata


def test_an_error_before_the_first_word_has_its_status(serve):
    client = serve(lambda messages, n: ModelError("the weights are gone", model="x")).openai()
    for stream in (False, True):
        with pytest.raises(openai.APIStatusError) as caught:
            client.chat.completions.create(model="nacre", messages=QUESTION, stream=stream)
        assert caught.value.status_code == 502
        assert caught.value.body["code"] == "model_error" and "weights" in caught.value.body["message"]
    client.close()


def test_a_model_that_dies_in_mid_stream_is_an_error_object_in_the_stream(serve):
    server = serve(lambda messages, n: ("The workshop ", "opens ", RuntimeError("secret detail")))
    client = server.openai()
    got = []
    with pytest.raises(openai.APIError) as caught:
        for chunk in client.chat.completions.create(model="nacre", messages=QUESTION, stream=True):
            got.append(chunk.choices[0].delta.content or "")
    assert "".join(got) == "The workshop opens"
    assert "secret" not in str(caught.value)
    client.close()
    # The client has its error a moment before the server has put the stream away.
    for _ in range(100):
        if not server.state.metrics.streams:
            break
        time.sleep(0.05)
    assert server.state.metrics.streams == 0


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"{not json", 400, "invalid_json"),
        (b"[]", 400, "invalid_value"),
        (b'{"model": "nacre", "messages": []}', 400, "invalid_value"),
        (b'{"model": "nacre", "messages": "hello"}', 400, "invalid_value"),
        (b'{"model": "nacre", "messages": [{"role": "wizard", "content": "x"}]}', 400, "invalid_value"),
        (b'{"model": "nacre", "messages": [{"role": "system", "content": "x"}]}', 400, "invalid_value"),
        (b'{"model": "gpt-5", "messages": [{"role": "user", "content": "x"}]}', 404, "model_not_found"),
        (b'{"model": "nacre@../../etc", "messages": [{"role": "user", "content": "x"}]}', 404, "not_found"),
        (b'{"model": "nacre", "n": 3, "messages": [{"role": "user", "content": "x"}]}', 400, "invalid_value"),
        (
            b'{"model": "nacre", "tools": [{"type": "x"}], "messages": [{"role": "user", "content": "x"}]}',
            400,
            "invalid_value",
        ),
    ],
)
def test_wrong_requests_are_told_as_openai_tells_them(serve, body, status, code):
    answer = httpx.post(
        f"{serve().url}/v1/chat/completions", content=body, headers={"content-type": "application/json"}
    )
    assert answer.status_code == status, answer.text
    error = answer.json()["error"]
    assert error["code"] == code and error["type"] == "invalid_request_error" and error["message"]
    assert answer.headers["x-request-id"]


@pytest.mark.parametrize(
    ("headers", "body", "status", "cure"),
    [
        ({"content-type": "text/plain"}, b'{"model": "nacre"}', 400, "application/json"),
        ({"content-encoding": "gzip"}, gzip.compress(b"{}", mtime=0), 415, "as it is"),
        ({}, '{"model": "n\u00e9"}'.encode("latin-1"), 400, "JSON"),
    ],
)
def test_a_body_that_cannot_be_read_is_told_with_its_cure(serve, headers, body, status, cure):
    headers = {"content-type": "application/json", **headers}
    answer = httpx.post(f"{serve().url}/v1/chat/completions", content=body, headers=headers)
    assert answer.status_code == status, answer.text
    assert cure in answer.json()["error"]["message"]


def test_a_client_that_leaves_stops_the_model(serve):
    server = serve(["It opens at nine [1]. " * 200], delay_s=0.01)
    with httpx.stream(
        "POST", f"{server.url}/v1/chat/completions", json={"model": "nacre", "messages": QUESTION, "stream": True}
    ) as answer:
        lines = answer.iter_lines()
        next(lines)
        assert server.state.metrics.streams == 1
    for _ in range(200):
        if not server.state.metrics.streams:
            break
        time.sleep(0.01)
    assert server.state.metrics.streams == 0
    assert server.state.records.select("audit")[-1]["status"] == "cancelled"


def test_bodies_that_are_too_large_are_refused_unread(serve):
    server = serve(max_body_mb=1)
    answer = httpx.post(f"{server.url}/v1/chat/completions", content=b"x" * (2 << 20))
    assert answer.status_code == 413 and answer.json()["error"]["code"] == "request_too_large"
    parts = (b"x" * 65536 for _ in range(64))  # chunked: no length is told
    answer = httpx.post(f"{server.url}/v1/chat/completions", content=parts)
    assert answer.status_code == 413
    assert httpx.get(f"{server.url}/healthz").json() == {"status": "ok"}


def test_health_metrics_and_request_ids(serve):
    server = serve()
    assert httpx.get(f"{server.url}/readyz").json() == {"status": "ready"}
    client = server.openai()
    client.chat.completions.create(model="nacre", messages=QUESTION)
    figures = httpx.get(f"{server.url}/metrics").text
    assert 'nacre_requests_total{method="POST",route="/v1/chat/completions",status="200"} 1' in figures
    assert 'nacre_tokens_total{direction="output",model="nacre"}' in figures
    assert httpx.get(f"{server.url}/healthz", headers={"x-request-id": "mine-1"}).headers["x-request-id"] == "mine-1"
    forged = httpx.get(f"{server.url}/healthz", headers={"x-request-id": "a b{}"}).headers["x-request-id"]
    assert forged.startswith("req_")
    client.close()


def test_llamaindex_reads_stream_and_whole(serve):
    like = pytest.importorskip("llama_index.llms.openai_like", reason="pip install llama-index-llms-openai-like")
    from llama_index.core.llms import ChatMessage

    model = like.OpenAILike(
        model="nacre", api_base=f"{serve().url}/v1", api_key="none", is_chat_model=True, max_retries=0
    )
    asked = [ChatMessage(role="user", content="When does the workshop open?")]
    whole = model.chat(asked).message.content
    assert whole == "The workshop opens at nine in the morning [1]."
    assert "".join(part.delta or "" for part in model.stream_chat(asked)) == whole
