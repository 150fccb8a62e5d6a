"""Traces: what was asked and answered, step by step, kept only where the settings say so, and only for so long."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

from nacre.server.records import Records
from nacre.system.sqlite import Statement
from nacre.text.hygiene import masked
from nacre.text.strict_json import to_json

_DAY_S = 86_400
_LONGEST = 100_000
"""Characters of the conversation, of the answer and of each other part that are kept."""
_NAME = 100
"""Shorter texts are kept whole: how many there are is bounded with the values of a request."""


def keep(records: Records, row: dict[str, Any], record: Callable[[], dict[str, Any]], size: int) -> None:
    """Queue one exchange to be kept; it is written down, and what looks like a secret masked, off the event loop.

    Args:
        row: what it is found by: `request`, `asker`, `model`.
        record: makes the rest.
        size: about how many bytes that has.
    """
    at = time.time()
    records.journal.add("traces", lambda: {**row, "at": at, "record": _written(record())}, size)


def shortened(data: Any, room: list[int]) -> Any:
    """The same data with its texts cut where there is no more room for their characters."""
    if isinstance(data, str):
        kept = data if len(data) < _NAME else data[: max(0, room[0])]
        room[0] -= len(kept)
        return data if len(kept) == len(data) else f"{kept} […]"
    if isinstance(data, dict):
        return {key: shortened(value, room) for key, value in data.items()}
    return [shortened(item, room) for item in data] if isinstance(data, list) else data


def _written(record: dict[str, Any]) -> str:
    messages = record.get("messages", [])[::-1]  # room for the question first
    kept = {name: shortened(part, [_LONGEST]) for name, part in {**record, "messages": messages}.items()}
    kept["messages"] = kept["messages"][::-1]
    return masked(to_json(kept, ensure_ascii=False, default=str)).encode("utf-8", "replace").decode()


def too_old(days: int) -> Statement:
    """The statement that forgets the traces that are older."""
    return "delete from traces where at < ?", (time.time() - days * _DAY_S,)


def latest(records: Records, count: int = 20) -> list[dict[str, Any]]:
    """The last exchanges."""
    rows = records.select("traces", order="at desc")[:count]
    return [{**row, "record": json.loads(row["record"])} for row in rows]
