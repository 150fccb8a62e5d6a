"""Program-aided reasoning (Gao et al., 2023, arXiv:2211.10435) as a layer: the model writes a program, the sandbox runs
it.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.runnables import Runnable, RunnableLambda, RunnableParallel
from pydantic import Field

from nacre import prompts
from nacre.decorator.layer import ChatModelDecorator, Flow
from nacre.grounding.citations import Derived
from nacre.grounding.evidence import DRAFT, Evidence, refusal, unmarked
from nacre.reasoning.evidence import best_supported, cells_read, inputs_of, invented
from nacre.reasoning.extraction import program_in
from nacre.reasoning.interpreter import CodeInterpreter, Execution
from nacre.reasoning.results import mentions, plain, result_of, sayings, text_of_value, vote
from nacre.reasoning.tables import Table, tables_in, tables_of
from nacre.reasoning.wording import clipped
from nacre.text.language import Language, language_of
from nacre.text.markers import as_nacre_provider
from nacre.text.messages import (
    last_user_text,
    nacre_of,
    parse_sources,
    replace_last_user,
    text_of,
    with_nacre,
    with_text,
)

_LONGEST_PHRASED, _LONGEST_SHOWN = 200, 10_000  # characters; the whole value is in the metadata
_MOST_DERIVED, _MOST_PAIRS = 500, 100_000  # texts that count as computed; these times what they were computed from


@dataclass(frozen=True)
class _Trial:
    """One program and what came of it; `problem` says why there is no value. A value's forms are made where it is
    made.
    """

    reply: AIMessage
    program: str | None
    execution: Execution | None
    value: Any
    problem: str
    plain: Any = None
    text: str = ""


@dataclass(frozen=True)
class _Task:
    """What is asked, what the answer must rest on, and the tables in it."""

    question: str
    language: Language
    evidence: Evidence
    tables: list[Table]


class ProgramAided(ChatModelDecorator):
    """Lets the model write a program, runs it in the sandbox, and answers with what it gives.

    Tables in the question or in its sources reach the program as the variable `tables`. The answer cites the sources
    whose cells the program read. In a stream the program comes first, as reasoning, while it is written.

    Args:
        inner: the model that writes the program.
        interpreter: runs it; None is the kernel-isolated `PythonInterpreter`.
        attempts: how many programs are tried; the error of one is shown to the model for the next.
        samples: how many programs are drawn at first; their values vote. Give the model a temperature above 0.
        phrase: let the model say the value in a sentence; False answers with the value as it is.
        timeout_s: seconds that one program may take.
        prompt: id of the prompt, with the variable `question`.

    The answer's `response_metadata["nacre"]` holds `program`, `value` (plain data), `execution` (`status`, `stdout`,
    `error`, `seconds`, `limit`), `attempts`, and where they apply `votes`, `cells`, `derived` (what in the answer was
    computed from what in the sources; see `nacre.grounding.citations`) and `abstained`. Below or above a strict
    `RetrievalAugmented` a value counts as supported when it was computed from cited cells, or from numbers of the
    sources and the question.

    Example:
        >>> from nacre import ProgramAided, ScriptedChatModel
        >>> model = ScriptedChatModel(["```python\\nans = 'strawberry'.count('r')\\n```"])
        >>> ProgramAided(inner=model, phrase=False).invoke("How many r are in strawberry?").text
        '3'
    """

    call_options = frozenset({"evidence"})

    interpreter: CodeInterpreter | None = None
    attempts: int = Field(default=2, ge=1)
    samples: int = Field(default=1, ge=1)
    phrase: bool = True
    timeout_s: float = Field(default=5.0, gt=0)
    prompt: str = "pal/program"

    def flow(self, messages: list[BaseMessage], **kwargs: Any) -> Flow:
        """Ask for a program, run it, repair it, say its value."""
        text, given = last_user_text(messages), kwargs.pop("evidence", Evidence())
        if not text.strip():
            return (yield from self.ask(messages, live=True, **kwargs))
        task, retrieves = _task(text, given), self.inner_takes("evidence")
        described = "\n".join(table.describe(f"tables[{index}]") for index, table in enumerate(task.tables))
        question = f"{text}\n\n{described}" if described else text
        asked = replace_last_user(messages, prompts.load(self.prompt, task.language).render(question=question))
        drafting = {**kwargs, "evidence": DRAFT} if retrieves else kwargs
        for attempt in range(1, self.attempts + 1):
            drawn = yield from self._draw(asked, attempt, drafting)
            replies = [_settled(reply, task) for reply in drawn]
            if replies[0].tool_calls or nacre_of(replies[0]).get("abstained"):
                return replies[0]
            task = _with_retrieved(task, replies[0])
            found = yield from self.call(RunnableLambda(self._try_all, name="python"), (replies, task))
            first, winner, votes = found
            if winner is not None:
                break
            repair = prompts.load("pal/repair", task.language).render(problem=first.problem)
            asked = [*asked, AIMessage(text_of(first.reply)), *repair]
        if winner is None:
            return self._unsolved(first, attempt, task)
        at_hand = {"evidence": replace(task.evidence, draft=True)} if retrieves else {}
        sentence = yield from self._said(winner, task, {**kwargs, **at_hand})
        more = {"votes": votes} if len(replies) > 1 else {}
        return self._finished(winner, sentence, task, attempts=attempt, **more)

    def _draw(self, asked: list[BaseMessage], attempt: int, kwargs: dict[str, Any]) -> Any:
        """One reply shown as it is written; or, on the first attempt, several at once."""
        if self.samples == 1 or attempt > 1:
            return [(yield from self.ask(asked, live=True, through=_AsReasoning(attempt), **kwargs))]
        model: Runnable[Any, Any] = self.inner.bind(**kwargs) if kwargs else self.inner
        drawn = yield from self.call(RunnableParallel({f"sample_{n}": model for n in range(self.samples)}), asked)
        return list(drawn.values())

    def _try_all(self, work: tuple[Sequence[AIMessage], _Task]) -> tuple[_Trial, _Trial | None, list[dict[str, Any]]]:
        """The first of the programs that are tried at once, the one whose value won, and the votes."""
        replies, task = work
        with ThreadPoolExecutor(max_workers=4) as pool:
            trials = list(pool.map(lambda reply: self._try_one(reply, task), replies))
        solved = [trial for trial in trials if not trial.problem]
        if len(trials) == 1 or not solved:
            return trials[0], next(iter(solved), None), []
        winner, votes = vote([trial.value for trial in solved])
        return trials[0], solved[winner], votes

    def _try_one(self, reply: AIMessage, task: _Task) -> _Trial:
        program = program_in(text_of(reply))
        if program is None:
            return _Trial(reply, None, None, None, prompts.load("pal/no_program", task.language).text())
        tables = [list(table.rows) for table in task.tables]
        execution = self._interpreter().run(program, self.timeout_s, inputs={"tables": tables})
        if execution.status != "ok":
            return _Trial(reply, program, execution, None, execution.error or execution.status)
        value = result_of(execution)
        if value is None:
            return _Trial(reply, program, execution, None, prompts.load("pal/no_value", task.language).text())
        text = clipped(text_of_value(value, task.language), _LONGEST_SHOWN)
        return _Trial(reply, program, execution, value, "", plain(value), text)

    def _interpreter(self) -> CodeInterpreter:
        if self.interpreter is not None:
            return self.interpreter
        from nacre.reasoning.sandbox.interpreter import shared_interpreter

        return shared_interpreter()

    def _said(self, trial: _Trial, task: _Task, kwargs: dict[str, Any]) -> Any:
        """The value in a sentence of the model, if the sentence does say the value; else the value."""
        text = trial.text
        if not self.phrase or isinstance(trial.value, bool | dict) or len(text) > _LONGEST_PHRASED:
            return text
        try:
            asked = prompts.load("pal/phrase", task.language).render(question=task.question, value=text)
            sentence = text_of((yield from self.ask(asked, **kwargs))).strip()
        except Exception:  # the answer is known; a model that fails now must not take it away
            return text
        return sentence if mentions(sentence, trial.value) and program_in(sentence) is None else text

    def _finished(self, trial: _Trial, sentence: str, task: _Task, **more: Any) -> AIMessage:
        assert trial.program is not None and trial.execution is not None
        cells = cells_read(trial.execution, task.tables)
        sources = task.evidence.sources
        inputs = inputs_of(trial.program, task.question, cells, sources)
        derived: list[Derived] = []
        if inputs:
            more["cells"] = cells
        if inputs and not invented(trial.program, task.question, sources):
            said = sayings(f"{sentence}\n{trial.text}", trial.value)
            most = min(_MOST_DERIVED, max(1, _MOST_PAIRS // len(inputs)))
            derived = more["derived"] = [Derived(text=text, inputs=inputs) for text in said[:most]]
        marks = "".join(f"[{n}]" for n in sorted({given["source"] for given in inputs}))
        candidates = [f"{text} {marks}".strip() for text in dict.fromkeys((sentence, trial.text))]
        found = best_supported(candidates, task.evidence, derived, task.question)
        if found is None:
            more |= {"abstained": True, "citations": []}
        elif Evidence.of(trial.reply).sources:  # the inner layer's citations were of the program's text
            more |= {"abstained": False, "citations": found[1]}
        answer = found[0] if found else refusal(task.language)
        more |= {"program": trial.program, "value": trial.plain, "execution": _as_data(trial.execution)}
        return with_nacre(_bare(trial.reply, answer), **more)

    def _unsolved(self, trial: _Trial, attempts: int, task: _Task) -> AIMessage:
        own: dict[str, Any] = {"program": trial.program, "value": None, "attempts": attempts}
        if trial.program is None or trial.execution is None:
            return with_nacre(trial.reply, execution=None, **own)
        text = f"{prompts.load('pal/failed', task.language).text()} ({trial.execution.status})"
        own |= {"execution": _as_data(trial.execution), "abstained": True, "citations": []}
        return with_nacre(_bare(trial.reply, text), **own)


class _AsReasoning:
    """Shows a program as reasoning: it is how the answer comes about, not the answer (a `ChunkFilter`)."""

    def __init__(self, attempt: int) -> None:
        self._index = attempt - 1

    def push(self, chunk: AIMessageChunk) -> Sequence[AIMessageChunk]:
        text = text_of(chunk)
        parts = [] if isinstance(chunk.content, str) else chunk.content
        others = [part for part in parts if isinstance(part, dict) and part.get("type") != "text"]
        block = [{"type": "reasoning", "reasoning": text, "index": self._index}] if text else []
        metadata = as_nacre_provider(chunk.response_metadata)
        return [chunk.model_copy(update={"content": [*others, *block], "response_metadata": metadata})]

    def close(self) -> Sequence[AIMessageChunk]:
        return []


def _task(text: str, given: Evidence) -> _Task:
    sources, question = parse_sources(text)
    evidence = given if given.sources else replace(given, sources=tuple(sources), draft=False)
    tables = tables_of(evidence.sources) if evidence.sources else tables_in(text)
    return _Task(question, language_of(question or text), evidence, tables)


def _settled(reply: AIMessage, task: _Task) -> AIMessage:
    """A reply that is no program is an answer, and checked as one."""
    found = Evidence.of(reply)
    return reply if program_in(text_of(reply)) is not None or not found.draft else found.checked(reply, task.question)


def _with_retrieved(task: _Task, reply: AIMessage) -> _Task:
    """The task with what an inner layer retrieved for it, and with what that layer leaves for this one to check."""
    found, given = Evidence.of(reply), task.evidence
    evidence = found if found.sources and not given.sources else given
    least = given.min_support if found.min_support is None else found.min_support
    tables = task.tables if evidence is given else tables_of(evidence.sources)
    return replace(task, evidence=replace(evidence, min_support=least), tables=tables)


def _bare(reply: AIMessage, text: str) -> AIMessage:
    """The reply with another text, and without what an inner layer said of the old one."""
    return with_text(unmarked(reply), text)


def _as_data(execution: Execution) -> dict[str, Any]:
    data = {name: getattr(execution, name) for name in ("status", "stdout", "error", "seconds", "limit")}
    return {**data, "charts": execution.chart_urls} if execution.charts else data
