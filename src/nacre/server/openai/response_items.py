"""Items of `/v1/responses`: what a conversation is made of there, and the same as messages of a chat."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from nacre.server.openai.errors import Problem
from nacre.server.records import new_id
from nacre.text.language import tr
from nacre.text.strict_json import to_json

Item = dict[str, Any]
_PREFIX = {"message": "msg", "function_call": "fc", "function_call_output": "fco", "reasoning": "rs"}


def items_of(given: str | Sequence[Item]) -> list[Item]:
    """The input of a request as items, each with an id and its content in parts."""
    return [_item({"role": "user", "content": given})] if isinstance(given, str) else [_item(item) for item in given]


def _item(given: Item) -> Item:
    kind = str(given.get("type") or "message")
    if kind == "item_reference":
        raise Problem(
            400,
            tr("An item cannot be named by its id here: send the item itself, or previous_response_id."),
            "unsupported_parameter",
            "input",
        )
    number = given.get("id")
    head = {"id": number if isinstance(number, str) and number else new_id(_PREFIX.get(kind, "item")), "type": kind}
    if kind != "message":
        return {**given, **head}
    content, role = given.get("content"), str(given.get("role") or "user")
    if not isinstance(content, list):
        content = [
            {
                "type": "output_text" if role == "assistant" else "input_text",
                "text": content if isinstance(content, str) else "",
            }
        ]
    return {"status": "completed", **given, **head, "role": role, "content": content}


def messages_of_items(items: Sequence[Item], instructions: str | None) -> list[dict[str, Any]]:
    """Items as messages of a chat completion."""
    messages: list[dict[str, Any]] = [{"role": "system", "content": instructions}] if instructions else []
    for item in items:
        kind = item["type"]
        if kind == "function_call":
            call = {"name": str(item.get("name")), "arguments": item.get("arguments")}
            if not messages or messages[-1]["role"] != "assistant":
                messages.append({"role": "assistant", "content": ""})
            messages[-1].setdefault("tool_calls", []).append(
                {"id": item.get("call_id"), "type": "function", "function": call}
            )
        elif kind == "function_call_output":
            messages.append(
                {"role": "tool", "tool_call_id": str(item.get("call_id")), "content": _text(item.get("output"))}
            )
        elif kind == "message":
            messages.append({"role": item["role"], "content": _parts(item["content"])})
    return messages


def _parts(content: list[Any]) -> Any:
    images = [part for part in content if isinstance(part, dict) and part.get("type") == "input_image"]
    if not images:
        return _text(content)
    return [
        {"type": "text", "text": _text(content)},
        *({"type": "image_url", "image_url": {"url": part.get("image_url")}} for part in images),
    ]


def _text(content: Any) -> str:
    if isinstance(content, list):
        return "".join(str(part.get("text", "")) for part in content if isinstance(part, dict))
    return content if isinstance(content, str) else to_json(content, ensure_ascii=False)
