"""From the words of the runner inside to an Execution. They count only in the exact form that it writes."""

from __future__ import annotations

from typing import cast

from nacre.language import tr
from nacre.reasoning.interpreter import STATUSES, Execution, Status
from nacre.reasoning.sandbox.values import decode, printable

_LIMITS = ("", "memory", "disk", "file_size", "files", "processes", "value")


def execution_in(answer: str) -> Execution | None:
    """What the runner reported.

    Args:
        answer: the three parts that `inside.program.run` writes.

    Returns:
        How the run ended, without output and seconds; None for anything that the runner does not write.
    """
    head, _, rest = answer.partition("\n")
    reads, _, text = rest.partition("\n")
    status, _, limit = head.partition(":")
    if status not in STATUSES or limit not in _LIMITS:
        return None
    if status != "ok":
        return Execution(cast(Status, status), error=printable(text), limit=limit or None)
    try:
        return Execution("ok", decode(text), reads=_places(reads))
    except ValueError as error:
        return Execution("error", error=tr(f"The value cannot be read: {error}", f"无法读取返回值：{error}"))


def out_of_time(timeout_s: float) -> Execution:
    """A run that was ended at its deadline.

    Args:
        timeout_s: seconds that it had.

    Returns:
        The Execution that says so.
    """
    text = tr(
        f"The program did not end within {timeout_s:g} s. Use a faster method, or check for an endless loop.",
        f"程序未在 {timeout_s:g} 秒内结束。请使用更快的方法，或检查是否有死循环。",
    )
    return Execution("timeout", error=text, limit="time")


def _places(text: str) -> tuple[tuple[str, int, int, str], ...]:
    """Which cells the program read: (input, table, row, column)."""
    cells = decode(text)
    if not isinstance(cells, list) or not all(
        isinstance(cell, tuple) and [type(part) for part in cell] == [str, int, int, str] for cell in cells
    ):
        return ()
    return tuple(cells)
