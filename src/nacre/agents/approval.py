"""Asking a person before a tool acts: tools named for approval, and arguments that come only from retrieved text."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

Decision = bool | str | dict[str, Any]
"""True: go on. False or a reason: do not. A dict: go on with these arguments instead."""

# What an injected instruction would have to smuggle in: addresses, links, paths, long numbers, quoted names.
_ATOM = re.compile(
    r"[\w.+-]{1,64}@[\w.-]{1,255}|\w{2,12}://[^\s\"'<>]{1,500}|[\w.-]{0,64}(?:/[\w.-]{1,64}){2,20}|\d[\d \-]{4,30}\d"
)


@dataclass(frozen=True)
class ApprovalRequest:
    """A tool call that a person should look at.

    Args:
        reason: "named" (the tool is on the list) or "provenance" (values come only from retrieved text).
    """

    tool: str
    arguments: dict[str, Any]
    reason: str
    suspicious: tuple[str, ...] = ()
    thought: str = ""


def values_of(data: Any) -> Iterator[str]:
    """Every value of a call, and the addresses, links, paths and numbers inside it."""
    if isinstance(data, dict):
        for inner in data.values():
            yield from values_of(inner)
    elif isinstance(data, (list, tuple)):
        for inner in data:
            yield from values_of(inner)
    elif data is not None and not isinstance(data, bool):
        text = str(data)
        yield text
        yield from (match[0] for match in _ATOM.finditer(text[:20_000]))
