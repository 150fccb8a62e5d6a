"""The two protocols in which a model can act: native tool calls, and Thought / Action / Observation as text."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, ToolMessage
from langchain_core.messages.tool import tool_call
from langchain_core.runnables import Runnable, RunnableBinding

from nacre import prompts
from nacre.agents.observation import frame
from nacre.agents.output_parser import parse_react
from nacre.agents.tool_calls import read_input
from nacre.agents.toolbox import Toolbox
from nacre.agents.trajectory import Step, input_text
from nacre.agents.window import Turn, clip
from nacre.errors import UnsupportedParameterError
from nacre.text.dialects import has_mark
from nacre.text.language import Language
from nacre.text.messages import text_of, with_system
from nacre.text.reasoning import split_reasoning
from nacre.text.strict_json import to_json

LABELS: dict[Language, tuple[str, str, str, str]] = {
    "en": ("Thought: ", "Action: ", "Action Input: ", "Observation: "),
    "zh": ("思考：", "行动：", "行动输入：", "观察："),
}
STOPS = ("\nObservation", "\n观察")
MAX_CALLS = 16


def shown(step: Step) -> str:
    """A step's observation as the model sees it: what came from a tool is framed as data."""
    text = step.observation or ""
    return frame(text) if step.status in ("ok", "error") else text


def with_example(conversation: Sequence[BaseMessage], instruction: Sequence[BaseMessage]) -> list[BaseMessage]:
    """Put an instruction before a conversation: its system text joins the caller's, its example follows."""
    system, *rest = with_system(conversation, instruction[:1])
    return [system, *instruction[1:], *rest]


def example_call(toolbox: Toolbox, language: Language) -> str:
    """Two lines that show how to call a tool, with a tool that exists."""
    _, action, given, _ = LABELS[language]
    name, spec = next(iter(toolbox.specs.items()))
    return f"{action}{name}\n{given}{to_json(spec.example(), ensure_ascii=False)}"


def refuses(error: Exception, parameter: str) -> bool:
    """Whether a model refused a parameter: by the error's class, or the field of a foreign SDK, never by its words."""
    if isinstance(error, UnsupportedParameterError):
        return error.parameter == parameter
    return getattr(error, "code", None) == "unsupported_parameter" and getattr(error, "param", None) == parameter


class _ToolCalling(ABC):
    """What both protocols share; one serves one run, and so one conversation."""

    name: str
    fallback: TextToolCalling | None = None

    def __init__(self, target: Runnable[Any, Any], toolbox: Toolbox, instruction: list[BaseMessage]) -> None:
        self.target = target
        self.toolbox = toolbox
        self._instruction = instruction
        self._head: list[BaseMessage] = []
        # Each turn is written once, so that a step costs the same late in a run as early; kept, so that its id stays.
        self._written: dict[int, tuple[Turn, list[BaseMessage]]] = {}

    def messages(self, conversation: Sequence[BaseMessage], turns: Sequence[Turn]) -> list[BaseMessage]:
        """What the model is sent: instruction, conversation, and the run so far."""
        self._head = self._head or with_example(conversation, self._instruction)
        for turn in turns:
            if id(turn) not in self._written:
                self._written[id(turn)] = (turn, self._turn(turn))
        return self._head + [message for turn in turns for message in self._written[id(turn)][1]]

    def read(self, reply: AIMessage) -> tuple[Step, ...]:
        """One step for every native call, at most 16; else the one step that the text says, perhaps unreadable."""
        return _native_steps(reply) or (parse_react(text_of(reply), self.toolbox.names),)

    def unfinished(self, reply: AIMessage, steps: tuple[Step, ...]) -> bool:
        """Whether a reply that was cut off lacks a part of what it does: more text behind it would change that."""
        if reply.tool_calls or reply.invalid_tool_calls:
            return True
        step, said = steps[0], text_of(reply)
        if step.answer is not None:
            return has_mark(said)
        longer = parse_react(f"{said}…x", self.toolbox.names)
        return (step.action, step.action_input) != (longer.action, longer.action_input)

    @abstractmethod
    def _turn(self, turn: Turn) -> list[BaseMessage]:
        """The messages of one step and of what came of it."""


