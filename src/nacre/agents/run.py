"""One run of an agent: the loop of Yao et al. (2023, arXiv:2210.03629), written once as a flow."""

from __future__ import annotations

import json
from collections.abc import Generator
from typing import Any, cast

from langchain_core.documents import Document
from langchain_core.messages import AIMessage, BaseMessage, message_to_dict, messages_from_dict
from langchain_core.runnables import RunnableLambda

from nacre import prompts
from nacre.agents.answer_stream import certain_answer, hides_reasoning
from nacre.agents.approval import Decision
from nacre.agents.budget import CURRENT, SPENT, Budget
from nacre.agents.ending import Ending, tidy
from nacre.agents.executor import Executor
from nacre.agents.protocols import choose_protocol, example_call
from nacre.agents.runs import Record, RunStore
from nacre.agents.state import Agent, RunState
from nacre.agents.trajectory import Step, from_data, to_data
from nacre.agents.window import Turn, clip
from nacre.decorator.flow import Call, Flow
from nacre.text.hygiene import clean_text
from nacre.text.language import Language, language_of, tr
from nacre.text.messages import last_user_text, nacre_of, text_of, was_cut, with_nacre
from nacre.text.reasoning import split_reasoning
from nacre.text.strict_json import to_json

MAX_REPEATS = 2


class AgentRun:
    """One run; `go` is its flow. Without a language, prompts and labels are in the question's."""

    def __init__(
        self,
        agent: Agent,
        messages: list[BaseMessage],
        kwargs: dict[str, Any],
        turns: list[Turn],
        language: Language | None,
        *,
        owner: str,
        at_limit: str,
        protocol: str,
    ) -> None:
        question = clean_text(last_user_text(messages))
        budget = Budget(agent.max_steps, agent.max_seconds, agent.max_tokens, CURRENT.get())
        budget.steps = len(turns)
        language = language or language_of(question)
        self.state = RunState(agent, messages, kwargs, question, language, budget, owner, at_limit, turns)
        self.executor = Executor(self.state)
        self.ending = Ending(self.state, self.executor)
        chosen = "native" if "tools" in kwargs and protocol == "auto" else protocol
        self.protocol = choose_protocol(agent.inner, agent.toolbox, language, chosen)
        self.unreadable = 0

    @classmethod
    def resumed(cls, agent: Agent, record: Record, options: dict[str, Any], owner: str, at_limit: str) -> AgentRun:
        """A run that has waited, as it was; only its clock begins anew."""
        protocol = "text" if record["protocol"] == "text" else agent.protocol
        messages, turns = messages_from_dict(record["messages"]), [_turn(row) for row in record["turns"]]
        kwargs, how = {**record["options"], **options}, {"owner": owner, "at_limit": at_limit, "protocol": protocol}
        run = cls(agent, messages, kwargs, turns, record["language"], **how)
        run.state.evidence.add([Document(**row) for row in record["documents"]])
        run.state.echoed, run.state.agreed = record["echoed"], record["agreed"]
        run.executor.repeats = record["repeats"]
        for name, amount in record["spent"].items():
            setattr(run.state.budget, name, amount)
        return run

    def go_on(self, record: Record, decision: Decision) -> Flow:
        """The calls that waited, as they were decided; then on as in `go`."""
        turn = _turn(record["waiting"])
        yield from self.executor.resume(turn.reply or AIMessage(""), turn.steps, decision)
        return (yield from self.go())

    def go(self) -> Flow:
        """Think, act, observe, until there is an answer or a limit is reached."""
        reply = yield from self._until_answered()
        return with_nacre(reply, protocol=self.protocol.name)

    def _until_answered(self) -> Flow:
        while True:
            limit = self.state.budget.exhausted()
            if limit:
                return (yield from self.ending.force(limit))
            # An answer is not certain before the reply is whole where it may be discarded for a first look or go to the
            # caller with calls of the caller's tools, nor with a model that hides where its reasoning begins.
            showing = not (self.state.hiding or "tools" in self.state.kwargs or self.state.unlooked())
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
            if not reply.tool_calls and not reply.invalid_tool_calls:  # who writes calls as text is answered in text
                self.protocol = self.protocol.fallback or self.protocol
            waiting = yield from self.executor.act(reply, steps)
            if waiting:
                return (yield from self._pause(reply, waiting))
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

    def _foreign(self, steps: tuple[Step, ...], reply: AIMessage) -> AIMessage | None:
        """A reply that calls tools which the caller bound goes to the caller, without the calls that are ours."""
        bound = {_tool_name(tool) for tool in self.state.kwargs.get("tools", ())}
        theirs = bound - set(self.state.agent.toolbox.specs)
        if not any(step.action in theirs for step in steps):
            return None
        return reply.model_copy(update={"tool_calls": [call for call in reply.tool_calls if call["name"] in theirs]})

    def _pause(self, reply: AIMessage, steps: tuple[Step, ...]) -> Flow:
        """Keep the run until a person has decided about all calls of this reply at once."""
        state = self.state
        asked = [self.executor.request(step) for step in steps if step.status == "pending"]
        budget = state.budget
        record = {
            "question": state.question,
            "pending": asked,
            "messages": [message_to_dict(message) for message in state.conversation],
            "options": {name: value for name, value in state.kwargs.items() if _is_data(value)},
            "language": state.language,
            "protocol": self.protocol.name,
            "turns": [_turn_data(turn) for turn in state.turns],
            "waiting": _turn_data(Turn(steps, reply)),
            "documents": [
                {"page_content": one.page_content, "metadata": one.metadata} for one in state.evidence.documents
            ],
            "echoed": state.echoed,
            "agreed": state.agreed,
            "repeats": self.executor.repeats,
            "spent": {name: getattr(budget, name) for name in SPENT},
        }
        runs: RunStore = state.agent.runs
        run_id = yield Call(RunnableLambda(lambda given: runs.keep(state.owner, given), name="keep"), record)
        calls = "; ".join(f"{call['tool']}({to_json(call['arguments'], ensure_ascii=False)})" for call in asked)
        text = tr("This waits for your approval: {calls}", calls=clip(calls, 2000))
        return self.ending.labelled(with_nacre(AIMessage(text), run_id=run_id, pending=asked), "pending")

    def _repair(self, reply: AIMessage, step: Step) -> Generator[Call, Any, None]:
        self.unreadable += 1
        example = example_call(self.state.agent.toolbox, self.state.language)
        told = prompts.load("react/repair", self.state.language).text(call=example)
        said = clip(split_reasoning(text_of(reply))[0].strip(), 600)
        yield from self.state.keep(Turn((Step(thought=said, observation=told, status="repair"),), reply))


def _tool_name(tool: Any) -> str:
    return str(tool.get("function", tool).get("name", "")) if isinstance(tool, dict) else str(getattr(tool, "name", ""))


def _turn_data(turn: Turn) -> dict[str, Any]:
    return {"steps": to_data(turn.steps), "reply": message_to_dict(turn.reply) if turn.reply else None}


def _turn(row: Record) -> Turn:
    reply = messages_from_dict([row["reply"]])[0] if row["reply"] else None
    return Turn(from_data(row["steps"]), cast(AIMessage | None, reply))


def _is_data(value: Any) -> bool:
    """Whether an option can be kept; others must be given again."""
    try:
        return bool(json.loads(to_json(value)) == value)
    except (TypeError, ValueError):
        return False
