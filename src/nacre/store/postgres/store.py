"""A knowledge base in PostgreSQL: made, opened, written, checked."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from typing import TYPE_CHECKING, Any, NamedTuple

from nacre.errors import KnowledgeBaseError, UsageError
from nacre.store import bm25
from nacre.store.embedders import given_encoder, load_encoder
from nacre.store.encoder import Encoder
from nacre.store.postgres import schema, textsearch
from nacre.store.postgres.address import Address, parse_address
from nacre.store.postgres.catalog import PostgresCatalog
from nacre.store.postgres.database import Database
from nacre.store.postgres.keyword_index import SqlKeywordIndex
from nacre.store.postgres.lock import alone, take
from nacre.store.postgres.shadow import TURN
from nacre.store.postgres.vector_index import KeptMoments, PgVectorIndex
from nacre.store.postgres.write_session import PostgresSession
from nacre.store.protocol import Store
from nacre.store.settings import changed_settings
from nacre.text.language import tr

if TYPE_CHECKING:
    from langchain_core.embeddings import Embeddings

    from nacre.store.qdrant.arms import Arms

LEAST_SERVER, LEAST_VECTOR = 140_000, (0, 8)
"""Versions of PostgreSQL, as it numbers them, and of pgvector."""


class PostgresView(NamedTuple):
    """What one search sees: one state of the server for as long as the view is open; later looks see what is new."""

    words: SqlKeywordIndex
    vectors: PgVectorIndex | None
    turn: int = 0


class Standing(NamedTuple):
    """Whose vectors a base has.

    Args:
        turn: how often it was given those of another embedder.
        dim: their length; None for words only.
        arms: where both arms of a search are, beside the truth.
    """

    turn: int
    embedder: dict[str, Any] | None
    dim: int | None
    arms: Arms | None


class PostgresStore(Store):
    """A base in a schema of its own: see `nacre.store.protocol.Store`."""

    def __init__(self, address: Address, db: Database, embedder: dict[str, Any] | None, turn: int) -> None:
        self.address, self.db, self._turning = address, db, threading.Lock()
        self.place = address.shown
        self.catalog = PostgresCatalog(db)
        self._moments = KeptMoments()
        self._turns = [self._standing(turn, embedder)]
        if self._arms:
            self._arms.check()

    def _standing(self, turn: int, embedder: dict[str, Any] | None) -> Standing:
        dim, arms = int(embedder["dim"]) if embedder else None, None
        if self.address.arms:
            from nacre.store.qdrant.arms import Arms

            arms = Arms(self.address.arms, dim, turn)
        return Standing(turn, embedder, dim, arms)

    @property
    def turn(self) -> int:  # type: ignore[override]  # another process may have changed it
        return self._turns[-1].turn

    @property
    def embedder(self) -> dict[str, Any] | None:  # type: ignore[override]
        """Identity of the embedder whose vectors are searched now."""
        return self._turns[-1].embedder

    @property
    def _arms(self) -> Arms | None:
        return self._turns[-1].arms

    def _follow(self, connection: Any) -> Standing | None:
        """Whose vectors the connection sees; None for some from before those that this process has seen."""
        row = connection.execute("SELECT value::int FROM meta WHERE key = %s", (TURN,)).fetchone()
        turn = row[0] if row else 0
        with self._turning:
            if turn > self.turn:
                manifest = connection.execute("SELECT manifest FROM state").fetchone()[0]
                self._turns.append(self._standing(turn, json.loads(manifest)["embedder"]))
            now = self._turns[-1]
        return now if now.turn == turn else None

    @contextmanager
    def view(self) -> Iterator[PostgresView]:
        with ExitStack() as stack:
            anywhere = True
            connection = stack.enter_context(self.db.read(anywhere=True))
            while (now := self._follow(connection)) is None:  # a replica that has not heard of it
                stack.close()
                anywhere = False
                connection = stack.enter_context(self.db.read())
            open_now = [connection]

            def look() -> AbstractContextManager[Any]:
                return nullcontext(open_now[0]) if open_now else self.db.read(anywhere=anywhere)

            try:
                yield self._view(look, now)
            finally:
                open_now.clear()

    def _view(self, look: Callable[[], AbstractContextManager[Any]], now: Standing) -> PostgresView:
        graph = self.address.index == "hnsw"
        if now.arms is None:
            vectors = PgVectorIndex(look, graph, self._moments) if now.dim else None
            return PostgresView(SqlKeywordIndex(look, self.address.words != "sql"), vectors, now.turn)
        from nacre.store.qdrant.indexes import QdrantKeywordIndex, QdrantVectorIndex

        near = QdrantVectorIndex(look, graph, self._moments, now.arms) if now.dim else None
        return PostgresView(QdrantKeywordIndex(look, now.arms), near, now.turn)

    @contextmanager
    def writing(self, scopes: Sequence[str] = ()) -> Iterator[PostgresSession]:
        self.check_writable()
        with self.db.alone() as connection:
            fences = take(connection, self.address, scopes)
            self._follow(connection)
            graph, extension = self.address.index == "hnsw", self.address.words != "sql"
            session = PostgresSession(connection, fences, self._turns[-1].dim, self.place, self._push)
            if not self.address.arms:
                session.graph, session.extension = graph, extension
            session.follow_rules(self.catalog)
            yield session

    def _push(self, connection: Any, remember: Callable[[str, str], object]) -> None:
        """Let the arms elsewhere follow, where there are any: one who writes at a time."""
        self._follow(connection)
        if self._arms:
            with alone(connection, self.address, "arms"):
                self._arms.catch_up(connection, remember)

    def check_writable(self) -> None:
        found = self.db.rows(
            "SELECT NOT pg_is_in_recovery() AND current_setting('default_transaction_read_only') = 'off'"
            " AND has_table_privilege(to_regclass('documents'), 'INSERT')"
        )
        if not found[0][0]:
            raise KnowledgeBaseError(
                tr(
                    "{place} can only be read here: this is a replica, or the role may not write. Searching and asking "
                    "work; to change it, use a role that may write, on the primary.",
                    place=self.place,
                ),
                path=self.place,
            )

    # ------------------------------------------------------------------------------------------------ settings

    def settings(self) -> Mapping[str, Any]:
        found: dict[str, Any] = json.loads(self.db.rows("SELECT settings FROM state")[0][0])
        return found

    def save_settings(self, settings: Mapping[str, Any]) -> None:
        kept = changed_settings(self.settings(), settings, self.place)
        with self.db.alone() as connection:
            connection.execute("UPDATE state SET settings = %s", (json.dumps(kept),))

    # ------------------------------------------------------------------------------------------------ state

    def identity(self) -> dict[str, Any]:
        return {"place": self.place, "generation": self.catalog.generation}

    def size(self) -> int:
        query = "SELECT coalesce(sum(pg_total_relation_size(c.oid)), 0)::bigint FROM pg_class c WHERE c.relkind = 'r'"
        return int(self.db.rows(f"{query} AND c.relnamespace = to_regnamespace(%s)", (self.address.schema,))[0][0])

    def verify(self) -> list[str]:
        from nacre.store.postgres.verify import find_problems

        with self.db.read() as connection:
            self._follow(connection)
        now = self._turns[-1]
        found = find_problems(self.catalog, now.dim)
        if now.arms:
            query = "SELECT c.id, d.audience FROM chunks c JOIN documents d ON d.id = c.document"
            with self.db.read() as connection:
                found += now.arms.problems(dict(connection.execute(query).fetchall()), connection)
        return found

    def rebuild(self) -> None:
        with self.writing() as session:
            session.rebuild(self.catalog)

    def close(self) -> None:
        for standing in self._turns:
            if standing.arms:
                standing.arms.close()
        self.db.close()


def open_postgres(place: str, embedder: str | Embeddings | None, create: bool) -> tuple[PostgresStore, Encoder | None]:
    """Open a base, made when it is missing and may be, and the embedder that was given for it."""
    address = parse_address(place)
    db = Database(address)
    try:
        kept = manifest_of(db)
        if kept is None and not create:
            raise UsageError(
                tr("There is no knowledge base in {place}. Make one: nacre sync FOLDER --kb …", place=address.shown)
            )
        encoder = load_encoder(embedder) if kept is None else given_encoder(embedder, kept["embedder"], address.shown)
        if kept is None:
            kept = _make(db, encoder)
        turn = db.rows("SELECT coalesce(max(value::int), 0) FROM meta WHERE key = %s", (TURN,))[0][0]
        kept = manifest_of(db) or kept  # after the turn: a change in between is then followed
        if address.words == "textsearch":
            textsearch.check(db)
        return PostgresStore(address, db, kept["embedder"], turn), encoder
    except BaseException:
        db.close()
        raise


def drop_postgres(place: str) -> None:
    """Delete a base, if it is there."""
    db = Database(parse_address(place))
    try:
        with db.connection() as connection:
            connection.execute(f"DROP SCHEMA IF EXISTS {db.address.schema} CASCADE")
    finally:
        db.close()


def manifest_of(db: Database) -> dict[str, Any] | None:
    """What made a base; None where there is none. One of a later version is refused."""
    if not db.rows("SELECT to_regclass(%s) IS NOT NULL", (f"{db.address.schema}.state",))[0][0]:
        return None
    tables, manifest = db.rows("SELECT tables, manifest FROM state")[0]
    db.check_format(tables, schema.VERSION)
    found: dict[str, Any] = json.loads(manifest)
    return found


def _make(db: Database, encoder: Encoder | None) -> dict[str, Any]:
    """Make a new, empty base in one transaction; who comes second finds the first one's."""
    _check_server(db)
    manifest: dict[str, Any] = {"embedder": encoder.identity if encoder else None}
    with db.alone() as connection, connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(hashtext(%s))", (db.address.schema,))
        connection.execute(f'CREATE SCHEMA IF NOT EXISTS "{db.address.schema}"')
        if found := manifest_of(db):
            return found
        connection.execute(schema.creation(encoder.dim if encoder else None))
        connection.execute(
            "INSERT INTO state (tables, words, manifest) VALUES (%s, %s, %s)",
            (schema.VERSION, int(bm25.RULES), json.dumps(manifest)),
        )
    return manifest


