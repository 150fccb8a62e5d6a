"""Runs the actions of a reply: finds the tools, asks for approval, breaks loops, keeps what was observed."""

from __future__ import annotations

import inspect
import json
from collections.abc import Awaitable, Generator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, cast

from langchain_core.messages import AIMessage
from langchain_core.runnables import Runnable, RunnableLambda, RunnableParallel

from nacre import prompts
from nacre.agents.approval import ApprovalRequest, Decision
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


@dataclass(frozen=True)
class Prepared:
    """A call whose tool and arguments are known, and what a person must agree to first."""

    step: Step
    spec: Spec
    arguments: dict[str, Any]
    request: ApprovalRequest | None = None

    @property
    def waiting(self) -> Step:
        """The call as a step that waits."""
        status = "pending" if self.request else "ready"
        return replace(self.step, action=self.spec.tool.name, action_input=self.arguments, status=status)


class Executor:
    """The actions of one run."""

    def __init__(self, state: RunState) -> None:
        self.state = state
        self.repeats = 0
        self.sourced: list[Step] = []  # steps whose observations are numbered sources
        self._taken = {self._key(step): step for turn in state.turns for step in turn.steps}

    def act(self, reply: AIMessage, steps: tuple[Step, ...]) -> Generator[Call, Any, tuple[Step, ...]]:
        """Run the actions of one reply, all at once; where it waits for a person, none, and its steps come back."""
        prepared = tuple(self._prepare(step) for step in steps)
        if self.state.agent.runs is not None and any(isinstance(one, Prepared) and one.request for one in prepared):
            return tuple(one.waiting if isinstance(one, Prepared) else one for one in prepared)
        decided = []
        for one in prepared:
            decided.append((yield from self._decided(one)) if isinstance(one, Prepared) else one)
        yield from self._run(reply, steps, decided)
        return ()

    def resume(self, reply: AIMessage, steps: tuple[Step, ...], decision: Decision) -> Generator[Call, Any, None]:
        """Run the very steps that waited, as a person has decided."""
        decided = [self._resumed(step, decision) for step in steps]
        yield from self._run(reply, steps, decided)

    def _resumed(self, step: Step, decision: Decision) -> Step | ToolRun:
        if step.status not in ("pending", "ready"):
            return step
        try:
            spec = self.state.agent.toolbox.find(step.action or "")
        except ToolError as error:
            return replace(step, observation=error.message, status="error")
        prepared = Prepared(step, spec, spec.arguments(step.action_input))
        if step.status == "ready":
            return self._allowed(prepared, True)
        if decision is True:
            self.state.agree(spec.tool.name, prepared.arguments)
        return self._allowed(prepared, decision)

    def _run(
        self, reply: AIMessage, steps: tuple[Step, ...], decided: Sequence[Step | ToolRun]
    ) -> Generator[Call, Any, None]:
        done = {at: one for at, one in enumerate(decided) if isinstance(one, Step)}
        runs = {str(at): one for at, one in enumerate(decided) if isinstance(one, ToolRun)}
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

    def _prepare(self, step: Step) -> Step | Prepared:
        """A call ready to be decided, or the step with the reason why it does not run."""
        try:
            spec = self.state.agent.toolbox.find(step.action or "")
        except ToolError as error:
            self._repeated(step)
            return replace(step, observation=error.message, status="error")
        arguments = spec.arguments(step.action_input)
        known = self._repeated(replace(step, action=spec.tool.name, action_input=arguments))
        if known is not None and not facts_of(spec.tool).repeatable:
            told = prompts.load("react/repeated", self.state.language).text(observation=clip(shown(known), 500))
            return replace(step, observation=told, status="repeated")
        return Prepared(step, spec, arguments, self._request(spec, arguments, step))

    def _allowed(self, prepared: Prepared, decision: Decision) -> Step | ToolRun:
        arguments = decision if isinstance(decision, dict) else prepared.arguments
        if decision is True or isinstance(decision, dict):
            own = None if facts_of(prepared.spec.tool).limits_itself else self.state.agent.tool_timeout_s
            limits = [limit for limit in (own, self.state.budget.seconds_left()) if limit is not None]
            timeout_s = max(0.05, min(limits)) if limits else None
            return ToolRun(prepared.spec, arguments, timeout_s, self.state.budget, self.state.owner)
        reason = f": {decision}" if isinstance(decision, str) else "."
        told = tr("This call was not approved{reason}", reason=reason)
        return replace(prepared.step, observation=told, status="denied")

    def _repeated(self, step: Step) -> Step | None:
        """The earlier step that did the same; it counts towards the loop breaker."""
        key = self._key(step)
        known = self._taken.get(key)
        self._taken.setdefault(key, step)
        spec = self.state.agent.toolbox.specs.get(known.action or "") if known else None
        if known is not None and not (spec and facts_of(spec.tool).repeatable):
            self.repeats += 1
        return known

    def _key(self, step: Step) -> str:
        spec = self.state.agent.toolbox.specs.get(step.action or "")
        given = spec.arguments(step.action_input) if spec else step.action_input
        return f"{step.action} {json.dumps(given, sort_keys=True, ensure_ascii=False, default=str)}".casefold()

    def _request(self, spec: Spec, arguments: dict[str, Any], step: Step) -> ApprovalRequest | None:
        """What a person must agree to; None where nobody need be asked."""
        suspicious: tuple[str, ...] = ()
        if facts_of(spec.tool).changes:
            suspicious = self.state.provenance(spec.tool, arguments)
        named = spec.tool.name in self.state.agent.approve_tools
        if not named and not suspicious:
            return None
        return ApprovalRequest(spec.tool.name, arguments, "named" if named else "provenance", suspicious, step.thought)

    def request(self, step: Step) -> dict[str, Any]:
        """What a waiting step asks, as JSON data."""
        spec, given = self.state.agent.toolbox.find(step.action or ""), cast(dict[str, Any], step.action_input)
        return asdict(cast(ApprovalRequest, self._request(spec, given, step)))

    def _decided(self, prepared: Prepared) -> Generator[Call, Any, Step | ToolRun]:
        """The call as a person has decided who is asked at once."""
        decision: Decision = True
        if prepared.request is not None:
            approve = self.state.agent.approve
            if approve is None:
                decision = tr("it needs a person's approval and nobody can be asked")
            else:
                decision = yield Call(_asking(approve), prepared.request)
            if decision is True:
                self.state.agree(prepared.spec.tool.name, prepared.arguments)
        return self._allowed(prepared, decision)

    def _observed(self, step: Step, run: Runnable[Any, Outcome], outcome: Outcome) -> Step:
        assert isinstance(run, ToolRun)
        # A quarter of the window, at about 4 characters a token.
        limit = min(self.state.agent.max_observation, self.state.window)
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
        self.state.saw(observed, outcome.result)
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
