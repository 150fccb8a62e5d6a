"""One run in a Python elsewhere: what is sent there, and what is made of the things that come back."""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files
from typing import Any, Literal

from nacre.errors import UsageError
from nacre.reasoning.interpreter import Execution, out_of_time
from nacre.reasoning.sandbox.budget import Budget
from nacre.reasoning.sandbox.outcome import execution_in
from nacre.reasoning.sandbox.values import printable
from nacre.text.language import tr

Ended = Literal["done", "time", "output", "died"]
# The sandbox's own runner: a program gives the same value, error and cells there as it does here.
_MODULES = ("rlimits", "encode", "recording", "program", "preload")
# Packages are imported for programs that name them: a fresh kernel would spend a second on sympy each time.
_PACKAGES = {
    "numpy": r"np|numpy",
    "dateutil.relativedelta": r"relativedelta|dateutil",
    "sympy": r"sympy|Symbol|symbols|Eq|solve|simplify|solve_it",
}
_SLACK = 1 << 18  # characters of an answer beside the value: its status, and the cells that were read


@dataclass(frozen=True)
class RemoteLimits:
    """Limits of one run elsewhere; time is given with each run."""

    memory: int = 512 << 20  # bytes of address space above what the loaded modules take, where there is such a limit
    output: int = 1 << 20  # characters of standard output, and as many of standard error
    value: int = 1 << 20  # characters of the encoded value
    program: int = 16 << 20  # characters of the source and its inputs


class RemoteRun:
    """What is sent for one run, and what came back of it so far. Everything that comes back is a stranger's data.

    Example:
        >>> run = RemoteRun("6 * 7", {}, RemoteLimits())
        >>> run.show(run.mark + "ok\\n[]\\n42")
        >>> run.execution("done", timeout_s=5.0, seconds=0.1).value
        42
    """

    def __init__(self, code: str, inputs: Mapping[str, Any] | None, limits: RemoteLimits) -> None:
        self.limits = limits
        self.mark = secrets.token_hex(16)
        self._texts: dict[str, list[str]] = {"stdout": [], "stderr": []}
        self._lengths = {"stdout": 0, "stderr": 0}
        self._answer: str | None = None
        self._program = code
        request: dict[str, Any] = {"code": code, "inputs": dict(inputs or {}), "lacks": "", "mark": self.mark}
        request |= {"value_limit": limits.value, "memory": limits.memory, "output": limits.output}
        try:
            self._request = json.dumps(request)
        except (TypeError, ValueError, RecursionError) as error:
            raise UsageError(tr("The inputs are not plain data: {error}", error=error)) from error

    @property
    def preparation(self) -> str:
        """Source to run there first: it needs no more of the program than which packages it names."""
        packages = [name for name, words in _PACKAGES.items() if re.search(rf"\b(?:{words})\b", self._program)]
        modules = {name: _source(f"sandbox/inside/{name}.py") for name in _MODULES}
        sent = repr(json.dumps({"modules": modules, "packages": packages}))
        return (
            "import json as _json, types as _types\n"
            "_nacre = _types.ModuleType('_nacre')\n"
            f"exec(compile({_source('remote/bootstrap.py')!r}, '<nacre>', 'exec'), _nacre.__dict__)\n"
            f"_nacre.prepare(**_json.loads({sent}))\n"
        )

    @property
    def program(self) -> str:
        """Source to run there second: the program, as data."""
        return f"_nacre.run(_json.loads({self._request!r}))\n"

    @property
    def refused(self) -> Execution | None:
        """The end of a run whose program is too large to be sent, None for any other."""
        if len(self._request) <= self.limits.program:
            return None
        text = tr("The program and its inputs have more than {program} characters.", program=self.limits.program)
        return Execution("error", error=text, limit="program")

    @property
    def full(self) -> bool:
        """Whether the program has written more than it may."""
        return any(length > self.limits.output for length in self._lengths.values())

    def write(self, stream: str, text: str) -> None:
        """Take in what the program wrote to "stdout" or "stderr"; what is beyond the limit is dropped."""
        if stream not in self._texts:
            return
        room = self.limits.output - self._lengths[stream]
        if room > 0:
            self._texts[stream].append(text[:room])
        self._lengths[stream] += len(text)

    def show(self, text: str) -> None:
        """Take in what was displayed; the last display that begins with the mark is the answer."""
        if text.startswith(self.mark) and len(text) <= self.limits.value + _SLACK + 4000:
            self._answer = text[len(self.mark) :]

    def execution(self, ended: Ended, *, timeout_s: float, seconds: float) -> Execution:
        """How the run ended: "done", or what ended it from outside: "time", "output", "died" (the kernel)."""
        if ended == "done" and self.full:
            ended = "output"
        found = execution_in(self._answer or "", Budget(timeout_s, seconds)) if ended == "done" else None
        stdout, stderr = (printable("".join(self._texts[name])) for name in ("stdout", "stderr"))
        return replace(found or self._without_answer(ended, timeout_s), seconds=seconds, stdout=stdout, stderr=stderr)

    def _without_answer(self, ended: Ended, timeout_s: float) -> Execution:
        if ended == "time":
            return out_of_time(timeout_s)
        if ended == "output":
            text = tr(
                "The program wrote more than {output} characters. Print only the answer.", output=self.limits.output
            )
            return Execution("error", error=text, limit="output")
        text = tr("The program's process ended before it gave a value: it ended itself, crashed, or memory ran out.")
        return Execution("error", error=text)


@cache
def _source(place: str) -> str:
    return (files("nacre.reasoning") / place).read_text("utf-8")
