"""Connections to one base, and what PostgreSQL's errors mean for it."""

from __future__ import annotations

import logging
import os
import re
import secrets
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from nacre.errors import FormatError, KnowledgeBaseError, LockedError, NacreError, UnreachableError
from nacre.extras import need
from nacre.store.postgres.address import Address
from nacre.text.language import tr

if TYPE_CHECKING:
    import psycopg
    from psycopg_pool import ConnectionPool

_MOST = 8  # connections of a process to one server
_WAIT_S = 5.0  # for one of them to be free, and for a server to answer
_AWAY_S = 1.0  # for which a server that was away is not asked again
_FULL = re.compile("too many (connections|clients)|connection slots")  # a refused connection has no SQLSTATE
_ONE_STATE = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY"
# A server that is gone without a word is noticed after half a minute, and its locks are free then.
# What the pool tells is told again in our words; it goes to whoever collects logs, not between them.
logging.getLogger("psycopg.pool").addHandler(logging.NullHandler())
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
        self._away, self._away_until = "", 0.0

    @contextmanager
    def read(self, *, anywhere: bool = False) -> Iterator[psycopg.Connection[Any]]:
        """A connection that sees one state until the end of the context.

        Args:
            anywhere: a replica, which may be behind, will do.
        """
        url = self.address.replica if anywhere and self.address.replica else self.address.primary
        with self.connection(url, _ONE_STATE) as connection:
            yield connection

    def rows(self, query: str, values: Sequence[Any] | dict[str, Any] = ()) -> list[tuple[Any, ...]]:
        """What a query finds on the primary."""
        with self.connection() as connection:
            return connection.execute(query, values).fetchall()

    @contextmanager
    def connection(self, url: str = "", first: str = "") -> Iterator[psycopg.Connection[Any]]:
        """A connection of the pool that commits each statement.

        Args:
            url: of the server; the primary's where it is empty.
            first: begins a transaction that holds as long as the context.
        """
        with self._our_errors(), self._pool(url or self.address.primary).connection() as connection:
            pooled = connection.prepare_threshold is None
            if not first and not pooled:
                yield connection
                return
            with connection.transaction():
                if first:
                    connection.execute(first)
                if pooled:  # its session is somebody else's between two transactions
                    self._enter(connection)
                yield connection

    @contextmanager
    def alone(self) -> Iterator[psycopg.Connection[Any]]:
        """A connection of one's own that commits each statement; its session ends with the context."""
        with self._our_errors(), self._connect() as connection:
            self._configure(connection)
            if connection.prepare_threshold is None:
                self._check_session(connection)
                self._enter(connection, local=False)
            yield connection

    def check_format(self, made: int, known: int) -> None:
        """Refuse tables of a later version."""
        if made > known:
            raise FormatError(
                tr(
                    "{place} has format {made}; this Nacre reads up to {format}. Update it: pip install -U nacre-ai",
                    place=self.address.shown,
                    made=made,
                    format=known,
                ),
                path=self.address.shown,
            )

    def close(self) -> None:
        """Close all connections of this process."""
        with self._making:
            pools, self._pools = self._pools, {}
        if self._pid == os.getpid():
            for pool in pools.values():
                pool.close()

    def _options(self) -> dict[str, Any]:
        named = {"connect_timeout": int(_WAIT_S), "application_name": f"nacre {self.address.base}"}
        return {"autocommit": True, **named, **_KEEP_ALIVE}

    def _connect(self, url: str = "") -> psycopg.Connection[Any]:
        return self.driver.connect(url or self.address.primary, **self._options())  # type: ignore[no-any-return]

    def _pool(self, url: str) -> ConnectionPool:
        pools: Any = need("psycopg_pool", extra="postgres")
        with self._making:
            if self._pid != os.getpid():  # sockets of the parent are not ours to use or to close
                self._pid, self._pools = os.getpid(), {}
            if url not in self._pools:
                if time.monotonic() < self._away_until:
                    raise UnreachableError(self._away, path=self.address.shown)
                self._connect(url).close()  # a pool would keep the reason to itself
                self._pools[url] = pools.ConnectionPool(
                    url,
                    kwargs=self._options(),
                    min_size=0,
                    max_size=_MOST,
                    timeout=_WAIT_S,
                    max_idle=60,
                    reconnect_timeout=_WAIT_S,
                    configure=self._configure,
                    check=pools.ConnectionPool.check_connection,
                    open=True,
                    name=f"nacre {self.address.base}",
                )
            return self._pools[url]

    def _configure(self, connection: psycopg.Connection[Any]) -> None:
        """Make a connection ready. A pooler shows itself by another process number than the server's; it keeps no
        prepared statements for us, and perhaps no session.
        """
        with connection.transaction():
            process = self._enter(connection)
        if process == connection.info.backend_pid:
            self._enter(connection, local=False)
        else:
            connection.prepare_threshold = None

    def _enter(self, connection: psycopg.Connection[Any], *, local: bool = True) -> int:
        """See the base's tables, and the extension's types wherever they were put, until the end of the transaction or
        of the session; gives the number of the server's process.
        """
        row = connection.execute(
            "SELECT pg_backend_pid(), set_config('search_path', concat_ws(', ', %s::text, (SELECT"
            " string_agg(quote_ident(nspname), ', ') FROM pg_namespace n JOIN pg_extension e ON e.extnamespace = n.oid"
            # To compile a query costs more here than it saves, and to start workers below half a million chunks.
            " WHERE extname IN ('vector', 'pg_textsearch')), 'public'), %s), set_config('jit', 'off', %s),"
            " set_config('min_parallel_table_scan_size', '1GB', %s)",
            (self.address.schema, local, local, local),
            prepare=False,
        ).fetchone()
        return int(row[0]) if row else 0

    def _check_session(self, connection: psycopg.Connection[Any]) -> None:
        """Refuse a pooler in transaction mode, which loses locks: there a second client gets the session of the
        first.
        """
        mark = secrets.token_hex(8)
        connection.execute("SELECT set_config('nacre.session', %s, false)", (mark,), prepare=False)
        with self._connect() as other, other.transaction():
            seen = other.execute("SELECT current_setting('nacre.session', true)", prepare=False).fetchone()
            kept = connection.execute("SELECT current_setting('nacre.session', true)", prepare=False).fetchone()
        if seen == (mark,) or kept != (mark,):
            raise KnowledgeBaseError(
                tr(
                    "{place} is reached through a pooler in transaction mode, which loses locks. Sync over a direct "
                    "connection, or set the pooler to session mode.",
                    place=self.address.shown,
                ),
                path=self.address.shown,
            )

    @contextmanager
    def _our_errors(self) -> Iterator[None]:
        try:
            yield
        except NacreError:
            raise
        except self.driver.Error as error:
            reason = self._reason(error)
            trouble = self.trouble(reason)
            state, of_pool = getattr(reason, "sqlstate", None), type(reason).__module__.startswith("psycopg_pool")
            unsaid = state is None and isinstance(reason, self.driver.OperationalError) and not of_pool
            if (unsaid and not _FULL.search(str(reason))) or (state or "").startswith(("08", "57P")):
                self._forget(trouble.message)
            raise trouble from None  # the cause may show how the server was called

    def _forget(self, why: str) -> None:
        """Let go of a server that is away: whoever asks is told at once, and a second later it is looked for again."""
        with self._making:
            pools, self._pools = (self._pools if self._pid == os.getpid() else {}), {}
            self._away, self._away_until = why, time.monotonic() + _AWAY_S
        for pool in pools.values():
            pool.close(timeout=0)

    def _reason(self, error: Exception) -> Exception:
        """Why a pool has no connection, if a server says so."""
        if type(error).__name__ == "PoolTimeout":
            try:
                with self._connect() as connection:
                    self._enter(connection)
            except self.driver.Error as reason:
                return reason  # type: ignore[no-any-return]
        return error

    def trouble(self, error: Exception) -> NacreError:
        """PostgreSQL's error as ours: what, where, and what to do."""
        place = self.address.shown
        why = " ".join(str(getattr(getattr(error, "diag", None), "message_primary", None) or error).split())[:300]
        why = self._without_password(why)
        state = getattr(error, "sqlstate", None) or ("53300" if _FULL.search(why) else "")
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
        for secret in sorted(self.address.secrets, key=len, reverse=True):
            text = text.replace(secret, "…")
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
