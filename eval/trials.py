"""Copies of a knowledge base on which settings are tried: one copy a chunk size, cut once and then only asked."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from nacre.ingest.source import TextSource
from nacre.retrieval.knowledge_base import KnowledgeBase
from nacre.store.copying import copy_store
from nacre.store.settings import AUTO

NOTHING = TextSource("nacre-eval:", [])


class Trials(ExitStack):
    """Knowledge bases with settings that are tried. A context: at its end the copies are gone.

    What is tried stands in the settings file of a copy, so that it is measured as it would be used. Chunks that a copy
    has in common with the original keep their vectors; only others are embedded.
    """

    def __init__(self, base: KnowledgeBase, step: Callable[[], None]) -> None:
        super().__init__()
        self.base, self.step = base, step
        self.indexed: list[dict[str, Any]] = []
        self._copies: dict[Any, KnowledgeBase] = {}
        self._folder = Path(self.enter_context(tempfile.TemporaryDirectory(prefix="nacre-tune-")))

    def at(self, settings: Mapping[str, Any]) -> KnowledgeBase:
        """A knowledge base that is cut and searched as some settings say; one not named is as in the original."""
        size = settings.get("chunk_size", self.base.settings.get("chunk_size", AUTO))
        if size not in self._copies:
            self._copies[size] = self._cut(size)
        self._copies[size].store.save_settings({**self.base.settings, **settings})
        return self._copies[size]

    def _cut(self, size: Any) -> KnowledgeBase:
        began = time.perf_counter()
        copy_store(self.base.store, self._folder / str(size))
        encoder = self.base.encoder.embeddings if self.base.encoder else "none"
        copy = self.enter_context(KnowledgeBase.open(self._folder / str(size), encoder))
        copy.store.save_settings({"chunk_size": size})
        report = copy.sync(
            NOTHING, prune=False, on_progress=lambda _: self.step()
        )  # a sync cuts all documents as is set
        seconds = round(time.perf_counter() - began, 3)
        counts = {"chunks": copy.stats()["chunks"], "recut": report.recut, "embedded": report.embedded}
        self.indexed.append({"chunk_size": size, **counts, "seconds": seconds})
        return copy
