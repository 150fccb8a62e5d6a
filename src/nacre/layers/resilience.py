"""Layers for models that fail: try again, try another."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Sequence
from typing import Any, cast

from langchain_core.language_models import BaseChatModel, LanguageModelInput
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.runnables import Runnable, RunnableLambda
from pydantic import Field

from nacre.decorator.layer import Call, ChatModelDecorator, Flow
from nacre.errors import ModelUnavailableError
from nacre.system.net import seconds_to_wait

When = Callable[[Exception], bool]
_STATUS = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 529})
# By name, since the core imports no provider's SDK.
_NAMES = frozenset(
    {
        "APIConnectionError",
        "APITimeoutError",
        "RateLimitError",
        "InternalServerError",
        "OverloadedError",
        "ServiceUnavailable",
        "TransportError",
        "ResourceExhausted",
    }
)


def is_transient(error: Exception) -> bool:
    """Whether the same call may succeed a little later.

    Returns:
        True for lost connections, time-outs, overload and rate limits; False for what a repeat cannot mend (a wrong
        key, a context that is too long, a used-up quota).
    """
    if getattr(error, "code", None) == "insufficient_quota":
        return False
    status = getattr(error, "status_code", None)
    if isinstance(status, int):
        return status in _STATUS
    if isinstance(error, ModelUnavailableError | ConnectionError | TimeoutError):
        return True
    return any(kind.__name__ in _NAMES for kind in type(error).__mro__)


def always(error: Exception) -> bool:
    """Says yes to every error."""
    return True


def retry_after(error: BaseException) -> float | None:
    """How long a server asked to wait (RFC 9110, section 10.2.3).

    Args:
        error: what a model raised; a field `retry_after` or `retry_after_s`, or the header of its `response`, counts.

    Returns:
        Seconds, None when it did not say.
    """
    for name in ("retry_after_s", "retry_after"):
        value = getattr(error, name, None)
        if isinstance(value, int | float):
            return max(0.0, float(value))
    headers = getattr(getattr(error, "response", None), "headers", None) or {}
    return seconds_to_wait(headers.get("retry-after") or headers.get("Retry-After"))


def without_retries(model: BaseChatModel) -> BaseChatModel:
    """A model whose client sends each request once, however deep below other layers: two who repeat would multiply.

    Args:
        model: any chat model; one that does not say how (a method `without_retries`) comes back as it is.
    """
    if not isinstance(model, ChatModelDecorator):
        own = getattr(model, "without_retries", None)
        return cast(BaseChatModel, own()) if callable(own) else model
    changed: dict[str, Any] = {"inner": without_retries(model.inner)}
    if isinstance(model, Fallback):
        changed["others"] = [without_retries(other) for other in model.others]
        same = all(a is b for a, b in zip(changed["others"], model.others, strict=True))
    else:
        same = True
    return model if same and changed["inner"] is model.inner else model.model_copy(update=changed)


class Retry(ChatModelDecorator):
    """Tries again when a model fails for a passing reason.

    A client below it that would repeat requests by itself stops doing so. It waits `wait_s`, then twice as long, and so on, each time by a random part shorter (full jitter between one half
    and the whole), and at least as long as the server asked. Once something of the answer has been shown, an error is
    raised and not retried.

    Args:
        inner: the model that may fail.
        attempts: how often it is asked, at least 1.
        wait_s: seconds before the second attempt.
        max_wait_s: the longest wait; a server that asks for more than this is not waited for.
        on: says which errors are worth another attempt; lost connections, time-outs and overload by default.

    Raises:
        Exception: the error of the last attempt.
    """

    attempts: int = Field(default=3, ge=1)
    wait_s: float = Field(default=1.0, ge=0)
    max_wait_s: float = Field(default=30.0, ge=0)
    on: When = is_transient

    def model_post_init(self, context: Any, /) -> None:
        """Be the only one who repeats."""
        self.inner = without_retries(self.inner)

    def flow(self, messages: list[BaseMessage], **kwargs: Any) -> Flow:
        """Ask until it succeeds or there is no attempt left."""
        attempt = 1
        while True:
            try:
                return (yield from self.ask(messages, live=True, **kwargs))
            except Exception as error:
                wait = self._wait(attempt, error)
                if attempt >= self.attempts or wait is None or not self.on(error):
                    raise
            yield from self.call(RunnableLambda(time.sleep, afunc=asyncio.sleep, name="wait"), wait)
            attempt += 1

    def _wait(self, attempt: int, error: Exception) -> float | None:
        """Seconds before the next attempt, None when it would take too long."""
        asked = retry_after(error) or 0.0
        if asked > self.max_wait_s:
            return None
        wait = min(self.max_wait_s, self.wait_s * 2 ** (attempt - 1))
        return float(max(asked, wait * random.uniform(0.5, 1.0)))


class Fallback(ChatModelDecorator):
    """Asks another model when one fails.

    Tools are bound to each model in its own form. Structured output is made by tool calls, which all of them share.

    Args:
        inner: the model that is asked first.
        others: the models that are asked after it, in order.
        on: says for which errors the next model is asked; by default for every one.

    Raises:
        Exception: the error of the last model, with a note on each that failed before it.
    """

    others: list[BaseChatModel] = Field(min_length=1)
    on: When = always

    def flow(self, messages: list[BaseMessage], **kwargs: Any) -> Flow:
        """Ask one after the other."""
        bound = kwargs.pop(_BOUND, None)
        notes: list[str] = []
        models = [self.inner, *self.others]
        for n, model in enumerate(models, 1):
            try:
                target: Runnable[Any, Any] = model if bound is None else _bind(model, bound)
                reply: AIMessage = yield Call(target, list(messages), kwargs, live=True)
                return reply
            except Exception as error:
                if n == len(models) or not self.on(error):
                    for note in notes:
                        error.add_note(note)
                    raise
                notes.append(f"{type(model).__name__} failed before: {type(error).__name__}: {error}")
        raise AssertionError("there is at least one model")

    def inner_takes(self, option: str) -> bool:
        """Whether every model takes a call option: each may be the one that is asked."""
        return super().inner_takes(option) and all(
            isinstance(model, ChatModelDecorator) and (option in model.call_options or model.inner_takes(option))
            for model in self.others
        )

    def bind_tools(
        self, tools: Sequence[Any], *, tool_choice: str | None = None, **kwargs: Any
    ) -> Runnable[LanguageModelInput, AIMessage]:
        """Give tools to every model, each in its own form.

        Args:
            tools: as for any model.
            tool_choice: as for any model; all of them must understand it.
            **kwargs: as for any model.

        Returns:
            This layer with the tools bound.

        Raises:
            NotImplementedError: one of the models takes no tools.
        """
        if tool_choice is not None:
            kwargs["tool_choice"] = tool_choice
        bound = {"tools": list(tools), "kwargs": kwargs}
        for model in (self.inner, *self.others):
            _bind(model, bound)
        return self.bind(**{_BOUND: bound})

    def with_structured_output(
        self, schema: dict[str, Any] | type, *, include_raw: bool = False, **kwargs: Any
    ) -> Runnable[LanguageModelInput, Any]:
        """Answers as objects, by tool calls.

        Args:
            schema: as for any model.
            include_raw: as for any model.
            **kwargs: `method` and `strict` are accepted and not used.

        Returns:
            A Runnable from a conversation to objects of the schema.

        Raises:
            NotImplementedError: one of the models takes no tools.
        """
        return BaseChatModel.with_structured_output(self, schema, include_raw=include_raw, **kwargs)


_BOUND = "nacre_tools"
"""The call option under which the tools of a `Fallback` travel to it."""


def _bind(model: BaseChatModel, bound: dict[str, Any]) -> Runnable[Any, Any]:
    return model.bind_tools(bound["tools"], **bound["kwargs"])
