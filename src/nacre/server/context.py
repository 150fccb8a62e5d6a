"""What routes need to know of a request."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, cast

from fastapi import Depends, Request

from nacre.server.auth.keys import Asker
from nacre.server.bases import MAIN
from nacre.server.openai.errors import Problem, not_found, unknown_model
from nacre.server.records import Row
from nacre.server.state import State
from nacre.text.language import tr


def state_of(request: Request) -> State:
    """The server's state."""
    return cast(State, request.app.state.nacre)


def asker_of(request: Request, *, writing: bool = False) -> Asker:
    """Who asks."""
    asker = cast(Asker, request.state.asker)
    if writing and asker.read_only:
        raise Problem(403, tr("This key may ask, and change nothing."), "read_only_key")
    return asker


def request_id(request: Request) -> str:
    """The id of the request, as in its log line."""
    return cast(str, request.state.request_id)


def base_url(request: Request) -> str:
    """Where the client reaches the server, with a final slash."""
    return (state_of(request).settings.server.public_url or str(request.base_url)).rstrip("/") + "/"


def store_of(state: State, asker: Asker, store: str) -> Row:
    """A vector store that the asker may use.

    Returns:
        Its row; "main" is everyone's, and shows each only the documents of their principals.
    """
    if store == MAIN:
        return {"id": MAIN, "owner": "", "name": MAIN, "metadata": "{}", "created": state.served.created}
    row = state.records.one("stores", "id = ? and owner = ?", store, asker.id)
    if row is None:
        raise not_found(store)
    return row


@dataclass(frozen=True, slots=True)
class Visit:
    """A request to a vector store that its asker may use."""

    state: State
    asker: Asker
    row: Row

    @property
    def store(self) -> str:
        """Its id."""
        return str(self.row["id"])

    def entries(self, batch: str | None = None) -> list[Row]:
        """The asker's files in it.

        Returns:
            Rows of the table `entries`.
        """
        of_batch, value = ("", ()) if batch is None else (" and batch = ?", (batch,))
        return self.state.records.select(
            "entries", f"store = ? and owner = ?{of_batch}", (self.store, self.asker.id, *value)
        )


def _visit(request: Request, store: str) -> Visit:
    state, asker = state_of(request), asker_of(request)
    return Visit(state, asker, store_of(state, asker, store))


def _change(request: Request, store: str) -> Visit:
    state, asker = state_of(request), asker_of(request, writing=True)
    return Visit(state, asker, store_of(state, asker, store))


Visited = Annotated[Visit, Depends(_visit)]
Changed = Annotated[Visit, Depends(_change)]
"""As `Visited`, by a key that may change something."""


async def check_model(state: State, asker: Asker, name: str) -> tuple[str, str]:
    """Which stack a model's name means, and what it is to search."""
    stack, at, store = name.partition("@")
    if stack not in state.served.stacks:
        raise unknown_model(name, list(state.served.stacks))
    if not at:
        return stack, MAIN
    row = await state.blocking(store_of, state, asker, store)
    return stack, str(row["id"])
