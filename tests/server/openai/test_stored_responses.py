"""Responses that are kept: gone on from, read, forgotten, and nobody else's; asked by the real SDK."""

from __future__ import annotations

import time
from typing import Any

import openai
import pytest
from langchain_core.messages import AIMessage

QUESTION = "When does the workshop open?"
WEATHER = {
    "type": "function",
    "name": "weather",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
}


@pytest.fixture
def heard(serve):
    """A server whose model has no sources, and what its model was given, call by call."""
    seen: list[list[tuple[str, str]]] = []

    def replies(messages: list[Any], n: int) -> str:
        seen.append([(message.type, str(message.content)) for message in messages])
        return f"Answer {n}."

    return serve(replies, stacks={"plain": {"layers": []}}), seen


def test_a_conversation_goes_on_from_a_stored_response_without_its_instructions(heard):
    server, seen = heard
    client = server.openai()
    first = client.responses.create(
        model="plain", input="My name is Anna.", instructions="Speak like a pirate.", store=True
    )
    second = client.responses.create(
        model="plain", input="What is my name?", previous_response_id=first.id, instructions="Be brief."
    )
    assert second.previous_response_id == first.id and second.store
    assert seen[1] == [
        ("system", "Be brief."),
        ("human", "My name is Anna."),
        ("ai", "Answer 0."),
        ("human", "What is my name?"),
    ]
    with client.responses.stream(model="plain", input="And now?", previous_response_id=second.id) as stream:
        third = list(stream)[-1].response
    assert [text for _, text in seen[2]] == [
        "My name is Anna.",
        "Answer 0.",
        "What is my name?",
        "Answer 1.",
        "And now?",
    ]
    branch = client.responses.create(model="plain", input="Or else?", previous_response_id=first.id, store=False)
    assert [text for _, text in seen[3]] == ["My name is Anna.", "Answer 0.", "Or else?"]
    assert client.responses.retrieve(third.id).output_text == "Answer 2."
    with pytest.raises(openai.NotFoundError):
        client.responses.retrieve(branch.id)
    client.close()


def test_a_stored_response_is_read_with_its_citations_and_the_items_it_was_made_from(serve):
    client = serve().openai()
    made = client.responses.create(model="nacre", input=QUESTION, store=True, metadata={"case": "7"})
    read = client.responses.retrieve(made.id)
    assert read == made and read.output[0].content[0].annotations[0].type == "url_citation"
    assert read.model_extra["nacre"]["citations"][0]["quote"] and read.metadata == {"case": "7"}
    on = client.responses.create(
        model="nacre", input=[{"role": "user", "content": "Until when is tea served?"}], previous_response_id=made.id
    )
    items = list(client.responses.input_items.list(on.id, order="asc", limit=2))  # two pages
    assert [item.role for item in items] == ["user", "assistant", "user"]
    assert [item.content[0].text for item in items] == [QUESTION, made.output_text, "Until when is tea served?"]
    assert len({item.id for item in items}) == 3 and items[1].content[0].annotations
    assert client.responses.input_items.list(on.id).data[0].content[0].text == "Until when is tea served?"
    with pytest.raises(openai.BadRequestError):
        client.responses.retrieve(made.id, stream=True)
    client.close()


def test_nothing_is_kept_that_nobody_asked_to_keep(serve):
    server = serve()
    client = server.openai()
    made = client.responses.create(model="nacre", input=QUESTION)
    assert made.store is False and server.state.records.select("responses") == []
    with pytest.raises(openai.NotFoundError, match="not found"):
        client.responses.create(model="nacre", input="And then?", previous_response_id=made.id)
    client.close()


@pytest.mark.parametrize(
    ("settings", "store", "kept"),
    [
        ({"store_responses": True}, None, True),
        ({"store_responses": True}, False, False),
        ({"response_days": 0}, True, False),
    ],
)
def test_the_settings_decide_where_the_request_does_not(serve, settings, store, kept):
    server = serve(**settings)
    client = server.openai()
    made = client.responses.create(model="nacre", input=QUESTION, **({} if store is None else {"store": store}))
    assert made.store is kept and len(server.state.records.select("responses")) == kept
    client.close()


def test_another_key_never_reaches_a_stored_response(heard):
    server, seen = heard
    anna, boris = (server.openai(server.state.keys.add(name, read_only=name == "anna")) for name in ("anna", "boris"))
    made = anna.responses.create(model="plain", input="The vault code is tangerine.", store=True)
    for attempt in (
        lambda: boris.responses.retrieve(made.id),
        lambda: boris.responses.input_items.list(made.id),
        lambda: boris.responses.delete(made.id),
        lambda: boris.responses.create(model="plain", input="What is the code?", previous_response_id=made.id),
    ):
        with pytest.raises(openai.NotFoundError) as caught:
            attempt()
        assert "tangerine" not in str(caught.value)
    assert len(seen) == 1  # the model was not even asked
    assert anna.responses.retrieve(made.id).output_text == "Answer 0."
    anna.responses.delete(made.id)  # a key that may only ask may still take its own words back
    anna.close()
    boris.close()


