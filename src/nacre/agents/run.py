"""One run of an agent: the loop of Yao et al. (2023, arXiv:2210.03629), written once as a flow."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import AsyncIterator, Awaitable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.runnables import Runnable, RunnableConfig, RunnableLambda, RunnableParallel
from langchain_core.tools import BaseTool

from nacre import prompts
from nacre.agents.answer import AnswerReader, LiveAnswer, certain_answer, hides_reasoning
from nacre.agents.approval import ApprovalRequest, Decision, only_from_observations
from nacre.agents.arguments import Spec
from nacre.agents.budget import CURRENT, Budget
from nacre.agents.evidence import Evidence
from nacre.agents.facts import facts_of
from nacre.agents.observation import as_text, unframe
from nacre.agents.protocol import parse_react, strip_reasoning
from nacre.agents.speech import Speech, choose, example_call, shown
from nacre.agents.toolbox import Outcome, ToolRun
from nacre.agents.trajectory import Step, Trajectory, input_text, to_data
from nacre.agents.window import Turn, clip, fit
from nacre.errors import ToolError
from nacre.flow import Call, Flow
from nacre.hygiene import clean_text
from nacre.language import language_of, tr
from nacre.messages import last_user_text, nacre_of, render_sources, replace_last_user, text_of, with_nacre, with_text
from nacre.text.tokens import estimate, estimate_messages

if TYPE_CHECKING:
    from collections.abc import Generator

    from nacre.agents.react import ReAct

DEFAULT_WINDOW = 8192
INSTRUCTION = 500  # tokens of the text protocol's own prompt
REPLY = 700
MAX_REPEATS = 2
# A weak model goes on in the form of the last prompt and asks itself another question.
_NEXT_QUESTION = re.compile(r"\n\s*(?:Question|问题)\s?[:：]")


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


class AgentRun:
    """The state of one run; `go` is its flow.

    Args:
        agent: the layer, with its settings.
        messages: the conversation.
        kwargs: call options for the model.
        trajectory: steps of an earlier run to go on from.
    """

    def __init__(
        self, agent: ReAct, messages: list[BaseMessage], kwargs: dict[str, Any], trajectory: Trajectory
    ) -> None:
        self.agent = agent
        self.conversation = messages
        self.kwargs = kwargs
        self.question = clean_text(last_user_text(messages))
        self.language = agent.language if agent.language != "auto" else language_of(self.question)
        self.speech: Speech = choose(
            agent.inner,
            agent.toolbox,
            self.language,
            "native" if "tools" in kwargs and agent.protocol == "auto" else agent.protocol,
        )
        self.budget = Budget(agent.max_steps, agent.max_seconds, agent.max_tokens, CURRENT.get())
        self.turns = [Turn((step,)) for step in trajectory if step.action is not None]
        self.budget.steps = len(self.turns)
        self.fixed = INSTRUCTION + estimate(agent.toolbox.describe()) + estimate_messages(messages)
        self.evidence = Evidence()
        self.sourced: list[Step] = []
        self.taken = {self._key(step): step for turn in self.turns for step in turn.steps}
        self.repeats = 0
        self.unreadable = 0
        self.echoed = ""
        self.blocks = False
        self.hiding = False

    def go(self) -> Flow:
        """Think, act, observe, until there is an answer or a limit is reached.

        Returns:
            The flow; its value is the answer.
        """
        while True:
            limit = self.budget.exhausted()
            if limit:
                return (yield from self._finish(limit))
            showing = self._may_show()
            reply = yield from self._think(showing)
            certain = certain_answer(text_of(reply)) if showing else None
            if certain is not None:
                self.budget.add(steps=1)
                return (yield from self._answer(reply, certain, "answer"))
            steps = self.speech.read(reply)
            foreign = self._foreign(steps, reply)
            if foreign is not None:
                return self._labelled(foreign, "tool_calls")
            self.budget.add(steps=1)
            if (steps[0].answer or "").strip():
                if nacre_of(reply).get("abstained") and (yield from self._look()):
                    return (yield from self._finish("answer"))
                return (yield from self._answer(reply, _tidy(steps[0]), "answer"))
            if steps[0].action is None:
                if self.unreadable:
                    return (yield from self._finish("unreadable"))
                yield from self._repair(reply, steps[0])
                continue
            self.unreadable = 0
            self._follow(reply)
            yield from self._act(reply, steps)
            if self.repeats >= MAX_REPEATS:
                return (yield from self._finish("loop"))

    # --- thinking -----------------------------------------------------------------------------------------------------

    def _think(self, showing: bool) -> Flow:
        while True:
            asked = self.speech.messages(self.conversation, self._visible())
            try:
                reply: AIMessage = yield self._call(
                    self.speech.target, asked, self.speech.options(self.kwargs), showing
                )
            except Exception as error:
                other = self.speech.after(error)
                if other is None:
                    raise
                self.speech = other
            else:
                self.budget.book_reply(asked, reply)
                self.blocks = isinstance(reply.content, list)
                self.hiding = self.hiding or hides_reasoning(text_of(reply))
                return reply

    def _call(
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
        return Call(
            target,
            asked,
            options,
            live=True,
            through=LiveAnswer(AnswerReader(last=last), self.evidence.numbers),
            quiet=True,
        )

    def _may_show(self) -> bool:
        """Whether an answer can be certain before the reply is whole.

        Not where the reply may be discarded for a first look (see `_look`) or may go to the caller with calls of the
        caller's tools, nor with a model that has been seen to reason without saying where its reasoning begins.
        """
        return not (self.hiding or "tools" in self.kwargs or self._unlooked())

    def _visible(self) -> list[Turn]:
        """The turns that fit into the model's window beside the conversation and the reply."""
        return fit(self.turns, max(300, self._window() - self.fixed - REPLY))[0]

    def _window(self) -> int:
        return self.agent.context_tokens or (self.agent.profile or {}).get("max_input_tokens") or DEFAULT_WINDOW

    def _follow(self, reply: AIMessage) -> None:
        """A model that writes its calls as text is answered in text from here on."""
        fallback = getattr(self.speech, "fallback", None)
        if fallback is not None and not reply.tool_calls and not reply.invalid_tool_calls:
            self.speech = fallback

    def _foreign(self, steps: tuple[Step, ...], reply: AIMessage) -> AIMessage | None:
        """A reply that calls tools which the caller bound goes to the caller, without the calls that are ours."""
        theirs = {_tool_name(tool) for tool in self.kwargs.get("tools", ())} - set(self.agent.toolbox.specs)
        if not any(step.action in theirs for step in steps):
            return None
        return reply.model_copy(update={"tool_calls": [call for call in reply.tool_calls if call["name"] in theirs]})

    def _repair(self, reply: AIMessage, step: Step) -> Generator[Call, Any, None]:
        self.unreadable += 1
        told = prompts.load("react/repair", self.language).text(call=example_call(self.agent.toolbox, self.language))
        said = clip(strip_reasoning(text_of(reply)).strip(), 600)
        yield from self._keep(Turn((Step(thought=said, observation=told, status="repair"),), reply))

    # --- acting -------------------------------------------------------------------------------------------------------

    def _act(self, reply: AIMessage, steps: tuple[Step, ...]) -> Generator[Call, Any, None]:
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
        self.budget.add(tool_calls=len(runs))
        yield from self._keep(Turn(tuple(done[at] for at in range(len(steps))), reply))

    def _prepare(self, step: Step) -> Generator[Call, Any, Step | ToolRun]:
        """A tool ready to run, or the step with the reason why it does not."""
        try:
            spec = self.agent.toolbox.find(step.action or "")
        except ToolError as error:
            self._repeated(step)
            return replace(step, observation=error.message, status="error")
        arguments = spec.arguments(step.action_input)
        known = self._repeated(replace(step, action=spec.tool.name, action_input=arguments))
        if known is not None and not facts_of(spec.tool).repeatable:
            told = prompts.load("react/repeated", self.language).text(observation=clip(shown(known), 500))
            return replace(step, observation=told, status="repeated")
        decision = yield from self._decide(spec, arguments, step)
        if isinstance(decision, dict):
            arguments = decision
        elif decision is not True:
            reason = f": {decision}" if isinstance(decision, str) else "."
            return replace(
                step, observation=tr(f"This call was not approved{reason}", f"该调用未获批准{reason}"), status="denied"
            )
        return ToolRun(spec, arguments, self._timeout(), self.budget)

    def _repeated(self, step: Step) -> Step | None:
        """The earlier step that did the same; it counts towards the loop breaker."""
        known = self.taken.get(self._key(step))
        self.taken.setdefault(self._key(step), step)
        if known is not None and not (
            known.action in self.agent.toolbox.specs
            and facts_of(self.agent.toolbox.specs[known.action].tool).repeatable
        ):
            self.repeats += 1
        return known

    def _key(self, step: Step) -> str:
        spec = self.agent.toolbox.specs.get(step.action or "")
        given = spec.arguments(step.action_input) if spec else step.action_input
        return f"{step.action} {json.dumps(given, sort_keys=True, ensure_ascii=False, default=str)}".casefold()

    def _decide(self, spec: Spec, arguments: dict[str, Any], step: Step) -> Generator[Call, Any, Decision]:
        """Whether a person must agree, and what they said."""
        suspicious: tuple[str, ...] = ()
        if facts_of(spec.tool).changes:
            said = [text_of(message) for message in self.conversation if message.type in ("human", "system")]
            observed = [step.observation or "" for turn in self.turns for step in turn.steps]
            suspicious = only_from_observations(arguments, said, observed)
        named = spec.tool.name in self.agent.approve_tools
        if not named and not suspicious:
            return True
        if self.agent.approve is None:
            return tr("it needs a person's approval and nobody can be asked", "需要人工批准，但没有可询问的人")
        request = ApprovalRequest(
            spec.tool.name, arguments, "named" if named else "provenance", suspicious, step.thought
        )
        decision: Decision = yield Call(_asking(self.agent.approve), request)
        return decision

    def _timeout(self) -> float | None:
        limits = [limit for limit in (self.agent.tool_timeout_s, self.budget.seconds_left()) if limit is not None]
        return max(0.05, min(limits)) if limits else None

    def _observed(self, step: Step, run: Runnable[Any, Outcome], outcome: Outcome) -> Step:
        assert isinstance(run, ToolRun)
        limit = min(
            self.agent.max_observation, self._window()
        )  # a quarter of the window, at about four characters a token
        sources = self.evidence.add(outcome.artifact) if outcome.ok else None
        text = as_text(sources if sources is not None else outcome.result, limit)
        observed = replace(
            step,
            action=run.tool.name,
            action_input=run.arguments,
            observation=text,
            status="ok" if outcome.ok else "error",
            seconds=outcome.seconds,
        )
        self.taken[self._key(observed)] = observed
        if sources is not None:
            self.sourced.append(observed)
        return observed

    def _keep(self, turn: Turn) -> Generator[Call, Any, None]:
        self.turns.append(turn)
        for step in turn.steps:
            yield from self._show(step)

    def _show(self, step: Step) -> Generator[Call, Any, None]:
        if self.agent.on_step is not None:
            self.agent.on_step(step)
        if step.answer is None and step.status != "repair":
            text = f"{step.thought}\n→ {step.action} {clip(input_text(step.action_input), 500)}\n← {clip(step.observation or '', 1000)}\n\n".lstrip(
                "\n"
            )
            self.echoed += text
            yield Call(StepEcho(self.blocks), text, live=True)

    def _look(self) -> Generator[Call, Any, bool]:
        """Nobody gives up without having looked: the question itself goes to the first tool that takes questions."""
        tool = self._unlooked()
        if tool is None:
            return False
        yield from self._act(AIMessage(""), (Step(action=tool.name, action_input=self.question),))
        return True

    def _unlooked(self) -> BaseTool | None:
        """The first tool that takes questions, as long as nothing at all has been looked up."""
        if self.budget.tool_calls or not self.question.strip():
            return None
        return next((spec.tool for spec in self.agent.toolbox.specs.values() if facts_of(spec.tool).looks_up), None)

    # --- ending -------------------------------------------------------------------------------------------------------

    def _answer(self, reply: AIMessage, step: Step, stopped: str) -> Flow:
        text = step.answer
        if not text:
            return (yield from self._refuse(stopped))
        yield from self._show(replace(step, answer=text, status="final"))
        self.turns.append(Turn((replace(step, answer=text, status="final"),), reply))
        if text != text_of(reply):
            reply = with_text(reply, text)
        reply = reply.model_copy(update={"tool_calls": [], "invalid_tool_calls": []})
        return self._labelled(self.evidence.cited(reply), stopped)

    def _finish(self, reason: str) -> Flow:
        """Force an answer from what was seen: one last call, without tools."""
        above = self.budget.parent.exhausted() if self.budget.parent else None
        if above or (self.agent.at_limit == "stop" and reason != "loop"):
            return (yield from self._refuse(reason))
        if reason in ("unreadable", "loop"):
            yield from self._look()
        asked = replace_last_user(
            self.conversation,
            prompts.load("react/final", self.language).render(question=self.question, observations=self._found()),
        )
        options = {name: value for name, value in self.kwargs.items() if name not in ("tools", "tool_choice")}
        showing = not self.hiding
        reply: AIMessage = yield self._call(self.agent.inner, asked, options, showing, last=True)
        self.budget.book_reply(asked, reply)
        certain = certain_answer(text_of(reply), last=True) if showing else None
        if certain is not None:
            return (yield from self._answer(reply, certain, reason))
        step = parse_react(text_of(reply), self.agent.toolbox.names)
        if step.action is not None or reply.tool_calls:
            return (yield from self._refuse(reason))
        said = _NEXT_QUESTION.split(step.answer if step.answer is not None else step.thought, maxsplit=1)[0]
        return (
            yield from self._answer(
                reply, _tidy(Step(thought=step.thought if step.answer is not None else "", answer=said)), reason
            )
        )

    def _found(self) -> str:
        """All that was observed: documents as numbered sources, the rest as framed data."""
        room = self._window()  # about a quarter of the window, at four characters a token
        others = [
            shown(step)
            for turn in self._visible()
            for step in turn.steps
            if step.status == "ok" and step.observation and step not in self.sourced
        ]
        blocks = [render_sources(self.evidence.sources(room))] if self.evidence.documents else []
        return "\n\n".join([*blocks, *others]) or tr("(nothing)", "（没有查到内容）")

    def _refuse(self, reason: str) -> Flow:
        text = prompts.load("react/refusal", self.language).text()
        step = Step(answer=text, status="final")
        yield from self._show(step)
        self.turns.append(Turn((step,)))
        return self._labelled(with_nacre(AIMessage(text), abstained=True), reason)

    def _labelled(self, reply: AIMessage, stopped: str) -> AIMessage:
        """The answer with all that is known of the run."""
        if self.echoed:
            reply = reply.model_copy(
                update={"additional_kwargs": {**reply.additional_kwargs, "reasoning_content": self.echoed}}
            )
        steps = [step for turn in self.turns for step in turn.steps]
        return with_nacre(
            reply, trajectory=to_data(steps), usage=self.budget.data(), stopped=stopped, protocol=self.speech.name
        )


def _tidy(step: Step) -> Step:
    return replace(step, answer=unframe(clean_text(step.answer or "")).strip())


def _tool_name(tool: Any) -> str:
    return str(tool.get("function", tool).get("name", "")) if isinstance(tool, dict) else str(getattr(tool, "name", ""))


def _asking(approve: Any) -> Runnable[ApprovalRequest, Any]:
    """The approval hook as a Runnable, so that an asynchronous one is awaited in asynchronous runs."""

    async def ask(request: ApprovalRequest) -> Any:
        answer = approve(request)
        return await cast(Awaitable[Any], answer) if hasattr(answer, "__await__") else answer

    return RunnableLambda(
        ask if inspect.iscoroutinefunction(approve) else approve,
        None if inspect.iscoroutinefunction(approve) else ask,
        name="approval",
    )
