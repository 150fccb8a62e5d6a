"""What an interpreter of programs is to the rest of Nacre: one method, and what comes back."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, Protocol, get_args, runtime_checkable

from nacre.text.language import tr

Status = Literal["ok", "error", "timeout", "memory", "blocked"]
STATUSES: tuple[Status, ...] = get_args(Status)
_LARGEST_VALUE, _LONGEST_S = 1 << 20, 1e9  # characters, as in the sandbox; seconds
_PLAIN: dict[str, Any] = {
    "status": str,
    "stdout": str,
    "stderr": str,
    "error": str,
    "seconds": (int, float),
    "limit": (str, type(None)),
}


@dataclass(frozen=True)
class Execution:
    """How one program ended.

    Attributes:
        status: "ok"; "error", the program failed or passed a limit that is named in `limit`; "timeout"; "memory";
            "blocked", it tried what a sandboxed program may not do.
        charts: what the program drew with matplotlib, as PNG.
    """

    status: Status
    value: Any = None
    stdout: str = ""
    error: str = ""
    seconds: float = 0.0
    stderr: str = ""
    limit: str | None = None
    reads: tuple[tuple[str, int, int, str], ...] = ()
    charts: tuple[bytes, ...] = ()

    @property
    def chart_urls(self) -> list[str]:
        """The charts as addresses that hold them, for pages and JSON."""
        return [f"data:image/png;base64,{base64.b64encode(chart).decode()}" for chart in self.charts]

    def to_data(self) -> dict[str, Any]:
        """The run as JSON-ready data, for another process; the value as tagged JSON, so that its type survives."""
        from nacre.reasoning.sandbox.inside.encode import Encoder, Unencodable

        try:
            value, reads = (Encoder(_LARGEST_VALUE).text(part) for part in (self.value, list(self.reads)))
        except Unencodable as error:
            too_large = unreadable(ValueError(str(error)))
            return replace(self, status="error", error=too_large.error, limit="value", value=None, reads=()).to_data()
        return {**{name: getattr(self, name) for name in _PLAIN}, "value": value, "reads": reads}

    @classmethod
    def from_data(cls, data: Mapping[str, Any], timeout_s: float | None = None) -> Execution:
        """The run that `to_data` wrote: anybody's data, of which nothing is run, imported or unpickled."""
        from nacre.reasoning.sandbox.budget import Budget, OutOfBudget, OutOfTime
        from nacre.reasoning.sandbox.values import decode, decode_places, printable

        kinds = {**_PLAIN, "value": str, "reads": str}
        if data.get("status") not in STATUSES or not all(isinstance(data.get(n), kind) for n, kind in kinds.items()):
            raise ValueError("not a run")
        if not 0 <= data["seconds"] <= _LONGEST_S:  # nor nan, nor an integer that no float holds
            raise ValueError("not seconds")
        texts: dict[str, Any] = {name: printable(data[name]) for name in ("stdout", "stderr", "error")}
        limit = data["limit"] and printable(data["limit"][:100])
        run = cls(data["status"], seconds=float(data["seconds"]), limit=limit, **texts)
        budget = Budget(timeout_s)
        try:
            return replace(run, value=decode(data["value"], budget), reads=decode_places(data["reads"], budget))
        except OutOfTime:
            instead = out_of_time(budget.timeout_s)
        except OutOfBudget as error:
            instead = unreadable(error)
        return replace(run, status=instead.status, error=instead.error, limit=instead.limit)


@runtime_checkable
class CodeInterpreter(Protocol):
    """Runs a program that nobody trusts.

    It returns for every program, whatever the program does: a bad program is a status, never an exception. It may be
    called from several threads at once.
    """

    def run(self, code: str, timeout_s: float = 5.0, *, inputs: Mapping[str, Any] | None = None) -> Execution:
        """Run one program from a clean start."""
        ...


def unreadable(error: ValueError) -> Execution:
    """A run whose value is none, or too much."""
    from nacre.reasoning.sandbox.budget import OutOfBudget

    text = tr(
        "The value cannot be read: {error}. Return a smaller, plain value: a number, a text, or "
        "a short list or dict of those.",
        error=error,
    )
    return Execution("error", error=text, limit="value" if isinstance(error, OutOfBudget) else None)


def out_of_time(timeout_s: float) -> Execution:
    """A run that was ended at its deadline."""
    text = tr(
        "The program did not end within {timeout_s:g} s. Use a faster method, or check for an endless loop.",
        timeout_s=timeout_s,
    )
    return Execution("timeout", error=text, limit="time")
