"""What keeps a collection in step with its truth, and who answers while it is not.

The truth dates every change by its generation. Who writes pushes what changed since the collection's own, and says so
in its mark: before the first change and after the last. A search asks the collection only where the mark names the very
generation that the search sees, before and after; else PostgreSQL's own arms, which hold the same, answer.
"""

from __future__ import annotations

import logging
import math
import os
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from hashlib import blake2b
from itertools import groupby
from typing import Any, NamedTuple, TypeVar

from nacre.errors import KnowledgeBaseError
from nacre.store import bm25
from nacre.store.postgres.keyword_index import B0, CHUNKS, LENGTH, length_factor, tallies
from nacre.store.postgres.vector_index import received
from nacre.store.qdrant.engine import ArmsAddress, Engine, Point
from nacre.text.language import tr

_log = logging.getLogger(__name__)
T = TypeVar("T")
_TOKEN = "arms"  # the key of `meta` under which the truth remembers the last push
_DRIFT = 0.05  # of the mean length, until the weights of all words are made anew
_READING_S, _WRITING_S = 5, 120
_SILENT_S = 30.0  # for which a server that failed is not asked again
_BATCH = 500  # points in a request


class Mark(NamedTuple):
    """What a collection says of itself.

    Args:
        token: of the last push, which the truth remembers too: a truth restored from a backup does not.
        factor: of the length of a chunk in the weights of its words.
        open: whether a push is under way, or was broken off.
    """

    token: str = ""
    generation: int = -1
    factor: float = 0.0
    rules: str = ""
    open: bool = True


class Arms:
    """A base's collection, asked by many threads and written by who holds the base's pen.

    Args:
        turn: how often the base was given vectors of another embedder: each time its arms are a new collection.
    """

    def __init__(self, address: ArmsAddress, dim: int | None, turn: int = 0) -> None:
        self._before = [address.of_turn(turn - 1)] if turn else []
        self.address, self._dim = address.of_turn(turn), dim
        self._engine = _open(self.address, dim, _READING_S)
        self._pid, self._silent_until = os.getpid(), 0.0

    def check(self) -> None:
        """Raise where the server is away, refuses us, or holds something else under this name."""
        try:
            self._engine.check()
        except BaseException:
            self.close()
            raise

    def ask(self, connection: Any, question: Callable[[Engine], T]) -> T | None:
        """An answer as of the generation that the connection sees; None where the collection has none."""
        if time.monotonic() < self._silent_until:
            return None
        wanted = _stand(connection)
        try:
            engine = self._ours()
            before = _said(engine)
            if before[:2] != wanted or before.open:
                return None
            found = question(engine)
            said = _said(engine)
        except KnowledgeBaseError as error:
            self._silent_until = time.monotonic() + _SILENT_S
            _log.warning("PostgreSQL answers in the place of Qdrant: %s", error)
            return None
        return found if said == before else None

    def _ours(self) -> Engine:
        if self._pid != os.getpid():  # sockets of the parent are not ours to use
            self._engine, self._pid = _open(self.address, self._dim, _READING_S), os.getpid()
        return self._engine

    def catch_up(self, connection: Any, remember: Callable[[str, str], object]) -> None:
        """Push what changed since the last time, or all where that cannot be trusted. Its caller is the only one.

        Args:
            connection: in no transaction.
            remember: writes the truth's `meta`.
        """
        engine = _open(self.address, self._dim, _WRITING_S)
        try:
            before = _said(engine) if engine.check() else Mark()
            token, generation = _stand(connection)
            trusted = (before.token, before.rules) == (token, bm25.RULES) and before.generation <= generation
            drifted = _drifted(before.factor, _factor(connection))
            if trusted and before.generation == generation and not before.open and not drifted:
                return
            started = before._replace(token=uuid.uuid4().hex, open=True)
            remember(_TOKEN, started.token)
            if not trusted:
                engine.make(self._dim)
                started = Mark(started.token, rules=bm25.RULES)
            elif drifted:
                started = started._replace(factor=0.0)
            engine.set_mark(started._asdict())
            engine.set_mark(self._push(connection, engine, started)._asdict())
            if not trusted:
                self._drop_before()
        finally:
            engine.close()

    def _drop_before(self) -> None:
        """The vectors of another embedder are asked for no more."""
        for address in self._before:
            engine = _open(address, None, _WRITING_S)
            try:
                engine.drop()
            finally:
                engine.close()

    def _push(self, connection: Any, engine: Engine, started: Mark) -> Mark:
        """Bring the collection to one state of the truth; returns what may be said of it then."""
        with connection.transaction():
            connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            _, generation = _stand(connection)
            factor = started.factor or _factor(connection)
            gone = connection.execute(
                "SELECT chunk FROM removed WHERE generation > %s", (started.generation,)
            ).fetchall()
            for at in range(0, len(gone), _BATCH):
                engine.delete([number for (number,) in gone[at : at + _BATCH]])
            since = started.generation if started.factor else -1
            for points in _points(connection, since, factor, self._dim is not None):
                engine.put(points)
        return started._replace(generation=generation, factor=factor, open=False)

    def version(self) -> str:
        """Of Qdrant."""
        return self._ours().version()

    def behind(self, connection: Any) -> str:
        """What to say of a collection that does not stand where the truth does; empty for one that does."""
        said, (token, generation) = _said(self._ours()), _stand(connection)
        if said[:2] == (token, generation) and not said.open:
            return ""
        return tr(
            "{place} is behind: generation {found} of {wanted}. PostgreSQL answers alone until the next sync.",
            place=self.address.shown,
            found=said.generation,
            wanted=generation,
        )

    def problems(self, rights: Mapping[int, int], connection: Any) -> list[str]:
        """What differs from the truth: a line each.

        Args:
            rights: the audience of each chunk.
        """
        place = self.address.shown
        engine = self._ours()
        if not rights and not _said(engine).token:  # nothing was ever stored
            return []
        if told := self.behind(connection):
            return [told]
        found = engine.rows()
        counts = (len(rights.keys() - found.keys()), len(found.keys() - rights.keys()))
        differ = sum(found.get(number, audience) != audience for number, audience in rights.items())
        if not any((*counts, differ)):
            return []
        told = tr(
            "{place}: {missing} chunks are missing, {more} too many, {differ} not shown to whom their document is",
            place=place,
            missing=counts[0],
            more=counts[1],
            differ=differ,
        )
        return [told]

    def close(self) -> None:
        """Let go of the collection."""
        if self._pid == os.getpid():
            self._engine.close()


