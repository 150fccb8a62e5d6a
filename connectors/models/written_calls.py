"""Tool calls that a local model writes as text, in the form of its chat template, taken out of the text as it comes."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Sequence
from typing import Any

from langchain_core.messages.tool import ToolCall, tool_call

from nacre.connectors.models.stops import overlap

_OPENING, _CLOSING = "<tool_call>", "</tool_call>"
# Llama's mark for a call; most tokenisers leave it out of the text, as they do with Mistral's.
_MARKS = ("<|python_tag|>", "[TOOL_CALLS]")
_DECODER = json.JSONDecoder()


class WrittenCalls:
    """Parts a reply into what the user may read and the calls of tools.

    Understood are `<tool_call>{"name", "arguments"}</tool_call>` (Hermes, Qwen and many others), and a reply that is
    nothing but `{"name", "parameters"}` or a list of such objects (Llama 3, Mistral). A text that only looks like a
    call stays a text.

    Args:
        tools: the tools that were given, in OpenAI's form; without any, everything is text.
    """

    def __init__(self, tools: Sequence[dict[str, Any]]) -> None:
        self._names = {tool["function"]["name"] for tool in tools}
        self._held = ""
        self._shown = False

    def push(self, piece: str) -> str:
        """Take the next piece of the reply."""
        if not self._names:
            return piece
        text = self._held + piece
        cut = len(text) if self._shown else 0 if _may_be_call(text.lstrip()) else len(text)
        at = text.find(_OPENING)
        cut = min(cut, at if at >= 0 else len(text) - overlap(text, _OPENING))
        self._held = text[cut:]
        self._shown = self._shown or bool(text[:cut].strip())
        return text[:cut]

    def close(self) -> tuple[str, list[ToolCall]]:
        """The reply has ended."""
        rest, found = _tagged(self._held) if _OPENING in self._held else ("", _bare(self._held))
        calls = [call for data in found if (call := self._call(data)) is not None]
        return (rest, calls) if calls and len(calls) == len(found) else (self._held, [])

    def _call(self, data: Any) -> ToolCall | None:
        name, given = (
            (data.get("name"), data.get("arguments", data.get("parameters")))
            if isinstance(data, dict)
            else (None, None)
        )
        if isinstance(given, str):
            given = _json(given)
        if name not in self._names or not isinstance(given, dict | None):
            return None
        return tool_call(name=str(name), args=given or {}, id=f"call_{uuid.uuid4().hex[:12]}")


def _may_be_call(text: str) -> bool:
    return bool(re.match(r"\{|\[\s*(?:\{|$)", text)) or any(
        text.startswith(mark) or mark.startswith(text) for mark in _MARKS
    )


def _tagged(text: str) -> tuple[str, list[Any]]:
    """What stands between the tags, and the text around them; the last tag may lack its partner."""
    outside, *parts = text.split(_OPENING)
    found = []
    for part in parts:
        inside, _, behind = part.partition(_CLOSING)
        found.append(_json(inside))
        outside += behind
    return outside.rstrip(), found


def _bare(text: str) -> list[Any]:
    """A reply that is nothing but calls: one object, several parted by semicolons, or a list."""
    text = re.sub("|".join(re.escape(mark) for mark in _MARKS), "", text).strip()
    found: list[Any] = []
    while text:
        try:
            value, end = _DECODER.raw_decode(text)
        except (ValueError, RecursionError):
            return []
        found += value if isinstance(value, list) else [value]
        text = text[end:].lstrip(" \t\r\n;")
    return found


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None
