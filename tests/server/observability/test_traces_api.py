"""How an answer came about: for whoever asked, and nobody else."""

from __future__ import annotations

import httpx
import pytest

QUESTION = "When does the workshop open?"
AGENT = ('Action: search_knowledge_base\nAction Input: {"query": "tea"}', "Final Answer: Until five.")


def ask(url: str, question: str = QUESTION, model: str = "nacre", **more):
    headers = {"x-request-id": more.pop("request", "")} | (
        {"authorization": f"Bearer {more.pop('key')}"} if "key" in more else {}
    )
    body = {"model": model, "messages": [{"role": "user", "content": question}], **more}
    answer = httpx.post(f"{url}/v1/chat/completions", json=body, headers=headers, timeout=30)
    return answer.headers["x-request-id"]


@pytest.mark.parametrize("stream", [False, True])
def test_a_trace_tells_the_calls_with_times_and_tokens_and_the_passages_with_scores(serve, stream):
    server = serve(trace=True)
    trace = httpx.get(f"{server.url}/v1/traces/{ask(server.url, stream=stream)}").json()
    assert (trace["question"], trace["model"], trace["status"]) == (QUESTION, "nacre", "ok") and "nine" in trace[
        "answer"
    ]
    assert [(call["name"], call["kind"], call["depth"]) for call in trace["calls"]] == [
        ("RetrievalAugmented", "layer", 0),
        ("KnowledgeBaseRetriever", "search", 1),
        ("ScriptedChatModel", "model", 1),
    ]
    layer, search, model = trace["calls"]
    assert 0 <= search["began"] <= model["began"] <= layer["seconds"] <= trace["seconds"]
    assert (
        layer["tokens"] == model["tokens"] == trace["tokens"]
        and min(model["tokens"]) > 0
        and search["tokens"] == [0, 0]
    )
    assert search["asked"] == QUESTION and QUESTION in model["asked"] and model["said"] == trace["answer"]
    assert trace["hits"][0]["score"] > 0 and trace["hits"][0]["text"].startswith("The workshop")
    for hit in (*trace["hits"], *search["hits"], *trace["nacre"]["citations"]):
        place = httpx.URL(hit["url"])
        assert httpx.get(f"{server.url}/v1{place.path}?{place.query.decode()}").json()["title"] == "Opening hours"


def test_steps_programs_and_failures_are_in_the_trace(serve):
    server = serve(lambda messages, n: AGENT[min(n, 1)], trace=True)
    trace = httpx.get(f"{server.url}/v1/traces/{ask(server.url, 'When is tea?', 'nacre-agent')}").json()
    assert [call["kind"] for call in trace["calls"]] == ["layer", "model", "tool", "search", "model"]
    assert trace["calls"][2]["asked"] == '{"query": "tea"}' and "until five" in trace["calls"][2]["said"]
    assert trace["nacre"]["trajectory"][0]["action"] == "search_knowledge_base"
    server = serve(lambda messages, n: "```python\nans = 6 * 7\n```" if n == 0 else "It is 42.", trace=True)
    trace = httpx.get(
        f"{server.url}/v1/traces/{ask(server.url, 'How many hours is the workshop open in a week when it opens at nine?', 'nacre-pal')}"
    ).json()
    assert "program" in [call["kind"] for call in trace["calls"]] and trace["nacre"]["value"] == 42
    server = serve(lambda messages, n: RuntimeError("secret of the provider"), trace=True)
    answer = httpx.get(f"{server.url}/v1/traces/{ask(server.url)}")
    assert [call["status"] for call in answer.json()["calls"]] == ["RuntimeError", "ok", "RuntimeError"]
    assert answer.json()["status"] == "internal_error" and "secret of the provider" not in answer.text


def test_traces_are_shown_to_the_key_that_asked_alone(serve):
    server = serve(trace=True)
    anna, boris = (server.state.keys.add(name) for name in ("anna", "boris"))
    number = ask(server.url, "Where are my pearls?", key=anna, request="same-id")

    def read(key: str, path: str) -> httpx.Response:
        return httpx.get(f"{server.url}/v1/traces{path}", headers={"authorization": f"Bearer {key}"})

    assert read(anna, f"/{number}").json()["question"] == "Where are my pearls?"
    assert read(boris, f"/{number}").status_code == 404 and read(boris, "").json()["data"] == []
    ask(server.url, "Mine.", key=boris, request="same-id")  # a client may choose its id, and takes nothing away with it
    assert read(anna, f"/{number}").json()["question"] == "Where are my pearls?"
    assert read(boris, f"/{number}").json()["question"] == "Mine."
    assert httpx.get(f"{server.url}/v1/traces/{number}").status_code == 401


def test_traces_are_listed_newest_first_and_only_where_they_are_kept(serve):
    server = serve(trace=True)
    asked = [ask(server.url, f"Question {n}?") for n in range(3)]
    listed = httpx.get(f"{server.url}/v1/traces?limit=2").json()
    assert [row["id"] for row in listed["data"]] == [asked[2], asked[1]] and listed["has_more"]
    rest = httpx.get(f"{server.url}/v1/traces?limit=2&after={asked[1]}").json()
    assert [row["question"] for row in rest["data"]] == ["Question 0?"] and not rest["has_more"]
    assert httpx.get(f"{server.url}/v1/me").json()["traces"] is True
    other = serve()
    number = ask(other.url)
    assert (
        httpx.get(f"{other.url}/v1/traces/{number}").status_code == 404
        and httpx.get(f"{other.url}/v1/me").json()["traces"] is False
    )


def test_a_client_that_leaves_and_half_a_character_leave_a_trace_too(serve):
    server = serve(lambda messages, n: "word " * 200, delay_s=0.02, trace=True)
    client = server.openai()
    stream = client.chat.completions.create(
        model="nacre", messages=[{"role": "user", "content": QUESTION}], stream=True
    )
    next(iter(stream))
    stream.close()
    client.close()
    httpx.post(
        f"{server.url}/v1/chat/completions",
        content=b'{"model": "nacre", "messages": [{"role": "user", "content": "\\ud800?"}]}',
        headers={"content-type": "application/json"},
        timeout=30,
    )
    rows = httpx.get(f"{server.url}/v1/traces").json()["data"]
    assert sorted(row["status"] for row in rows) == ["cancelled", "ok"]
    assert httpx.get(f"{server.url}/readyz").status_code == 200


def test_a_trace_of_a_long_conversation_is_kept_in_part(serve):
    server = serve(trace=True)
    long = "\0" * 2_000_000
    body = {"model": "nacre", "messages": [{"role": "user", "content": long}, {"role": "user", "content": "Q" * 3000}]}
    told = httpx.post(f"{server.url}/v1/chat/completions", json=body, timeout=60)
    assert told.status_code == 200
    server.state.records.journal.settle()
    rows = server.state.records.select("traces")
    assert len(rows[0]["record"]) < 1_000_000
    (head,) = httpx.get(f"{server.url}/v1/traces").json()["data"]
    assert len(head["question"]) == 1000
    whole = httpx.get(f"{server.url}/v1/traces/{head['id']}").json()
    assert whole["question"] == "Q" * 3000 and whole["answer"]
