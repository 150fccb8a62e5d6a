"""From what came out of a child, and how it ended, to an Execution. Its words count only as the runner writes them."""

from __future__ import annotations

import base64
import hmac
import signal
from dataclasses import replace
from typing import cast

from nacre.reasoning.interpreter import STATUSES, Execution, Status, out_of_time, unreadable
from nacre.reasoning.sandbox.budget import Budget, OutOfTime
from nacre.reasoning.sandbox.exchange import Record
from nacre.reasoning.sandbox.limits import Limits
from nacre.reasoning.sandbox.values import decode, decode_places, printable
from nacre.text.language import tr

_LIMITS = ("", "memory", "disk", "file_size", "files", "processes", "value")
_MOST_CHARTS, _PNG = 4, b"\x89PNG\r\n\x1a\n"
_LONGEST_ERROR = 20_000  # characters; the runner writes some 4,000


def execution_in(answer: str, budget: Budget | None = None) -> Execution | None:
    """How the run ended, without output and seconds; None for anything that the runner does not write."""
    head, _, rest = answer.partition("\n")
    read, _, text = rest.partition("\n")
    reads, _, charts = read.partition("\t")
    status, _, limit = head.partition(":")
    if status not in STATUSES or limit not in _LIMITS:
        return None
    if status != "ok":
        return Execution(cast(Status, status), error=printable(text[:_LONGEST_ERROR]), limit=limit or None)
    budget = budget or Budget()
    try:
        return Execution("ok", decode(text, budget), reads=decode_places(reads, budget), charts=_charts(charts))
    except OutOfTime:
        return out_of_time(budget.timeout_s)
    except ValueError as error:
        return unreadable(error)


def _charts(text: str) -> tuple[bytes, ...]:
    """PNG images, at most four; whatever else stands there is left out."""
    found = []
    for part in text.split(" ")[:_MOST_CHARTS]:
        try:
            image = base64.b64decode(part, validate=True)
        except ValueError:
            continue
        if image.startswith(_PNG):
            found.append(image)
    return tuple(found)


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
            text = tr("The program used more than {cpu_limit_s} s of processor time.", cpu_limit_s=cpu_limit_s)
            return _execution(record, "timeout", text, "cpu")
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
