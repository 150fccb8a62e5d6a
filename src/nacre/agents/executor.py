"""Runs the actions of a reply: finds the tools, asks for approval, breaks loops, keeps what was observed."""

from __future__ import annotations

import inspect
import json
from collections.abc import Awaitable, Generator
from dataclasses import replace
from typing import Any, cast

from langchain_core.messages import AIMessage
from langchain_core.runnables import Runnable, RunnableLambda, RunnableParallel

from nacre import prompts
from nacre.agents.approval import ApprovalRequest, Decision, only_from_observations
from nacre.agents.arguments import Spec
from nacre.agents.facts import facts_of
from nacre.agents.observation import as_text
from nacre.agents.protocols import shown
from nacre.agents.state import RunState
from nacre.agents.toolbox import Outcome, ToolRun
from nacre.agents.trajectory import Step
from nacre.agents.window import Turn, clip
from nacre.decorator.flow import Call
from nacre.errors import ToolError
from nacre.text.language import tr
from nacre.text.messages import text_of


class Executor:
    """The actions of one run."""

    def __init__(self, state: RunState) -> None:
        self.state = state
        self.repeats = 0
        self.sourced: list[Step] = []  # steps whose observations are numbered sources
        self._taken = {self._key(step): step for turn in state.turns for step in turn.steps}

    def act(self, reply: AIMessage, steps: tuple[Step, ...]) -> Generator[Call, Any, None]:
        """Run the actions of one reply, all at once where there are several."""
        done: dict[int, Step] = {}
        runs: dict[str, Runnable[Any, Outcome]] = {}
        for at, step in enumerate(steps):
            prepared = yield from self._prepare(step)
            if isinstance(prepared, ToolRun):
                runs[str(at)] = prepared
            else:
                done[at] = prepared
        if len(runs) == 1:
            ((at_text, run),) = runs.items()
            outcomes = {at_text: (yield Call(run, None))}
        else:
            outcomes = (yield Call(RunnableParallel(cast(Any, runs)), None)) if runs else {}
        for at_text, outcome in outcomes.items():
            done[int(at_text)] = self._observed(steps[int(at_text)], runs[at_text], outcome)
        self.state.budget.add(tool_calls=len(runs))
        yield from self.state.keep(Turn(tuple(done[at] for at in range(len(steps))), reply))

    def look(self) -> Generator[Call, Any, bool]:
        """Nobody gives up without having looked: the question itself goes to the first tool that takes questions."""
        tool = self.state.unlooked()
        if tool is None:
            return False
        yield from self.act(AIMessage(""), (Step(action=tool.name, action_input=self.state.question),))
        return True

    def _prepare(self, step: Step) -> Generator[Call, Any, Step | ToolRun]:
        """A tool ready to run, or the step with the reason why it does not."""
        try:
            spec = self.state.settings.toolbox.find(step.action or "")
        except ToolError as error:
            self._repeated(step)
            return replace(step, observation=error.message, status="error")
        arguments = spec.arguments(step.action_input)
        known = self._repeated(replace(step, action=spec.tool.name, action_input=arguments))
        if known is not None and not facts_of(spec.tool).repeatable:
            told = prompts.load("react/repeated", self.state.language).text(observation=clip(shown(known), 500))
            return replace(step, observation=told, status="repeated")
        decision = yield from self._decide(spec, arguments, step)
        if isinstance(decision, dict):
            arguments = decision
        elif decision is not True:
            reason = f": {decision}" if isinstance(decision, str) else "."
            told = tr("This call was not approved{reason}", reason=reason)
            return replace(step, observation=told, status="denied")
        return ToolRun(spec, arguments, self._timeout(), self.state.budget)

    def _repeated(self, step: Step) -> Step | None:
        """The earlier step that did the same; it counts towards the loop breaker."""
        key = self._key(step)
        known = self._taken.get(key)
        self._taken.setdefault(key, step)
        spec = self.state.settings.toolbox.specs.get(known.action or "") if known else None
        if known is not None and not (spec and facts_of(spec.tool).repeatable):
            self.repeats += 1
        return known

    def _key(self, step: Step) -> str:
        spec = self.state.settings.toolbox.specs.get(step.action or "")
        given = spec.arguments(step.action_input) if spec else step.action_input
        return f"{step.action} {json.dumps(given, sort_keys=True, ensure_ascii=False, default=str)}".casefold()

    def _decide(self, spec: Spec, arguments: dict[str, Any], step: Step) -> Generator[Call, Any, Decision]:
        """Whether a person must agree, and what they said."""
        suspicious: tuple[str, ...] = ()
        if facts_of(spec.tool).changes:
            said = [text_of(message) for message in self.state.conversation if message.type in ("human", "system")]
            observed = [step.observation or "" for turn in self.state.turns for step in turn.steps]
            suspicious = only_from_observations(arguments, said, observed)
        named = spec.tool.name in self.state.settings.approve_tools
        if not named and not suspicious:
            return True
        if self.state.settings.approve is None:
            return tr("it needs a person's approval and nobody can be asked")
        reason = "named" if named else "provenance"
        request = ApprovalRequest(spec.tool.name, arguments, reason, suspicious, step.thought)
        decision: Decision = yield Call(_asking(self.state.settings.approve), request)
        return decision

    def _timeout(self) -> float | None:
        bounds = (self.state.settings.tool_timeout_s, self.state.budget.seconds_left())
        limits = [limit for limit in bounds if limit is not None]
        return max(0.05, min(limits)) if limits else None

    def _observed(self, step: Step, run: Runnable[Any, Outcome], outcome: Outcome) -> Step:
        assert isinstance(run, ToolRun)
        settings = self.state.settings
        limit = min(settings.max_observation, settings.window)  # a quarter of the window, at about 4 characters a token
        sources = self.state.evidence.add(outcome.artifact) if outcome.ok else None
        observed = replace(
            step,
            action=run.tool.name,
            action_input=run.arguments,
            observation=as_text(sources if sources is not None else outcome.result, limit),
            status="ok" if outcome.ok else "error",
            seconds=outcome.seconds,
        )
        self._taken[self._key(observed)] = observed
        if sources is not None:
            self.sourced.append(observed)
        return observed


def _asking(approve: Any) -> Runnable[ApprovalRequest, Any]:
    """The approval hook as a Runnable, so that an asynchronous one is awaited in asynchronous runs."""

    async def ask(request: ApprovalRequest) -> Any:
        answer = approve(request)
        return await cast(Awaitable[Any], answer) if hasattr(answer, "__await__") else answer

    if inspect.iscoroutinefunction(approve):
        return RunnableLambda(ask, name="approval")
    return RunnableLambda(approve, ask, name="approval")
