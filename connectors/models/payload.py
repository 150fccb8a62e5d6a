"""A request of the OpenAI protocol, made fit for a server that differs from it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage

from nacre.connectors.models.provider import Quirks
from nacre.text.hygiene import clean_text

# Parameters that many servers take and the OpenAI client does not know; they travel in `extra_body`.
_SERVER_PARAMETERS = """
top_k min_p typical_p repetition_penalty length_penalty min_tokens ignore_eos stop_token_ids skip_special_tokens
enable_thinking thinking thinking_budget preserve_thinking chat_template_kwargs do_sample enable_search search_options
guided_json guided_regex guided_choice guided_grammar structured_outputs num_ctx keep_alive options penalty_score
web_search user_id request_id vl_high_resolution_images best_of use_beam_search cache_prompt grammar
"""
SERVER_PARAMETERS = frozenset(_SERVER_PARAMETERS.split())


def fit(payload: dict[str, Any], messages: Sequence[BaseMessage], quirks: Quirks) -> dict[str, Any]:
    """A copy of a chat completions request of LangChain's, changed so that the server takes it."""
    fitted = {key: value for key, value in payload.items() if key not in quirks.drop}
    limit = fitted.pop("max_tokens", None) or fitted.pop("max_completion_tokens", None)
    if limit is not None:
        fitted.pop("max_completion_tokens", None)
        fitted[quirks.max_tokens] = limit
    if quirks.temperature and fitted.get("temperature") is not None:
        low, high = quirks.temperature
        fitted["temperature"] = min(max(fitted["temperature"], low), high)
    if not quirks.stream_usage:
        fitted.pop("stream_options", None)
    fitted["messages"] = [
        _fit_message(sent, message, quirks) for sent, message in zip(payload["messages"], messages, strict=True)
    ]
    _fit_tools(fitted, quirks)
    own = {key: fitted.pop(key) for key in SERVER_PARAMETERS & fitted.keys()}
    if own:
        fitted["extra_body"] = {**(fitted.get("extra_body") or {}), **own}
    return fitted


def sendable(value: Any) -> Any:
    """A part of a request that can be sent: its texts hold no lone surrogates and no control characters."""
    if isinstance(value, str):
        return clean_text(value)
    if isinstance(value, Mapping):
        return {key: sendable(part) for key, part in value.items()}
    return [sendable(part) for part in value] if isinstance(value, list) else value


def _fit_message(sent: Mapping[str, Any], message: BaseMessage, quirks: Quirks) -> dict[str, Any]:
    fitted: dict[str, Any] = sendable(sent)
    if fitted.get("role") == "developer" and quirks.max_tokens == "max_tokens":
        fitted["role"] = "system"  # only OpenAI itself knows developers
    content = fitted.get("content")
    if isinstance(content, list) and all(isinstance(part, str) or part.get("type") == "text" for part in content):
        # Text-only models of many servers take a string and nothing else.
        fitted["content"] = "".join(part if isinstance(part, str) else part["text"] for part in content)
    reasoning = message.additional_kwargs.get("reasoning_content")
    if quirks.reasoning_back and reasoning and isinstance(message, AIMessage) and message.tool_calls:
        fitted["reasoning_content"] = reasoning
    return fitted


def _fit_tools(payload: dict[str, Any], quirks: Quirks) -> None:
    if not payload.get("tools"):
        # An empty list is refused by DashScope, and a choice without tools by everyone.
        for key in ("tools", "tool_choice", "parallel_tool_calls"):
            payload.pop(key, None)
        return
    if not quirks.strict_tools:
        payload["tools"] = [
            {**tool, "function": {key: value for key, value in tool["function"].items() if key != "strict"}}
            if "function" in tool
            else tool
            for tool in payload["tools"]
        ]
    if payload.get("tool_choice", "auto") in ("auto", "none"):
        return
    if not quirks.forced_tool:
        payload["tool_choice"] = "auto"
        return
    body = dict(payload.get("extra_body") or {})
    if quirks.unthink and not any(key in body or key in payload for key in quirks.unthink):
        payload["extra_body"] = {**body, **quirks.unthink}


def has_images(messages: Sequence[BaseMessage]) -> bool:
    """Whether any message carries an image."""
    kinds = {"image", "image_url", "input_image"}
    return any(
        isinstance(part, dict) and part.get("type") in kinds
        for m in messages
        if isinstance(m.content, list)
        for part in m.content
    )
