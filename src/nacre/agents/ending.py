"""How a run ends: with the answer that the model gave, one that it is made to give at a limit, or a refusal."""

from __future__ import annotations

import re
from dataclasses import replace

from langchain_core.messages import AIMessage

from nacre import prompts
from nacre.agents.answer_stream import certain_answer
from nacre.agents.executor import Executor
from nacre.agents.observation import unframe
from nacre.agents.output_parser import parse_react
from nacre.agents.protocols import shown
from nacre.agents.state import RunState
from nacre.agents.trajectory import Step, to_data
from nacre.agents.window import Turn
from nacre.decorator.flow import Flow
from nacre.text.hygiene import clean_text
from nacre.text.language import tr
from nacre.text.messages import render_sources, replace_last_user, text_of, with_nacre, with_text

# A weak model goes on in the form of the last prompt and asks itself another question.
_NEXT_QUESTION = re.compile(r"\n\s*(?:Question|问题)\s?[:：]")


class Ending:
    """Turns the last reply of a run into its answer."""

    def __init__(self, state: RunState, executor: Executor) -> None:
        self.state = state
        self.executor = executor

    def answer(self, reply: AIMessage, step: Step, stopped: str) -> Flow:
        """Give the answer of a step, or refuse where it has none."""
        text = step.answer
        if not text:
            return (yield from self._refuse(stopped))
        yield from self.state.keep(Turn((replace(step, answer=text, status="final"),), reply))
        if text != text_of(reply):
            reply = with_text(reply, text)
        reply = reply.model_copy(update={"tool_calls": [], "invalid_tool_calls": []})
        return self.labelled(self.state.evidence.cited(reply), stopped)

    def force(self, reason: str) -> Flow:
        """Force an answer from what was seen: one last call, without tools."""
        state = self.state
        above = state.budget.parent.exhausted() if state.budget.parent else None
        if above or (state.at_limit == "stop" and reason != "loop"):
            return (yield from self._refuse(reason))
        if reason in ("unreadable", "loop"):
            yield from self.executor.look()
        prompt = prompts.load("react/final", state.language)
        asked = replace_last_user(
            state.conversation, prompt.render(question=state.question, observations=self._found())
        )
        options = {name: value for name, value in state.kwargs.items() if name not in ("tools", "tool_choice")}
        showing = not state.hiding
        reply: AIMessage = yield state.call(state.agent.inner, asked, options, showing, last=True)
        state.budget.book_reply(asked, reply)
        certain = certain_answer(text_of(reply), last=True) if showing else None
        if certain is not None:
            return (yield from self.answer(reply, certain, reason))
        step = parse_react(text_of(reply), state.agent.toolbox.names)
        if step.action is not None or reply.tool_calls:
            return (yield from self._refuse(reason))
        if step.answer is None:
            step = Step(answer=step.thought)  # a thought is better than nothing
        said = _NEXT_QUESTION.split(step.answer or "", maxsplit=1)[0]
        return (yield from self.answer(reply, tidy(replace(step, answer=said)), reason))

    def _found(self) -> str:
        """All that was observed: documents as numbered sources, the rest as framed data."""
        room = self.state.window  # about a quarter of the window, at four characters a token
        others = [
            shown(step)
            for turn in self.state.visible()
            for step in turn.steps
            if step.status == "ok" and step.observation and step not in self.executor.sourced
        ]
        evidence = self.state.evidence
        blocks = [render_sources(evidence.sources(room))] if evidence.documents else []
        return "\n\n".join([*blocks, *others]) or tr("(nothing)")

    def _refuse(self, reason: str) -> Flow:
        text = prompts.load("react/refusal", self.state.language).text()
        yield from self.state.keep(Turn((Step(answer=text, status="final"),)))
        return self.labelled(with_nacre(AIMessage(text), abstained=True), reason)

    def labelled(self, reply: AIMessage, stopped: str) -> AIMessage:
        """The answer with all that is known of the run."""
        if self.state.echoed:
            shown_steps = {**reply.additional_kwargs, "reasoning_content": self.state.echoed}
            reply = reply.model_copy(update={"additional_kwargs": shown_steps})
        steps = [step for turn in self.state.turns for step in turn.steps]
        return with_nacre(reply, trajectory=to_data(steps), usage=self.state.budget.data(), stopped=stopped)


def tidy(step: Step) -> Step:
    """A step whose answer has no frames of observations and no control characters."""
    return replace(step, answer=unframe(clean_text(step.answer or "")).strip())
