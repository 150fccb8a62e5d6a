"""What was said, as attributes of a span: only where someone asked for it, and without what looks like a key."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from langchain_core.documents import Document
from langchain_core.messages import AIMessage, BaseMessage, ToolMessage

from nacre.text.hygiene import masked
from nacre.text.messages import text_of
from nacre.text.strict_json import to_json

_SWITCH = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"
_ROLES = {"human": "user", "ai": "assistant"}


def wanted() -> bool:
    """Whether the environment asks for contents on spans."""
    return os.environ.get(_SWITCH, "").strip().lower() in ("true", "span_only", "span_and_event")


def said(messages: Sequence[BaseMessage], finish: str = "") -> str:
    """Messages in the form of the conventions' schema.

    Args:
        finish: why the answer ended; "" for what is no answer.
    """
    return as_json([_message(message, finish) for message in messages])


def found(documents: Sequence[Document]) -> str:
    """Retrieved documents: their ids and scores."""
    return as_json([_document(document) for document in documents])


def as_json(value: Any) -> str:
    """Any value as an attribute."""
    return masked(to_json(value, ensure_ascii=False, default=str))


def _message(message: BaseMessage, finish: str) -> dict[str, Any]:
    plain = {"role": _ROLES.get(message.type, message.type), "parts": _parts(message)}
    return {**plain, "finish_reason": finish} if finish else plain


def _parts(message: BaseMessage) -> list[dict[str, Any]]:
    if isinstance(message, ToolMessage):
        return [{"type": "tool_call_response", "id": message.tool_call_id, "response": text_of(message)}]
    text = text_of(message)
    parts: list[dict[str, Any]] = [{"type": "text", "content": text}] if text else []
    if isinstance(message, AIMessage):
        parts += [
            {"type": "tool_call", "id": call["id"], "name": call["name"], "arguments": call["args"]}
            for call in message.tool_calls
        ]
    return parts


def _document(document: Document) -> dict[str, Any]:
    facts: Mapping[str, Any] = document.metadata
    score = facts.get("score")
    return {
        "id": str(document.id or facts.get("uri", "")),
        **({"score": float(score)} if isinstance(score, (int, float)) else {}),
    }
