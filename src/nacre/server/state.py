"""All that a running server holds."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import ParamSpec, TypeVar

import anyio
import anyio.to_thread
from langchain_core.language_models import BaseChatModel

from nacre.agents.fact_store import FactStore
from nacre.agents.runs import RunStore
from nacre.errors import NacreError
from nacre.server.auth.keys import Keys, User
from nacre.server.auth.limits import Limits
from nacre.server.auth.oidc import Oidc
from nacre.server.ingestion.process import Ingestion
from nacre.server.knowledge_bases import KnowledgeBasePool
from nacre.server.observability.metrics import Metrics
from nacre.server.observability.spending import Meter, check_prices
from nacre.server.observability.telemetry import Telemetry
from nacre.server.observability.traces import too_old
from nacre.server.openai.transcription import AudioClient
from nacre.server.records import Records
from nacre.server.served import Served
from nacre.server.settings import Settings
from nacre.system.files import private_folder
from nacre.system.net import is_loopback

P = ParamSpec("P")
T = TypeVar("T")
_THREADS, _FEW = 32, 4


class State:
    """Opens everything that a server needs."""

    def __init__(self, settings: Settings, leaf: BaseChatModel | None = None) -> None:
        server = settings.server
        self.settings = settings
        if isinstance(settings.store, Path):
            private_folder(settings.store)
        self.bases = KnowledgeBasePool(settings.kb, settings.store)
        self.keys = Keys(settings.store)
        self.keys.renew()
        self.oidc = Oidc(server.oidc) if server.oidc else None
        self.records = Records(settings.store)
        self.records.db.execute(*too_old(server.trace_days))
        self.served = Served(settings, self.bases, leaf, RunStore(self.records.db), FactStore(self.records.db))
        self.records.journal.tidy("traces", partial(too_old, server.trace_days))
        self._threads, self._counting = anyio.CapacityLimiter(_THREADS), anyio.CapacityLimiter(_FEW)
        self._door = anyio.CapacityLimiter(_FEW)
        self.limits = Limits(self.records, settings.prices)
        self.metrics = Metrics()
        self.telemetry = Telemetry(server) if server.otel else None
        self.ingestion = Ingestion(settings.kb, settings.store)
        self.local = User("local", "local", tuple(server.principals) if server.principals else None, write_main=True)
        self._guarded = self.oidc is not None or not is_loopback(server.host)
        self.audio = AudioClient(settings.audio, server) if settings.audio else None
        self._check_prices()

    def _check_prices(self) -> None:
        limited = [key["name"] for key in self.keys.all() if key["spend_limit"]]
        try:
            check_prices(self.served.models(), self.settings.prices, limited)
        except NacreError:
            self.close()
            raise

    def meter(self, user: User) -> Meter | None:
        """What counts the money of a request; None where nothing has a price and the user no limit."""
        prices = self.settings.prices
        return Meter(prices, user, self.records, self.metrics.spent) if prices or user.spend_limit is not None else None

    async def blocking(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run what waits for a disk, a lock or a peer in a thread, a bounded number at a time: the event loop never
        waits.
        """
        return await anyio.to_thread.run_sync(partial(function, *args, **kwargs), limiter=self._threads)

    async def find(self, key: str) -> User | None:
        """Who shows a key, or a token of the organisation's login."""
        if self.oidc is not None and key.count(".") == 2:
            return await self.blocking(self.oidc.find, key)
        return self.keys.recall(key) if key else None

    async def count(self, user: User) -> None:
        """Count a request of a limited key. A bucket must be written: who waits for that is not in the way of the
        others.
        """
        threads = self._threads if user.per_minute is None else self._counting
        await anyio.to_thread.run_sync(self.limits.take, user, limiter=threads)

    async def renew_keys(self) -> None:
        """Let the keys answer from memory. Reading waits for no lock, and here for none of those who wait for one."""
        if not self.keys.fresh:
            await anyio.to_thread.run_sync(self.keys.renew, limiter=self._door)

    @property
    def guarded(self) -> bool:
        """Whether every request must say who asks: once that is so, it stays so until the process ends."""
        self._guarded = self._guarded or self.keys.shut
        return self._guarded

    def close(self) -> None:
        """Close everything; ingestion goes on when the server is started again."""
        self.ingestion.stop()
        if self.telemetry:
            self.telemetry.flush()
        self.records.close()
        self.keys.close()
        self.bases.close()
