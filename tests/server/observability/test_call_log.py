"""The rows of a trace: calls with their depth, time and tokens."""

from __future__ import annotations

from uuid import UUID, uuid4

from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.outputs import ChatGeneration, LLMResult

from nacre.server.observability.traces import CallLog


def layer(log: CallLog, name: str, outer: UUID | None = None) -> UUID:
    number = uuid4()
    log.on_chain_start({}, {}, run_id=number, parent_run_id=outer, name=name)
    return number


def model(log: CallLog, name: str, outer: UUID) -> UUID:
    number = uuid4()
    log.on_chat_model_start({}, [[HumanMessage("How many pearls?")]], run_id=number, parent_run_id=outer, name=name)
    return number


def test_rows_of_calls_that_ran_side_by_side_stand_with_those_that_made_them() -> None:
    log = CallLog()
    root = layer(log, "root")
    left, right = layer(log, "left", root), layer(log, "right", root)
    first, second = model(log, "first", left), model(log, "second", right)
    usage = {"input_tokens": 3, "output_tokens": 2, "total_tokens": 5}
    for number in (first, second):
        reply = ChatGeneration(message=AIMessage("Seven.", usage_metadata=usage))
        log.on_llm_end(LLMResult(generations=[[reply]]), run_id=number)
    for number in (left, right, root):
        log.on_chain_end({}, run_id=number)
    rows = log.rows()
    assert [(row["name"], row["depth"], row["tokens"]) for row in rows] == [
        ("root", 0, [6, 4]),
        ("left", 1, [3, 2]),
        ("first", 2, [3, 2]),
        ("right", 1, [3, 2]),
        ("second", 2, [3, 2]),
    ]
    assert rows[2]["asked"] == "Human: How many pearls?" and rows[2]["said"] == "Seven." and "said" not in rows[0]
