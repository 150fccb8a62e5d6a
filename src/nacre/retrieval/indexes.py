"""The two derived indexes together, and the one way they change: by catching up with the catalog."""

from __future__ import annotations

import shutil
import threading
import weakref
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from nacre.errors import KnowledgeBaseError
from nacre.language import tr
from nacre.private import as_open_as_its_folder
from nacre.retrieval.access import shadow, writable
from nacre.retrieval.catalog import Catalog
from nacre.retrieval.lexical import Entry, WordIndex
from nacre.retrieval.vectors import VectorIndex

_BATCH = 2000  # chunks read at a time
_REPLAY_SHARE = 0.1  # a vector snapshot is written anew when more than this has changed since
_REPLAY_LEAST = 2000  # chunks


class Indexes:
    """Words and vectors of one knowledge base in this process.

    Args:
        folder: the knowledge base.
        catalog: its truth.
        dim: length of the vectors, or None for words only.
    """

    def __init__(self, folder: Path, catalog: Catalog, dim: int | None) -> None:
        self.folder = folder
        self.catalog = catalog
        self._refreshing = threading.Lock()
        generation = catalog.generation
        self.read_only = not writable(folder)
        self._shadow: weakref.finalize[..., Indexes] | None = None
        self.words = self._opened_words()
        if self.words.generation > generation:  # a catalog restored from a backup: the index knows another history
            self.words.generation = -1
        self.vectors = None if dim is None else VectorIndex.load(folder / "vectors", dim, generation)
        self.saved = self.vectors.generation if self.vectors else 0
        self._seen = -1

    def _opened_words(self) -> WordIndex:
        if not self.read_only:
            return WordIndex(self.folder / "words")
        self.close()
        place = shadow(self.folder / "words")
        self._shadow = weakref.finalize(self, shutil.rmtree, place, ignore_errors=True)
        return WordIndex(place)

    def close(self) -> None:
        """Remove what was kept for this process alone."""
        if self._shadow:
            self._shadow()

    @property
    def behind(self) -> bool:
        """Whether the word index on disk lacks something that the catalog has."""
        return self.words.generation != self.catalog.generation

    def refresh(self) -> None:
        """See what has been written since the last look. Costs microseconds when nothing has."""
        version = self.catalog.data_version()
        if version == self._seen:
            return
        with self._refreshing:
            if self.read_only:
                self._follow_words()
            else:
                self.words.reload()
            self._catch_up_vectors()
            self._seen = version

    def _follow_words(self) -> None:
        """See what a writer elsewhere has done to the index, and do for this process alone what it has not yet done."""
        if self._seen != -1:  # its old files may be gone by now
            self.words = self._opened_words()
        with self._told():
            self._catch_up_words()

    def catch_up(self) -> None:
        """Bring both indexes, in memory and on disk, to the catalog's generation. Needs the write lock.

        Raises:
            KnowledgeBaseError: they cannot be written; the catalog is not touched by that.
        """
        with self._told():
            self._catch_up_words()
            with self._refreshing:
                self._catch_up_vectors()
            self._save_vectors()

    @contextmanager
    def _told(self) -> Iterator[None]:
        """What goes wrong in writing, as our error."""
        try:
            yield
        except (OSError, ValueError, RuntimeError) as error:
            raise KnowledgeBaseError(
                tr(
                    f"the indexes in {self.folder} cannot be written ({error}): is the disk full? All documents are safe; "
                    "free some space and open the folder again.",
                    f"{self.folder} 中的索引无法写入（{error}）：磁盘是否已满？所有文档均完好；请腾出空间后重新打开。",
                ),
                path=str(self.folder),
            ) from error

    def rebuild(self) -> None:
        """Throw both indexes away and build them from the catalog. Needs the write lock."""
        self.words.begin_anew()
        if self.vectors is not None:
            shutil.rmtree(self.folder / "vectors", ignore_errors=True)
            self.vectors = VectorIndex(self.vectors.dim)
            self.saved = 0
        self.catch_up()

    # ------------------------------------------------------------------------------------------------ words

    def _catch_up_words(self) -> None:
        target = self.catalog.generation
        if self.words.generation == target:
            return
        if self.words.generation < self._floor() or self.words.generation > target:
            self.words.begin_anew()
        try:
            self._write_words(target)
        except ValueError as error:
            # A killed writer may leave a file that the next one, which counts from the same commit, wants to create.
            if "AlreadyExists" not in str(error):
                raise
            self.words.begin_anew()
            self._write_words(target)

    def _write_words(self, target: int) -> None:
        since = self.words.generation
        writer = self.words.writer()
        try:
            self.words.write(writer, self._removed(since), [])
            for numbers in _batches(self._changed(since)):
                self.words.write(writer, [], self._entries(numbers))
            self.words.commit(writer, target)
        except BaseException:
            writer.rollback()
            raise
        finally:
            writer.wait_merging_threads()
            # Tantivy makes two of its files for its user alone, and the others as the umask says.
            as_open_as_its_folder(self.words.folder)

    def _entries(self, numbers: Sequence[int]) -> list[Entry]:
        return [
            Entry(*row)
            for row in self.catalog.rows(
                "SELECT c.id, c.context, c.text, d.audience, d.uri, d.mime, d.modified FROM chunks c JOIN documents d ON d.id = c.document"
                f" WHERE c.id IN ({','.join('?' * len(numbers))})",
                numbers,
            )
        ]

    # ------------------------------------------------------------------------------------------------ vectors

    def _catch_up_vectors(self) -> None:
        if self.vectors is None:
            return
        target = self.catalog.generation
        since = self.vectors.generation
        if since == target:
            return
        if since < self._floor():
            self.vectors = VectorIndex.load(self.folder / "vectors", self.vectors.dim, target)
            since = self.saved = self.vectors.generation
        removed = self._removed(since)
        for numbers in _batches(self._changed(since)):
            self._add_vectors(removed, numbers)
            removed = []
        if removed:
            self._add_vectors(removed, [])
        self.vectors.generation = target

    def _add_vectors(self, removed: Sequence[int], numbers: Sequence[int]) -> None:
        assert self.vectors is not None
        rows = self.catalog.rows(
            "SELECT c.id, c.document, d.audience, v.vector FROM chunks c JOIN documents d ON d.id = c.document"
            f" JOIN vectors v ON v.chunk = c.id WHERE c.id IN ({','.join('?' * len(numbers))})",
            numbers,
        )
        facts = np.array([row[:3] for row in rows], np.int64).reshape(-1, 3)
        matrix = np.frombuffer(b"".join(row[3] for row in rows), "<f4").reshape(len(rows), self.vectors.dim)
        self.vectors.update(removed, facts[:, 0].copy(), matrix, facts[:, 1].copy(), facts[:, 2].copy())

    def _save_vectors(self) -> None:
        if self.vectors is None:
            return
        since = self.saved
        changed = len(self._changed(since)) + len(self._removed(since))
        if changed > max(_REPLAY_LEAST, _REPLAY_SHARE * len(self.vectors)) or (changed and not since):
            self.vectors.save(self.folder / "vectors")
            self.saved = self.vectors.generation
            self._forget()

    # ------------------------------------------------------------------------------------------------ what changed

    def _changed(self, since: int) -> list[int]:
        return [row[0] for row in self.catalog.rows("SELECT id FROM chunks WHERE generation > ? ORDER BY id", (since,))]

    def _removed(self, since: int) -> list[int]:
        return [row[0] for row in self.catalog.rows("SELECT chunk FROM removed WHERE generation > ?", (since,))]

    def _floor(self) -> int:
        """Removals up to this generation are no longer on record."""
        return int(self.catalog.meta("floor") or 0)

    def _forget(self) -> None:
        """Drop the record of removals that every index on disk has made."""
        floor = min(self.saved, self.words.generation)
        with self.catalog.transaction():
            self.catalog.rows("DELETE FROM removed WHERE generation <= ?", (floor,))
            self.catalog.set_meta("floor", str(floor))


def _batches(numbers: Sequence[int]) -> list[Sequence[int]]:
    return [numbers[at : at + _BATCH] for at in range(0, len(numbers), _BATCH)]
