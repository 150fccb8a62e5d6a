"""The two protocols in which a model can act: native tool calls, and Thought / Action / Observation as text."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, ToolMessage
from langchain_core.runnables import Runnable, RunnableBinding

from nacre import prompts
from nacre.agents.observation import frame
from nacre.agents.output_parser import parse_react
from nacre.agents.scanner import strip_reasoning
from nacre.agents.tool_calls import read_input
from nacre.agents.toolbox import Toolbox
from nacre.agents.trajectory import Step, input_text
from nacre.agents.window import Turn, clip
from nacre.language import Language
from nacre.messages import text_of, with_system

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
    return f"{action}{name}\n{given}{json.dumps(spec.example(), ensure_ascii=False)}"


class TextSpeech:
    """Actions as text, for any model.

    Args:
        model: the model.
        toolbox: the tools, at least one.
        language: of prompt and labels.
        stops: whether to send stop strings; some models refuse them.
    """

    name = "text"

    def __init__(self, model: BaseChatModel, toolbox: Toolbox, language: Language, *, stops: bool = True) -> None:
        self.target: Runnable[Any, Any] = model
        self.toolbox = toolbox
        self.language = language
        self.stops = stops
        self._instruction = prompts.load("react/text", language).render(
            tools=toolbox.describe(), call=example_call(toolbox, language)
        )
        self._head: list[BaseMessage] = []  # a speech serves one run, and so one conversation
        self._rendered = _Rendered(self._turn)

    def messages(self, conversation: Sequence[BaseMessage], turns: Sequence[Turn]) -> list[BaseMessage]:
        """What the model is sent: instruction, conversation, and the run so far in turns of assistant and user."""
        self._head = self._head or with_example(conversation, self._instruction)
        return self._head + self._rendered(turns)

    def _turn(self, turn: Turn) -> list[BaseMessage]:
        thought, action, given, observation = LABELS[self.language]
        out: list[BaseMessage] = []
        for step in turn.steps:
            if step.status == "repair":
                out += [AIMessage(step.thought or "…"), HumanMessage(step.observation or "")]
                continue
            said = f"{thought}{step.thought}\n{action}{step.action}\n{given}{input_text(step.action_input)}"
            out += [AIMessage(said), HumanMessage(observation + shown(step))]
        return out

    def options(self, kwargs: dict[str, Any]) -> dict[str, Any]:
        """Call options with stop strings at the observation."""
        if not self.stops:
            return kwargs
        return {**kwargs, "stop": [*STOPS, *(kwargs.get("stop") or ())]}

    def read(self, reply: AIMessage) -> tuple[Step, ...]:
        """Read a reply."""
        calls = _native_steps(reply)
        return calls or (parse_react(text_of(reply), self.toolbox.names),)

    def after(self, error: Exception) -> TextSpeech | None:
        """Another way to ask when the model refused this one."""
        if self.stops and "stop" in str(error).lower():
            return TextSpeech(self.target, self.toolbox, self.language, stops=False)  # type: ignore[arg-type]
        return None


class NativeSpeech:
    """Actions as the model's own tool calls.

    Args:
        model: the model; its `bind_tools` must work.
        toolbox: the tools.
        language: of the prompt.
        fallback: the speech to change to when the model turns out not to call tools; None when it must.

    Raises:
        NotImplementedError: the model takes no tools.
    """

    name = "native"

    def __init__(self, model: BaseChatModel, toolbox: Toolbox, language: Language, fallback: TextSpeech | None) -> None:
        self.target: Runnable[Any, Any] = model.bind_tools(toolbox.tools)
        self.toolbox = toolbox
        self.language = language
        self.fallback = fallback
        self._instruction = prompts.load("react/native", language).render()
        self._head: list[BaseMessage] = []  # a speech serves one run, and so one conversation
        self._rendered = _Rendered(self._turn)

    def messages(self, conversation: Sequence[BaseMessage], turns: Sequence[Turn]) -> list[BaseMessage]:
        """What the model is sent: instruction, conversation, and the run so far as calls and their results."""
        self._head = self._head or with_system(conversation, self._instruction)
        return self._head + self._rendered(turns)

    def _turn(self, turn: Turn) -> list[BaseMessage]:
        if turn.steps[0].status == "repair":
            return [AIMessage(turn.steps[0].thought or "…"), HumanMessage(turn.steps[0].observation or "")]
        reply = turn.reply
        calls = list(reply.tool_calls) if reply else []
        if reply is None or len(calls) != len(turn.steps):
            calls = [
                {
                    "type": "tool_call",
                    "id": f"call_{id(turn):x}_{at}",
                    "name": step.action or "",
                    "args": _as_arguments(step),
                }
                for at, step in enumerate(turn.steps)
            ]
            reply = AIMessage(turn.steps[0].thought, tool_calls=calls)
        results = [
            ToolMessage(shown(step), tool_call_id=str(call["id"]), name=step.action)
            for call, step in zip(calls, turn.steps, strict=True)
        ]
        return [reply, *results]

    def options(self, kwargs: dict[str, Any]) -> dict[str, Any]:
        """Call options, with the caller's own tools beside ours."""
        if "tools" not in kwargs:
            return kwargs
        ours = self.target.kwargs.get("tools", []) if isinstance(self.target, RunnableBinding) else []
        return {**kwargs, "tools": [*kwargs["tools"], *ours]}

    def read(self, reply: AIMessage) -> tuple[Step, ...]:
        """Read a reply: its calls, a call that leaked into the text, or the answer."""
        calls = _native_steps(reply)
        if calls:
            return calls
        return (parse_react(text_of(reply), self.toolbox.names),)

    def after(self, error: Exception) -> TextSpeech | None:
        """Another way to ask when the model refused this one."""
        refused = isinstance(error, NotImplementedError) or any(
            word in str(error).lower() for word in ("tool", "function call")
        )
        return self.fallback if refused else None


