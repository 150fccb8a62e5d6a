"""Items of `/v1/responses`, and the same as messages of a chat; approvals that a run waits for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from nacre.agents.approval import Decision
from nacre.server.openai.errors import Problem
from nacre.server.records import new_id
from nacre.server.state import RequestContext
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
        told = tr("An item cannot be named by its id here: send the item itself, or previous_response_id.")
        raise Problem(400, told, "unsupported_parameter", "input")
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


def requests_of(own: Mapping[str, Any]) -> list[Item]:
    """One request for all calls that wait together."""
    calls = own.get("pending") or []
    if not calls:
        return []
    given = calls[0]["arguments"] if len(calls) == 1 else [call["arguments"] for call in calls]
    return [
        {
            "type": "mcp_approval_request",
            "id": own["run_id"],
            "server_label": "nacre",
            "name": ", ".join(call["tool"] for call in calls),
            "arguments": to_json(given, ensure_ascii=False),
        }
    ]


def decision_of(items: Sequence[Item]) -> tuple[str, Decision] | None:
    """The run that a request decides, and how; None where it is a question."""
    found = [item for item in items if item["type"] == "mcp_approval_response"]
    if not found:
        return None
    if len(items) != 1:
        told = tr("A decision goes alone: one mcp_approval_response, and no message.")
        raise Problem(400, told, "invalid_value", "input")
    answer = found[0]
    run_id, approve = answer.get("approval_request_id"), answer.get("approve")
    if not isinstance(run_id, str) or not isinstance(approve, bool):
        said = tr("An mcp_approval_response needs approval_request_id, a text, and approve, true or false.")
        raise Problem(400, said, "invalid_value", "input")
    return run_id, approve or str(answer.get("reason") or "") or False


def asked_by(context: RequestContext, model: str, run_id: str) -> str:
    """The question of a run that waits for this asker, in a stack that can go on with it."""
    if not context.state.served.acts(model):
        told = tr("The model {model!r} has no agent that could go on.", model=model)
        raise Problem(400, told, "invalid_value", "model")
    return str(context.state.served.runs.look(run_id, context.user.id)["question"])
