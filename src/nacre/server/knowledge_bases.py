"""The knowledge bases of a server: its own, "main", and one for each vector store. All share one embedder."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from nacre.errors import KnowledgeBaseError
from nacre.retrieval.knowledge_base import KnowledgeBase
from nacre.store.embedders import embedder_named
from nacre.store.places import embedder_of, remove, scheme_of, shown, within
from nacre.text.language import tr

MAIN = "main"
_MOST_OPEN = 16
_IDLE_S = 900.0


@dataclass
class _Open:
    base: KnowledgeBase
    users: int = 0
    used: float = field(default_factory=time.monotonic)


class KnowledgeBasePool:
    """Opens knowledge bases when they are first needed, and closes those that nobody has used for long.

    Whoever searches takes one and gives it back (`using`); one that is taken is never closed. Opening and closing wait
    for the disk, and are not for the event loop; the lock is never held meanwhile.
    """

    def __init__(
        self, main: str | Path, store: str | Path, *, most_open: int = _MOST_OPEN, idle_s: float = _IDLE_S
    ) -> None:
        self._store = store
        self._most_open, self._idle_s = most_open, idle_s
        self._lock = threading.Lock()
        self.main = KnowledgeBase.open(main)
        self._open: OrderedDict[str, _Open] = OrderedDict()  # the least recently used first
        self._opening: dict[str, Future[None]] = {}
        self._dropped: set[str] = set()
        self.forget: Callable[[str], None] = lambda store: None
        """Called with a store's id before its knowledge base is closed."""

    def place(self, store: str) -> str | Path:
        """Where a vector store's knowledge base is; it need not be there yet."""
        return place_of(self._store, store)

    @contextmanager
    def using(self, store: str) -> Iterator[KnowledgeBase]:
        """A knowledge base by the store's id, opened where it is not, made when it is new, and kept open meanwhile."""
        base = self.take(store)
        try:
            yield base
        finally:
            self.give_back(store)

    def take(self, store: str) -> KnowledgeBase:
        """As `using`; `give_back` must follow."""
        if store == MAIN:
            return self.main
        while True:
            with self._lock:
                if store in self._dropped:
                    told = tr("The vector store {store} was deleted.", store=store)
                    raise KnowledgeBaseError(told, path=shown(self.place(store)))
                if held := self._open.get(store):
                    held.users += 1
                    self._open.move_to_end(store)
                    return held.base
                opening = self._opening.get(store)
                mine = opening is None
                if opening is None:
                    opening = self._opening[store] = Future()
            if mine:
                self._make(store, opening)
            opening.result()

    def give_back(self, store: str) -> None:
        """What `take` gave is not used any more."""
        with self._lock:
            held = self._open.get(store)
            if held is not None:
                held.users -= 1
                held.used = time.monotonic()

    def _make(self, store: str, opening: Future[None]) -> None:
        try:
            encoder = self.main.encoder  # loaded once
            base = KnowledgeBase.open(self.place(store), "none" if encoder is None else encoder.embeddings)
        except BaseException as error:
            with self._lock:
                del self._opening[store]
            opening.set_exception(error)
            return
        with self._lock:
            self._open[store] = _Open(base)
            del self._opening[store]
        opening.set_result(None)
        self.close_idle(but=store)

    def get(self, store: str) -> KnowledgeBase:
        """As `take`, for whoever has taken it already, or can do with one that is closed when others need the room."""
        with self.using(store) as base:
            return base

    def close_idle(self, but: str = "") -> None:
        """Close what was dropped or not used for long, and the least recently used where there are too many."""
        now = time.monotonic()
        with self._lock:
            closing: list[str] = []
            most = len(self._open) - self._most_open
            for store, held in self._open.items():
                spare = store != but and (len(closing) < most or now - held.used > self._idle_s)
                if not held.users and (spare or store in self._dropped):
                    closing.append(store)
            for store in closing:
                self.forget(store)
            bases = {store: self._open.pop(store).base for store in closing}
        for store, base in bases.items():
            base.close()
            if store in self._dropped:
                remove(self.place(store))

    def drop(self, store: str) -> None:
        """Delete a vector store's knowledge base, at once or when the last who uses it has given it back."""
        if store == MAIN:
            return
        with self._lock:
            self._dropped.add(store)
            there = store in self._open or store in self._opening
        self.close_idle()
        if not there:
            remove(self.place(store))

    def close(self) -> None:
        """Close all of them."""
        with self._lock:
            bases = [held.base for held in self._open.values()]
            self._open.clear()
        for base in (*bases, self.main):
            base.close()


def place_of(place: str | Path, store: str) -> str | Path:
    """Where a vector store's knowledge base is; its id was made by a server and is no text from outside."""
    return within(str(place), store) if scheme_of(place) else Path(place) / "vector_stores" / store


def open_like(place: str | Path, main: str | Path) -> KnowledgeBase:
    """Open a vector store's knowledge base in another process, with the embedder of the main one."""
    if place == main:
        return KnowledgeBase.open(place)
    named = embedder_of(main)
    return KnowledgeBase.open(place, embedder_named(named) if named else "none")