def is_old(vector: str | None) -> bool:
    """Whether pgvector is missing, or of a version that is too old."""
    return vector is None or tuple(map(int, vector.split(".")[:2])) < LEAST_VECTOR


def _check_server(db: Database) -> None:
    """Refuse a server that is too old, or lacks pgvector and does not let us add it."""
    version, found, available = db.rows(
        "SELECT current_setting('server_version_num')::int,"
        " (SELECT extversion FROM pg_extension WHERE extname = 'vector'),"
        " (SELECT default_version FROM pg_available_extensions WHERE name = 'vector')"
    )[0]
    shown = db.address.shown
    if version < LEAST_SERVER:
        raise KnowledgeBaseError(
            tr("{place} is PostgreSQL {version}; Nacre needs 14 or later.", place=shown, version=version // 10000),
            path=shown,
        )
    there = found or available
    if is_old(there):
        raise KnowledgeBaseError(
            tr(
                "{place} has no pgvector 0.8 or later (found: {found}). Install it on the server, then let its owner "
                "run: CREATE EXTENSION vector",
                place=shown,
                found=there or "–",
            ),
            path=shown,
        )
    if found is None:
        with db.alone() as connection:
            connection.execute("CREATE EXTENSION IF NOT EXISTS vector")
            db.close()  # connections that do not see its type yet
