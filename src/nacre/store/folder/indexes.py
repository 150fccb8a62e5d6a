"""The two derived indexes together, and the one way they change: by catching up with the catalog.

A search sees both of them at one generation: the words as of one commit, which never change, and vectors that are
changed only while nobody looks. What is shown moves in one step, when both are ready.
"""

from __future__ import annotations

import shutil
import threading
import weakref
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Condition
from typing import Any, NamedTuple

import numpy as np

from nacre.errors import KnowledgeBaseError
from nacre.store.folder.access import writable
from nacre.store.folder.catalog import Catalog
from nacre.store.folder.keyword_index import TantivyIndex, TantivySnapshot, shadow
from nacre.store.folder.vector_index import FaissIndex
from nacre.system.files import as_open_as_its_folder
from nacre.text.language import tr
from nacre.text.writing import WRITINGS, writing_of

_BATCH = 2000  # chunks read at a time
_REPLAY_SHARE = 0.1  # a vector snapshot is written anew when more than this has changed since
_REPLAY_LEAST = 2000  # chunks


class FolderView(NamedTuple):
    """What one search sees: words and vectors of one generation."""

    words: TantivySnapshot
    vectors: FaissIndex | None

    @property
    def turn(self) -> int:
        """Whose vectors these are: see `Catalog.turn`."""
        return self.vectors.turn if self.vectors else 0


