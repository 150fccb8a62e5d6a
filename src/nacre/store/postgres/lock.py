"""Who may write: one for each source, or one for the whole base. The server keeps the locks, and fences with them."""

from __future__ import annotations

import os
import socket
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from nacre.errors import LockedError
from nacre.store.postgres.address import Address
from nacre.text.language import tr

_WHOLE = ""  # the scope of who writes the whole base


def take(connection: Any, address: Address, scopes: Sequence[str]) -> dict[str, int]:
    """Lock the scopes, or the whole base where none is named, until the connection ends.

    Returns:
        The fences taken, by scope: whoever comes later takes higher ones.
    """
    connection.execute(
        "SELECT set_config('application_name', %s, false)",
        (f"nacre {address.base} {socket.gethostname()[:20]}:{os.getpid()}",),
    )
    whole = "pg_try_advisory_lock_shared" if scopes else "pg_try_advisory_lock"
    for function, scope in ((whole, _WHOLE), *(("pg_try_advisory_lock", scope) for scope in sorted(set(scopes)))):
        if not connection.execute(f"SELECT {function}(%s, %s)", _key(address, scope)).fetchone()[0]:
            raise _locked(connection, address, scope)
    taken = connection.execute(
        "INSERT INTO fences SELECT unnest(%s::text[]), 1 ON CONFLICT (scope) DO UPDATE SET fence = fences.fence + 1"
        " RETURNING scope, fence",
        (sorted(set(scopes)) or [_WHOLE],),
    ).fetchall()
    if scopes:  # whoever takes the whole base after us fences us off too
        taken += connection.execute("SELECT scope, fence FROM fences WHERE scope = %s", (_WHOLE,)).fetchall()
    return dict(taken)


@contextmanager
def alone(connection: Any, address: Address, what: str) -> Iterator[None]:
    """Wait for the others who do this to the base, and keep them waiting."""
    key = _key(address, f"\0{what}")  # no scope is called that
    connection.execute("SELECT pg_advisory_lock(%s, %s)", key)
    try:
        yield
    finally:
        connection.execute("SELECT pg_advisory_unlock(%s, %s)", key)


def _key(address: Address, scope: str) -> tuple[int, int]:
    base, part = zlib.crc32(address.schema.encode()), zlib.crc32(scope.encode()) or 1
    return base - (1 << 31), (part if scope else 0) - (1 << 31)


def _locked(connection: Any, address: Address, scope: str) -> LockedError:
    base, part = _key(address, scope)
    found = connection.execute(
        "SELECT a.application_name, a.client_addr::text, a.pid FROM pg_locks l JOIN pg_stat_activity a USING (pid)"
        " WHERE l.locktype = 'advisory' AND l.granted AND l.classid = (%s::bigint + 4294967296) %% 4294967296"
        " AND l.objid = (%s::bigint + 4294967296) %% 4294967296 AND l.pid <> pg_backend_pid() LIMIT 1",
        (base, part),
    ).fetchone()
    name, host, pid = found or ("?", "?", "?")
    return LockedError(
        tr(
            "{place} is being written by {name} from {host} (backend {pid}). Searching works meanwhile; wait for it to "
            "end, then try again.",
            place=address.shown,
            name=name,
            host=host or tr("this machine"),
            pid=pid,
        ),
        path=address.shown,
    )
