"""How much each key may ask: requests a minute, tokens a day, and money, for which every call of a model is priced.

All is counted in the server's tables, so that it holds over restarts, and over several processes with one data folder.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import BaseMessage

from nacre.errors import UsageError
from nacre.server.auth.keys import SpendLimit, User
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
_DAY_S = 86_400
# One statement, so that two processes cannot take the same place: refill the bucket, and take one if there is one.
_FILLED = """rates."left" + case when excluded.at > rates.at then (excluded.at - rates.at) * :most / 60 else 0 end"""
_TAKE = f"""
insert into rates (asker, "left", at) values (:asker, :most - 1, {{clock}})
on conflict (asker) do update set at = excluded.at,
    "left" = case when {_FILLED} > :most then :most else {_FILLED} end - 1
where {_FILLED} >= 1
returning "left"
"""


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


def check_prices(models: list[BaseChatModel], prices: Prices | None, limited: list[str]) -> None:
    """Whether keys that are limited in money can be served."""
    names = {_named(leaf._get_ls_params()) for model in models for leaf in _leaves(model)} if limited else set()
    if unknown := sorted(name for name in names if name != _FREE and find(prices, name) is None):
        keys, missing = ", ".join(limited), ", ".join(unknown)
        told = tr(
            "Keys with a limit in money ({keys}) need the price of every model; none is given for: {missing}. Add it "
            "to `prices` in nacre.yaml (0 for a model of your own).",
            keys=keys,
            missing=missing,
        )
        raise UsageError(told)


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


class Limits:
    """Counts requests in a bucket for each key, tokens from the audit log, and money as it was spent."""

    def __init__(self, records: Records, prices: Prices | None = None) -> None:
        self._records = records
        self._currency = prices.currency if prices else ""

    def take(self, user: User) -> None:
        """Count a request. It reads and writes files: not for the event loop."""
        if user.per_minute is not None:
            self._take_one(user.id, user.per_minute)
        if user.tokens_per_day is not None:
            self._check_tokens(user.id, user.tokens_per_day)
        if user.spend_limit is not None:
            self._check_money(user.id, user.spend_limit)

    def _take_one(self, key: str, per_minute: int) -> None:
        now = time.time()
        take = _TAKE.format(clock=self._records.db.clock)
        if self._records.db.execute(take, {"asker": key, "most": float(per_minute), "now": now}):
            return
        left, at = self._records.db.read('select "left", at from rates where asker = ?', (key,))[0]
        wait_s = (1 - left) * 60 / per_minute - max(0.0, now - at)
        told = tr("This key may ask {per_minute} times a minute. Wait a little.", per_minute=per_minute)
        raise Problem(429, told, "rate_limit_exceeded", retry_after_s=max(0, int(wait_s)) + 1)

    def _check_tokens(self, key: str, most: int) -> None:
        now = time.time()
        if self._records.total("audit", "tokens", key, now - now % _DAY_S) >= most:
            told = tr("This key has used its {most} tokens for today.", most=most)
            raise Problem(429, told, "insufficient_quota", retry_after_s=int(_DAY_S - now % _DAY_S) + 1)

    def _check_money(self, key: str, limit: SpendLimit) -> None:
        if spent(self._records, key, self._currency, limit.period) >= limit.amount:
            amount = f"{limit.amount} {self._currency}".strip()
            period, zh = {"day": ("today", "今日"), "month": ("this month", "本月")}[limit.period]
            told = tr("This key has spent its {amount} for {period}.", amount=amount, period=period, zh=zh)
            raise Problem(
                429, told, "insufficient_quota", retry_after_s=int(period_ends(limit.period) - time.time()) + 1
            )
