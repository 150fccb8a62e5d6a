"""What a run may spend: steps, seconds and tokens, with everything that the agents among its tools spend."""

from __future__ import annotations

import threading
import time
from contextvars import ContextVar
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage

from nacre.text.messages import text_of
from nacre.text.tokens import estimate, estimate_messages

CURRENT: ContextVar[Budget | None] = ContextVar("nacre_agent_budget", default=None)
"""The budget of the run whose tool is running now: an agent called as a tool spends from it too."""
OWNER: ContextVar[str] = ContextVar("nacre_agent_owner", default="")
"""Whose run that is; an agent called as a tool runs for them too."""

SPENT = ("steps", "model_calls", "tool_calls", "input_tokens", "output_tokens")


class Budget:
    """The running account of one agent, with its limits; what it spends, its parent spends as well."""

    def __init__(
        self, steps: int, seconds: float | None = None, tokens: int | None = None, parent: Budget | None = None
    ) -> None:
        self.limits: dict[str, float | None] = {"steps": steps, "seconds": seconds, "tokens": tokens}
        self.parent = parent
        self.begin = time.monotonic()
        self.steps = self.model_calls = self.tool_calls = self.input_tokens = self.output_tokens = 0
        self.estimated = False
        self._lock = threading.Lock()

    def add(self, **amounts: int) -> None:
        """Book what was spent, here and with all parents."""
        with self._lock:
            for name, amount in amounts.items():
                setattr(self, name, getattr(self, name) + amount)
        if self.parent:
            self.parent.add(**amounts)

    def book_reply(self, asked: list[BaseMessage], reply: AIMessage) -> None:
        """Book a model call by the usage that it reports, else by an estimate."""
        usage = reply.usage_metadata
        if usage:
            self.add(model_calls=1, input_tokens=usage["input_tokens"], output_tokens=usage["output_tokens"])
            return
        self.estimated = True
        self.add(model_calls=1, input_tokens=estimate_messages(asked), output_tokens=estimate(text_of(reply)))

    def exhausted(self) -> str | None:
        """The first limit that is used up, here or with a parent."""
        spent = {"steps": self.steps, "seconds": time.monotonic() - self.begin}
        spent["tokens"] = self.input_tokens + self.output_tokens
        for name, limit in self.limits.items():
            if limit is not None and spent[name] >= limit:
                return name
        return self.parent.exhausted() if self.parent else None

    def seconds_left(self) -> float | None:
        """Look how much time is left."""
        limit = self.limits["seconds"]
        own = None if limit is None else max(0.0, limit - (time.monotonic() - self.begin))
        above = self.parent.seconds_left() if self.parent else None
        known = [left for left in (own, above) if left is not None]
        return min(known) if known else None

    def data(self) -> dict[str, Any]:
        """Draw up the account."""
        return {
            **{name: getattr(self, name) for name in SPENT},
            "total_tokens": self.input_tokens + self.output_tokens,
            "seconds": round(time.monotonic() - self.begin, 4),
            "estimated": self.estimated,
        }
