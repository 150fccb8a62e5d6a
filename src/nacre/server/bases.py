"""The knowledge bases of a server: its own, "main", and one for each vector store. All share one embedder."""

from __future__ import annotations

import shutil
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nacre.store.embedders import embedder_named

if TYPE_CHECKING:
    from nacre.retrieval.knowledge_base import KnowledgeBase

MAIN = "main"


class Bases:
    """Opens knowledge bases when they are first needed."""

    def __init__(self, main: Path, data: Path) -> None:
        from nacre.retrieval.knowledge_base import KnowledgeBase

        self._folder = data / "vector_stores"
        self._lock = threading.RLock()
        self._open: dict[str, KnowledgeBase] = {MAIN: KnowledgeBase.open(main)}

    @property
    def main(self) -> KnowledgeBase:
        """The server's own knowledge base."""
        return self._open[MAIN]

    @property
    def embedder(self) -> Any:
        """The embedder of the main knowledge base, loaded once; "none" where it searches by words only."""
        encoder = self.main.encoder
        return "none" if encoder is None else encoder.embeddings

    def folder(self, store: str) -> Path:
        """The folder of a knowledge base.

        Args:
            store: "main", or the id of a vector store, which this server made: it is no text from outside.
        """
        return self.main.folder if store == MAIN else self._folder / store

    def get(self, store: str) -> KnowledgeBase:
        """A knowledge base by the store's id, made when it is new."""
        from nacre.retrieval.knowledge_base import KnowledgeBase

        with self._lock:
            if store not in self._open:
                self._open[store] = KnowledgeBase.open(self.folder(store), self.embedder)
            return self._open[store]

    def drop(self, store: str) -> None:
        """Delete a vector store's knowledge base."""
        if store == MAIN:
            return
        with self._lock:
            if base := self._open.pop(store, None):
                base.close()
            shutil.rmtree(self.folder(store), ignore_errors=True)

    def close(self) -> None:
        """Close all of them."""
        with self._lock:
            for base in self._open.values():
                base.close()


def open_like(folder: Path, main: Path) -> KnowledgeBase:
    """Open a vector store's knowledge base in another process, with the embedder of the main one."""
    from nacre.retrieval.knowledge_base import KnowledgeBase

    if folder == main:
        return KnowledgeBase.open(folder)
    named = _embedder(main)
    return KnowledgeBase.open(folder, embedder_named(named) if named else "none")


def variables_for(main: Path) -> tuple[str, ...]:
    """The environment variables without which the embedder of a knowledge base cannot work.

    Returns:
        Names: of the key and of the address of a service; none for a model of this machine.
    """
    from nacre.connectors.embeddings import variables

    return variables(_embedder(main) or "")


def _embedder(folder: Path) -> str:
    from nacre.store.folder import manifest

    made = manifest.read(folder)
    return str(made.embedder["id"]) if made and made.embedder else ""
