"""`E2BInterpreter`: programs run in a cloud sandbox of E2B, through its package `e2b-code-interpreter`."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Iterator, Mapping
from typing import Any

from nacre.errors import InterpreterError
from nacre.extras import need
from nacre.reasoning.interpreter import Execution
from nacre.reasoning.remote import Ended, RemoteLimits, RemoteRun
from nacre.text.language import tr

_ON_THE_WAY_S = 30.0  # beside preparation and run: a forgotten sandbox ends itself then


class _Full(Exception):
    """The program has written more than it may: the stream of its output is left."""


class E2BInterpreter:
    """A `CodeInterpreter` that takes a new E2B sandbox, a small virtual machine, for every run and kills it afterwards.

    Args:
        key: the account's key; "" takes `E2B_API_KEY` from the environment.
        template: the sandbox's template; None is E2B's own code interpreter. It needs Python 3.10 or later.
        limits: of each run; the memory is that of the virtual machine where it has less.
        start_s: seconds for a sandbox to start and to import what a program names.
    """

    def __init__(
        self,
        key: str = "",
        *,
        template: str | None = None,
        internet: bool = False,
        limits: RemoteLimits | None = None,
        start_s: float = 60.0,
    ) -> None:
        self._package = need("e2b_code_interpreter", extra="e2b")
        self._errors = need("e2b", extra="e2b").exceptions
        http = need("httpx", extra="e2b")
        self._transport_errors = (http.ReadError, http.RemoteProtocolError)
        self._key = {"api_key": key} if key else {}
        self.template, self.internet, self.limits = template, internet, limits or RemoteLimits()
        self._start_s = start_s
        self.name = f"e2b:{template}" if template else "e2b"  # a stack file names it so; the key is no part of it

    def run(self, code: str, timeout_s: float = 5.0, *, inputs: Mapping[str, Any] | None = None) -> Execution:
        """Run one program in a sandbox of its own, for so many seconds at most; starting the sandbox does not count."""
        run = RemoteRun(code, inputs, self.limits)
        if run.refused:
            return run.refused
        try:
            with self._sandbox(timeout_s) as sandbox:
                prepared = sandbox.run_code(run.preparation, timeout=self._start_s)
                if prepared.error is not None:
                    raise self._failed(f"{prepared.error.name}: {prepared.error.value}")
                begin = time.monotonic()
                ended = self._execute(sandbox, run, timeout_s)
                seconds = time.monotonic() - begin
        except InterpreterError:
            raise
        except Exception as error:  # the package raises its own errors, those of its HTTP client, and ValueError
            raise self._failed(f"{type(error).__name__}: {error}") from error
        return run.execution(ended, timeout_s=timeout_s, seconds=seconds)

    @contextlib.contextmanager
    def _sandbox(self, timeout_s: float) -> Iterator[Any]:
        lifetime = math.ceil(self._start_s + timeout_s + _ON_THE_WAY_S)
        options = {"allow_internet_access": self.internet, "timeout": lifetime, **self._key}
        sandbox = self._package.Sandbox.create(self.template, **options)
        try:
            yield sandbox
        finally:
            with contextlib.suppress(Exception):  # it ends itself at the end of its lifetime
                sandbox.kill()

    def _execute(self, sandbox: Any, run: RemoteRun, timeout_s: float) -> Ended:
        def listen(stream: str) -> Any:
            def take(message: Any) -> None:
                run.write(stream, str(message.line))
                if run.full:
                    raise _Full

            return take

        begin = time.monotonic()
        try:
            sandbox.run_code(
                run.program,
                timeout=timeout_s,
                on_stdout=listen("stdout"),
                on_stderr=listen("stderr"),
                on_result=lambda result: run.show(result.text) if isinstance(result.text, str) else None,
            )
        except _Full:
            return "output"
        except self._errors.TimeoutException:
            # The package raises the same error for a sandbox that was killed, out of memory for example.
            return "time" if time.monotonic() - begin >= timeout_s else "died"
        except self._transport_errors:
            return "died"  # it worked a moment ago: the program has taken the machine down
        return "done"

    def _failed(self, why: str) -> InterpreterError:
        return InterpreterError(tr("E2B did not run the program: {why}. Check E2B_API_KEY and the network.", why=why))
