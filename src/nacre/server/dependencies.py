"""What FastAPI hands to the routes: the server and who asks it, and a vector store that they may read or change."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request

from nacre.server.auth.keys import User
from nacre.server.knowledge_bases import MAIN
from nacre.server.openai.errors import Problem, not_found, unknown_model
from nacre.server.records import Row
from nacre.server.state import State
from nacre.text.language import tr


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
