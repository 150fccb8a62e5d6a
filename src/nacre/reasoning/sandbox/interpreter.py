"""PythonInterpreter: run a stranger's Python behind the kernel's own walls."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import math
import os
import re
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import cache
from numbers import Real
from types import TracebackType
from typing import Any, Self, TypeVar

from nacre.errors import InterpreterError, UsageError
from nacre.reasoning.interpreter import Execution
from nacre.reasoning.sandbox import outcome, selftest
from nacre.reasoning.sandbox.budget import Budget
from nacre.reasoning.sandbox.exchange import Stop, exchange
from nacre.reasoning.sandbox.helper import Child, Helper, HelperGone
from nacre.reasoning.sandbox.limits import LEVELS, Level, Limits
from nacre.reasoning.sandbox.pool import Pool
from nacre.reasoning.sandbox.view import PACKAGES, view_of
from nacre.text.language import listed, tr
from nacre.validation import expect

T = TypeVar("T")
_TRIES = 4
_LOADS_LONG, _LOADING_S = re.compile(r"\bimport\s+(?:matplotlib|pandas)\b|\bfrom\s+(?:matplotlib|pandas)\b"), 10.0
_TOLD = ("numpy", "sympy", "pandas", "matplotlib", "dateutil")  # of the packages, those that programs ask for


class PythonInterpreter:
    """Runs each program in a fresh process that can reach no file, no network and no other process of this machine.

    The kernel holds the walls (namespaces, Landlock, seccomp, limits); `docs/sandbox.md` says what each one stops. A
    helper process with Python's library, numpy and sympy loaded is started with the first run and kept, so that a run
    costs milliseconds. Nothing is carried from one run to the next. Thread-safe.

    Args:
        level: "full"; or weaker, where the kernel does not offer everything: "namespaces" does without Landlock,
            "landlock" does without namespaces and then offers programs no files and no threads. None: `NACRE_SANDBOX`,
            else "full".
        packages: installed packages that programs may import beside the standard library; those that are not installed
            are left out.
        parallel: runs at the same time; further ones wait. None: twice the processors, at least 4.

    Example:
        >>> from nacre.reasoning.sandbox import PythonInterpreter
        >>> with PythonInterpreter() as python:
        ...     python.run("sum(range(101))").value
        5050
    """

    def __init__(
        self,
        *,
        level: Level | None = None,
        limits: Limits | None = None,
        packages: Iterable[str] = PACKAGES,
        parallel: int | None = None,
    ) -> None:
        named: Any = level or os.environ.get("NACRE_SANDBOX") or "full"
        if named not in LEVELS:
            raise UsageError(tr("Unknown level {name!r}; choose one of {levels}.", name=named, levels=listed(LEVELS)))
        self.level: Level = named
        self.limits = limits or Limits()
        self._packages = tuple(packages)
        self._parallel = parallel or max(4, 2 * (os.cpu_count() or 1))
        self._slots = threading.BoundedSemaphore(self._parallel)
        self._pool = Pool(self._start)

    def run(self, code: str, timeout_s: float = 5.0, *, inputs: Mapping[str, Any] | None = None) -> Execution:
        """Run one program.

        Args:
            code: Python source.
            timeout_s: seconds of wall-clock time that it may take; a program that imports pandas or matplotlib has ten
                more to load them.
            inputs: plain data that the program finds under these names.

        Returns:
            How it ended. Whatever the program does, this returns.

        Raises:
            UsageError: a wrong argument.
            SandboxUnavailableError: the kernel lacks what the level needs; nothing was run.
            InterpreterError: no process can be started.
        """
        return self._run(code, timeout_s, inputs or {}, Stop())

    def _run(self, code: str, timeout_s: float, inputs: Mapping[str, Any], stop: Stop) -> Execution:
        if isinstance(code, str) and isinstance(timeout_s, int | float) and _LOADS_LONG.search(code):
            timeout_s += _LOADING_S
        weak = self.level == "landlock"
        lacks = tr("(At the level 'landlock' a program has no scratch files and no threads.)") if weak else ""
        request = _request(code, timeout_s, inputs, self.limits, lacks)
        if len(request) > self.limits.program:
            told = tr("The program and its inputs are longer than {size} bytes.", size=self.limits.program)
            return Execution("error", error=told, limit="program")
        with self._slots:
            for _ in range(_TRIES):
                execution = self._run_once(request, timeout_s, stop)
                if execution is not None:
                    return _with_hint(execution, self._packages)
        told = tr("The sandbox was ended from outside while the program ran, again and again.")
        return Execution("error", error=told)

    async def arun(self, code: str, timeout_s: float = 5.0, *, inputs: Mapping[str, Any] | None = None) -> Execution:
        """`run` without blocking the event loop; when the task is cancelled, the program is killed.

        Args:
            code: as for `run`.
            timeout_s: as for `run`.
            inputs: as for `run`.

        Returns:
            As `run`.
        """
        stop = Stop()
        try:
            return await asyncio.to_thread(self._run, code, timeout_s, inputs or {}, stop)
        finally:
            stop.now()  # nothing to stop when the program has ended

    def start(self) -> dict[str, Any]:
        """Start the helper now rather than with the first run.

        Returns:
            What it reports about itself: level, landlock_abi, user, modules, and self_test, the attacks that failed.
        """
        helper = self._pool.helper()
        try:
            return dict(helper.facts)
        finally:
            self._pool.give_back(helper)

    def inspect(self, look: Callable[[Child], T]) -> T:
        """Show a waiting child to `look`, then end it.

        Args:
            look: is given the child's descriptors.

        Returns:
            What `look` returned.
        """
        helper, child = self._pool.take()
        try:
            return look(child)
        finally:
            self._pool.give_back(helper, child)

    def close(self) -> None:
        """End the helper; a later run starts a new one."""
        self._pool.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _run_once(self, request: bytes, timeout_s: float, stop: Stop) -> Execution | None:
        """None when the child or its helper was killed from outside, so that the run should be tried again."""
        helper, child = self._pool.take()
        try:
            with stop.kills(child):
                return _execute(helper, child, request, self.limits, timeout_s, stop)
        except HelperGone:
            self._pool.discard(helper)
            return None
        finally:
            self._pool.give_back(helper, child)

    def _start(self) -> Helper:
        helper = Helper(self.level, self.limits, view_of(self._packages), self._parallel)
        try:
            self._prove(helper)
        except BaseException:
            helper.close()
            raise
        return helper

    def _prove(self, helper: Helper) -> None:
        """Attack the new sandbox; refuse to serve when anything gets out."""
        child = helper.take()
        try:
            request = _request(selftest.PROGRAM, 10.0, {"path": __file__}, self.limits)
            execution = _execute(helper, child, request, self.limits, 10.0, Stop())
        finally:
            helper.release(child)
        helper.facts["self_test"] = execution.value if execution else None
        if execution is None or execution.status != "ok" or execution.value != selftest.PASSED:
            what = execution and (execution.error or execution.value)
            raise InterpreterError(tr("The sandbox failed its self-test and serves nothing: {what}", what=what))


@cache
def shared_interpreter() -> PythonInterpreter:
    """The interpreter that everything uses which is given none: one helper process instead of one each."""
    return PythonInterpreter()


def _execute(
    helper: Helper, child: Child, request: bytes, limits: Limits, timeout_s: float, stop: Stop
) -> Execution | None:
    nonce = os.urandom(16)
    record = exchange(child, request + nonce, limits, timeout_s)
    if not record.started and record.ended == "closed":
        if record.stderr:  # no program has run yet: these are the child's own words
            what = record.stderr.decode("utf-8", "replace")
            raise InterpreterError(tr("The sandbox cannot prepare a process: {what}", what=what))
        return None
    if record.ended != "closed":
        return outcome.from_limit(record, timeout_s, limits)
    budget = Budget(timeout_s, record.seconds, lambda: stop.asked)
    if answered := outcome.from_answer(record, nonce, budget):
        return answered
    try:
        code, cpu_s = helper.how_it_ended(child, max(0.5, timeout_s - record.seconds))
    except TimeoutError:  # it closed its pipes and goes on
        record.ended = "time"
        return outcome.from_limit(record, timeout_s, limits)
    return outcome.from_exit(record, code, cpu_s, _cpu_s(timeout_s, limits))


def _cpu_s(timeout_s: float, limits: Limits) -> int:
    return math.ceil(timeout_s * limits.processors) + 1


def _request(code: str, timeout_s: float, inputs: Mapping[str, Any], limits: Limits, lacks: str = "") -> bytes:
    """Length and JSON, as `inside.child` reads it."""
    expect(code, "code", str)
    expect(timeout_s, "timeout_s", Real)
    if not 0 < timeout_s <= 86_400:
        raise UsageError(tr("timeout_s is {timeout_s!r}; give seconds between 0 and 86400.", timeout_s=timeout_s))
    try:
        request = {"code": code, "inputs": dict(inputs), "lacks": lacks}
        body = json.dumps({**request, "value_limit": limits.value, "cpu_s": _cpu_s(timeout_s, limits)}).encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise UsageError(tr("The inputs are not plain data: {error}", error=error)) from error
    return len(body).to_bytes(4, "big") + body


def _with_hint(execution: Execution, packages: Iterable[str]) -> Execution:
    """Where a program asked for a package that is not here, the error says which are."""
    if not execution.error.rpartition("\n")[2].startswith("ModuleNotFoundError"):
        return execution
    there = [name for name in _TOLD if name in packages and importlib.util.find_spec(name)]
    told = tr("Installed here are {names} and the standard library: use those.", names=listed(there))
    return replace(execution, error=f"{execution.error}\n{told}")
