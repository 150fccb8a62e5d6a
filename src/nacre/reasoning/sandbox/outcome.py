"""From what came out of a child, and how it ended, to an Execution."""

from __future__ import annotations

import hmac
import signal
from dataclasses import replace

from nacre.reasoning.interpreter import Execution, Status, out_of_time
from nacre.reasoning.sandbox.answer import execution_in
from nacre.reasoning.sandbox.budget import Budget
from nacre.reasoning.sandbox.exchange import Record
from nacre.reasoning.sandbox.limits import Limits
from nacre.text.language import tr


def from_answer(record: Record, nonce: bytes, budget: Budget | None = None) -> Execution | None:
    """What the runner inside reported, or None where no genuine answer came."""
    answer = bytes(record.answer[1:])
    if not hmac.compare_digest(answer[: len(nonce)], nonce):
        return None
    found = execution_in(answer[len(nonce) :].decode("utf-8", "replace"), budget)
    return found and _with_output(record, found)


def from_limit(record: Record, timeout_s: float, limits: Limits) -> Execution:
    """A run that was killed at the host's deadline or for its output."""
    if record.ended == "time":
        return _with_output(record, out_of_time(timeout_s))
    text = tr("The program wrote more than {output} bytes. Print only the answer.", output=limits.output)
    del record.stdout[limits.output :], record.stderr[limits.output :]
    return _execution(record, "error", text, "output")


def from_exit(record: Record, code: int, cpu_s: float, cpu_limit_s: int) -> Execution:
    """A run that ended without an answer, after so many processor seconds."""
    if code >= 0:
        text = tr("The program ended its own process (exit code {code}) before it gave a value.", code=code)
        return _execution(record, "error", text)
    number = -code
    if number in (signal.SIGKILL, signal.SIGXCPU):
        if cpu_s >= cpu_limit_s - 1:
            return _execution(
                record,
                "timeout",
                tr("The program used more than {cpu_limit_s} s of processor time.", cpu_limit_s=cpu_limit_s),
                "cpu",
            )
        return _execution(record, "memory", tr("The kernel ended the program because memory ran out."), "memory")
    name = signal.Signals(number).name if number in signal.Signals.__members__.values() else str(number)
    if number == signal.SIGSYS:
        return _execution(record, "blocked", tr("The program made a system call that is not allowed."))
    text = tr("The program crashed ({name}), for example by endless recursion or in C code.", name=name)
    return _execution(record, "error", text)


def _execution(record: Record, status: Status, error: str, limit: str | None = None) -> Execution:
    return _with_output(record, Execution(status, error=error, limit=limit))


def _with_output(record: Record, execution: Execution) -> Execution:
    stdout, stderr = (bytes(data).decode("utf-8", "replace") for data in (record.stdout, record.stderr))
    return replace(execution, stdout=stdout, stderr=stderr, seconds=record.seconds)
