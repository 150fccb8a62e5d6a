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
from nacre.connectors.models.written_calls import WrittenCalls, new_call_id
from nacre.text.lenient_json import whole
from nacre.text.reasoning import ReasoningSplitter, reasoning_field, split_reasoning, without_reasoning_parts
from nacre.text.strict_json import to_json
from nacre.text.tokens import estimate, estimate_messages


def estimate_usage(messages: Sequence[BaseMessage], answer: str) -> UsageMetadata:
    """The tokens of a call whose server gives no counts, by estimate."""
    asked, said = estimate_messages(messages), estimate(answer)
    return UsageMetadata(input_tokens=asked, output_tokens=said, total_tokens=asked + said)


def readable(chunk: Mapping[str, Any]) -> dict[str, Any]:
    """Bring one streamed chunk into the form that langchain-openai reads.

    It looks for `tool_calls[].index` and drops every tool call of a chunk when one has none
    (ollama/ollama#7881), and it looks for `usage` beside `choices`, where Moonshot puts it inside.
    """
    choices = chunk.get("choices") or []
    if not choices or not isinstance(choices[0], Mapping):
        return {**chunk, "choices": []}
    choice = dict(choices[0])
    if choice.get("delta") is None:  # LangChain would drop the chunk, and the end that it tells
        choice["delta"] = {}
    delta = choice["delta"]
    if isinstance(delta, Mapping) and delta.get("tool_calls"):
        choice["delta"] = {**delta, "tool_calls": _readable_calls(delta["tool_calls"])}
    usage = chunk.get("usage") or choice.get("usage")
    return {**chunk, "choices": [choice, *choices[1:]], "usage": usage}


def _readable_calls(calls: Any) -> list[dict[str, Any]]:
    calls = [calls] if isinstance(calls, Mapping) else calls  # Spark sends an object, not a list
    made = []
    for call in (call for call in calls if isinstance(call, Mapping)):
        function = dict(call.get("function") or {})
        if isinstance(function.get("arguments"), Mapping):
            function["arguments"] = to_json(function["arguments"], ensure_ascii=False)
        index = call.get("index")
        if isinstance(index, str) and index.isdigit():
            index = int(index)
        made.append({**call, "function": function, "index": index if isinstance(index, int) else None})
    return made


def readable_reply(reply: dict[str, Any]) -> tuple[dict[str, Any], list[list[InvalidToolCall]]]:
    """A whole reply as LangChain takes it: reasoning apart, arguments as texts of objects, an id for every call; and of
    each choice the calls whose arguments are no object.
    """
    read = [_readable_choice(choice) for choice in reply["choices"]]
    return {**reply, "choices": [choice for choice, _ in read]}, [odd for _, odd in read]


def _readable_choice(choice: dict[str, Any]) -> tuple[dict[str, Any], list[InvalidToolCall]]:
    message = dict(choice.get("message") or {})
    content, hidden = without_reasoning_parts(message.get("content"))
    if isinstance(content, str):
        content, thought = split_reasoning(content)
        hidden += thought
    if content != message.get("content"):
        message["content"] = content
    if reasoning := reasoning_field(message) + hidden:
        message["reasoning_content"] = reasoning
    calls = _readable_calls(message.get("tool_calls") or ())
    seen: set[str] = set()
    for call in calls:
        given = str(call.get("id") or "")
        call["id"] = given if given and given not in seen else new_call_id()
        seen.add(call["id"])
        call["function"]["arguments"] = _unwrapped(call["function"].get("arguments"))
    right = [call for call in calls if isinstance(_data(call["function"]["arguments"]), dict | None)]
    odd = [
        invalid_tool_call(name=c["function"].get("name"), args=c["function"]["arguments"], id=c["id"])
        for c in calls
        if c not in right
    ]
    if calls:
        message["tool_calls"] = right
    return ({**choice, "message": message} if choice.get("message") else choice), odd


