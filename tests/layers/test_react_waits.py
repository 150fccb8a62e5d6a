"""Runs that wait for a person: kept in a file, decided once, gone on with in another process."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from langchain_core.documents import Document
from langchain_core.tools import tool

import nacre
from nacre.agents.facts import state
from nacre.agents.runs import RunStore
from nacre.errors import UsageError
from nacre.text.messages import nacre_of

PAYS = 'Thought: pay\nAction: pay\nAction Input: {"to": "Li", "amount": 5}'


def agent(place: object, script: list, done: list, **fields: object) -> nacre.ReAct:
    @tool
    def pay(to: str, amount: int) -> str:
        """Pay somebody."""
        done.append((to, amount))
        return f"paid {to}"

    @tool(response_format="content_and_artifact")
    def look(what: str) -> tuple[str, list[Document]]:
        """Look something up."""
        return "", [Document(f"{what}: 5 crowns", metadata={"title": "Bill"})]

    fields = {"tools": [state(pay, changes=True), look], "approve_tools": ["pay"], "protocol": "text", **fields}
    return nacre.ReAct(inner=nacre.ScriptedChatModel(script), runs=place, **fields)


def waits(place: object, script: list, done: list, **fields: object) -> str:
    answer = agent(place, script, done, **fields).invoke("Pay Li 5.")
    own = nacre_of(answer)
    assert own["stopped"] == "pending" and own["pending"][0]["arguments"] == {"to": "Li", "amount": 5}
    assert "Li" in answer.text and done == []
    return own["run_id"]


def test_another_process_goes_on_with_the_same_call_once(tmp_path: Path) -> None:
    place, done = tmp_path / "runs.sqlite", []
    run_id = waits(place, ["Action: look[bill]", PAYS], done)
    other = agent(place, ["Final Answer: Paid [1]."], done)  # all that the first one knew is in the file
    answer = other.resume(run_id, True)
    assert answer.text == "Paid [1]." and done == [("Li", 5)]
    own = nacre_of(answer)
    assert [step["action"] for step in own["trajectory"]] == ["look", "pay", "finish"]
    assert own["citations"][0]["title"] == "Bill" and own["usage"]["steps"] == 3
    asked = str(other.inner.calls[0])
    assert "paid Li" in asked and "5 crowns" in asked
    for decision in (True, False):
        with pytest.raises(UsageError, match="decided already"):
            other.resume(run_id, decision)
    assert done == [("Li", 5)]


@pytest.mark.parametrize(
    ("decision", "paid", "status"),
    [(False, [], "denied"), ("too dear", [], "denied"), ({"to": "Wu", "amount": 6}, [("Wu", 6)], "ok")],
)
def test_what_a_person_decides(decision: object, paid: list, status: str) -> None:
    store, done = RunStore(":memory:"), []
    run_id = waits(store, [PAYS], done)
    steps = nacre_of(agent(store, ["Final Answer: so be it"], done).resume(run_id, decision))["trajectory"]
    assert done == paid and steps[0]["status"] == status
    if decision == "too dear":
        assert "too dear" in steps[0]["observation"]


def test_one_decision_for_all_calls_of_a_reply() -> None:
    calls = [{"name": "pay", "args": {"to": to, "amount": 5}, "id": to} for to in ("Li", "Wu")]
    look = {"name": "look", "args": {"what": "bill"}, "id": "x"}
    from langchain_core.messages import AIMessage

    store, done = RunStore(":memory:"), []
    run_id = waits(store, [AIMessage("", tool_calls=[*calls, look])], done, protocol="native")
    assert [call["tool"] for call in store.waiting()[0]["pending"]] == ["pay", "pay"]
    with pytest.raises(UsageError, match="one call waits"):
        agent(store, [], done).resume(run_id, {"to": "Me", "amount": 1})
    model = agent(store, ["Final Answer: done"], done, protocol="native")
    answer = model.resume(run_id, True)
    assert sorted(done) == [("Li", 5), ("Wu", 5)] and len(nacre_of(answer)["trajectory"]) == 4
    assert [m.tool_call_id for m in model.inner.calls[0] if m.type == "tool"] == ["Li", "Wu", "x"]


def test_a_second_question_has_an_id_of_its_own() -> None:
    store, done = RunStore(":memory:"), []
    first = waits(store, [PAYS], done)
    second = nacre_of(agent(store, [PAYS.replace("Li", "Wu")], done).resume(first, True))
    assert second["stopped"] == "pending" and second["run_id"] != first and done == [("Li", 5)]


def test_a_decision_must_be_one_and_its_owners() -> None:
    store, done = RunStore(":memory:"), []
    other = agent(store, ["Final Answer: done"], done)
    run_id = waits(store, [PAYS], done)
    for wrong in (None, 1, ["yes"]):
        with pytest.raises(UsageError, match="decision"):
            other.resume(run_id, wrong)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="waits for you"):
        other.resume(run_id, True, owner="somebody else")
    with pytest.raises(UsageError, match="runs=FILE"):
        nacre.ReAct(inner=nacre.ScriptedChatModel([]), tools=other.tools).resume(run_id, True)
    assert other.resume(run_id, True).text == "done"


def test_what_waits_is_bounded() -> None:
    store = RunStore(":memory:", most=2)
    record = {"question": "?", "pending": []}
    ids = [store.keep("li", record) for _ in range(4)]
    assert [run["run_id"] for run in store.waiting("li")] == ids[2:] and store.waiting("wu") == []


async def test_asynchronously(tmp_path: Path) -> None:
    place, done = tmp_path / "runs.sqlite", []
    answer = await agent(place, [PAYS], done).ainvoke("Pay Li 5.", owner="li")
    other = agent(place, ["Final Answer: done"], done)
    assert (await other.aresume(nacre_of(answer)["run_id"], True, owner="li")).text == "done" and done == [("Li", 5)]


def test_neither_kept_by_a_cache_nor_remembered() -> None:
    store, done = RunStore(":memory:"), []
    cached = nacre.ResponseCache(inner=agent(store, [PAYS, PAYS], done))
    assert nacre_of(cached.invoke("Pay Li 5."))["run_id"] != nacre_of(cached.invoke("Pay Li 5."))["run_id"]
    memory = nacre.ConversationMemory(inner=agent(store, [PAYS], done))
    memory.invoke("Pay Li 5.", session_id="s")
    assert memory.history("s").messages == []


KILLED = """
import os, signal, sys
import nacre
from nacre.text.messages import nacre_of

def pay(to: str) -> str:
    "Pay somebody."
    with open("paid", "a") as file:
        file.write(to + "\\n")
    return "paid"

def agent(*script):
    model = nacre.ScriptedChatModel(list(script))
    return nacre.ReAct(inner=model, tools=[pay], approve_tools=["pay"], runs="runs.sqlite", protocol="text")

if sys.argv[1:] == []:
    answer = agent("Action: pay[Li]").invoke("Pay Li.")
    print(nacre_of(answer)["run_id"], flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
print(agent("Final Answer: done").resume(sys.argv[1], True).text)
"""


@pytest.mark.slow
def test_killed_between_question_and_decision(tmp_path: Path) -> None:
    def run(*arguments: str) -> "subprocess.CompletedProcess[str]":
        command = [sys.executable, "-c", KILLED, *arguments]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)

    first = run()
    assert first.returncode == -9 and not (tmp_path / "paid").exists()
    run_id = first.stdout.strip()
    assert run(run_id).stdout.strip() == "done", json.dumps(run_id)
    assert "decided already" in run(run_id).stderr
    assert (tmp_path / "paid").read_text() == "Li\n"
