"""The vector index: exact inner product over unit vectors, held by FAISS, derived from the catalog.

On disk it is a snapshot of one generation, a folder made aside and renamed; what changed since comes from the catalog
when the snapshot is opened. Beside each vector stand its document and its audience, so a search can be limited before
anything is ranked, and its writing: encoders put languages apart, so cosines are compared within one.
"""

from __future__ import annotations

import shutil
import stat
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nacre.store.filters import Filter
from nacre.store.moments import Moments
from nacre.store.protocol import VectorIndex
from nacre.system.files import as_open_as_its_folder, private_folder, sync_to_disk

Ids = NDArray[np.int64]
_SCAN_SHARE = 0.25  # of the rows: below it, gathering the allowed vectors is faster than testing every id


class FaissIndex(VectorIndex):
    """Vectors by chunk number. Many searches may run at once, but none during a change: `Indexes` sees to it."""

    def __init__(self, dim: int, matching: Callable[[Filter], Sequence[int]], turn: int = 0) -> None:
        self.dim, self.turn = dim, turn
        self._matching = matching  # the documents that a filter lets through
        self.generation = 0
        self.index = _new_index(dim)
        self.ids: Ids = np.empty(0, np.int64)
        self.documents: Ids = np.empty(0, np.int64)
        self.audiences: Ids = np.empty(0, np.int64)
        self.writings: Ids = np.empty(0, np.int64)
        self.moments = Moments()
        self._order: Ids | None = None  # that sorts the ids, made when first needed

    def __len__(self) -> int:
        return int(self.ids.size)

    def update(
        self,
        removed: Sequence[int],
        added: Ids,
        vectors: NDArray[np.float32],
        documents: Ids,
        audiences: Ids,
        writings: Ids,
    ) -> None:
        """Take vectors out, then put vectors in.

        Args:
            removed: chunk numbers; unknown ones are ignored.
            added: chunk numbers; those already there are replaced.
        """
        import faiss

        gone = np.union1d(np.asarray(removed, np.int64), added)
        self._order = None
        keep = ~np.isin(self.ids, gone)
        if not keep.all():
            dead = np.ascontiguousarray(self.ids[~keep])
            self.moments.count(self.matrix()[~keep], self.writings[~keep], -1)
            self.index.remove_ids(faiss.IDSelectorBatch(dead))
            self.ids, self.documents = self.ids[keep], self.documents[keep]
            self.audiences, self.writings = self.audiences[keep], self.writings[keep]
        if added.size:
            self.index.add_with_ids(np.ascontiguousarray(vectors, np.float32), added)
            self.moments.count(vectors, writings, 1)
            self.ids = np.concatenate([self.ids, added])
            self.documents = np.concatenate([self.documents, documents])
            self.audiences = np.concatenate([self.audiences, audiences])
            self.writings = np.concatenate([self.writings, writings])

    def search(
        self,
        vector: NDArray[np.float32],
        k: int,
        audiences: Sequence[int] | None = None,
        where: Filter | None = None,
        writing: int | None = None,
    ) -> list[tuple[int, float]]:
        if not self.ids.size or not np.isfinite(vector).all():
            return []
        allowed = self._allowed(audiences, where)
        if writing is not None:
            allowed = self.writings == writing if allowed is None else allowed & (self.writings == writing)
        if allowed is not None and not allowed.any():
            return []
        if allowed is not None and np.count_nonzero(allowed) < _SCAN_SHARE * self.ids.size:
            return self._scan(vector, k, np.flatnonzero(allowed))
        return self._search(vector, k, allowed)

    def _allowed(self, audiences: Sequence[int] | None, where: Filter | None) -> NDArray[np.bool_] | None:
        allowed = None
        if audiences is not None:
            table = np.zeros(int(max(self.audiences.max(), *audiences, 0)) + 1, bool)
            table[np.asarray(audiences, np.int64)] = True
            allowed = table[self.audiences]
        if where and not where.is_empty:
            wanted = np.isin(self.documents, np.asarray(self._matching(where), np.int64))
            allowed = wanted if allowed is None else allowed & wanted
        return allowed

    def _search(
        self, vector: NDArray[np.float32], k: int, allowed: NDArray[np.bool_] | None
    ) -> list[tuple[int, float]]:
        import faiss

        query = np.ascontiguousarray(vector[None, :], np.float32)
        with _one_thread():
            if allowed is None or allowed.all():
                scores, ids = self.index.search(query, min(k, self.ids.size))
            else:
                bits = np.zeros(int(self.ids.max()) + 1, bool)
                bits[self.ids[allowed]] = True
                packed = np.packbits(bits, bitorder="little")
                parameters: Any = faiss.SearchParameters
                chosen = parameters(sel=faiss.IDSelectorBitmap(packed.size, faiss.swig_ptr(packed)))
                scores, ids = self.index.search(query, min(k, self.ids.size), params=chosen)
        return [(int(i), float(s)) for i, s in zip(ids[0], scores[0], strict=True) if i >= 0]

    def _scan(self, vector: NDArray[np.float32], k: int, rows: Ids) -> list[tuple[int, float]]:
        scores = self.matrix()[rows] @ vector
        best = np.argsort(-scores, kind="stable")[:k]
        return [(int(self.ids[rows[i]]), float(scores[i])) for i in best]

    def scores(self, vector: NDArray[np.float32], numbers: Sequence[int]) -> dict[int, float]:
        rows, there = self._rows(numbers)
        return dict(zip(there.tolist(), (self.matrix()[rows] @ vector).tolist(), strict=True))

    def _rows(self, numbers: Sequence[int]) -> tuple[Ids, Ids]:
        """Where some chunks stand, and which of them there are."""
        if not self.ids.size or not len(numbers):
            return np.empty(0, np.int64), np.empty(0, np.int64)
        if self._order is None:
            self._order = np.argsort(self.ids)
        wanted = np.asarray(numbers, np.int64)
        places = np.searchsorted(self.ids, wanted, sorter=self._order)
        rows = self._order[np.minimum(places, self.ids.size - 1)]
        there = self.ids[rows] == wanted
        return rows[there], wanted[there]

    def writing(self, numbers: Sequence[int]) -> dict[int, int]:
        rows, there = self._rows(numbers)
        return dict(zip(there.tolist(), self.writings[rows].tolist(), strict=True))

    def vectors(self, numbers: Sequence[int]) -> dict[int, NDArray[np.float32]]:
        rows, there = self._rows(numbers)
        return dict(zip(there.tolist(), self.matrix()[rows], strict=True))

    def means(self) -> dict[int, NDArray[np.float64]]:
        return self.moments.means()

    def spread(self, vector: NDArray[np.float32], usual: float | None = None) -> dict[int, tuple[float, float]]:
        return self.moments.spread(vector, usual)

    def matrix(self) -> NDArray[np.float32]:
        """The vectors themselves, row by row as in `ids`, without a copy.

        Returns:
            Array of shape (rows, dim), valid until the next update.
        """
        import faiss

        flat: Any = faiss.downcast_index(self.index.index)
        values: NDArray[np.float32] = faiss.rev_swig_ptr(flat.get_xb(), self.ids.size * self.dim)
        return values.reshape(self.ids.size, self.dim)

    # ------------------------------------------------------------------------------------------------ on disk

    def save(self, folder: Path) -> None:
        """Write a snapshot that a crash leaves whole or not at all; older snapshots go."""
        import faiss

        private_folder(folder)
        aside, place = folder / f".{self.generation}", folder / f"{self.generation:012d}{_of_turn(self.turn)}"
        shutil.rmtree(aside, ignore_errors=True)
        aside.mkdir(stat.S_IMODE(folder.stat().st_mode))
        faiss.write_index(self.index, str(aside / "index.faiss"))
        np.save(
            aside / "rows.npy", np.stack([self.ids, self.documents, self.audiences, self.writings]), allow_pickle=False
        )
        moments = [self.moments.sums[number] for number in sorted(self.moments.counts)]
        np.save(aside / "moments.npy", np.array(moments).reshape(-1, self.dim + 1, self.dim), allow_pickle=False)
        as_open_as_its_folder(aside)
        for name in ("index.faiss", "rows.npy", "moments.npy"):
            sync_to_disk(aside / name)
        shutil.rmtree(place, ignore_errors=True)
        aside.replace(place)
        sync_to_disk(folder)
        for old in folder.iterdir():
            if old != place:
                shutil.rmtree(old, ignore_errors=True)

    @classmethod
    def load(
        cls, folder: Path, dim: int, matching: Callable[[Filter], Sequence[int]], newest: int, turn: int = 0
    ) -> FaissIndex:
        """Read the newest snapshot that can be read, else begin empty.

        Args:
            newest: the catalog's generation; a snapshot from after it belongs to another history and is not used.
            turn: the catalog's; a snapshot of another holds the vectors of another embedder.
        """
        import faiss

        names = f"[0-9]*{_of_turn(turn)}" if turn else "[0-9]*[0-9]"
        for place in sorted(folder.glob(names), reverse=True) if folder.is_dir() else []:
            try:
                rows = np.load(place / "rows.npy", allow_pickle=False)
                moments = np.load(place / "moments.npy", allow_pickle=False)
                index = faiss.read_index(str(place / "index.faiss"))
                generation = int(place.name.removesuffix(_of_turn(turn)))
            except (RuntimeError, OSError, ValueError, EOFError):
                continue
            if generation > newest or not _consistent(index, rows, dim):
                continue
            writings, counts = np.unique(rows[3], return_counts=True)
            if moments.shape != (len(writings), dim + 1, dim):
                continue
            found = cls(dim, matching, turn)
            found.index, found.generation = index, generation
            found.ids, found.documents, found.audiences, found.writings = rows
            numbers = writings.tolist()
            found.moments = Moments(
                dict(zip(numbers, counts.tolist(), strict=True)), dict(zip(numbers, moments, strict=True))
            )
            return found
        return cls(dim, matching, turn)


def _of_turn(turn: int) -> str:
    return f"-{turn}" if turn else ""


def _new_index(dim: int) -> Any:
    import faiss

    return faiss.IndexIDMap2(faiss.IndexFlatIP(dim))


def _consistent(index: Any, rows: Any, dim: int) -> bool:
    import faiss

    if (
        not isinstance(index, faiss.IndexIDMap2)
        or index.d != dim
        or rows.shape != (4, index.ntotal)
        or rows.dtype != np.int64
    ):
        return False
    inside = faiss.downcast_index(index.index)
    return isinstance(inside, faiss.IndexFlat) and bool((faiss.vector_to_array(index.id_map) == rows[0]).all())


@contextmanager
def _one_thread() -> Iterator[None]:
    """One query is one thread's work: a team would wait for its slowest member on a busy machine."""
    import faiss

    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)
    try:
        yield
    finally:
        faiss.omp_set_num_threads(before)
