"""What servers stream, made into what LangChain can join: whole tool calls, usage once, a clear end."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from langchain_core.messages import AIMessageChunk, BaseMessage, InvalidToolCall
from langchain_core.messages.ai import UsageMetadata
from langchain_core.messages.tool import ToolCallChunk, invalid_tool_call, tool_call_chunk
from langchain_core.outputs import ChatGenerationChunk

from nacre.connectors.models.stops import StopCutter
from nacre.connectors.models.usage import estimate_usage
from nacre.text.strict_json import to_json


def readable(chunk: Mapping[str, Any]) -> dict[str, Any]:
    """Bring one streamed chunk into the form that langchain-openai reads.

    It looks for `tool_calls[].index` and drops every tool call of a chunk when one has none
    (ollama/ollama#7881), and it looks for `usage` beside `choices`, where Moonshot puts it inside.

    Args:
        chunk: a chunk as the server sent it; not changed.
    """
    choices = chunk.get("choices") or []
    if not choices or not isinstance(choices[0], Mapping):
        return {**chunk, "choices": []}
    choice = dict(choices[0])
    delta = choice.get("delta")
    if isinstance(delta, Mapping) and delta.get("tool_calls"):
        calls = delta["tool_calls"]
        calls = [calls] if isinstance(calls, Mapping) else calls  # Spark sends an object, not a list
        choice["delta"] = {**delta, "tool_calls": [_readable_call(call) for call in calls]}
    usage = chunk.get("usage") or choice.get("usage")
    return {**chunk, "choices": [choice, *choices[1:]], "usage": usage}


def _readable_call(call: Mapping[str, Any]) -> dict[str, Any]:
    function = dict(call.get("function") or {})
    if isinstance(function.get("arguments"), Mapping):
        function["arguments"] = to_json(function["arguments"], ensure_ascii=False)
    index = call.get("index")
    if isinstance(index, str) and index.isdigit():
        index = int(index)
    return {**call, "function": function, "index": index if isinstance(index, int) else None}


def without_odd_calls(reply: dict[str, Any]) -> tuple[dict[str, Any], list[list[InvalidToolCall]]]:
    """A whole reply without the tool calls whose arguments are no object, which LangChain would not take.

    Returns:
        The reply, with objects and texts of objects as texts; and of each choice the calls that were left out.
    """
    choices, odd = [], []
    for choice in reply["choices"]:
        message = choice.get("message") or {}
        calls = [_readable_call(call) for call in message.get("tool_calls") or ()]
        given = [str(call["function"].get("arguments") or "") for call in calls]
        right = [call for call, text in zip(calls, given, strict=True) if isinstance(_data(text), dict | None)]
        wrong = [(call, text) for call, text in zip(calls, given, strict=True) if call not in right]
        odd.append([invalid_tool_call(name=c["function"].get("name"), args=t, id=c.get("id")) for c, t in wrong])
        choices.append({**choice, "message": {**message, "tool_calls": right}} if calls else choice)
    return {**reply, "choices": choices}, odd


def _data(text: str) -> Any:
    """What a text says in JSON; None where it says nothing, or is broken and so LangChain's to tell."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


class ToolCallJoiner:
    """Gives each streamed piece of a tool call the index of the call that it belongs to.

    Servers leave the index out (Ollama), repeat index 0 for every call (older vLLM, sglang: InternLM/lmdeploy#3412),
    or repeat id and name in every piece (vllm#14951, which LangChain would join to "addaddadd").
    """

    def __init__(self) -> None:
        self._ids: list[str | None] = []
        self._names: list[str] = []
        self._slot_of: dict[int, int] = {}

    def join(self, pieces: Sequence[ToolCallChunk]) -> list[ToolCallChunk]:
        """Index the pieces of one chunk.

        Returns:
            The pieces with an index each, and with id and name only where a call begins.
        """
        return [self._indexed(piece) for piece in pieces]

    def _indexed(self, piece: ToolCallChunk) -> ToolCallChunk:
        slot = self._known_slot(piece)
        if slot is not None:
            # Only the very same name again is a repetition; anything else is the rest of it.
            rest = None if piece["name"] in (None, "", self._names[slot]) else piece["name"]
            self._names[slot] += rest or ""
            if self._ids[slot] is None and piece["id"]:
                self._ids[slot] = piece["id"]
                return tool_call_chunk(name=rest, args=piece["args"], id=piece["id"], index=slot)
            return tool_call_chunk(name=rest, args=piece["args"], id=None, index=slot)
        slot = len(self._ids)
        self._ids.append(piece["id"] or None)
        self._names.append(piece["name"] or "")
        if isinstance(piece["index"], int):
            self._slot_of[piece["index"]] = slot
        return tool_call_chunk(name=piece["name"], args=piece["args"], id=piece["id"] or None, index=slot)

    def _known_slot(self, piece: ToolCallChunk) -> int | None:
        """The call that a piece goes on with; None when it begins a new one."""
        index = piece["index"]
        if piece["id"] and piece["id"] in self._ids:
            return self._ids.index(piece["id"])
        slot = self._slot_of.get(index) if isinstance(index, int) else (len(self._ids) - 1 if self._ids else None)
        if slot is None:
            return None
        begins = bool(piece["name"]) and (bool(piece["id"] and self._ids[slot]) or index is None)
        return None if begins else slot


class StreamEnd(Exception):
    """The server closed the stream before the answer was finished."""


class Tidier:
    """Follows one stream and hands out chunks that join to the right message."""

    def __init__(self, messages: Sequence[BaseMessage], stop: Sequence[str] | None) -> None:
        self._messages = messages
        self._cutter = StopCutter(stop)
        self._joiner = ToolCallJoiner()
        self._usage: UsageMetadata | None = None
        self._said: list[str] = []
        self._finished = False
        self._ended = False

    @property
    def stopped(self) -> bool:
        """Whether a stop string has been met, so that nothing more need be read."""
        return self._cutter.stopped

    def push(self, chunk: ChatGenerationChunk) -> Iterator[ChatGenerationChunk]:
        """Take the next chunk."""
        message = chunk.message
        if not isinstance(message, AIMessageChunk):
            yield chunk
            return
        info = chunk.generation_info or {}
        self._usage = message.usage_metadata or self._usage  # the last one counts: some servers repeat a running sum
        # Spark never says finish_reason; its last chunk has the usage.
        self._ended = bool(message.usage_metadata)
        self._finished |= bool(info.get("finish_reason"))
        content = self._cutter.push(message.content) if isinstance(message.content, str) else message.content
        pieces = self._joiner.join(message.tool_call_chunks)
        self._said += [
            message.text,
            message.additional_kwargs.get("reasoning_content", ""),
            *(p["args"] or "" for p in pieces),
        ]
        if not (content or pieces or message.additional_kwargs or info):
            return
        data = message.model_dump(
            exclude={"type", "tool_calls", "invalid_tool_calls", "usage_metadata", "content", "tool_call_chunks"}
        )
        yield ChatGenerationChunk(
            message=AIMessageChunk(content=content, tool_call_chunks=pieces, **data), generation_info=info or None
        )

    def end(self) -> Iterator[ChatGenerationChunk]:
        """End the stream."""
        if not (self._finished or self._ended or self.stopped):
            raise StreamEnd
        metadata: dict[str, Any] = {} if self._usage else {"usage_estimated": True}
        if self.stopped:
            metadata["finish_reason"] = "stop"
        usage = self._usage or estimate_usage(self._messages, "".join(self._said))
        message = AIMessageChunk(
            content=self._cutter.flush(), response_metadata=metadata, usage_metadata=usage, chunk_position="last"
        )
        yield ChatGenerationChunk(message=message)


class AsTheyCome:
    """Hands chunks out as they are: those of OpenAI's Responses API need no tidying."""

    stopped = False

    def push(self, chunk: ChatGenerationChunk) -> Iterator[ChatGenerationChunk]:
        """Take the next chunk."""
        yield chunk

    def end(self) -> Iterator[ChatGenerationChunk]:
        """End the stream."""
        return iter(())
