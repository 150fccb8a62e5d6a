"""Rows of other tools, in our form: alpaca, sharegpt, OpenAI's preferences, TRL's prompt and completion."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

_SPEAKERS = {"human": "user", "gpt": "assistant", "user": "user", "assistant": "assistant", "system": "system"}


def form_of(data: Mapping[str, Any]) -> str:
    """Which tool's form a row has, by its fields; ours (and DashScope's, and OpenAI's chat form) where none other."""
    return next((name for name, (field, _) in _FORMS.items() if field in data and "messages" not in data), "messages")


def as_row(data: Mapping[str, Any]) -> Mapping[str, Any]:
    """The row with `messages`, and `chosen` and `rejected` where it is a pair."""
    name = form_of(data)
    return _FORMS[name][1](data) if name in _FORMS else data


def _alpaca(data: Mapping[str, Any]) -> dict[str, Any]:
    asked = "\n".join(str(part) for part in (data["instruction"], data.get("input")) if part)
    past = [turn for pair in data.get("history") or () for turn in zip(("user", "assistant"), pair, strict=True)]
    turns = [*_system(data), *(_turn(role, text) for role, text in past), _turn("user", asked)]
    if "chosen" in data:
        return {"messages": turns, "chosen": data["chosen"], "rejected": data["rejected"]}
    return {"messages": [*turns, _turn("assistant", data["output"])], **_label(data, "kto_tag")}


def _sharegpt(data: Mapping[str, Any]) -> dict[str, Any]:
    turns = [*_system(data), *(_spoken(turn) for turn in data["conversations"])]
    if "chosen" in data:
        return {"messages": turns, "chosen": _spoken(data["chosen"]), "rejected": _spoken(data["rejected"])}
    return {"messages": turns, **_label(data, "kto_tag")}


def _openai_pair(data: Mapping[str, Any]) -> dict[str, Any]:
    chosen, rejected = data["preferred_output"][-1], data["non_preferred_output"][-1]
    return {"messages": data["input"]["messages"], "chosen": chosen, "rejected": rejected}


def _trl(data: Mapping[str, Any]) -> dict[str, Any]:
    prompt = data["prompt"]
    turns = [_turn("user", prompt)] if isinstance(prompt, str) else list(prompt)
    if "chosen" in data:
        return {"messages": turns, "chosen": _last(data["chosen"]), "rejected": _last(data["rejected"])}
    answer = _last(data["completion"])
    said = _turn("assistant", answer) if isinstance(answer, str) else answer
    return {"messages": [*turns, said], **_label(data, "label")}


_FORMS: Mapping[str, tuple[str, Callable[[Mapping[str, Any]], dict[str, Any]]]] = {
    "alpaca": ("instruction", _alpaca),
    "sharegpt": ("conversations", _sharegpt),
    "openai": ("preferred_output", _openai_pair),
    "trl": ("prompt", _trl),
}


def _turn(role: str, text: Any) -> dict[str, Any]:
    return {"role": role, "content": text}


def _spoken(turn: Mapping[str, Any]) -> dict[str, Any]:
    speaker = turn.get("from", turn.get("role"))
    return _turn(_SPEAKERS.get(str(speaker), str(speaker)), turn.get("value", turn.get("content")))


def _system(data: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [_turn("system", data["system"])] if data.get("system") else []


def _label(data: Mapping[str, Any], name: str) -> dict[str, Any]:
    return {"label": data[name]} if name in data else {}


def _last(said: Any) -> Any:
    return said[-1] if isinstance(said, list) else said
