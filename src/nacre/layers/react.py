"""ReAct as a layer: a model that thinks, calls tools, looks at what came back, and answers."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.runnables import RunnableLambda

from nacre.agents.approval import Decision
from nacre.agents.budget import OWNER
from nacre.agents.run import AgentRun
from nacre.agents.runs import RunStore, checked
from nacre.agents.state import Agent
from nacre.agents.toolbox import Toolbox
from nacre.agents.trajectory import Step, Trajectory, from_data
from nacre.agents.window import Turn
from nacre.decorator.flow import Call, Flow
from nacre.errors import UsageError
from nacre.text.language import tr


class ReAct(Agent):
    """Reasons and acts in turns (Yao et al., 2023, arXiv:2210.03629), with any model.

    Models that call tools natively do so; others write Thought / Action / Action Input, read by a tolerant parser. The
    run always ends: with an answer, or with a refusal that says so.

    Args:
        inner: the model that thinks.
        tools: LangChain tools, or functions with a docstring.
        protocol: "native", "text", or "auto": what the model's profile says, else what it turns out to do.
        max_steps: replies of the model, at most; then it must answer from what it has seen.
        max_seconds: wall-clock seconds; checked before each reply, and it limits the tools.
        max_tokens: input and output tokens of all replies. A limit is overshot by one call at most. All three limits
            include what agents among the tools spend.
        at_limit: "answer" asks once more for an answer when a limit is reached; "stop" refuses at once.
        tool_timeout_s: seconds that a tool may take; None runs tools in the caller's thread, without a limit.
        max_observation: characters of an observation that are kept.
        context_tokens: the model's window; None takes it from the model's profile, or 8,192.
        approve: a function from an `ApprovalRequest` to True, False, a reason, or changed arguments; it may be async.
        approve_tools: names of the tools that need approval for every call. Tools that change something need it also
            when an argument stands only in retrieved text.
        runs: a file (or a `nacre.agents.runs.RunStore`) where a run waits for a person instead of asking `approve`: the
            answer has `stopped` "pending", `run_id` and `pending`, and `resume` goes on, in another process too.
        on_step: called with each `Step` as soon as it is finished.
        language: of prompts and labels; "auto" takes the question's.

    Call options: `trajectory`, steps (or their JSON data) of an earlier run to go on from; `at_limit`; `owner`, whose
    run it is: only the same owner resumes it, and only their facts are remembered.

    The answer's `response_metadata["nacre"]` holds `trajectory`, `usage`, `stopped` ("answer", "steps", "seconds",
    "tokens", "loop", "unreadable", "tool_calls", "pending"), `protocol`, `abstained` after a refusal, and `citations`
    where tools brought documents. In a stream every finished step is a chunk with
    `additional_kwargs["reasoning_content"]`.

    Raises:
        UsageError: something is no tool, or two tools share a name.

    Example:
        >>> from nacre import ReAct, ScriptedChatModel
        >>> def population(city: str) -> str:
        ...     "How many people live in a city."
        ...     return {"Vienna": "2,005,760"}.get(city, "unknown")
        >>> model = ScriptedChatModel(
        ...     ['Action: population\\nAction Input: {"city": "Vienna"}', "Final Answer: 2,005,760"])
        >>> ReAct(inner=model, tools=[population]).invoke("How many people live in Vienna?").text
        '2,005,760'
    """

    call_options = frozenset({"trajectory", "at_limit", "resume", "owner"})

    def __init__(self, **fields: Any) -> None:
        super().__init__(**fields)
        self._toolbox = Toolbox(self.tools)
        if isinstance(self.runs, str | Path):
            self.runs = RunStore(self.runs)
        unknown = [name for name in self.approve_tools if name not in self._toolbox.specs]
        if unknown:
            raise UsageError(tr("approve_tools names no tool of this agent: {unknown}.", unknown=unknown))

    def resume(self, run_id: str, decision: Decision, **options: Any) -> AIMessage:
        """Go on with a run that waits, with the very calls that were shown.

        Args:
            run_id: as in the answer that waited.
            decision: True, False, a reason why not, or (where one call waits) other arguments.
            options: `owner`, and call options that are no JSON data and so were not kept.

        Returns:
            The answer; or another one that waits.

        Raises:
            UsageError: no such run waits for this owner, or it has been decided already.
        """
        return self.invoke("", resume=(run_id, decision), **options)

    async def aresume(self, run_id: str, decision: Decision, **options: Any) -> AIMessage:
        """As `resume`.

        Args:
            run_id: as in the answer that waited.
            decision: True, False, a reason why not, or (where one call waits) other arguments.
            options: `owner`, and call options that are no JSON data and so were not kept.

        Returns:
            The answer; or another one that waits.
        """
        return await self.ainvoke("", resume=(run_id, decision), **options)

    def flow(self, messages: list[BaseMessage], **kwargs: Any) -> Flow:
        """Run the loop. A caller who forces a tool of their own, and an agent without tools, reach the model
        directly.
        """
        earlier, at_limit = self.option(kwargs, "trajectory") or (), self.option(kwargs, "at_limit", self.at_limit)
        owner, resume = str(self.option(kwargs, "owner", OWNER.get())), kwargs.pop("resume", None)
        if resume is not None:
            return (yield from self._go_on(owner, at_limit, kwargs, *resume))
        if not self.tools or kwargs.get("tool_choice") not in (None, "auto"):
            return (yield from self.ask(messages, live=True, **kwargs))
        language = None if self.language == "auto" else self.language
        turns = [Turn((step,)) for step in _steps(earlier) if step.action is not None]
        how = {"owner": owner, "at_limit": at_limit, "protocol": self.protocol}
        return (yield from AgentRun(self, messages, kwargs, turns, language, **how).go())

    def _go_on(self, owner: str, at_limit: str, options: dict[str, Any], run_id: str, decision: Any) -> Flow:
        if (runs := self.runs) is None:
            raise UsageError(tr("This agent keeps no runs: give it runs=FILE."))
        decision = checked(decision)
        record = yield Call(RunnableLambda(lambda _: runs.take(run_id, decision, owner), name="take"), None)
        return (yield from AgentRun.resumed(self, record, options, owner, at_limit).go_on(record, decision))


def _steps(given: Any) -> Trajectory:
    steps = tuple(given)
    if all(isinstance(step, Step) for step in steps):
        return steps
    if all(isinstance(step, Mapping) for step in steps):
        return from_data(steps)
    raise UsageError(tr("trajectory must be a list of steps or of their JSON data."))