class TextToolCalling(_ToolCalling):
    """Actions as text, for any model.

    Args:
        stops: whether to send stop strings; some models refuse them.
    """

    name = "text"

    def __init__(self, model: BaseChatModel, toolbox: Toolbox, language: Language, *, stops: bool = True) -> None:
        tools, call = toolbox.describe(), example_call(toolbox, language)
        super().__init__(model, toolbox, prompts.load("react/text", language).render(tools=tools, call=call))
        self._model = model
        self._language = language
        self._stops = stops

    def _turn(self, turn: Turn) -> list[BaseMessage]:
        thought, action, given, observation = LABELS[self._language]
        out: list[BaseMessage] = []
        for step in turn.steps:
            if step.status == "repair":
                out += _repair(step)
                continue
            said = f"{thought}{step.thought}\n{action}{step.action}\n{given}{input_text(step.action_input)}"
            out += [AIMessage(said), HumanMessage(observation + shown(step))]
        return out

    def options(self, kwargs: dict[str, Any]) -> dict[str, Any]:
        """Call options with stop strings at the observation."""
        return {**kwargs, "stop": [*STOPS, *(kwargs.get("stop") or ())]} if self._stops else kwargs

    def after(self, error: Exception) -> TextToolCalling | None:
        """The same without stop strings when the model refused them, else None."""
        if self._stops and refuses(error, "stop"):
            return TextToolCalling(self._model, self.toolbox, self._language, stops=False)
        return None


class NativeToolCalling(_ToolCalling):
    """Actions as the model's own tool calls.

    Args:
        fallback: the protocol to change to when the model turns out not to call tools; None when it must.
    """

    name = "native"

    def __init__(
        self, model: BaseChatModel, toolbox: Toolbox, language: Language, fallback: TextToolCalling | None
    ) -> None:
        super().__init__(model.bind_tools(toolbox.tools), toolbox, prompts.load("react/native", language).render())
        self.fallback = fallback
        self._ids: set[str] = set()

    def _turn(self, turn: Turn) -> list[BaseMessage]:
        if turn.steps[0].status == "repair":
            return _repair(turn.steps[0])
        reply = turn.reply
        calls = list(reply.tool_calls) if reply else []
        if reply is None or len(calls) != len(turn.steps):
            calls = [
                tool_call(name=step.action or "", args=_as_arguments(step), id=f"call_{id(turn):x}_{at}")
                for at, step in enumerate(turn.steps)
            ]
            reply = AIMessage(turn.steps[0].thought, tool_calls=calls)
        elif isinstance(reply.content, str):
            calls = [{**call, "id": self._own_id(call["id"])} for call in calls]
            reply = reply.model_copy(update={"tool_calls": calls, "invalid_tool_calls": []})
        results = [
            ToolMessage(shown(step), tool_call_id=str(call["id"]), name=step.action)
            for call, step in zip(calls, turn.steps, strict=True)
        ]
        return [reply, *results]

    def _own_id(self, given: str | None) -> str:
        """The id of a call, another one where the model gave none or has used it before in this run."""
        own = given if given and given not in self._ids else f"call_{len(self._ids)}_{id(self):x}"
        self._ids.add(own)
        return own

    def options(self, kwargs: dict[str, Any]) -> dict[str, Any]:
        """Call options, with the caller's own tools beside ours."""
        if "tools" not in kwargs:
            return kwargs
        ours = self.target.kwargs.get("tools", []) if isinstance(self.target, RunnableBinding) else []
        return {**kwargs, "tools": [*kwargs["tools"], *ours]}

    def after(self, error: Exception) -> TextToolCalling | None:
        """The text protocol when the model refused tools, else None."""
        return self.fallback if isinstance(error, NotImplementedError) or refuses(error, "tools") else None


ToolCalling = TextToolCalling | NativeToolCalling


def choose_protocol(model: BaseChatModel, toolbox: Toolbox, language: Language, protocol: str) -> ToolCalling:
    """Choose a protocol: as told, else by the model's profile, else by whether it takes tools at all."""
    text = TextToolCalling(model, toolbox, language)
    if protocol == "text":
        return text
    if protocol == "native":
        return NativeToolCalling(model, toolbox, language, None)
    if (model.profile or {}).get("tool_calling") is False:
        return text
    try:
        return NativeToolCalling(model, toolbox, language, text)
    except NotImplementedError:
        return text


def _native_steps(reply: AIMessage) -> tuple[Step, ...]:
    thought = split_reasoning(text_of(reply))[0].strip()
    calls: list[tuple[str, Any]] = [(call["name"], call["args"]) for call in reply.tool_calls]
    calls += [(call.get("name") or "", read_input(call.get("args") or "")) for call in reply.invalid_tool_calls]
    return tuple(
        Step(thought=clip(thought, 4000) if at == 0 else "", action=name, action_input=given)
        for at, (name, given) in enumerate(calls[:MAX_CALLS])
    )


def _repair(step: Step) -> list[BaseMessage]:
    return [AIMessage(step.thought or "…"), HumanMessage(step.observation or "")]


def _as_arguments(step: Step) -> dict[str, Any]:
    return step.action_input if isinstance(step.action_input, dict) else {"input": input_text(step.action_input)}