def _unwrapped(given: Any) -> str:
    """Arguments as a text; a text within a text, as some models write them, is taken out."""
    text = str(given or "")
    inner = _data(text)
    return inner if isinstance(inner, str) and isinstance(_data(inner), dict | str) else text


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
        self._said: list[str] = []
        self._given: set[str] = set()
        self._slot_of: dict[int, int] = {}

    def __len__(self) -> int:
        return len(self._ids)

    def join(self, pieces: Sequence[ToolCallChunk]) -> list[ToolCallChunk]:
        """The pieces of one chunk with an index each, and with id and name only where a call begins."""
        return [self._indexed(piece) for piece in pieces]

    def close(self) -> list[ToolCallChunk]:
        """Ids for the calls that came without one."""
        return [
            tool_call_chunk(name=None, args=None, id=new_call_id(), index=slot)
            for slot, given in enumerate(self._ids)
            if given is None
        ]

    def _indexed(self, piece: ToolCallChunk) -> ToolCallChunk:
        slot = self._known_slot(piece)
        if slot is not None:
            # Only the very same name again is a repetition; anything else is the rest of it.
            rest = None if piece["name"] in (None, "", self._names[slot]) else piece["name"]
            self._names[slot] += rest or ""
            self._said[slot] += piece["args"] or ""
            given = self._own_id(piece["id"]) if self._ids[slot] is None and piece["id"] else None
            self._ids[slot] = self._ids[slot] or piece["id"] or None
            return tool_call_chunk(name=rest, args=piece["args"], id=given, index=slot)
        slot = len(self._ids)
        self._ids.append(piece["id"] or None)
        self._names.append(piece["name"] or "")
        self._said.append(piece["args"] or "")
        if isinstance(piece["index"], int):
            self._slot_of[piece["index"]] = slot
        given = self._own_id(piece["id"]) if piece["id"] else None
        return tool_call_chunk(name=piece["name"], args=piece["args"], id=given, index=slot)

    def _own_id(self, given: str) -> str:
        own = new_call_id() if given in self._given else given
        self._given.add(own)
        return own

    def _known_slot(self, piece: ToolCallChunk) -> int | None:
        """The call that a piece goes on with; None when it begins a new one."""
        index = piece["index"]
        if piece["id"] and piece["id"] in self._ids:
            same = len(self._ids) - 1 - self._ids[::-1].index(piece["id"])
            return None if self._another(same, piece) else same
        slot = self._slot_of.get(index) if isinstance(index, int) else (len(self._ids) - 1 if self._ids else None)
        if slot is None:
            return None
        begins = bool(piece["name"]) and (bool(piece["id"] and self._ids[slot]) or index is None)
        return None if begins else slot

    def _another(self, slot: int, piece: ToolCallChunk) -> bool:
        """Whether a piece that has the id of a call is another call nevertheless: some servers have one id for all."""
        if not piece["name"]:
            return False
        elsewhere = isinstance(piece["index"], int) and self._slot_of.get(piece["index"]) != slot
        whole = (piece["args"] or "").lstrip()[:1] == "{" and isinstance(_data(self._said[slot]), dict)
        return elsewhere or whole


class StreamEnd(Exception):
    """The server closed the stream before the answer was finished."""


class Tidier:
    """Follows one stream and hands out chunks that join to the right message; those of OpenAI's Responses API need no
    tidying.
    """

    def __init__(
        self,
        messages: Sequence[BaseMessage],
        stop: Sequence[str] | None,
        tools: Sequence[dict[str, Any]] = (),
        *,
        hold: bool = False,
        tidy: bool = True,
    ) -> None:
        self._tidy = tidy
        self._messages = messages
        self._cutter = StopCutter(stop)
        self._joiner = ToolCallJoiner()
        self.splitter = ReasoningSplitter(hold=hold)
        self._calls = WrittenCalls(tools)
        self._usage: UsageMetadata | None = None
        self._said: list[str] = []
        self._finish = self._half = ""  # half a character, whose other half is in the next chunk
        self._ended = False

    @property
    def stopped(self) -> bool:
        """Whether a stop string has been met, so that nothing more need be read."""
        return self._cutter.stopped

    def push(self, chunk: ChatGenerationChunk) -> Iterator[ChatGenerationChunk]:
        """Take the next chunk."""
        message = chunk.message
        if not self._tidy or not isinstance(message, AIMessageChunk):
            yield chunk
            return
        info = chunk.generation_info or {}
        self._usage = message.usage_metadata or self._usage  # the last one counts: some servers repeat a running sum
        # Spark never says finish_reason; its last chunk has the usage.
        self._ended = bool(message.usage_metadata)
        self._finish = info.get("finish_reason") or self._finish
        content = self._shown(message)
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

    def _shown(self, message: AIMessageChunk) -> Any:
        """What of a chunk is the answer; its reasoning, wherever it stands, goes where reasoning belongs."""
        content, thought = without_reasoning_parts(message.content)
        if message.additional_kwargs.get("reasoning_content"):
            self.splitter.known()
        if isinstance(content, str):
            content, self._half = self._half + content, ""
            if "\ud800" <= content[-1:] <= "\udbff":
                content, self._half = content[:-1], content[-1]
            content, split = self.splitter.push(whole(content))
            content, thought = self._calls.push(self._cutter.push(content)), thought + split
        if thought:
            told = message.additional_kwargs.get("reasoning_content", "")
            message.additional_kwargs["reasoning_content"] = told + thought
        return content

    def end(self) -> Iterator[ChatGenerationChunk]:
        """End the stream."""
        if not self._tidy:
            return
        if not (self._finish or self._ended or self.stopped):
            raise StreamEnd
        metadata: dict[str, Any] = {} if self._usage else {"usage_estimated": True}
        if self.stopped:
            metadata["finish_reason"] = "stop"
        usage = self._usage or estimate_usage(self._messages, "".join(self._said))
        content, thought = self.splitter.close()
        shown = self._calls.push(self._cutter.push(content) + self._cutter.flush())
        rest, calls = self._calls.close(cut=self._finish == "length")
        pieces = [
            tool_call_chunk(name=call["name"], args=to_json(call["args"], ensure_ascii=False), id=call["id"], index=at)
            for at, call in enumerate(calls, len(self._joiner))
        ]
        message = AIMessageChunk(
            content=shown + rest,
            additional_kwargs={"reasoning_content": thought} if thought else {},
            tool_call_chunks=[*self._joiner.close(), *pieces],
            response_metadata=metadata,
            usage_metadata=usage,
            chunk_position="last",
        )
        yield ChatGenerationChunk(message=message)
