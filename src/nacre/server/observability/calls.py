"""The calls of one answer: every layer, model, search, tool and program, when it began and how long it took."""

from __future__ import annotations

from typing import Any

from langchain_core.messages import AIMessage, get_buffer_string

from nacre.telemetry.calls import Call, RunTree
from nacre.text.strict_json import to_json

_LONGEST = 8_000
_SHOWN = 300
_HIT = ("n", "uri", "title", "heading", "page", "start", "end", "document_id", "score", "relevance")


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
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]} […]"