Speech = TextSpeech | NativeSpeech


class _Rendered:
    """Turns as messages; each is written once, so that a step costs the same late in a run as early."""

    def __init__(self, write: Callable[[Turn], list[BaseMessage]]) -> None:
        self._write = write
        self._kept: dict[
            int, tuple[Turn, list[BaseMessage]]
        ] = {}  # the turn is kept with it, so that its id stays its own

    def __call__(self, turns: Sequence[Turn]) -> list[BaseMessage]:
        out: list[BaseMessage] = []
        for turn in turns:
            entry = self._kept.get(id(turn))
            if entry is None:
                entry = self._kept[id(turn)] = (turn, self._write(turn))
            out += entry[1]
        return out


def choose(model: BaseChatModel, toolbox: Toolbox, language: Language, protocol: str) -> Speech:
    """Choose a protocol: as told, else by the model's profile, else by whether it takes tools at all."""
    text = TextSpeech(model, toolbox, language)
    if protocol == "text":
        return text
    if protocol == "native":
        return NativeSpeech(model, toolbox, language, None)
    if (model.profile or {}).get("tool_calling") is False:
        return text
    try:
        return NativeSpeech(model, toolbox, language, text)
    except NotImplementedError:
        return text


def _native_steps(reply: AIMessage) -> tuple[Step, ...]:
    thought = strip_reasoning(text_of(reply)).strip()
    calls: list[tuple[str, Any]] = [(call["name"], call["args"]) for call in reply.tool_calls]
    calls += [(call.get("name") or "", read_input(call.get("args") or "")) for call in reply.invalid_tool_calls]
    return tuple(
        Step(thought=clip(thought, 4000) if at == 0 else "", action=name, action_input=given)
        for at, (name, given) in enumerate(calls[:MAX_CALLS])
    )


def _as_arguments(step: Step) -> dict[str, Any]:
    return step.action_input if isinstance(step.action_input, dict) else {"input": input_text(step.action_input)}
