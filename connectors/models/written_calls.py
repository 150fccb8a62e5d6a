"""Tool calls that a model writes as text, in the form of its chat template, taken out of the text as it comes."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator, Sequence
from typing import Any

from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.messages.tool import ToolCall, tool_call
from langchain_core.outputs import ChatGenerationChunk

from nacre.text.dialects import MARKS, WrittenCall, arguments_of, first_mark, normal, read_bare_calls, read_calls
from nacre.text.reasoning import ReasoningSplitter

_BARE = re.compile(r"\{|\[\s*(?:\{|\Z)")
_PYTHONIC = re.compile(r"\[\s*(?P<name>[^\W\d][\w.]*)?(?P<open>\()?")
_BEGUN = frozenset(mark[:size] for mark in MARKS for size in range(1, len(mark)))
_LONGEST = len(MARKS[0])
_UNDECIDED = 2000  # characters: what is no call by then is text
_PREFIXES = ("functions.", "function.", "tools.", "default_api.")


def new_call_id() -> str:
    """An id for a call that came without one, or with one that another call has."""
    return f"call_{uuid.uuid4().hex[:12]}"


class WrittenCalls:
    """Parts a reply into what the user may read and the calls of tools.

    Understood are the dialects of `nacre.text.dialects`, and a reply that is nothing but calls in JSON or Python. A
    text that only looks like a call stays a text.

    Args:
        tools: the tools that were given, in OpenAI's form; without any, everything is text.
    """

    def __init__(self, tools: Sequence[dict[str, Any]]) -> None:
        functions = (tool.get("function") for tool in tools if isinstance(tool, dict))
        self._names = {str(function["name"]) for function in functions if function}
        self._held: list[str] = []
        self._holding = self._shown = False

    def push(self, piece: str) -> str:
        """Take the next piece of the reply."""
        if not self._names:
            return piece
        self._held.append(piece)
        if self._holding:
            return ""
        text = "".join(self._held)
        undecided = not self._shown and len(text) <= _UNDECIDED
        if undecided and not text.strip():
            return ""
        cut = len(text)
        at = first_mark(normal(text))
        kind = None if self._shown else self._bare(text.lstrip())
        if kind or (undecided and kind is False):
            cut, self._holding = 0, bool(kind)
        elif at >= 0:
            cut, self._holding = at, True
        else:
            tail = normal(text[-_LONGEST:])
            cut -= next((size for size in range(len(tail), 0, -1) if tail[-size:] in _BEGUN), 0)
        self._held = [text[cut:]]
        self._shown = self._shown or bool(text[:cut].strip())
        return text[:cut]

    def _bare(self, text: str) -> bool | None:
        """Whether a reply is a call without a mark: True, False as long as it may yet be one, None where it is none."""
        if _BARE.match(text):
            return not text.rstrip().endswith("[")
        if match := _PYTHONIC.match(text):
            known = match["name"] and self._known(match["name"])
            return True if match["open"] and known else False if match.end() == len(text) else None
        name = next((name for name in self._names if text.startswith(name)), "")
        if name:  # GLM-4 writes the name on one line and the arguments on the next
            rest = text[len(name) :].lstrip(" ")
            undecided = None if rest.strip() else False
            return None if rest[:1] not in ("", "\n") else True if rest.lstrip()[:1] == "{" else undecided
        return False if text and any(name.startswith(text) for name in self._names) else None

    def close(self, *, cut: bool = False) -> tuple[str, list[ToolCall]]:
        """The reply has ended. One that was cut at the limit of its length may lack the end of its last call, and is
        text.
        """
        held = "".join(self._held)
        if cut or not self._names or not held.strip():
            return held, []
        found, rest = read_calls(held) if first_mark(normal(held)) >= 0 else (read_bare_calls(held), "")
        calls = [call for written in found if (call := self._call(written)) is not None]
        return (rest, calls) if calls and len(calls) == len(found) else (held, [])

    def _call(self, written: WrittenCall) -> ToolCall | None:
        name, given = self._known(written.name), arguments_of(written.arguments)
        if not name or not isinstance(given, dict | None):
            return None
        return tool_call(name=name, args=given or {}, id=new_call_id())

    def _known(self, name: str) -> str:
        plain = next((name.removeprefix(prefix) for prefix in _PREFIXES if name.startswith(prefix)), name)
        return plain if plain in self._names else name if name in self._names else ""


class Parting:
    """Parts what a local model writes into answer, reasoning and calls; `inside`: the prompt has opened a thought."""

    def __init__(self, tools: Sequence[dict[str, Any]], inside: bool) -> None:
        self._reasoning, self._calls = ReasoningSplitter(inside=inside), WrittenCalls(tools)

    def push(self, piece: str) -> Iterator[ChatGenerationChunk]:
        """Take the next piece."""
        said, thought = self._reasoning.push(piece)
        said = self._calls.push(said)
        if said or thought:
            more = {"reasoning_content": thought} if thought else {}
            yield ChatGenerationChunk(message=AIMessageChunk(content=said, additional_kwargs=more))

    def close(self, *, cut: bool) -> tuple[str, str, list[ToolCall]]:
        """The reply has ended: the rest of the answer and of the reasoning, and the calls."""
        said, thought = self._reasoning.close()
        shown = self._calls.push(said)
        rest, calls = self._calls.close(cut=cut)
        return shown + rest, thought, calls


def take_calls(message: AIMessage, tools: Sequence[dict[str, Any]]) -> None:
    """Make calls of what a whole message says in its text."""
    reason = message.response_metadata.get("finish_reason")
    if not tools or message.tool_calls or not isinstance(message.content, str):
        return
    reader = WrittenCalls(tools)
    said = reader.push(message.content)
    rest, calls = reader.close(cut=reason == "length")
    if calls:
        message.content, message.tool_calls = (said + rest).strip(), calls
        message.response_metadata["finish_reason"] = "tool_calls"