def _open(address: ArmsAddress, dim: int | None, patience: int) -> Engine:
    """Connect to a collection, which need not be there yet.

    Args:
        dim: length of its dense vectors; None for words only.
        patience: seconds that a server may take to answer.
    """
    if address.url.startswith("file://"):
        from nacre.store.qdrant.edge import EdgeEngine

        return EdgeEngine(address, dim)
    from nacre.store.qdrant.http import HttpEngine

    return HttpEngine(address, dim, patience)


@lru_cache(maxsize=1 << 16)
def number_of(word: str) -> int:
    """The place of a word in a sparse vector. Of a million words, two in ten thousand share theirs."""
    return int.from_bytes(blake2b(word.encode("utf-8", "replace"), digest_size=4).digest(), "big")


def _said(engine: Engine) -> Mark:
    said = engine.mark() or {}
    return Mark(**{name: said[name] for name in Mark._fields if name in said})


def _stand(connection: Any) -> tuple[str, int]:
    """The token of the last push and the generation, as a connection sees them."""
    query = "SELECT (SELECT value FROM meta WHERE key = %s), generation FROM state"
    token, generation = connection.execute(query, (_TOKEN,)).fetchone()
    return token or "-", generation


def _factor(connection: Any) -> float:
    there = tallies(connection, [CHUNKS, LENGTH])
    return length_factor(there)


def _drifted(before: float, now: float) -> bool:
    return not before or not math.isclose(before, now, rel_tol=_DRIFT)


def _points(connection: Any, since: int, factor: float, dense: bool) -> Iterator[list[Point]]:
    """The chunks that were touched after a generation, with the weights of their words."""
    vectors = (
        ("v.writing, vector_send(v.embedding)", "LEFT JOIN vectors v ON v.chunk = c.id") if dense else ("0, NULL", "")
    )
    query = (
        f"SELECT c.id, d.id, d.audience, {vectors[0]} FROM chunks c JOIN documents d ON d.id = c.document {vectors[1]}"
        " WHERE c.generation > %s ORDER BY c.id"
    )
    with connection.cursor("outbox") as cursor:
        cursor.execute(query, (since,))
        while rows := cursor.fetchmany(_BATCH):
            words = _weights(connection, [row[0] for row in rows], factor)
            yield [
                Point(
                    chunk,
                    None if sent is None else received(sent).tolist(),
                    words.get(chunk, {}),
                    {"document": document, "audience": audience, "writing": writing or 0},
                )
                for chunk, document, audience, writing, sent in rows
            ]


def _weights(connection: Any, numbers: list[int], factor: float) -> dict[int, dict[int, float]]:
    """What the words of chunks score in BM25, before their idf."""
    rows = connection.execute(
        "SELECT chunk, word, count, length FROM postings WHERE chunk = ANY(%s) ORDER BY chunk", (numbers,)
    ).fetchall()
    return {
        chunk: {number_of(word): count / (count + B0 + factor * length) for _, word, count, length in mine}
        for chunk, mine in groupby(rows, key=lambda row: row[0])
    }