class Indexes:
    """Words and vectors of one knowledge base in this process.

    Args:
        dim: length of the vectors, or None for words only.
    """

    def __init__(self, folder: Path, catalog: Catalog, dim: int | None) -> None:
        self.folder = folder
        self.catalog = catalog
        self._refreshing, self._writing_words = threading.Lock(), threading.Lock()
        generation = catalog.generation
        self.read_only = not writable(folder)
        self._shadow: weakref.finalize[..., Indexes] | None = None
        self.words = self._open_words()
        if self.words.now.generation > generation:  # a catalog restored from a backup: it knows another history
            self.words.distrust()
        vectors = None if dim is None else self._load_vectors(dim, generation)
        self.saved = vectors.generation if vectors else 0
        self._turn = _Turn()
        self._shown = FolderView(self.words.now, vectors)
        self._followed = False

    def _open_words(self) -> TantivyIndex:
        if not self.read_only:
            return TantivyIndex(self.folder / "words", self.catalog.matching)
        self.close()
        place = shadow(self.folder / "words")
        self._shadow = weakref.finalize(self, shutil.rmtree, place, ignore_errors=True)
        return TantivyIndex(place, self.catalog.matching)

    def _load_vectors(self, dim: int, newest: int) -> FaissIndex:
        return FaissIndex.load(self.folder / "vectors", dim, self.catalog.matching, newest, self.catalog.turn)

    def close(self) -> None:
        """Remove what was kept for this process alone."""
        if self._shadow:
            self._shadow()

    @property
    def behind(self) -> bool:
        """Whether the word index on disk lacks something that the catalog has."""
        return self.words.now.generation != self.catalog.generation

    def stand(self) -> tuple[int, int]:
        """The generations of the catalog, whose rights and texts hold, and of what is searched, which may lag
        behind.
        """
        self.refresh()
        return self.catalog.generation, self._shown.words.generation

    @contextmanager
    def view(self) -> Iterator[FolderView]:
        """What there is to search now. The words stay good for ever, the vectors until the end of the context."""
        self.refresh()
        with self._turn.shared():
            yield self._shown

    def refresh(self) -> None:
        """See what has been written since the last look. Costs microseconds when nothing has."""
        if self._shows(self.catalog.generation):
            return
        with self._refreshing:
            if not self._shows(self.catalog.generation) and self._follow_words():
                self._show()

    def _shows(self, generation: int) -> bool:
        words, vectors = self._shown.words, self._shown.vectors
        return words.generation == generation and (vectors is None or vectors.generation == generation)

    def _follow_words(self) -> bool:
        """See what a writer elsewhere has done to the index; where nothing may be written, for this process alone."""
        if not self.read_only:
            if not self._writing_words.acquire(blocking=False):
                return False
            try:
                self.words.reload()
            finally:
                self._writing_words.release()
            return True
        if self._followed:  # its old files may be gone by now
            self.words = self._open_words()
        self._followed = True
        with self._our_errors():
            self._catch_up_words()
        return True

    def catch_up(self) -> None:
        """Bring both indexes, in memory and on disk, to the catalog's generation. Needs the write lock."""
        with self._our_errors():
            with self._writing_words:
                self._catch_up_words()
            with self._refreshing:
                self._show()
                self._save_vectors()

    @contextmanager
    def _our_errors(self) -> Iterator[None]:
        """What goes wrong in writing, as our error."""
        try:
            yield
        except (OSError, ValueError, RuntimeError) as error:
            raise KnowledgeBaseError(
                tr(
                    "the indexes in {folder} cannot be written ({error}): is the disk full? All documents "
                    "are safe; free some space and open the folder again.",
                    folder=self.folder,
                    error=error,
                ),
                path=str(self.folder),
            ) from error

    def rebuild(self) -> None:
        """Throw both indexes away and build them from the catalog. Needs the write lock."""
        self.words.begin_anew()
        if (vectors := self._shown.vectors) is not None:
            shutil.rmtree(self.folder / "vectors", ignore_errors=True)
            empty = FaissIndex(vectors.dim, self.catalog.matching, vectors.turn)
            self._shown = self._shown._replace(vectors=empty)
            self.saved = 0
        self.catch_up()

    # ------------------------------------------------------------------------------------------------ words

    def _catch_up_words(self) -> None:
        target = self.catalog.generation
        if self.words.now.generation == target:
            return
        if self.words.now.generation < self.catalog.floor or self.words.now.generation > target:
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
        since = self.words.now.generation
        writer = self.words.writer()
        try:
            self.words.write(writer, self.catalog.removed(since), [])
            for numbers in _batches(self.catalog.changed(since)):
                self.words.write(writer, [], self.catalog.entries(numbers))
            self.words.commit(writer, target)
        except BaseException:
            writer.rollback()
            raise
        finally:
            writer.wait_merging_threads()
            # Tantivy makes two of its files for its user alone, and the others as the umask says.
            as_open_as_its_folder(self.words.folder)

    # ------------------------------------------------------------------------------------------------ vectors

    def _show(self) -> None:
        """Let searches see the words as they stand now, with the vectors of the same generation."""
        words, vectors, turn = self.words.now, self._shown.vectors, self.catalog.turn
        if turn != self._shown.turn:  # vectors of another embedder: a new index, while the old one still serves
            vectors, self.saved = FaissIndex(self.catalog.dimension(), self.catalog.matching, turn), 0
        target = min(words.generation, self.catalog.generation)
        changes: list[tuple[Any, ...]] = []
        if vectors is not None and vectors.generation < target:
            vectors, changes = self._changes(vectors, target)
        with self._turn.alone():
            for change in changes:
                vectors.update(*change)  # type: ignore[union-attr]
            if vectors is not None:
                vectors.generation = max(vectors.generation, target)
            self._shown = FolderView(words, vectors)

    def _changes(self, vectors: FaissIndex, target: int) -> tuple[FaissIndex, list[tuple[Any, ...]]]:
        """An index, and what it still lacks; one that nobody sees yet lacks nothing."""
        seen = len(vectors) > 0
        if vectors.generation < self.catalog.floor or not seen:
            vectors, seen = self._load_vectors(vectors.dim, self.catalog.generation), False
            self.saved = vectors.generation
        since = vectors.generation
        batches = _batches(self.catalog.changed(since, target))
        changes = (self._vectors_of(numbers, vectors.dim) for numbers in batches)
        removed = self.catalog.removed(since, target)
        if seen:
            return vectors, [(removed, *self._vectors_of([], vectors.dim)), *(([], *change) for change in changes)]
        vectors.update(removed, *self._vectors_of([], vectors.dim))
        for change in changes:
            vectors.update([], *change)
        return vectors, []

    def _vectors_of(self, numbers: Sequence[int], dim: int) -> tuple[Any, ...]:
        """Chunks with vectors, documents, audiences and writings, as an index takes them."""
        rows = self.catalog.vectors(numbers)
        facts = np.array([row[:3] for row in rows], np.int64).reshape(-1, 3)
        matrix = np.frombuffer(b"".join(row[3] for row in rows), "<f4").reshape(len(rows), dim)
        writings = np.array([WRITINGS.index(writing_of(row[4])) for row in rows], np.int64)
        return facts[:, 0].copy(), matrix, facts[:, 1].copy(), facts[:, 2].copy(), writings

    def _save_vectors(self) -> None:
        if (vectors := self._shown.vectors) is None:
            return
        since = self.saved
        changed = len(self.catalog.changed(since)) + len(self.catalog.removed(since))
        if changed > max(_REPLAY_LEAST, _REPLAY_SHARE * len(vectors)) or (changed and not since):
            vectors.save(self.folder / "vectors")
            self.saved = vectors.generation
            self.catalog.forget_removed(min(self.saved, self.words.now.generation))


def _batches(numbers: Sequence[int]) -> list[Sequence[int]]:
    return [numbers[at : at + _BATCH] for at in range(0, len(numbers), _BATCH)]


class _Turn:
    """Many readers or one writer, who is let in before those that come after it."""

    def __init__(self) -> None:
        self._free = Condition()
        self._readers = 0
        self._waiting = False

    @contextmanager
    def shared(self) -> Iterator[None]:
        with self._free:
            self._free.wait_for(lambda: not self._waiting)
            self._readers += 1
        try:
            yield
        finally:
            with self._free:
                self._readers -= 1
                self._free.notify_all()

    @contextmanager
    def alone(self) -> Iterator[None]:
        with self._free:
            self._waiting = True  # one writer at a time: `Indexes` holds a lock around it
            try:
                self._free.wait_for(lambda: not self._readers)
                yield
            finally:
                self._waiting = False
                self._free.notify_all()
