"""Traces: what was asked and answered, step by step, kept only where the settings say so, and only for so long."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

from langchain_core.messages import AIMessage, get_buffer_string

from nacre.server.records import Records
from nacre.system.sqlite import Statement
from nacre.telemetry.calls import Call, RunTree
from nacre.text.hygiene import masked
from nacre.text.strict_json import to_json

_DAY_S = 86_400
_LONGEST = 100_000
"""Characters of the conversation, of the answer and of each other part that are kept."""
_CALL = 8_000
"""As `_LONGEST`, of each part of a call."""
_SHOWN = 300
_HIT = ("n", "uri", "title", "heading", "page", "start", "end", "document_id", "score", "relevance")
_NAME = 100
"""Shorter texts are kept whole: how many there are is bounded with the values of a request."""


def keep(records: Records, row: dict[str, Any], record: Callable[[], dict[str, Any]], size: int) -> None:
    """Queue one exchange of about so many bytes; it is written down, and secrets masked, off the event loop."""
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


class CallLog(RunTree):
    """Give it to a stack as a callback for one answer."""

    def __init__(self) -> None:
        super().__init__()
        self._calls: list[Call] = []

    def began(self, call: Call) -> None:
        """Keep it, in the order of the calls."""
        self._calls.append(call)

    def rows(self) -> list[dict[str, Any]]:
        """The calls, when all have ended, each before those that it made; `began` is in seconds since the first."""
        inside: dict[Call | None, list[Call]] = {}
        for call in self._calls:
            inside.setdefault(call.outer, []).append(call)
        rows: list[dict[str, Any]] = []
        _add(None, -1, inside, rows)
        return rows


def hit_of(facts: dict[str, Any], text: str = "") -> dict[str, Any]:
    """A passage that was found, short enough to be kept."""
    return {
        **{name: facts[name] for name in _HIT if name in facts},
        "text": (text or str(facts.get("text", "")))[:_SHOWN],
    }


def _add(
    outer: Call | None, depth: int, inside: dict[Call | None, list[Call]], rows: list[dict[str, Any]]
) -> list[int]:
    """Write a call and those inside; a layer's tokens are those of the models inside."""
    tokens = [0, 0]
    if outer is not None:
        usage = outer.usage
        tokens = [usage["input_tokens"], usage["output_tokens"]] if usage else tokens
        rows.append(_row(outer, depth, inside[None][0].began, tokens))
    for call in inside.get(outer, []):
        tokens[:] = map(sum, zip(tokens, _add(call, depth + 1, inside, rows), strict=True))
    return tokens


def _row(call: Call, depth: int, first: float, tokens: list[int]) -> dict[str, Any]:
    return {
        "name": call.name,
        "kind": call.kind,
        "depth": depth,
        "began": round(call.began - first, 4),
        "seconds": round(call.ended - call.began, 4),
        "status": type(call.error).__name__ if call.error else "ok",
        **_contents(call),
        "tokens": tokens,
    }


def _contents(call: Call) -> dict[str, Any]:
    match call.kind:
        case "model":
            calls = call.gave.tool_calls if isinstance(call.gave, AIMessage) else []
            asked = [{"name": each["name"], "args": each["args"]} for each in calls]
            said = "\n".join([_text(getattr(call.gave, "content", "")), *map(_text, asked)]).strip()
            return {"asked": _short(get_buffer_string(call.given)), "said": _short(said)}
        case "search":
            hits = [hit_of(found.metadata, found.page_content) for found in call.gave or []]
            return {"asked": _short(call.given), "hits": hits}
        case "tool":
            result = getattr(call.gave, "content", call.gave)
            return {"asked": _short(_text(call.given)), "said": _short("" if result is None else _text(result))}
        case _:
            return {}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else to_json(value, ensure_ascii=False, default=str)


def _short(text: str) -> str:
    return text if len(text) <= _CALL else f"{text[:_CALL]} […]"
