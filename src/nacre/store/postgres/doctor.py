"""What the servers of a place are and can do, for whoever sets them up: a row each, whether it is well, and why not."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from nacre.errors import NacreError
from nacre.store.postgres.address import Address, parse_address
from nacre.store.postgres.database import Database
from nacre.store.postgres.store import LEAST_SERVER, LEAST_VECTOR, is_old, manifest_of
from nacre.text.language import tr

_EXTENSION = (
    "SELECT (SELECT extversion FROM pg_extension WHERE extname = %(name)s),"
    " (SELECT default_version FROM pg_available_extensions WHERE name = %(name)s)"
)
_SERVER = (
    "SELECT current_setting('server_version'), current_setting('server_version_num')::int, pg_is_in_recovery(),"
    " coalesce(extract(epoch FROM now() - pg_last_xact_replay_timestamp()), 0)::float8"
)
_ROLE = (
    "SELECT NOT pg_is_in_recovery() AND current_setting('default_transaction_read_only') = 'off' AND"
    " coalesce(has_table_privilege(to_regclass('documents'), 'INSERT'),"
    " has_database_privilege(current_database(), 'CREATE')), current_user"
)
Row = tuple[str, bool, str]


def examine(place: str) -> list[dict[str, Any]]:
    """Look at all servers of a place; none needs to be there, nor the base."""
    address = parse_address(place)
    db = Database(address)
    try:
        rows = [*_told("PostgreSQL", _primary(db)), *_told("read", _replica(db)), *_told("arms", _arms(db, address))]
    finally:
        db.close()
    return [{"name": name, "active": well, "detail": detail} for name, well, detail in rows]


def _told(name: str, rows: Iterator[Row]) -> Iterator[Row]:
    """The rows, the last of which says what went wrong."""
    try:
        yield from rows
    except NacreError as error:
        yield name, False, error.message


def _primary(db: Database) -> Iterator[Row]:
    version, number, *_ = db.rows(_SERVER)[0]
    yield "PostgreSQL", number >= LEAST_SERVER, tr("{version}; 14 or later is needed", version=version)
    found, available = db.rows(_EXTENSION, {"name": "vector"})[0]
    there = found or available
    yield (
        "pgvector",
        not is_old(there),
        tr("{version}; {least} or later is needed", version=there or "–", least=".".join(map(str, LEAST_VECTOR))),
    )
    found, available = db.rows(_EXTENSION, {"name": "pg_textsearch"})[0]
    missing = tr("not there: words are ranked in SQL")
    yield "pg_textsearch", found is not None, found or (tr("not made: CREATE EXTENSION") if available else missing)
    may, role = db.rows(_ROLE)[0]
    yield "role", may, role if may else tr("{role} can only read here", role=role)
    yield from _told("session", _session(db))
    manifest = manifest_of(db)
    yield "base", manifest is not None, db.address.base if manifest else tr("not made yet: nacre sync makes it")


def _session(db: Database) -> Iterator[Row]:
    with db.alone():
        yield "session", True, tr("kept: it can be synced from here")


def _replica(db: Database) -> Iterator[Row]:
    if db.address.replica:
        with db.read(anywhere=True) as connection:
            version, _, follows, behind = connection.execute(_SERVER).fetchone() or ("", 0, False, 0.0)
        told = tr("{version}, its last change {seconds:.0f} s ago", version=version, seconds=behind)
        yield "read", True, told if follows else tr("{version}, no replica", version=version)


def _arms(db: Database, address: Address) -> Iterator[Row]:
    if address.arms:
        from nacre.store.qdrant.arms import Arms

        manifest = manifest_of(db)
        embedder = (manifest or {}).get("embedder")
        turn = int(db.rows("SELECT coalesce(max(value), '0') FROM meta WHERE key = 'turn'")[0][0]) if manifest else 0
        arms = Arms(address.arms, int(embedder["dim"]) if embedder else None, turn)
        try:
            version = arms.version()
            if manifest:
                arms.check()
                with db.read() as connection:
                    if told := arms.behind(connection):
                        yield "arms", False, told
                        return
            yield "arms", True, version
        finally:
            arms.close()
