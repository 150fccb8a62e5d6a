"""The Responses API, asked by the real SDK."""

from __future__ import annotations

import openai
import pytest
from langchain_core.messages import AIMessage

QUESTION = "When does the workshop open?"
WEATHER = {
    "type": "function",
    "name": "weather",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
}


def test_whole_response_with_annotations_and_usage(serve):
    client = serve().openai()
    response = client.responses.create(model="nacre", input=QUESTION, instructions="Be brief.")
    assert response.output_text == "The workshop opens at nine in the morning [1]."
    annotation = response.output[0].content[0].annotations[0]
    assert annotation.type == "url_citation" and "/sources/" in annotation.url
    assert response.status == "completed" and response.usage.total_tokens > 10
    client.close()


def test_streamed_events_spell_the_response_in_order(serve):
    client = serve().openai()
    with client.responses.stream(
        model="nacre", input=[{"role": "user", "content": [{"type": "input_text", "text": QUESTION}]}]
    ) as stream:
        events = list(stream)
        final = stream.get_final_response()
    kinds = [event.type for event in events]
    assert kinds[:2] == ["response.created", "response.in_progress"] and kinds[-1] == "response.completed"
    assert [event.sequence_number for event in events] == list(range(len(events)))
    text = "".join(event.delta for event in events if event.type == "response.output_text.delta")
    assert text == final.output_text == "The workshop opens at nine in the morning [1]."
    assert "response.output_text.annotation.added" in kinds
    client.close()


def test_functions_of_the_caller_are_called_and_their_outputs_read(serve):
    seen = []

    def replies(messages, n):
        seen.append(messages)
        if messages[-1].type == "tool":
            return f"It says {messages[-1].content}."
        return AIMessage("", tool_calls=[{"name": "weather", "args": {"city": "Wien"}, "id": "call_1"}])

    client = serve(replies, stacks={"plain": {"layers": []}}).openai()
    asked = [{"role": "user", "content": "Weather?"}]
    call = client.responses.create(model="plain", input=asked, tools=[WEATHER]).output[-1]
    assert (call.type, call.name, call.arguments, call.call_id) == (
        "function_call",
        "weather",
        '{"city": "Wien"}',
        "call_1",
    )
    with client.responses.stream(model="plain", input=asked, tools=[WEATHER]) as stream:
        assert "response.function_call_arguments.done" in [event.type for event in stream]
    output = {"type": "function_call_output", "call_id": "call_1", "output": "sun"}
    whole = client.responses.create(
        model="plain",
        input=[*asked, {"type": "function_call", "call_id": "call_1", "name": "weather", "arguments": "{}"}, output],
    )
    assert whole.output_text == "It says sun."
    client.close()


def test_errors_and_what_is_not_offered(serve):
    client = serve(lambda messages, n: RuntimeError("secret")).openai()
    with pytest.raises(openai.NotFoundError, match="whole conversation"):
        client.responses.create(model="nacre", input="x", previous_response_id="resp_1")
    with pytest.raises(openai.NotFoundError):
        client.responses.create(
            model="nacre", input="x", tools=[{"type": "file_search", "vector_store_ids": ["vs_other"]}]
        )
    with pytest.raises(openai.InternalServerError) as caught:
        client.responses.create(model="nacre", input=QUESTION)
    assert "secret" not in str(caught.value)
    events = list(client.responses.create(model="nacre", input=QUESTION, stream=True))
    assert events[-1].type == "response.failed" and "secret" not in events[-1].response.error.message
    client.close()
