"""From what came out of a child to an Execution. The child's word counts only in the exact form that its runner writes."""

from __future__ import annotations

import hmac
import signal
from dataclasses import replace
from typing import cast

from nacre.language import tr
from nacre.reasoning.interpreter import STATUSES, Execution, Status
from nacre.reasoning.sandbox.exchange import Record
from nacre.reasoning.sandbox.limits import Limits
from nacre.reasoning.sandbox.values import decode, printable

_LIMITS = ("", "memory", "disk", "file_size", "files", "processes", "value")


def from_answer(record: Record, nonce: bytes) -> Execution | None:
    """What the runner inside reported, or None where no genuine answer came.

    Args:
        record: what came out of the child.
        nonce: what a genuine answer begins with, behind the mark that the program has started.

    Returns:
        The Execution, or None.
    """
    answer = bytes(record.answer[1:])
    if not hmac.compare_digest(answer[: len(nonce)], nonce):
        return None
    head, _, rest = answer[len(nonce) :].decode("utf-8", "replace").partition("\n")
    reads, _, text = rest.partition("\n")
    status, _, limit = head.partition(":")
    if status not in STATUSES or limit not in _LIMITS:
        return None
    if status != "ok":
        return _execution(record, cast(Status, status), printable(text), limit)
    try:
        return replace(_execution(record, "ok", value=decode(text)), reads=_places(reads))
    except ValueError as error:
        return _execution(record, "error", tr(f"The value cannot be read: {error}", f"无法读取返回值：{error}"))


def _places(text: str) -> tuple[tuple[str, int, int, str], ...]:
    """Which cells the program read: (input, table, row, column)."""
    cells = decode(text)
    if not isinstance(cells, list) or not all(
        isinstance(cell, tuple) and [type(part) for part in cell] == [str, int, int, str] for cell in cells
    ):
        return ()
    return tuple(cells)


def from_limit(record: Record, timeout_s: float, limits: Limits) -> Execution:
    """A run that was killed at the host's deadline or for its output.

    Args:
        record: what came out of the child; `ended` is "time" or "output".
        timeout_s: seconds that it had.
        limits: bytes that it had.

    Returns:
        The Execution that says so.
    """
    if record.ended == "time":
        text = tr(
            f"The program did not end within {timeout_s:g} s. Use a faster method, or check for an endless loop.",
            f"程序未在 {timeout_s:g} 秒内结束。请使用更快的方法，或检查是否有死循环。",
        )
        return _execution(record, "timeout", text, "time")
    text = tr(
        f"The program wrote more than {limits.output} bytes. Print only the answer.",
        f"程序输出超过 {limits.output} 字节。请只打印答案。",
    )
    del record.stdout[limits.output :], record.stderr[limits.output :]
    return _execution(record, "error", text, "output")


def from_exit(record: Record, code: int, cpu_s: float, cpu_limit_s: int) -> Execution:
    """A run that ended without an answer.

    Args:
        record: what it wrote.
        code: its exit code, negative for a signal.
        cpu_s: processor seconds that it used.
        cpu_limit_s: those that it had.

    Returns:
        The Execution that says why.
    """
    if code >= 0:
        text = tr(
            f"The program ended its own process (exit code {code}) before it gave a value.",
            f"程序在给出结果前自行结束了进程（退出码 {code}）。",
        )
        return _execution(record, "error", text)
    number = -code
    if number in (signal.SIGKILL, signal.SIGXCPU):
        if cpu_s >= cpu_limit_s - 1:
            return _execution(
                record,
                "timeout",
                tr(
                    f"The program used more than {cpu_limit_s} s of processor time.",
                    f"程序占用处理器超过 {cpu_limit_s} 秒。",
                ),
                "cpu",
            )
        return _execution(
            record,
            "memory",
            tr("The kernel ended the program because memory ran out.", "内存不足，内核终止了程序。"),
            "memory",
        )
    name = signal.Signals(number).name if number in signal.Signals.__members__.values() else str(number)
    if number == signal.SIGSYS:
        return _execution(
            record,
            "blocked",
            tr("The program made a system call that is not allowed.", "程序进行了不被允许的系统调用。"),
        )
    text = tr(
        f"The program crashed ({name}), for example by endless recursion or in C code.",
        f"程序崩溃（{name}），例如无限递归或 C 代码出错。",
    )
    return _execution(record, "error", text)


def _execution(record: Record, status: Status, error: str = "", limit: str = "", value: object = None) -> Execution:
    stdout, stderr = (bytes(data).decode("utf-8", "replace") for data in (record.stdout, record.stderr))
    return Execution(status, value, stdout, error, record.seconds, stderr, limit or None)
