"""What one run of an agent knows: its settings, and all that has happened so far."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Generator, Iterator
from dataclasses import dataclass, field
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.runnables import Runnable, RunnableConfig
from langchain_core.tools import BaseTool

from nacre.agents.answer_stream import AnswerReader, LiveAnswer
from nacre.agents.approval import values_of
from nacre.agents.budget import Budget
from nacre.agents.evidence import Evidence
from nacre.agents.facts import facts_of
from nacre.agents.provenance import Seen, doubtful, plain, seen_of
from nacre.agents.runs import RunStore
from nacre.agents.toolbox import Toolbox
from nacre.agents.trajectory import Step, input_text
from nacre.agents.window import Turn, clip, fit
from nacre.decorator.flow import Call
from nacre.text.language import Language
from nacre.text.messages import text_of
from nacre.text.tokens import estimate, estimate_messages

DEFAULT_WINDOW = 8192
INSTRUCTION = 500  # tokens of the text protocol's own prompt
REPLY = 700


@dataclass(frozen=True)
class Settings:
    """An agent's settings for one run; see `nacre.ReAct` for those that it shares.

    Args:
        window: tokens that the model can read.
    """

    model: BaseChatModel
    toolbox: Toolbox
    protocol: str
    max_steps: int
    max_seconds: float | None
    max_tokens: int | None
    at_limit: str
    tool_timeout_s: float | None
    max_observation: int
    window: int
    approve: Any
    approve_tools: tuple[str, ...]
    on_step: Callable[[Step], None] | None
    runs: RunStore | None = None
    owner: str = ""


@dataclass
class RunState:
    """One run: the conversation that it answers, its turns, its evidence and what it has spent."""

    settings: Settings
    conversation: list[BaseMessage]
    kwargs: dict[str, Any]
    question: str
    language: Language
    budget: Budget
    turns: list[Turn] = field(default_factory=list)
    evidence: Evidence = field(default_factory=Evidence)
    echoed: str = ""
    blocks: bool = False
    hiding: bool = False
    seen: list[Seen] = field(default_factory=list)
    agreed: dict[str, list[str]] = field(default_factory=dict)  # by tool: the values that a person has agreed to

    def __post_init__(self) -> None:
        self._fixed = INSTRUCTION + estimate(self.settings.toolbox.describe()) + estimate_messages(self.conversation)

        for step in (step for turn in self.turns for step in turn.steps if step.status in ("ok", "error")):
            self.saw(step, step.observation)

    def visible(self) -> list[Turn]:
        """The turns that fit into the model's window beside the conversation and the reply."""
        return fit(self.turns, max(300, self.settings.window - self._fixed - REPLY))[0]

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
        tools = (spec.tool for spec in self.settings.toolbox.specs.values())
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
            yield from self._show(step)

    def _show(self, step: Step) -> Generator[Call, Any, None]:
        if self.settings.on_step is not None:
            self.settings.on_step(step)
        if step.answer is None and step.status != "repair":
            called = f"→ {step.action} {clip(input_text(step.action_input), 500)}"
            text = f"{step.thought}\n{called}\n← {clip(step.observation or '', 1000)}\n\n".lstrip("\n")
            self.echoed += text
            yield Call(StepEcho(self.blocks), text, live=True)


class StepEcho(Runnable[str, AIMessage]):
    """Shows a finished step to whoever is streaming: as reasoning, which is not part of the answer.

    Args:
        blocks: whether the model's content is a list of blocks; a chunk must have the form of those that follow it.
    """

    def __init__(self, blocks: bool) -> None:
        self.blocks = blocks

    def invoke(self, input: str, config: RunnableConfig | None = None, **kwargs: Any) -> AIMessage:
        """The step's text as a message without content."""
        return AIMessage("", additional_kwargs={"reasoning_content": input})

    async def ainvoke(self, input: str, config: RunnableConfig | None = None, **kwargs: Any) -> AIMessage:
        """The step's text as a message without content."""
        return self.invoke(input)

    def stream(self, input: str, config: RunnableConfig | None = None, **kwargs: Any) -> Iterator[AIMessage]:
        """The step's text as one chunk without content."""
        yield AIMessageChunk(content=[] if self.blocks else "", additional_kwargs={"reasoning_content": input})

    async def astream(
        self, input: str, config: RunnableConfig | None = None, **kwargs: Any
    ) -> AsyncIterator[AIMessage]:
        """The step's text as one chunk without content."""
        for chunk in self.stream(input):
            yield chunk
