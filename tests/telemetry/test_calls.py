"""The calls of a stack: each is told once, whole, however it ends."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import UUID, uuid4

import pytest
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.outputs import ChatGeneration, LLMResult

from nacre.telemetry.calls import Call, RunTree


class Seen(RunTree):
    """Remembers the calls that ended, and lets no model named "dear" be asked."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[Call] = []

    def began(self, call: Call) -> None:
        if call.name == "dear":
            raise ValueError(call.name)

    def ended(self, call: Call) -> None:
        self.calls.append(call)

    def told(self) -> list[tuple[str, str]]:
        return [(call.name, type(call.error).__name__ if call.error else "ok") for call in self.calls]


def layer(tree: RunTree, name: str, outer: UUID | None = None) -> UUID:
    number = uuid4()
    tree.on_chain_start({}, {}, run_id=number, parent_run_id=outer, name=name)
    return number


def model(tree: RunTree, name: str, outer: UUID | None = None) -> UUID:
    number = uuid4()
    asked = [[HumanMessage("How many pearls?")]]
    tree.on_chat_model_start({"id": ["a", name]}, asked, run_id=number, parent_run_id=outer, name=None)
    return number


def answer(tree: RunTree, number: UUID, text: str, **more: Any) -> None:
    tree.on_llm_end(LLMResult(generations=[[ChatGeneration(message=AIMessage(text, **more))]]), run_id=number)


def test_what_is_open_ends_with_the_outer_call_and_only_once() -> None:
    tree = Seen()
    outer = layer(tree, "Retry")
    inner = model(tree, "oyster", layer(tree, "between", outer))
    tree.on_chain_error(TimeoutError(), run_id=outer)
    answer(tree, inner, "too late")
    tree.close()
    assert tree.told() == [("oyster", "CancelledError"), ("between", "CancelledError"), ("Retry", "TimeoutError")]


def test_what_nobody_ended_ends_when_it_is_closed_and_a_refused_call_was_none() -> None:
    tree = Seen()
    number = model(tree, "oyster")
    tree.on_llm_new_token("Se", run_id=number)
    tree.on_llm_new_token("ven", run_id=number)
    with pytest.raises(ValueError, match="dear"):
        model(tree, "dear", number)
    tree.close()
    call = tree.calls[0]
    assert tree.told() == [("oyster", "CancelledError")] and isinstance(call.error, asyncio.CancelledError)
    assert call.pieces == ["Se", "ven"] and call.usage is None
    assert call.first_word is not None and call.began <= call.first_word <= call.ended
