"""The calls of a stack, read once from LangChain's callbacks, for spans, traces and prices alike.

Layers, models, retrievers and tools report to LangChain's callbacks already, so nothing of theirs is wrapped.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self
from uuid import UUID

from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.messages.ai import UsageMetadata
from langchain_core.outputs import ChatGeneration, LLMResult

_SANDBOX = "python"
"""The name under which a layer runs a program: see `nacre.layers.pal`."""


@dataclass(eq=False)
class Call:
    """One call of a layer, model, search, tool or program."""

    id: UUID
    kind: str
    name: str
    given: Any
    """The messages of a model, the query of a search, the arguments of a tool."""
    about: Mapping[str, Any]
    """What else LangChain says as it begins."""
    outer: Self | None = None
    inside: set[UUID] = field(default_factory=set)
    """Calls that have not ended; they do with this one, since LangChain does not tell when a whole answer is cancelled.
    """
    began: float = field(default_factory=time.perf_counter)
    first_word: float | None = None
    """When the first piece of a streamed answer came."""
    pieces: list[str] = field(default_factory=list)
    gave: Any = None
    error: BaseException | None = None
    ended: float = 0.0

    @property
    def metadata(self) -> Mapping[str, Any]:
        """What LangChain calls so: the model's provider and name among it."""
        return self.about.get("metadata") or {}

    @property
    def usage(self) -> UsageMetadata | None:
        """The tokens that a model counted."""
        return self.gave.usage_metadata if self.kind == "model" and isinstance(self.gave, AIMessage) else None


class RunTree(BaseCallbackHandler):
    """Tells of each call as it begins, and once, whole, however it ended, and if only with the outer one."""

    run_inline = True  # in the order of the calls, and not in a thread for each

    def __init__(self) -> None:
        self._open: dict[UUID, Call] = {}

    def began(self, call: Call) -> None:
        """A call begins; one that is refused here by an error was none."""

    def ended(self, call: Call) -> None:
        """A call has ended."""

    def close(self) -> None:
        """End calls that were cancelled without a word. For a handler of one call, when it is over."""
        for number in list(self._open):
            self._end(number, error=asyncio.CancelledError())

    def on_chain_start(self, serialized: Any, inputs: Any, **about: Any) -> None:
        inside = about.get("parent_run_id") in self._open
        self._begin("program" if inside and about.get("name") == _SANDBOX else "layer", serialized, inputs, about)

    def on_chat_model_start(self, serialized: Any, messages: Any, **about: Any) -> None:
        self._begin("model", serialized, messages[0], about)

    def on_llm_start(self, serialized: Any, prompts: list[str], **about: Any) -> None:
        self._begin("model", serialized, [HumanMessage(prompt) for prompt in prompts], about)

    def on_retriever_start(self, serialized: Any, query: str, **about: Any) -> None:
        self._begin("search", serialized, query, about)

    def on_tool_start(self, serialized: Any, input_str: str, **about: Any) -> None:
        given = about.get("inputs")
        self._begin("tool", serialized, input_str if given is None else given, about)

    def on_llm_new_token(self, token: Any, **about: Any) -> None:
        if call := self._open.get(about["run_id"]):
            call.first_word = call.first_word or time.perf_counter()
            call.pieces.append(token if isinstance(token, str) else str(token))

    def on_llm_end(self, response: LLMResult, **about: Any) -> None:
        generation = response.generations[0][0] if response.generations and response.generations[0] else None
        self._end(about["run_id"], generation.message if isinstance(generation, ChatGeneration) else None)

    def on_chain_end(self, outputs: Any, **about: Any) -> None:
        self._end(about["run_id"], outputs)

    def on_retriever_end(self, documents: Any, **about: Any) -> None:
        self._end(about["run_id"], documents)

    def on_tool_end(self, output: Any, **about: Any) -> None:
        self._end(about["run_id"], output)

    def on_chain_error(self, error: BaseException, **about: Any) -> None:
        self._end(about["run_id"], error=error)

    on_llm_error = on_retriever_error = on_tool_error = on_chain_error

    def _begin(self, kind: str, serialized: Mapping[str, Any] | None, given: Any, about: Mapping[str, Any]) -> None:
        known = serialized or {}
        name = about.get("name") or known.get("name") or (known.get("id") or [kind])[-1]
        call = Call(about["run_id"], kind, str(name), given, about, self._open.get(about.get("parent_run_id")))  # type: ignore[arg-type]
        self.began(call)
        self._open[call.id] = call
        if call.outer:
            call.outer.inside.add(call.id)

    def _end(self, number: UUID, gave: Any = None, error: BaseException | None = None) -> None:
        call = self._open.pop(number, None)
        if call is None:
            return
        for left in list(call.inside):
            self._end(left, error=asyncio.CancelledError())
        if call.outer:
            call.outer.inside.discard(number)
        call.gave, call.error, call.ended = gave, error, time.perf_counter()
        self.ended(call)
