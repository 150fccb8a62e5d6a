"""An agent's run waits over HTTP, and goes on with the decision: once, and for its asker alone."""

from __future__ import annotations

import httpx
import openai
import pytest

import nacre

CALL = "Action: python\nAction Input: print(6 * 7)"
AGENT = {"layers": [{"use": "react", "tools": ["python"], "approve_tools": ["python"], "protocol": "text"}]}


@pytest.fixture
def server(serve):
    heard = []

    def replies(messages, n):
        heard.append(str(messages))
        return "Final Answer: It is 42." if "Observation" in str(messages[-1].content) else CALL

    running = serve(replies, stacks={"agent": AGENT, "plain": {"layers": []}})
    running.heard = heard
    return running


def decision(run: str, approve: object = True) -> list:
    return [{"type": "mcp_approval_response", "approval_request_id": run, "approve": approve}]


def test_a_run_waits_and_goes_on_once(server):
    client = server.openai()
    asked = client.responses.create(model="agent", input="What is 6 times 7?", store=True)
    request = asked.output[-1]
    assert (request.type, request.name) == ("mcp_approval_request", "python") and "6 * 7" in request.arguments
    assert asked.model_extra["nacre"]["stopped"] == "pending" and len(server.heard) == 1
    for model, run in (("plain", request.id), ("agent", "run_of_nobody")):
        with pytest.raises(openai.APIStatusError):
            client.responses.create(model=model, input=decision(run))
    for wrong in ([*decision(request.id), {"role": "user", "content": "?"}], decision(request.id, "yes")):
        with pytest.raises(openai.BadRequestError):
            client.responses.create(model="agent", input=wrong)
    answer = client.responses.create(model="agent", input=decision(request.id), previous_response_id=asked.id)
    assert answer.output_text == "It is 42." and "42" in server.heard[-1] and len(server.heard) == 2
    with pytest.raises(openai.APIStatusError, match="decided already"):
        client.responses.create(model="agent", input=decision(request.id))
    client.close()


def test_a_stream_waits_too(server):
    client = server.openai()
    with client.responses.stream(model="agent", input="What is 6 times 7?") as stream:
        asked = list(stream)[-1].response
    with client.responses.stream(model="agent", input=decision(asked.output[-1].id, False)) as stream:
        answer = list(stream)[-1].response
    assert answer.output_text and answer.model_extra["nacre"]["trajectory"][0]["status"] == "denied"
    client.close()


def test_only_the_asker_decides(server):
    run = httpx.post(f"{server.url}/v1/responses", json={"model": "agent", "input": "6 times 7?"}).json()
    number = run["output"][-1]["id"]
    assert server.state.served.runs.waiting("local")[0]["run_id"] == number
    mine, theirs = (server.state.keys.add(name) for name in ("mine", "theirs"))
    asked = server.openai(mine).responses.create(model="agent", input="6 times 7?").output[-1].id
    with pytest.raises(openai.APIStatusError, match="waits for you"):
        server.openai(theirs).responses.create(model="agent", input=decision(asked))
    assert server.openai(mine).responses.create(model="agent", input=decision(asked)).output_text == "It is 42."


def test_facts_belong_to_the_key_that_told_them(serve):
    def replies(messages, n):
        if "Observation" in (last := str(messages[-1].content)):
            return f"Final Answer: {last}"
        call = ("remember", '{"fact": "I keep bees."}') if "Remember" in last else ("recall", '{"query": "bees"}')
        return f"Action: {call[0]}\nAction Input: {call[1]}"

    layer = {"use": "react", "tools": ["facts"], "protocol": "text"}
    server = serve(replies, stacks={"agent": {"layers": [layer]}})
    mine, theirs = (server.state.keys.add(name, ("hr",)) for name in ("mine", "theirs"))
    heads = {key: {"authorization": f"Bearer {key}"} for key in (mine, theirs)}

    def ask(key, text):
        return server.openai(key).responses.create(model="agent", input=text).output_text

    def facts(key):
        return httpx.get(f"{server.url}/v1/facts", headers=heads[key]).json()["data"]

    ask(mine, "Remember that I keep bees.")
    assert "I keep bees." in ask(mine, "What do I keep?") and "bees" not in ask(theirs, "What do I keep?")
    assert [fact["text"] for fact in facts(mine)] == ["I keep bees."] and facts(theirs) == []
    address = f"{server.url}/v1/facts/{facts(mine)[0]['id']}"
    assert httpx.delete(address, headers=heads[theirs]).status_code == 404
    assert httpx.delete(address, headers=heads[mine]).json()["deleted"] and facts(mine) == []
    with pytest.raises(nacre.NacreError, match="facts"):
        serve(replies, stacks={"agent": {"layers": [{**layer, "tools": ["facts:/tmp/x"]}]}})
