"""Traces: what was asked and answered, step by step, kept only where the settings say so, and only for so long."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

from langchain_core.messages import message_to_dict

from nacre.server.observability.calls import hit_of
from nacre.system.sqlite import Statement
from nacre.text.hygiene import masked
from nacre.text.strict_json import to_json

if TYPE_CHECKING:
    from nacre.server.openai.answering import Outcome, Question
    from nacre.server.records import Records
    from nacre.server.state import State

_DAY_S = 86_400
_LONGEST = 100_000
"""Characters of the conversation, of the answer and of each other part that are kept."""
_NAME = 100
"""Shorter texts are kept whole: how many there are is bounded with the values of a request."""


def keep(state: State, question: Question, outcome: Outcome, seconds: float, status: str) -> None:
    """Queue one exchange to be kept; it is written down, and what looks like a secret masked, off the event loop."""
    at = time.time()
    size = sum(len(str(message.content)) for message in question.messages) + sum(map(len, outcome.text))

    def row() -> dict[str, Any]:
        return {
            "request": question.request_id,
            "at": at,
            "asker": question.asker.id,
            "model": question.model,
            "record": _record(question, outcome, seconds, status),
        }

    state.records.journal.add("traces", row, 20_000 + 4 * size)


def shortened(data: Any, room: list[int]) -> Any:
    """The same data with its texts cut where there is no more room for their characters."""
    if isinstance(data, str):
        kept = data if len(data) < _NAME else data[: max(0, room[0])]
        room[0] -= len(kept)
        return data if len(kept) == len(data) else f"{kept} […]"
    if isinstance(data, dict):
        return {key: shortened(value, room) for key, value in data.items()}
    return [shortened(item, room) for item in data] if isinstance(data, list) else data


def _record(question: Question, outcome: Outcome, seconds: float, status: str) -> str:
    own = {name: value for name, value in outcome.own.items() if name != "hits"}
    record = {
        "answer": "".join(outcome.text),
        "reasoning": "".join(outcome.reasoning),
        "nacre": own,
        "hits": [hit_of(hit) for hit in outcome.own.get("hits") or []],
        "calls": question.calls.rows() if question.calls else [],
        "store": question.store,
        "usage": outcome.usage,
        "seconds": round(seconds, 4),
        "status": status,
    }
    messages = [message_to_dict(message) for message in reversed(question.messages)]  # room for the question first
    kept = {name: shortened(part, [_LONGEST]) for name, part in {"messages": messages, **record}.items()}
    kept["messages"] = kept["messages"][::-1]
    return masked(to_json(kept, ensure_ascii=False, default=str)).encode("utf-8", "replace").decode()


def too_old(state: State) -> Statement:
    """The statement that forgets the traces that are older than the days of the settings."""
    return "delete from traces where at < ?", (time.time() - state.settings.server.trace_days * _DAY_S,)


def forget_old(state: State) -> None:
    """Forget the traces that are too old."""
    state.records.db.execute(*too_old(state))


def latest(records: Records, count: int = 20) -> list[dict[str, Any]]:
    """The last exchanges."""
    rows = records.select("traces", order="at desc")[:count]
    return [{**row, "record": json.loads(row["record"])} for row in rows]
