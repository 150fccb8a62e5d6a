"""All that a running server holds, and what FastAPI hands of it to the routes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any, ParamSpec, TypeVar

import anyio
import anyio.to_thread
from fastapi import Depends, Request
from langchain_core.language_models import BaseChatModel

from nacre.agents.fact_store import FactStore
from nacre.agents.runs import RunStore
from nacre.errors import NacreError
from nacre.server.auth.keys import Keys, User
from nacre.server.auth.limits import Limits, Meter, check_prices
from nacre.server.auth.oidc import Oidc
from nacre.server.ingestion.process import Ingestion
from nacre.server.knowledge_bases import MAIN, KnowledgeBasePool
from nacre.server.observability.metrics import Metrics, Telemetry
from nacre.server.observability.traces import too_old
from nacre.server.openai.errors import Problem, not_found, unknown_model
from nacre.server.records import Records, Row
from nacre.server.served import Served
from nacre.server.settings import Settings
from nacre.system.files import private_folder
from nacre.system.net import is_loopback
from nacre.text.language import tr

P = ParamSpec("P")
T = TypeVar("T")
_THREADS, _FEW = 32, 4


class State:
    """Opens everything that a server needs."""

    audio: Any = None
    """The client of an audio server, where the application has one."""

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
        limited = [key["name"] for key in self.keys.all() if key["spend_limit"]]
        try:
            every = [self.served.model(name, User("", "")) for name in self.served.stacks]
            check_prices(every, self.settings.prices, limited)
        except NacreError:
            self.close()
            raise

    def meter(self, user: User) -> Meter | None:
        """What counts the money of a request; None where nothing has a price and the user no limit."""
        prices = self.settings.prices
        return Meter(prices, user, self.records, self.metrics.spent) if prices or user.spend_limit is not None else None

    async def blocking(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run what waits for a disk, a lock or a peer in one of a few threads: the event loop never waits."""
        return await anyio.to_thread.run_sync(partial(function, *args, **kwargs), limiter=self._threads)

    async def find(self, key: str) -> User | None:
        """Who shows a key, or a token of the organisation's login."""
        if self.oidc is not None and key.count(".") == 2:
            return await self.blocking(self.oidc.find, key)
        return self.keys.recall(key) if key else None

    async def count(self, user: User) -> None:
        """Count a request of a limited key; who waits for its bucket is not in the way of the others."""
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


@dataclass(frozen=True, slots=True)
class RequestContext:
    """A request: to which server, from whom."""

    state: State
    user: User
    request_id: str
    """As in its log line."""
    base_url: str
    """Where the client reaches the server, with a final slash."""

    def vector_store(self, store: str) -> Row:
        """A vector store of the user's; "main" is everyone's, and shows each only the documents of their principals."""
        if store == MAIN:
            return {"id": MAIN, "owner": "", "name": MAIN, "metadata": "{}", "created": self.state.served.created}
        return self.own("stores", store)

    def own(self, table: str, number: str) -> Row:
        """The row of that id, if it is the user's."""
        row = self.state.records.one(table, "id = ? and owner = ?", number, self.user.id)
        if row is None:
            raise not_found(number)
        return row

    def in_store(self, row: Row) -> StoreContext:
        """The same for one vector store."""
        return StoreContext(self.state, self.user, self.request_id, self.base_url, row)

    async def check_model(self, name: str) -> tuple[str, str]:
        """Which stack a model's name means, and what it is to search."""
        stack, at, store = name.partition("@")
        if stack not in self.state.served.stacks:
            raise unknown_model(name, list(self.state.served.stacks))
        return stack, str((await self.state.blocking(self.vector_store, store))["id"]) if at else MAIN


@dataclass(frozen=True, slots=True)
class StoreContext(RequestContext):
    """A request to a vector store."""

    row: Row

    @property
    def store(self) -> str:
        """Its id."""
        return str(self.row["id"])

    def entries(self, batch: str | None = None) -> list[Row]:
        """Rows of the table `entries`: the user's files in it."""
        of_batch, value = ("", ()) if batch is None else (" and batch = ?", (batch,))
        values = (self.store, self.user.id, *value)
        return self.state.records.select("entries", f"store = ? and owner = ?{of_batch}", values)


async def _reading(request: Request) -> RequestContext:
    state: State = request.app.state.nacre
    url = state.settings.server.public_url or str(request.base_url)
    return RequestContext(state, request.state.user, request.state.request_id, url.rstrip("/") + "/")


Reading = Annotated[RequestContext, Depends(_reading)]


async def _writing(context: Reading) -> RequestContext:
    if context.user.read_only:
        raise Problem(403, tr("This key may ask, and change nothing."), "read_only_key")
    return context


Writing = Annotated[RequestContext, Depends(_writing)]
"""As `Reading`, by a key that may change something."""


# These read a table: FastAPI runs what is not `async` in a thread.
def _store_to_read(context: Reading, store: str) -> StoreContext:
    return context.in_store(context.vector_store(store))


def _store_to_write(context: Writing, store: str) -> StoreContext:
    return context.in_store(context.vector_store(store))


StoreToRead = Annotated[StoreContext, Depends(_store_to_read)]
StoreToWrite = Annotated[StoreContext, Depends(_store_to_write)]
