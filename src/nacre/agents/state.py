"""What one run of an agent knows: its settings, and all that has happened so far."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from typing import Any, Literal

from langchain_core.messages import AIMessageChunk, BaseMessage
from langchain_core.runnables import Runnable
from langchain_core.tools import BaseTool
from pydantic import Field, PrivateAttr

from nacre.agents.answer_stream import AnswerReader, LiveAnswer
from nacre.agents.approval import values_of
from nacre.agents.budget import Budget
from nacre.agents.evidence import Evidence
from nacre.agents.facts import facts_of
from nacre.agents.provenance import Seen, doubtful, plain, seen_of
from nacre.agents.toolbox import Toolbox
from nacre.agents.trajectory import Step, input_text
from nacre.agents.window import Turn, clip, fit
from nacre.decorator.flow import Call, Ready
from nacre.decorator.layer import ChatModelDecorator
from nacre.text.language import Language
from nacre.text.messages import text_of
from nacre.text.tokens import estimate, estimate_messages

DEFAULT_WINDOW = 8192
INSTRUCTION = 500  # tokens of the text protocol's own prompt
REPLY = 700


class Agent(ChatModelDecorator):
    """What an agent is set to; `nacre.ReAct` says what each of it does."""

    tools: list[Any] = Field(default_factory=list)
    protocol: Literal["auto", "native", "text"] = "auto"
    max_steps: int = Field(default=8, ge=1)
    max_seconds: float | None = Field(default=None, gt=0)
    max_tokens: int | None = Field(default=None, gt=0)
    at_limit: Literal["answer", "stop"] = "answer"
    tool_timeout_s: float | None = Field(default=30.0, gt=0)
    max_observation: int = Field(default=4000, ge=80)
    context_tokens: int | None = Field(default=None, gt=0)
    approve: Any = Field(default=None, repr=False)
    approve_tools: list[str] = Field(default_factory=list)
    runs: Any = Field(default=None, repr=False, exclude=True)
    on_step: Callable[[Step], None] | None = Field(default=None, repr=False, exclude=True)
    language: Literal["auto", "en", "zh"] = "auto"

    _toolbox: Toolbox = PrivateAttr()

    @property
    def toolbox(self) -> Toolbox:
        """The agent's tools by name."""
        return self._toolbox


@dataclass
class RunState:
    """One run: the conversation that it answers, its turns, its evidence and what it has spent."""

    agent: Agent
    conversation: list[BaseMessage]
    kwargs: dict[str, Any]
    question: str
    language: Language
    budget: Budget
    owner: str
    at_limit: str
    turns: list[Turn] = field(default_factory=list)
    evidence: Evidence = field(default_factory=Evidence)
    echoed: str = ""
    blocks: bool = False
    hiding: bool = False
    seen: list[Seen] = field(default_factory=list)
    agreed: dict[str, list[str]] = field(default_factory=dict)  # by tool: the values that a person has agreed to

    def __post_init__(self) -> None:
        self._fixed = INSTRUCTION + estimate(self.agent.toolbox.describe()) + estimate_messages(self.conversation)
        self.window: int = (  # tokens that the model can read
            self.agent.context_tokens or (self.agent.profile or {}).get("max_input_tokens") or DEFAULT_WINDOW
        )
        for step in (step for turn in self.turns for step in turn.steps if step.status in ("ok", "error")):
            self.saw(step, step.observation)

    def visible(self) -> list[Turn]:
        """The turns that fit into the model's window beside the conversation and the reply."""
        return fit(self.turns, max(300, self.window - self._fixed - REPLY))[0]

    def provenance(self, tool: BaseTool, arguments: dict[str, Any]) -> tuple[str, ...]:
        """The values of a call that come from retrieved text alone."""
        found = doubtful(tool.name, arguments, self._said(), self.seen)
        agreed = {plain(value) for value in self.agreed.get(tool.name, ())}
        return tuple(value for value in found if plain(value) not in agreed)

    def saw(self, step: Step, result: Any) -> None:
        """Remember what a tool brought, for the provenance of later calls."""
        self.seen.append(seen_of(step.action_input, step.observation or "", result, self._said()))

    def _said(self) -> list[str]:
        return [text_of(message) for message in self.conversation if message.type in ("human", "system")]

    def agree(self, tool: str, arguments: dict[str, Any]) -> None:
        """What a person has agreed to once counts as said by them, for this tool and run."""
        self.agreed.setdefault(tool, []).extend(values_of(arguments))

    def unlooked(self) -> BaseTool | None:
        """The first tool that takes questions, as long as nothing at all has been looked up."""
        if self.budget.tool_calls or not self.question.strip():
            return None
        tools = (spec.tool for spec in self.agent.toolbox.specs.values())
        return next((tool for tool in tools if facts_of(tool).looks_up), None)

    def call(
        self,
        target: Runnable[Any, Any],
        asked: list[BaseMessage],
        options: dict[str, Any],
        showing: bool,
        *,
        last: bool = False,
    ) -> Call:
        """A call of the model whose final answer, if it turns out to be one, is shown while it is written."""
        if not showing:
            return Call(target, asked, options)
        answer = LiveAnswer(AnswerReader(last=last), self.evidence.numbers)
        return Call(target, asked, options, live=True, through=answer, quiet=True)

    def keep(self, turn: Turn) -> Generator[Call, Any, None]:
        """Book a finished turn and show its steps."""
        self.turns.append(turn)
        for step in turn.steps:
            if self.agent.on_step is not None:
                self.agent.on_step(step)
            if step.answer is None and step.status != "repair":
                called = f"→ {step.action} {clip(input_text(step.action_input), 500)}"
                text = f"{step.thought}\n{called}\n← {clip(step.observation or '', 1000)}\n\n".lstrip("\n")
                self.echoed += text
                # As reasoning, which is no part of the answer; a chunk has the form of those that follow it.
                content: str | list[Any] = [] if self.blocks else ""
                echo = AIMessageChunk(content=content, additional_kwargs={"reasoning_content": text})
                yield Call(Ready(echo), None, live=True)
