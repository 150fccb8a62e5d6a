"""A layer that tries again when a model fails."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable
from typing import Any, cast

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import BaseMessage
from langchain_core.runnables import RunnableLambda
from pydantic import Field

from nacre.decorator.layer import ChatModelDecorator, Flow
from nacre.errors import ModelUnavailableError
from nacre.system.net import seconds_to_wait

_STATUS = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 529})
# By name, since the core imports no provider's SDK.
_NAMES = """APIConnectionError APITimeoutError RateLimitError InternalServerError OverloadedError ServiceUnavailable
TransportError ResourceExhausted"""


def is_transient(error: Exception) -> bool:
    """Whether the same call may succeed a little later: not after a wrong key, too long a context, a used-up quota."""
    if getattr(error, "code", None) == "insufficient_quota":
        return False
    status = getattr(error, "status_code", None)
    if isinstance(status, int):
        return status in _STATUS
    if isinstance(error, ModelUnavailableError | ConnectionError | TimeoutError):
        return True
    return any(kind.__name__ in _NAMES.split() for kind in type(error).__mro__)


def retry_after(error: BaseException) -> float | None:
    """How many seconds a server asked to wait (RFC 9110, section 10.2.3), by the error or its response; else None."""
    for name in ("retry_after_s", "retry_after"):
        value = getattr(error, name, None)
        if isinstance(value, int | float):
            return max(0.0, float(value))
    headers = getattr(getattr(error, "response", None), "headers", None) or {}
    return seconds_to_wait(headers.get("retry-after") or headers.get("Retry-After"))


def without_retries(model: BaseChatModel) -> BaseChatModel:
    """A model whose client sends each request once, however deep below other layers: two who repeat would multiply."""
    if not isinstance(model, ChatModelDecorator):
        own = getattr(model, "without_retries", None)
        return cast(BaseChatModel, own()) if callable(own) else model
    own_fields = {name: getattr(model, name) for name in type(model).model_fields}
    changed = {name: new for name, value in own_fields.items() if (new := _without_retries(value)) is not value}
    return model.model_copy(update=changed) if changed else model


def _without_retries(value: Any) -> Any:
    """A field of a layer, itself where nothing in it changes."""
    if isinstance(value, BaseChatModel):
        return without_retries(value)
    if not isinstance(value, list):
        return value
    new = [_without_retries(part) for part in value]
    return value if all(a is b for a, b in zip(new, value, strict=True)) else new


class Retry(ChatModelDecorator):
    """Tries again when a model fails for a passing reason.

    A client below it that would repeat requests by itself stops doing so. It waits `wait_s`, then twice as long, and so
    on, each time by a random part shorter (full jitter between one half and the whole), and at least as long as the
    server asked. Once something of the answer has been shown, an error is raised and not retried.

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
    on: Callable[[Exception], bool] = is_transient

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
