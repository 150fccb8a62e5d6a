"""What a tool gave back, as text for the model: bounded, clean, and marked as data."""

from __future__ import annotations

import re
from typing import Any

from langchain_core.documents import Document
from langchain_core.messages import ToolMessage

from nacre.agents.window import clip
from nacre.text.framing import mark
from nacre.text.hygiene import clean_text
from nacre.text.language import tr
from nacre.text.messages import text_of
from nacre.text.strict_json import to_json

_SCAN = 2_000_000
_MARK = re.compile(r'</?data key="[0-9a-f]{0,32}">\n?')  # the example in the prompt has a shorter one


def as_text(result: Any, limit: int) -> str:
    """Anything that a tool may return as clean text of about `limit` characters at most."""
    return clip(clean_text(_text(result)[:_SCAN]).strip(), limit) or tr("(nothing)")


def _text(result: Any) -> str:
    if isinstance(result, ToolMessage):
        return _text(result.content)
    if isinstance(result, str):
        return result
    if result is None:
        return ""
    if isinstance(result, (bytes, bytearray, memoryview)):
        try:
            return bytes(result).decode("utf-8")
        except UnicodeDecodeError:
            return tr("(binary data, {count} bytes)", count=len(bytes(result)))
    if isinstance(result, Document):
        return result.page_content
    if isinstance(result, list) and result and all(isinstance(part, dict) and "type" in part for part in result):
        others = sorted({str(part["type"]) for part in result if part["type"] != "text"})
        return text_of(result) + (f" [{', '.join(others)}]" if others else "")
    if isinstance(result, (list, tuple)) and result and all(isinstance(part, Document) for part in result):
        return "\n\n".join(part.page_content for part in result)
    try:
        return to_json(result, ensure_ascii=False, default=str)
    except (ValueError, TypeError, RecursionError):
        return str(result)


def frame(text: str) -> str:
    """Mark an observation as data. The key is a secret's, so the text cannot close the frame early."""
    key = mark(text)
    return f'<data key="{key}">\n{text}\n</data key="{key}">'


def unframe(text: str) -> str:
    """Take the marks of `frame` out of a text: a weak model copies them into its answer."""
    return _MARK.sub("", text)
