"""Requests of OpenAI's form as LangChain messages and call options."""

from __future__ import annotations

import json
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage, InvalidToolCall, ToolMessage, convert_to_messages
from langchain_core.messages.ai import UsageMetadata
from langchain_core.messages.tool import invalid_tool_call
from pydantic import BaseModel, ConfigDict, Field

from nacre.server.openai.errors import Problem
from nacre.server.records import new_id
from nacre.text.language import tr
from nacre.text.strict_json import to_json

# What shapes a reply and is handed to the model as it is. `max_completion_tokens` is `max_tokens` by its new name.
_OPTIONS = (
    *("temperature", "top_p", "seed", "frequency_penalty", "presence_penalty"),
    *("response_format", "parallel_tool_calls", "reasoning_effort"),
)
_TEXTS = ("input_text", "output_text")  # a text, as the Responses API calls it


class Message(BaseModel):
    """One message of a conversation."""

    model_config = ConfigDict(extra="allow")

    role: str
    content: str | list[dict[str, Any] | str] | dict[str, Any] | None = None


class StreamOptions(BaseModel):
    """What a stream is to hold besides the answer."""

    include_usage: bool | None = None


class ChatRequest(BaseModel):
    """The body of `/v1/chat/completions`. Parameters that are not listed are read over, as OpenAI's own servers do."""

    model_config = ConfigDict(extra="allow")

    model: str
    messages: list[Message] = Field(min_length=1, max_length=2000)
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    temperature: float | None = Field(default=None, ge=0, le=2)
    top_p: float | None = Field(default=None, ge=0, le=1)
    max_tokens: int | None = Field(default=None, ge=1)
    max_completion_tokens: int | None = Field(default=None, ge=1)
    n: int | None = Field(default=None, ge=1, le=1)
    stop: str | list[str] | None = None
    seed: int | None = None
    frequency_penalty: float | None = Field(default=None, ge=-2, le=2)
    presence_penalty: float | None = Field(default=None, ge=-2, le=2)
    response_format: dict[str, Any] | None = None
    tools: list[dict[str, Any]] | None = Field(default=None, max_length=128)
    tool_choice: str | dict[str, Any] | None = None
    parallel_tool_calls: bool | None = None
    reasoning_effort: str | None = None
    metadata: dict[str, Any] | None = None

    @property
    def session(self) -> str:
        """The session that the client names; clients put other things into `metadata` too."""
        named = (self.metadata or {}).get("session_id", "")
        return named if isinstance(named, str) else ""


def messages_of(request: ChatRequest) -> list[BaseMessage]:
    """The conversation of a request; reasoning that a client sends back is left out."""
    try:
        messages = _with_ids([_message(message) for message in request.messages])
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        told = tr(
            "The messages cannot be read: each needs a role (system, developer, user, assistant or tool) and a content."
        )
        raise Problem(400, told, "invalid_value", "messages") from error
    if all(message.type == "system" for message in messages):
        raise Problem(400, tr("The messages hold no question of a user."), "invalid_value", "messages")
    return messages


def _message(given: Message) -> BaseMessage:
    data = _plain(given)
    calls, odd = _calls(data.pop("tool_calls", None) or ())
    (message,) = convert_to_messages([{**data, "tool_calls": calls} if calls else data])
    if odd and isinstance(message, AIMessage):
        message.invalid_tool_calls = [*message.invalid_tool_calls, *odd]
    return message


def _with_ids(messages: list[BaseMessage]) -> list[BaseMessage]:
    """The messages, results of tools that name no call given to the calls before them, in their order."""
    waiting: list[str] = []
    for message in messages:
        if isinstance(message, AIMessage):
            waiting = [str(call["id"]) for call in (*message.tool_calls, *message.invalid_tool_calls)]
        elif isinstance(message, ToolMessage):
            message.tool_call_id = message.tool_call_id or (waiting[0] if waiting else "call_0")
            waiting = [number for number in waiting if number != message.tool_call_id]
    return messages


def _plain(message: Message) -> dict[str, Any]:
    kept = ("role", "content", "name", "tool_calls", "tool_call_id")
    data = {key: value for key, value in message.model_dump().items() if key in kept and value is not None}
    content = data.get("content", "")
    content = [content] if isinstance(content, dict) else content
    if isinstance(content, list):
        content = [{"type": "text", "text": part} if isinstance(part, str) else part for part in content]
        content = [{**part, "type": "text"} if part.get("type") in _TEXTS else part for part in content]
    role = message.role.casefold()
    named = {"tool_call_id": data.get("tool_call_id") or ""} if role == "tool" else {}
    return {**data, "role": role, "content": content, **named}


def _calls(given: Any) -> tuple[list[dict[str, Any]], list[InvalidToolCall]]:
    """The calls of a history whose arguments are an object; and the others, with which it can go on too."""
    calls, odd = [], []
    for at, call in enumerate(given if isinstance(given, list | tuple) else [given]):
        function = call.get("function") or {}
        name, number = str(function.get("name") or ""), str(call.get("id") or f"call_{at}")
        said = function.get("arguments")
        try:
            read = {} if said in (None, "") else json.loads(said) if isinstance(said, str) else said
        except (ValueError, RecursionError):
            read = None
        if isinstance(read, dict):
            function = {"name": name, "arguments": to_json(read, ensure_ascii=False)}
            calls.append({"id": number, "type": "function", "function": function})
        else:
            text = said if isinstance(said, str) else to_json(said, ensure_ascii=False)
            odd.append(invalid_tool_call(name=name, args=text, id=number))
    return calls, odd


def options_of(request: ChatRequest) -> dict[str, Any]:
    """The call options of a request; nothing that was not said."""
    options = {name: value for name in _OPTIONS if (value := getattr(request, name)) is not None}
    if limit := request.max_completion_tokens or request.max_tokens:
        options["max_tokens"] = limit
    if request.stop:
        options["stop"] = [request.stop] if isinstance(request.stop, str) else request.stop
    return options


def tool_names(tools: list[dict[str, Any]] | None) -> frozenset[str]:
    """The names of the tools that a caller brought."""
    names = [
        (tool.get("function") or {}).get("name") if isinstance(tool.get("function"), dict) else None
        for tool in tools or []
    ]
    if not all(isinstance(name, str) and name for name in names):
        told = tr("Each tool must be {type: function, function: {name, parameters}}.")
        raise Problem(400, told, "invalid_value", "tools")
    return frozenset(str(name) for name in names)


def usage_of(usage: UsageMetadata | None) -> dict[str, Any]:
    """Tokens in OpenAI's form."""
    asked, said = (usage["input_tokens"], usage["output_tokens"]) if usage else (0, 0)
    return {"prompt_tokens": asked, "completion_tokens": said, "total_tokens": asked + said}


def tool_calls_of(message: AIMessage, names: frozenset[str]) -> list[dict[str, Any]]:
    """The tool calls that are for the caller; an agent's own searches are nobody's business."""
    return [
        {
            "id": call["id"] or new_id("call"),
            "type": "function",
            "function": {"name": call["name"], "arguments": to_json(call["args"], ensure_ascii=False)},
        }
        for call in message.tool_calls
        if call["name"] in names
    ]
