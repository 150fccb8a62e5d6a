"""A verdict is kept with what an evaluation needs: request, sources, versions and the asker's rights."""

from __future__ import annotations

import json

import httpx


def test_a_verdict_keeps_what_makes_it_a_question(serve):
    server = serve()
    key = server.state.keys.add("one", ("hr",))
    http = httpx.Client(base_url=server.url, headers={"authorization": f"Bearer {key}"}, timeout=60)
    body = {
        "verdict": "down",
        "question": "When?",
        "answer": "At ten.",
        "request": "req-1",
        "model": "quote",
        "sources": [{"uri": "file:///a.md", "start": 1, "end": 4}],
        "consent": True,
    }
    assert http.post("/v1/feedback", json=body).status_code == 200
    assert http.post("/v1/feedback", json={**body, "sources": [{"uri": "x" * 3000}]}).status_code in (400, 422)
    row = server.state.records.select("feedback")[0]
    record = json.loads(row["record"])
    assert (record["request"], record["consent"], record["versions"]["model"]) == ("req-1", True, "quote")
    assert record["sources"] == [{"uri": "file:///a.md", "start": 1, "end": 4}] and record["principals"] == ["hr"]
    assert http.get("/v1/feedback").json()["data"][0]["verdict"] == "down"