def test_a_deleted_response_is_gone_and_what_stands_on_it_cannot_go_on(heard):
    server, seen = heard
    client = server.openai()
    first = client.responses.create(model="plain", input="My number is 555-0199.", store=True)
    second = client.responses.create(model="plain", input="Thanks.", previous_response_id=first.id)
    client.responses.delete(first.id)
    with pytest.raises(openai.NotFoundError):
        client.responses.delete(first.id)
    with pytest.raises(openai.NotFoundError) as caught:
        client.responses.create(model="plain", input="What was it?", previous_response_id=second.id)
    assert first.id in str(caught.value) and caught.value.code == "previous_response_not_found" and len(seen) == 2
    assert client.responses.retrieve(second.id).output_text == "Answer 1."
    assert b"555-0199" not in b"".join(row["record"] for row in server.state.records.select("responses"))
    client.close()


def test_calls_made_together_are_one_turn_of_the_model_and_their_outputs_go_on_from_them(serve):
    seen: list[Any] = []

    def replies(messages, n):
        seen.append(messages)
        cities = ("Wien", "Graz")
        calls = [{"name": "weather", "args": {"city": city}, "id": f"call_{city}"} for city in cities]
        return "Sun in both." if n else AIMessage("", tool_calls=calls)

    client = serve(replies, stacks={"plain": {"layers": []}}).openai()
    with client.responses.stream(model="plain", input="Weather?", tools=[WEATHER], store=True) as stream:
        calls = [item for item in stream.get_final_response().output if item.type == "function_call"]
        number = stream.get_final_response().id
    outputs = [{"type": "function_call_output", "call_id": call.call_id, "output": "sun"} for call in calls]
    assert (
        client.responses.create(model="plain", input=outputs, previous_response_id=number, tools=[WEATHER]).output_text
        == "Sun in both."
    )
    assert [message.type for message in seen[1]] == ["human", "ai", "tool", "tool"]
    assert [call["id"] for call in seen[1][1].tool_calls] == ["call_Wien", "call_Graz"]
    client.close()


def test_stored_responses_outlive_the_server_but_not_their_days(serve):
    first = serve(response_days=2)
    client = first.openai()
    made = client.responses.create(model="nacre", input=QUESTION, store=True)
    client.close()
    again = serve(response_days=2)
    client, records = again.openai(), again.state.records
    assert client.responses.retrieve(made.id) == made
    day = 86_400
    records.change("update responses set used = ?", time.time() - 1.9 * day)
    on = client.responses.create(model="nacre", input="And tea?", previous_response_id=made.id)
    assert (
        min(row["used"] for row in records.select("responses")) > time.time() - day
    )  # a conversation in use does not fall apart
    records.change("update responses set used = ?", time.time() - 2.1 * day)
    for attempt in (
        lambda: client.responses.retrieve(on.id),
        lambda: client.responses.create(model="nacre", input="x", previous_response_id=on.id),
    ):
        with pytest.raises(openai.NotFoundError):
            attempt()
    client.responses.create(model="nacre", input=QUESTION, store=True)
    assert len(records.select("responses")) == 1  # the old ones are deleted, not hidden
    client.close()


def test_what_is_too_old_is_forgotten_when_the_server_starts_even_if_nothing_is_kept_any_more(serve):
    first = serve(trace=True)
    client = first.openai()
    client.responses.create(model="nacre", input=QUESTION, store=True)
    client.close()
    for table, column in (("responses", "used"), ("traces", "at")):
        assert len(first.state.records.select(table)) == 1
        first.state.records.change(f"update {table} set {column} = ?", time.time() - 31 * 86_400)
    records = serve().state.records
    assert records.select("responses") == [] and records.select("traces") == []


def test_a_key_that_stores_too_much_loses_its_oldest_and_nobody_elses(heard):
    server, _ = heard
    anna, boris = (server.openai(server.state.keys.add(name)) for name in ("anna", "boris"))
    other = boris.responses.create(model="plain", input="Mine.", store=True)
    server.settings.server.responses_mb = 1
    made = [anna.responses.create(model="plain", input=f"{n} " + "x" * 400_000, store=True) for n in range(3)]
    with pytest.raises(openai.NotFoundError):
        anna.responses.retrieve(made[0].id)
    assert [anna.responses.retrieve(one.id).id for one in made[1:]] == [one.id for one in made[1:]]
    huge = anna.responses.create(model="plain", input="y" * 2_000_000, store=True)
    assert anna.responses.retrieve(huge.id).id == huge.id and boris.responses.retrieve(other.id).id == other.id
    anna.close()
    boris.close()


def test_what_cannot_be_gone_on_from_is_told(serve):
    client = serve().openai()
    for body, said in (
        ({"input": [{"type": "item_reference", "id": "msg_1"}]}, "previous_response_id"),
        ({"input": "x", "conversation": "conv_1"}, "previous_response_id"),
        ({"input": [{"type": "reasoning", "summary": []}]}, "at least one message"),
        ({"input": [{"role": "user", "content": "x"}] * 2001}, "at most 2000"),
    ):
        with pytest.raises(openai.BadRequestError, match=said):
            client.responses.create(model="nacre", **body)
    client.close()
