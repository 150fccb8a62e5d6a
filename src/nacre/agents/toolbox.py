"""Running tools so that nothing they do can end the run: errors, timeouts and odd results become observations."""

from __future__ import annotations

import asyncio
import contextlib
import difflib
import inspect
import queue
import threading
import time
from collections.abc import Callable, Iterable
from contextvars import copy_context
from dataclasses import dataclass
from typing import Any, cast

from langchain_core.runnables import Runnable, RunnableConfig
from langchain_core.tools import BaseTool, StructuredTool
from langchain_core.tools import tool as make_tool
from pydantic import ValidationError

from nacre.agents.arguments import Spec
from nacre.agents.budget import CURRENT, OWNER, Budget
from nacre.agents.tool_names import ToolNames
from nacre.errors import ToolError, UsageError
from nacre.text.language import tr


@dataclass(frozen=True)
class Outcome:
    """What came of a tool call."""

    result: Any
    ok: bool = True
    artifact: Any = None
    seconds: float = 0.0


class ToolRun(Runnable[Any, Outcome]):
    """One tool with a time limit, as a Runnable that never raises; without one it runs in the caller's thread."""

    def __init__(
        self, spec: Spec, arguments: dict[str, Any], timeout_s: float | None, budget: Budget, owner: str = ""
    ) -> None:
        self.spec = spec
        self.tool = spec.tool
        self.arguments = arguments
        self.timeout_s = timeout_s
        self.budget = budget
        self.owner = owner

    def invoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Outcome:
        """Run the tool in a thread of its own and wait for it no longer than allowed."""
        begin = time.monotonic()
        if self.timeout_s is None:
            return self._outcome(*self._attempt(config), begin)
        box: queue.SimpleQueue[tuple[bool, Any]] = queue.SimpleQueue()
        _in_thread(lambda: box.put(self._attempt(config)))
        try:
            done, value = box.get(timeout=self.timeout_s)
        except queue.Empty:
            return self._late(begin)
        return self._outcome(done, value, begin)

    async def ainvoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Outcome:
        """Await the tool, or a thread of its own when it has no asynchronous form."""
        begin = time.monotonic()
        if _is_async(self.tool):
            task: asyncio.Future[tuple[bool, Any]] = asyncio.ensure_future(self._aattempt(config))
        else:
            task = self._threaded(config)
        try:
            finished, _ = await asyncio.wait({task}, timeout=self.timeout_s)
        except asyncio.CancelledError:
            task.cancel()
            raise
        if not finished:
            task.cancel()  # and not awaited: a tool that ignores the cancellation must not hold the run
            return self._late(begin)
        return self._outcome(*task.result(), begin)

    def _threaded(self, config: RunnableConfig | None) -> asyncio.Future[tuple[bool, Any]]:
        loop = asyncio.get_running_loop()
        future: asyncio.Future[tuple[bool, Any]] = loop.create_future()

        def report(outcome: tuple[bool, Any]) -> None:
            if not future.done():
                future.set_result(outcome)

        def work() -> None:
            outcome = self._attempt(config)
            with contextlib.suppress(RuntimeError):  # the loop has closed while the tool was hanging
                loop.call_soon_threadsafe(report, outcome)

        _in_thread(work)
        return future

    def _attempt(self, config: RunnableConfig | None) -> tuple[bool, Any]:
        CURRENT.set(self.budget)
        owner = OWNER.set(self.owner)
        try:
            return True, self.tool.invoke(self._call(), config)
        except Exception as error:
            return False, error
        finally:
            CURRENT.set(self.budget.parent)
            OWNER.reset(owner)

    async def _aattempt(self, config: RunnableConfig | None) -> tuple[bool, Any]:
        CURRENT.set(self.budget)
        OWNER.set(self.owner)
        try:
            return True, await self.tool.ainvoke(self._call(), config)
        except Exception as error:
            return False, error

    def _call(self) -> dict[str, Any]:
        if not self.spec.by_call:
            return self.arguments
        return {"type": "tool_call", "id": "step", "name": self.tool.name, "args": self.arguments}

    def _outcome(self, done: bool, value: Any, begin: float) -> Outcome:
        seconds = time.monotonic() - begin
        if done:
            failed = getattr(value, "status", "success") == "error"
            return Outcome(value, ok=not failed, artifact=getattr(value, "artifact", None), seconds=seconds)
        if isinstance(value, ValidationError):
            return Outcome(self.spec.complaint(value), ok=False, seconds=seconds)
        text = str(value) or type(value).__name__
        return Outcome(tr("{name} failed: {text}", name=self.tool.name, text=text), ok=False, seconds=seconds)

    def _late(self, begin: float) -> Outcome:
        text = tr("{name} gave no result within {timeout_s:g} s.", name=self.tool.name, timeout_s=self.timeout_s)
        return Outcome(text, ok=False, seconds=time.monotonic() - begin)


def _in_thread(work: Callable[[], object]) -> None:
    """A daemon thread with the caller's context: a hanging tool keeps neither the run nor the process alive."""
    threading.Thread(target=copy_context().run, args=(work,), daemon=True, name="nacre-tool").start()


def _is_async(tool: BaseTool) -> bool:
    if isinstance(tool, StructuredTool):
        return tool.coroutine is not None
    return type(tool)._arun is not BaseTool._arun


class Toolbox:
    """The tools of an agent by name."""

    def __init__(self, tools: Iterable[Any]) -> None:
        self.specs: dict[str, Spec] = {}
        for item in tools:
            tool = as_tool(item)
            if tool.name in self.specs:
                raise UsageError(tr("Two tools are called {name!r}. Rename one.", name=tool.name))
            self.specs[tool.name] = Spec.of(tool)
        self.names = ToolNames.of(self.tools)

    @property
    def tools(self) -> list[BaseTool]:
        """The tools themselves, in order."""
        return [spec.tool for spec in self.specs.values()]

    def describe(self) -> str:
        """Write the tools as lines for a prompt."""
        return "\n".join(
            f"- {name}({spec.signature}): {' '.join(spec.tool.description.split())}"
            for name, spec in self.specs.items()
        )

    def find(self, name: str) -> Spec:
        """Find a tool by the name that a model wrote."""
        found = self.names.find(name)
        if found is None:
            near = difflib.get_close_matches(name[:80], self.specs, n=1)
            hint = tr(" Did you mean {near}?", near=near[0]) if near else ""
            known = ", ".join(self.specs) or "-"
            told = tr("There is no tool {name!r}.{hint} There are: {known}.", name=name[:80], hint=hint, known=known)
            raise ToolError(told, tool=name)
        return self.specs[found]


def as_tool(item: Any) -> BaseTool:
    """Make a LangChain tool of a tool, or of a function with a docstring."""
    if isinstance(item, BaseTool):
        return item
    if callable(item) and not inspect.isclass(item):
        try:
            return cast(BaseTool, make_tool(item))
        except ValueError as error:
            told = tr("{item!r} cannot be a tool: {error} Give the function a docstring.", item=item, error=error)
            raise UsageError(told) from error
    told = tr("{name__} is no tool. Give a LangChain tool or a function with a docstring.", name__=type(item).__name__)
    raise UsageError(told)
