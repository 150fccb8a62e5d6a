"""How much each key may ask: requests a minute, tokens a day, money. All is counted in the server's tables, so that it
holds over restarts, and over several processes with one data folder.
"""

from __future__ import annotations

import time

from nacre.server.auth.keys import SpendLimit, User
from nacre.server.observability.spending import period_ends, spent
from nacre.server.openai.errors import Problem
from nacre.server.records import Records
from nacre.server.settings import Prices
from nacre.text.language import tr

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
