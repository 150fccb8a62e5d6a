"""What the answers cost: every call of a model is priced as it ends, and kept, so that keys can be limited in money."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import BaseMessage

from nacre.errors import UsageError
from nacre.server.auth.keys import User
from nacre.server.openai.errors import Problem
from nacre.server.records import Records
from nacre.server.settings import Price, Prices
from nacre.telemetry.calls import Call, RunTree
from nacre.text.language import tr
from nacre.text.tokens import estimate, estimate_messages

# Money is counted in whole billionths, so that sums are exact.
NANOS = 10**9
# It copies words out of the sources, and no model is asked.
_FREE = "quotechatmodel:quote"
Charged = Callable[[str, str, int], None]
"""Is told of each charge: the model, the currency, billionths."""


class Meter(RunTree):
    """Prices the model calls of one request; one that is broken off, or counts no tokens, is charged by an estimate."""

    raise_error = True  # a call that may not be made must not be made

    def __init__(self, prices: Prices | None, user: User, records: Records, charged: Charged) -> None:
        super().__init__()
        self._prices, self._user, self._records, self._charged = prices, user, records, charged

    def began(self, call: Call) -> None:
        """A model without a price is not asked, where the key's money is limited."""
        if call.kind == "model" and self._user.spend_limit is not None:
            name = _named(call.metadata)
            if name != _FREE and find(self._prices, name) is None:
                raise unpriced([name])

    def ended(self, call: Call) -> None:
        """Charge a model, unless it failed: one that was broken off had said what it said by then."""
        failed, said = isinstance(call.error, Exception), "".join(call.pieces)
        price = find(self._prices, name := _named(call.metadata))
        if call.kind != "model" or price is None or self._prices is None or (failed and not said):
            return
        if (usage := call.usage) is not None:
            read, written = usage["input_tokens"], usage["output_tokens"]
        else:
            reply = call.gave.text if isinstance(call.gave, BaseMessage) else said
            read, written = estimate_messages(call.given), estimate(reply)
        nanos, currency = cost(price, read, written), self._prices.currency
        row = {"at": time.time(), "asker": self._user.id, "model": name, "currency": currency}
        self._records.journal.add("spend", {**row, "input": read, "output": written, "nanos": nanos})
        self._charged(name, currency, nanos)


def cost(price: Price, read: int, written: int) -> int:
    """What a call costs that read and wrote so many tokens, in billionths.

    Example:
        >>> from nacre.server.settings import Price
        >>> cost(Price(input="0.25", output="2"), 1_000_000, 500_000) / NANOS
        1.25
    """
    return round((price.input * read + price.output * written) * NANOS / 1_000_000)


def find(prices: Prices | None, name: str) -> Price | None:
    """The price of a model: that under its whole name, else that under the model's alone."""
    models = prices.models if prices else {}
    return models.get(name) or models.get(name.partition(":")[2])


def spent(records: Records, user: str, currency: str, period: str) -> Decimal:
    """What a key has spent."""
    return Decimal(records.total("spend", "nanos", user, period_began(period), currency=currency)) / NANOS


def period_began(period: str, now: float | None = None) -> float:
    """When a period began, at midnight in UTC; in seconds since 1970, as `now` is."""
    moment = time.time() if now is None else now
    days = 1 if period == "day" else time.gmtime(moment).tm_mday
    return moment - moment % 86_400 - (days - 1) * 86_400


def period_ends(period: str, now: float | None = None) -> float:
    """When a period ends, in the same measure."""
    began = period_began(period, now)
    return began + 86_400 if period == "day" else period_began("month", began + 32 * 86_400)


def without_price(models: list[BaseChatModel], prices: Prices | None) -> list[str]:
    """Models that have no price."""
    names = {_named(leaf._get_ls_params()) for model in models for leaf in _leaves(model)}
    return sorted(name for name in names if name != _FREE and find(prices, name) is None)


def check_prices(models: list[BaseChatModel], prices: Prices | None, limited: list[str]) -> None:
    """Whether keys that are limited in money can be served."""
    if limited and (names := without_price(models, prices)):
        keys, missing = ", ".join(limited), ", ".join(names)
        raise UsageError(
            tr(
                "Keys with a limit in money ({keys}) need the price of every model; none is given for: "
                "{missing}. Add it to `prices` in nacre.yaml (0 for a model of your own).",
                keys=keys,
                missing=missing,
            )
        )


def unpriced(names: list[str]) -> Problem:
    """The refusal of a model that has no price to a key whose money is limited."""
    missing = ", ".join(names)
    told = tr(
        "This key has a limit in money, and there is no price for {missing}. The server's owner can add one to "
        "`prices` in nacre.yaml.",
        missing=missing,
    )
    return Problem(403, told, "model_without_price")


def _named(facts: Mapping[str, Any]) -> str:
    return f"{facts.get('ls_provider', '')}:{facts.get('ls_model_name', '')}"


def _leaves(model: BaseChatModel) -> Iterator[BaseChatModel]:
    """The models inside all layers, those of a fallback among them."""
    inner = getattr(model, "inner", None)
    if not isinstance(inner, BaseChatModel):
        yield model
        return
    for one in [inner, *(getattr(model, "others", None) or ())]:
        yield from _leaves(one)
