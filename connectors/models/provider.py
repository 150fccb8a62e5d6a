"""What is known of a provider of chat models, and where its server differs from OpenAI's protocol."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from nacre.errors import UsageError
from nacre.extras import keyless, need
from nacre.text.language import tr


@dataclass(frozen=True)
class Quirks:
    """Where a server differs from the protocol.

    Args:
        drop: parameters that it refuses or that mean nothing to it; they are not sent.
        temperature: lowest and highest temperature that it takes; values outside are moved to the nearest.
        stops: how many stop strings it takes; with more, none is sent and the text is cut here. None: no limit known.
        forced_tool: False where `tool_choice` may only be "auto" or "none".
        stream_only: it answers whole requests by error; they are streamed and joined here.
        reasoning_back: an assistant message with tool calls must come back with its `reasoning_content`.
        splits_reasoning: it gives reasoning in a field of its own, never in the answer.
        images: whether it takes images. None: not known; they are passed and the server decides.
    """

    drop: frozenset[str] = frozenset()
    max_tokens: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    temperature: tuple[float, float] | None = None
    stops: int | None = None
    forced_tool: bool = True
    unthink: Mapping[str, Any] = field(default_factory=dict)
    strict_tools: bool = True
    stream_only: bool = False
    stream_usage: bool = True
    reasoning_back: bool = False
    splits_reasoning: bool = True
    images: bool | None = None
    structured: Literal["function_calling", "json_mode", "json_schema"] = "function_calling"


@dataclass(frozen=True)
class Provider:
    """One provider of chat models.

    Args:
        base_url: where it answers; "" where the user must say.
        default_model: the model when none is named; "" where one must be named.
        families: how the names of models begin that are its own, or the first that people ask it for; a pattern.
    """

    name: str
    title: str
    base_url: str
    keys: tuple[str, ...]
    needs_key: bool = True
    urls: tuple[str, ...] = ()
    default_model: str = ""
    families: str = ""
    aliases: tuple[str, ...] = ()
    quirks: Quirks = Quirks()
    models: tuple[tuple[str, Mapping[str, Any]], ...] = ()

    def quirks_of(self, model: str) -> Quirks:
        """The differences that hold for one model."""
        quirks = self.quirks
        for pattern, changes in self.models:
            if re.search(pattern, model.lower()):
                quirks = replace(quirks, **changes)
        return quirks

    def url(self) -> str:
        """Where to ask: the environment's base URL, else the provider's own."""
        return _set(self.urls) or self.base_url

    def read(self, rest: str) -> tuple[str, str]:
        """The model and where to ask for it, from `model` or `model@http://host/v1`, what stands behind the colon."""
        model, at, url = rest.rpartition("@http")
        return (model.strip(), f"http{url.strip()}") if at else (rest.strip(), self.url())

    def key(self) -> str:
        """The key from the environment."""
        return _set(self.keys)

    def place(
        self, rest: str, settings: dict[str, Any], package: str, spec: str, default: str = ""
    ) -> tuple[str, str, Any]:
        """The model, the address and the key ("none" where none is needed), from what stands behind the colon or in the
        settings, which lose them; `package` must be installed, and is told together with a missing key.
        """
        model, base_url = self.read(rest)
        base_url = settings.pop("base_url", None) or base_url
        model = named(model or default, spec, f"{self.name}:model-name")
        if not base_url:
            told = tr(
                "{spec!r} needs to know where the server is: write {name}:{model}@http://host:8000/v1, "
                "or pass base_url.",
                spec=spec,
                name=self.name,
                model=model,
            )
            raise UsageError(told)
        key = settings.pop("api_key", None) or self.key()
        if not key and self.needs_key and base_url == self.base_url:  # only its own address needs a key
            variable = self.keys[0]
            told = tr("{title} needs a key. Set it: export {variable}=…", title=self.title, variable=variable)
            raise keyless(told, package, extra="openai", model=f"{self.name}:{model}", variable=variable)
        need(package, extra="openai")
        return model, base_url, key or "none"


def named(name: str, spec: str, example: str) -> str:
    """The name of a model, which must be one."""
    if not name.strip():
        raise UsageError(tr("{spec!r} names no model. Write {example}.", spec=spec, example=example))
    return name.strip()


def _set(names: tuple[str, ...]) -> str:
    """The first of some variables that the environment holds."""
    return next((value for name in names if (value := os.environ.get(name, "").strip())), "")
