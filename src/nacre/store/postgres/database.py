"""Connections to one base, and what PostgreSQL's errors mean for it."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from nacre.errors import KnowledgeBaseError, LockedError, NacreError, UnreachableError
from nacre.extras import need
from nacre.store.postgres.address import Address
from nacre.text.language import tr

if TYPE_CHECKING:
    import psycopg
    from psycopg_pool import ConnectionPool

_MOST = 8  # connections of a process to one server
_WAIT_S = 5.0  # for one of them to be free, and for a server to answer
# A server that is gone without a word is noticed after half a minute, and its locks are free then.
_KEEP_ALIVE = {"keepalives_idle": 15, "keepalives_interval": 5, "keepalives_count": 3, "tcp_user_timeout": 30_000}


class Database:
    """The servers of a base: the primary, and one to search in if there is another. Safe to share between threads, and
    good in a process that was forked.
    """

    def __init__(self, address: Address) -> None:
        self.address = address
        self.driver: Any = need("psycopg", extra="postgres")
        self._pools: dict[str, ConnectionPool] = {}
        self._pid, self._making = os.getpid(), threading.Lock()

    @contextmanager
    def read(self, *, anywhere: bool = False) -> Iterator[psycopg.Connection[Any]]:
        """A connection that sees one state until the end of the context.

        Args:
            anywhere: a replica, which may be behind, will do.
        """
        url = self.address.replica if anywhere and self.address.replica else self.address.primary
        with self._our_errors(), self._pool(url).connection() as connection:
            connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
            yield connection

    def rows(self, query: str, values: Sequence[Any] | dict[str, Any] = ()) -> list[tuple[Any, ...]]:
        """What a query finds on the primary."""
        with self._our_errors(), self._pool(self.address.primary).connection() as connection:
            return connection.execute(query, values).fetchall()

    @contextmanager
    def alone(self) -> Iterator[psycopg.Connection[Any]]:
        """A connection of one's own that commits each statement; its session ends with the context."""
        with self._our_errors():
            connection = self.driver.connect(self.address.primary, autocommit=True, **self._options())
            with connection:
                self._enter(connection)
                yield connection

    def close(self) -> None:
        """Close all connections of this process."""
        with self._making:
            pools, self._pools = self._pools, {}
        if self._pid == os.getpid():
            for pool in pools.values():
                pool.close()

    def _options(self) -> dict[str, Any]:
        return {"connect_timeout": int(_WAIT_S), "application_name": f"nacre {self.address.base}", **_KEEP_ALIVE}

    def _pool(self, url: str) -> ConnectionPool:
        pools: Any = need("psycopg_pool", extra="postgres")
        with self._making:
            if self._pid != os.getpid():  # sockets of the parent are not ours to use or to close
                self._pid, self._pools = os.getpid(), {}
            if url not in self._pools:
                self.driver.connect(url, **self._options()).close()  # a pool would keep the reason to itself
                self._pools[url] = pools.ConnectionPool(
                    url,
                    kwargs=self._options(),
                    min_size=0,
                    max_size=_MOST,
                    timeout=_WAIT_S,
                    max_idle=60,
                    configure=self._configure,
                    check=pools.ConnectionPool.check_connection,
                    open=True,
                    name=f"nacre {self.address.base}",
                )
            return self._pools[url]

    def _configure(self, connection: psycopg.Connection[Any]) -> None:
        self._enter(connection)
        connection.commit()

    def _enter(self, connection: psycopg.Connection[Any]) -> None:
        """See the base's tables, and the extension's types wherever they were put."""
        connection.execute(
            "SELECT set_config('search_path', concat_ws(', ', %s::text, (SELECT quote_ident(nspname)"
            " FROM pg_namespace n JOIN pg_extension e ON e.extnamespace = n.oid WHERE extname = 'vector'), 'public'),"
            " false), set_config('jit', 'off', false)",  # compiling costs more than it saves here
            (self.address.schema,),
        )

    @contextmanager
    def _our_errors(self) -> Iterator[None]:
        try:
            yield
        except NacreError:
            raise
        except self.driver.Error as error:
            raise self.trouble(self._reason(error)) from None  # the cause may show how the server was called

    def _reason(self, error: Exception) -> Exception:
        """Why a pool has no connection, if a server says so."""
        if type(error).__name__ == "PoolTimeout":
            try:
                with self.driver.connect(self.address.primary, **self._options()) as connection:
                    self._enter(connection)
            except self.driver.Error as reason:
                return reason  # type: ignore[no-any-return]
        return error

    def trouble(self, error: Exception) -> NacreError:
        """PostgreSQL's error as ours: what, where, and what to do."""
        place = self.address.shown
        why = " ".join(str(getattr(getattr(error, "diag", None), "message_primary", None) or error).split())[:300]
        why = self._without_password(why)
        state = getattr(error, "sqlstate", None) or ""
        facts: dict[str, Any] = {"place": place, "why": why}
        if type(error).__name__ == "PoolTimeout":
            return UnreachableError(
                tr(
                    "{place} gives no connection within {seconds:.0f} s ({why}): the server is away, or all {most} "
                    "connections of this process are in use. Check the server, or ask less at once.",
                    seconds=_WAIT_S,
                    most=_MOST,
                    **facts,
                ),
                path=place,
            )
        for states, kind, told in _cures():
            if state.startswith(states):
                return kind(told.format(**facts), path=place)
        if not state or state.startswith(("08", "57P")):
            return UnreachableError(
                tr(
                    "{place} lets nobody in ({why}). Check that PostgreSQL runs there, the user (PGPASSWORD or "
                    "~/.pgpass) and the database (createdb NAME); what was stored before is safe, and the next sync "
                    "goes on.",
                    **facts,
                ),
                path=place,
            )
        return KnowledgeBaseError(tr("{place}: PostgreSQL refuses ({why}).", **facts), path=place)

    def _without_password(self, text: str) -> str:
        from urllib.parse import unquote, urlsplit

        for url in (self.address.primary, self.address.replica):
            if secret := urlsplit(url).password:
                text = text.replace(secret, "…").replace(unquote(secret), "…")
        return text


def _cures() -> list[tuple[tuple[str, ...], type[NacreError], str]]:
    """By the beginning of the SQLSTATE: our error, and its sentence."""
    return [
        (
            ("42501", "25006"),
            KnowledgeBaseError,
            tr(
                "{place} can only be read here ({why}). Searching and asking work; to change it, use a role that may "
                "write, on the primary."
            ),
        ),
        (
            ("53100", "53200"),
            KnowledgeBaseError,
            tr(
                "{place} has no room left ({why}). What was stored before is safe; make room on the server and sync "
                "again."
            ),
        ),
        (
            ("53300",),
            UnreachableError,
            tr("{place} has no connection left for us ({why}). Raise max_connections, or put a pooler before it."),
        ),
        (
            ("57014",),
            KnowledgeBaseError,
            tr("{place} broke off a statement ({why}). Raise statement_timeout for this role."),
        ),
        (("40001", "40P01", "55P03"), LockedError, tr("{place} is busy with another change ({why}). Try again.")),
        (
            ("42P01", "3F000"),
            KnowledgeBaseError,
            tr(
                "{place}: a table of the base is missing ({why}). Restore the base from a backup, or sync into a new "
                "one."
            ),
        ),
    ]
