"""How much each key may ask: requests a minute and tokens a day."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from nacre.language import tr
from nacre.server.keys import Asker
from nacre.server.problems import Problem

if TYPE_CHECKING:
    from nacre.server.records import Records

_DAY_S = 86_400


class Limits:
    """Counts requests in a bucket for each key, and tokens from the audit log.

    Args:
        records: holds the audit log.
    """

    def __init__(self, records: Records) -> None:
        self._records = records
        self._buckets: dict[str, tuple[float, float]] = {}

    def take(self, asker: Asker) -> None:
        """Count a request.

        Args:
            asker: whose.

        Raises:
            Problem: it is one too many, with the time after which there may be another.
        """
        if asker.per_minute is not None:
            self._take_one(asker.id, asker.per_minute)
        if asker.tokens_per_day is not None:
            now = time.time()
            if self._records.tokens_since(asker.id, now - now % _DAY_S) >= asker.tokens_per_day:
                raise Problem(
                    429,
                    tr(f"This key has used its {asker.tokens_per_day} tokens for today.", f"该密钥今日的 {asker.tokens_per_day} 个 token 已用完。"),
                    "insufficient_quota",
                    retry_after_s=int(_DAY_S - now % _DAY_S) + 1,
                )

    def _take_one(self, key: str, per_minute: int) -> None:
        now = time.monotonic()
        left, since = self._buckets.get(key, (float(per_minute), now))
        left = min(float(per_minute), left + (now - since) * per_minute / 60)
        if left < 1:
            self._buckets[key] = (left, now)
            raise Problem(
                429,
                tr(f"This key may ask {per_minute} times a minute. Wait a little.", f"该密钥每分钟最多请求 {per_minute} 次。请稍候。"),
                "rate_limit_exceeded",
                retry_after_s=int((1 - left) * 60 / per_minute) + 1,
            )
        self._buckets[key] = (left - 1, now)
