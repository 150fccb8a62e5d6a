"""From the words of the runner inside to an Execution. They count only in the exact form that it writes."""

from __future__ import annotations

import base64
from typing import cast

from nacre.reasoning.interpreter import STATUSES, Execution, Status, out_of_time, unreadable
from nacre.reasoning.sandbox.budget import Budget, OutOfTime
from nacre.reasoning.sandbox.values import decode, decode_places, printable

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
