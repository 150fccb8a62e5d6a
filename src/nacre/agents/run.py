"""One run of an agent: the loop of Yao et al. (2023, arXiv:2210.03629), written once as a flow."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage

from nacre import prompts
from nacre.agents.answer_stream import certain_answer, hides_reasoning
from nacre.agents.budget import CURRENT, Budget
from nacre.agents.ending import Ending, tidy
from nacre.agents.executor import Executor
from nacre.agents.protocols import choose_protocol, example_call
from nacre.agents.state import RunState, Settings
from nacre.agents.trajectory import Step, Trajectory
from nacre.agents.window import Turn, clip
from nacre.decorator.flow import Call, Flow
from nacre.text.hygiene import clean_text
from nacre.text.language import Language, language_of
from nacre.text.messages import last_user_text, nacre_of, text_of, was_cut, with_nacre
from nacre.text.reasoning import split_reasoning

MAX_REPEATS = 2


class AgentRun:
    """One run; `go` is its flow.

    Args:
        language: of prompts and labels; None takes the question's.
    """

    def __init__(
        self,
        settings: Settings,
        messages: list[BaseMessage],
        kwargs: dict[str, Any],
        trajectory: Trajectory,
        language: Language | None,
    ) -> None:
        question = clean_text(last_user_text(messages))
        budget = Budget(settings.max_steps, settings.max_seconds, settings.max_tokens, CURRENT.get())
        turns = [Turn((step,)) for step in trajectory if step.action is not None]
        budget.steps = len(turns)
        language = language or language_of(question)
        self.state = RunState(settings, messages, kwargs, question, language, budget, turns)
        self.executor = Executor(self.state)
        self.ending = Ending(self.state, self.executor)
        chosen = "native" if "tools" in kwargs and settings.protocol == "auto" else settings.protocol
        self.protocol = choose_protocol(settings.model, settings.toolbox, language, chosen)
        self.unreadable = 0

    def go(self) -> Flow:
        """Think, act, observe, until there is an answer or a limit is reached."""
        reply = yield from self._until_answered()
        return with_nacre(reply, protocol=self.protocol.name)

    def _until_answered(self) -> Flow:
        while True:
            limit = self.state.budget.exhausted()
            if limit:
                return (yield from self.ending.force(limit))
            showing = self._may_show()
            reply = yield from self._think(showing)
            certain = certain_answer(text_of(reply)) if showing else None
            if certain is not None:
                self.state.budget.add(steps=1)
                return (yield from self.ending.answer(reply, certain, "answer"))
            steps = self.protocol.read(reply)
            if was_cut(reply) and self.protocol.unfinished(reply, steps):
                steps = (Step(thought=steps[0].thought),)
            foreign = self._foreign(steps, reply)
            if foreign is not None:
                return self.ending.labelled(foreign, "tool_calls")
            self.state.budget.add(steps=1)
            if (steps[0].answer or "").strip():
                if nacre_of(reply).get("abstained") and (yield from self.executor.look()):
                    return (yield from self.ending.force("answer"))
                return (yield from self.ending.answer(reply, tidy(steps[0]), "answer"))
            if steps[0].action is None:
                if self.unreadable:
                    return (yield from self.ending.force("unreadable"))
                yield from self._repair(reply, steps[0])
                continue
            self.unreadable = 0
            self._follow(reply)
            yield from self.executor.act(reply, steps)
            if self.executor.repeats >= MAX_REPEATS:
                return (yield from self.ending.force("loop"))

    def _think(self, showing: bool) -> Flow:
        state = self.state
        while True:
            asked = self.protocol.messages(state.conversation, state.visible())
            try:
                reply: AIMessage = yield state.call(
                    self.protocol.target, asked, self.protocol.options(state.kwargs), showing
                )
            except Exception as error:
                other = self.protocol.after(error)
                if other is None:
                    raise
                self.protocol = other
            else:
                state.budget.book_reply(asked, reply)
                state.blocks = isinstance(reply.content, list)
                state.hiding = state.hiding or hides_reasoning(text_of(reply))
                return reply

    def _may_show(self) -> bool:
        """Whether an answer can be certain before the reply is whole.

        Not where the reply may be discarded for a first look (see `Executor.look`) or may go to the caller with calls
        of the caller's tools, nor with a model that has been seen to reason without saying where its reasoning begins.
        """
        return not (self.state.hiding or "tools" in self.state.kwargs or self.state.unlooked())

    def _follow(self, reply: AIMessage) -> None:
        """A model that writes its calls as text is answered in text from here on."""
        if not reply.tool_calls and not reply.invalid_tool_calls:
            self.protocol = self.protocol.fallback or self.protocol

    def _foreign(self, steps: tuple[Step, ...], reply: AIMessage) -> AIMessage | None:
        """A reply that calls tools which the caller bound goes to the caller, without the calls that are ours."""
        bound = {_tool_name(tool) for tool in self.state.kwargs.get("tools", ())}
        theirs = bound - set(self.state.settings.toolbox.specs)
        if not any(step.action in theirs for step in steps):
            return None
        return reply.model_copy(update={"tool_calls": [call for call in reply.tool_calls if call["name"] in theirs]})

    def _repair(self, reply: AIMessage, step: Step) -> Generator[Call, Any, None]:
        self.unreadable += 1
        language = self.state.language
        example = example_call(self.state.settings.toolbox, language)
        told = prompts.load("react/repair", language).text(call=example)
        said = clip(split_reasoning(text_of(reply))[0].strip(), 600)
        yield from self.state.keep(Turn((Step(thought=said, observation=told, status="repair"),), reply))


def _tool_name(tool: Any) -> str:
    return str(tool.get("function", tool).get("name", "")) if isinstance(tool, dict) else str(getattr(tool, "name", ""))
