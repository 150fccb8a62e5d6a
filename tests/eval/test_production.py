"""From what a server kept to question rows: with consent, once each, and what changed over time."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from nacre.cli import run
from nacre.eval.production import drift, rows_of
from nacre.eval.questions import load_questions
from nacre.server.records import Records


@pytest.fixture
def config(tmp_path: Path) -> Path:
    records = Records(tmp_path / "kb" / "server")
    answer = {
        "answer": "At 9:00. [1]",
        "comment": "",
        "request": "r",
        "versions": {"nacre": "x"},
        "principals": ["staff"],
    }
    for n, (verdict, consent) in enumerate((("up", True), ("down", None), ("down", False))):
        record = {
            **answer,
            "question": f"When does shop {n} open?",
            "consent": consent,
            "sources": [{"uri": "file:///a.md"}],
        }
        records.insert("feedback", {"at": float(n), "asker": "k", "verdict": verdict, "record": json.dumps(record)})
    for n in range(3):
        messages = [
            {"type": "system", "data": {"content": "x"}},
            {"type": "human", "data": {"content": f"Where is hall {n}?"}},
        ]
        own = {"abstained": n == 2, "citations": [{"uri": "file:///map.md"}] if n < 2 else []}
        record = {"messages": messages, "answer": "North.", "nacre": own}
        row = {"request": f"r{n}", "at": n * 40 * 86400.0, "asker": "k", "model": "quote", "record": json.dumps(record)}
        records.insert("traces", row)
    records.close()
    (tmp_path / "nacre.yaml").write_text("kb: kb\n", "utf-8")
    return tmp_path / "nacre.yaml"


def made(config: Path, command: str, *more: str, status: int = 0) -> list[dict[str, Any]]:
    out = config.parent / "rows.jsonl"
    out.unlink(missing_ok=True)
    assert run(["eval", command, "--config", str(config), "--out", str(out), *more]) == status
    return [json.loads(line) for line in out.read_text("utf-8").splitlines()] if out.exists() else []


def allow(config: Path, **server: Any) -> None:
    config.write_text(f"kb: kb\nserver: {json.dumps(server)}\n", "utf-8")


def test_verdicts_become_rows_as_far_as_consent_goes(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = made(config, "from-feedback")
    assert [row["answers"] for row in rows] == [["At 9:00."], None, None] and rows[0]["asker"] == ["staff"]
    assert "2 still need their answer" in capsys.readouterr().out
    found, problems = load_questions(config.parent / "rows.jsonl")
    assert [q.uri for q in found] == ["file:///a.md"] and "rows.jsonl:2: the answer is null" in problems[0]
    assert (
        len(made(config, "from-feedback", "--verdict", "down")) == 2
        and len(made(config, "from-feedback", "--count", "1")) == 1
    )
    allow(config, feedback_rows="consent")
    assert [row["verdict"] for row in made(config, "from-feedback")] == ["up"]
    allow(config, feedback_rows="none")
    made(config, "from-feedback", status=2)
    assert "may not become questions" in capsys.readouterr().err
    made(config, "from-feedback", "--verdict", "sideways", status=2)


def test_traces_need_leave(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made(config, "from-traces", status=2)
    assert "trace_rows: true" in capsys.readouterr().err
    allow(config, trace_rows=True)
    rows = made(config, "from-traces")
    assert [row["question"] for row in rows] == [f"Where is hall {n}?" for n in range(3)]
    assert run(["eval", "drift", "--config", str(config), "--json"]) == 0
    found = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert [month["refused"] for month in found["months"]] == [0.0, 0.0, 1.0]
    assert found["no_longer_cited"] == ["file:///map.md"]
    assert run(["eval", "drift", "--config", str(config)]) == 0 and "1970-03" in capsys.readouterr().out


def test_new_words_are_those_that_more_than_one_asked() -> None:
    def asked(at: float, question: str) -> dict[str, Any]:
        return {"at": at, "question": question, "sources": []}

    old = [asked(0, "Where is the lift?")]
    new = [asked(4e6, "Where is the sauna?"), asked(4e6, "Is the sauna open?"), asked(4e6, "A crocodile?")]
    assert [word for word in drift([*old, *new])["new_words"] if len(word) > 3] == ["sauna"]
    assert drift([]) == {"months": [], "new_words": [], "no_longer_cited": []} and drift(old)["new_words"] == []


def test_a_refusal_that_was_liked_is_an_unanswerable_question() -> None:
    row = rows_of(
        [{"question": "Who?", "answer": "I do not know.", "verdict": "up", "abstained": True}, {"question": " "}]
    )
    assert [r["answers"] for r in row] == [[]]
    long = rows_of([{"question": "Who?", "answer": "x" * 81, "verdict": "up"}])
    assert long[0]["answers"] is None
