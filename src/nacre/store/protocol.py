"""What ranking and syncing need of the place that a knowledge base is kept in; `nacre.store.folder` is the first such
place.

A store gives candidates, missing scores, mean and deviation; ranking and fusion are done once, in `nacre.retrieval`.
Who may see a document is decided inside every index, before anything is ranked, and again when a hit is looked up.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from nacre.store.arm import Arm
    from nacre.store.filters import Filter
    from nacre.store.records import (
        ChunkRecord,
        ChunkSpan,
        DocumentHead,
        DocumentRecord,
        DocumentState,
        Passage,
        PlaceRecord,
        TableRecord,
    )


class DocumentStore(Protocol):
    """The truth: documents, their text and chunks, and who may see them. Safe to share between threads."""

    @property
    def generation(self) -> int:
        """Number of the last change."""

    def meta(self, key: str) -> str | None:
        """A remembered value."""

    def counts(self) -> dict[str, int]:
        """How many documents, chunks and vectors there are, by these names."""

    def documents(self) -> list[dict[str, Any]]:
        """All documents, sorted by address: see `KnowledgeBase.documents`."""

    def find(self, document: str | int) -> DocumentHead | None:
        """A document by its address or its number."""

    def document(self, uri: str) -> DocumentRecord:
        """A document as it was stored; it must be there."""

    def text(self, uri: str) -> str | None:
        """The extracted text of a document."""

    def tables(self, uri: str) -> list[TableRecord]:
        """The tables of a document, as far as they are stored."""

    def places(self, uri: str) -> list[PlaceRecord]:
        """Where the pieces of a document that was read by OCR stand on its pages; none of another."""
        return []

    def states(self, not_cut_to: int | None = None) -> list[DocumentState]:
        """What the ledger of a sync compares.

        Args:
            not_cut_to: only documents that were cut to another size, in tokens; 0 for the default.
        """

    def audiences(self) -> dict[int, tuple[str, ...]]:
        """All sets of principals by number; 0 is everyone."""

    def grants(self) -> dict[str, tuple[str, ...]]:
        """The principals that the last sync gave to each source."""

    def passages(self, numbers: Sequence[int], where: Filter) -> dict[int, Passage]:
        """Chunks by number, with their documents; those that are gone or filtered out are left out."""

    def chunks(self, document: int, start: int = 0, end: int | None = None) -> list[ChunkSpan]:
        """The chunks of a document that share a character with a span, in order."""

    def chunk_records(self, document: int) -> list[ChunkRecord]:
        """The chunks of a document as they are stored, with their vectors, in order."""

    def neighbours(self, document: int, start: int, count: int) -> tuple[list[ChunkSpan], list[ChunkSpan]]:
        """The chunks before and after the one that starts there, each nearest first."""

    def sample(self, count: int) -> list[tuple[int, str]]:
        """Numbers and texts of some chunks, as good as random and the same at every call."""

    def vectors_of(self, hashes: Sequence[bytes]) -> dict[bytes, bytes]:
        """Vectors that exist already, by the hash of what was embedded: of stored chunks, or kept."""


class KeywordIndex(Protocol):
    """BM25 as of one generation: whatever is written meanwhile, all that it says belongs together."""

    def __len__(self) -> int: ...

    def search(
        self,
        query: str,
        k: int,
        audiences: Sequence[int] | None = None,
        where: Filter | None = None,
        among: Sequence[int] = (),
    ) -> Arm:
        """The chunks that say the query's words best.

        Args:
            audiences: only chunks of these audiences; None means all.
            among: only these chunks; empty means all.
        """

    def reach(self, query: str) -> float:
        """What the words of a query are worth together: a chunk that says each of them once scores about that."""

    def said(self, wanted: Sequence[str], among: Sequence[int]) -> dict[int, float]:
        """The share of some words that given chunks hold, weighted by idf, 0 to 1; chunks that hold none are left
        out.
        """


class VectorIndex(Protocol):
    """Unit vectors by chunk number, each with the writing of its text: a place in `nacre.text.writing.WRITINGS`."""

    def __len__(self) -> int: ...

    def search(
        self,
        vector: NDArray[np.float32],
        k: int,
        audiences: Sequence[int] | None = None,
        where: Filter | None = None,
        writing: int | None = None,
    ) -> list[tuple[int, float]]:
        """The nearest chunks and their cosines, exactly so wherever few chunks may be seen.

        Args:
            audiences: only chunks of these audiences; None means all.
            writing: only chunks in this writing.
        """

    def scores(self, vector: NDArray[np.float32], numbers: Sequence[int]) -> dict[int, float]:
        """The cosines of given chunks; unknown ones are left out."""

    def writing(self, numbers: Sequence[int]) -> dict[int, int]:
        """The writings of given chunks; unknown ones are left out."""

    def vectors(self, numbers: Sequence[int]) -> Mapping[int, NDArray[np.float32]]:
        """The vectors of given chunks; unknown ones are left out."""

    def means(self) -> Mapping[int, NDArray[np.float64]]:
        """The mean vector of each writing that there is, near that of all where there are few."""

    def spread(self, vector: NDArray[np.float32], usual: float | None = None) -> Mapping[int, tuple[float, float]]:
        """Mean and standard deviation of a query's cosines over all chunks of each writing.

        Args:
            usual: deviation that the encoder shows elsewhere; few vectors leave theirs near it.
        """


class View(Protocol):
    """What one search sees: words and vectors of one generation."""

    @property
    def words(self) -> KeywordIndex:
        """Good for ever."""

    @property
    def vectors(self) -> VectorIndex | None:
        """Good until the view is left; None where there are words only."""

    @property
    def turn(self) -> int:
        """How often the store was given vectors of another embedder, as of these."""


class WriteSession(Protocol):
    """The one who may write now. Each change is a transaction of its own."""

    def audience(self, principals: Sequence[str] | None) -> int:
        """The number of a set of principals, made when new; None or "*" among them means everyone."""

    def grant(self, scope: str, principals: Sequence[str]) -> None:
        """Remember who may see a source's documents."""

    def put(self, document: DocumentRecord, chunks: Sequence[ChunkRecord]) -> int:
        """Store a document with its chunks in the place of the one of the same uri; same chunks keep their numbers."""

    def restore(self, document: DocumentRecord, chunks: Sequence[ChunkRecord]) -> None:
        """Store a document of another store with its numbers and its version, in the place of whatever has them."""

    def refile(self, number: int, **facts: Any) -> None:
        """Change what is known about a document, not what it says."""

    def delete(self, number: int) -> None:
        """Take a document out, with its chunks and vectors."""

    def remember(self, key: str, value: str) -> None:
        """Keep a value for `DocumentStore.meta`."""

    def keep_vectors(self, vectors: Mapping[bytes, bytes]) -> None:
        """Keep what was embedded of a document that is not stored yet, for `DocumentStore.vectors_of`: no search finds
        it.

        Args:
            vectors: by the hash of what was embedded.
        """

    def drop_kept_vectors(self) -> None:
        """Forget them: all documents are stored."""

    def shadow(self, identity: Mapping[str, Any]) -> ShadowVectors:
        """Vectors of another embedder to come; what an interruption left of them is still there."""

    def switch(self, shadow: ShadowVectors, identity: Mapping[str, Any]) -> None:
        """Search the shadow's vectors from now on: for everybody at once, or for nobody."""

    def undo_switch(self) -> None:
        """Go back to the vectors, and the embedder, from before the last switch."""

    def publish(self) -> None:
        """Make durable what was written, and let every search see it."""


class ShadowVectors(Protocol):
    """Vectors of another embedder, beside those that are searched."""

    def left(self) -> int:
        """How many chunks have none yet."""

    def lacking(self, count: int) -> list[tuple[int, str, str]]:
        """Some of those: number, context, text."""

    def keep(self, vectors: Mapping[int, bytes]) -> None:
        """Store some, by chunk number."""


class Store(Protocol):
    """A knowledge base's place: the truth, both indexes, and the pen.

    Args:
        place: what `KnowledgeBase.open` takes.
        embedder: identity of the embedder whose vectors are searched now; None for words only.
        turn: how often it was given vectors of another embedder.
    """

    place: str
    catalog: DocumentStore

    embedder: dict[str, Any] | None
    turn: int = 0

    def view(self) -> AbstractContextManager[View]:
        """What there is to search, with all that was published before."""

    def writing(self, scopes: Sequence[str] = ()) -> AbstractContextManager[WriteSession]:
        """Be the one who writes; raises `LockedError` where somebody else is.

        Args:
            scopes: only documents of these sources will be written: a store may let others write others meanwhile.
        """

    def check_writable(self) -> None:
        """Raise where nothing can be written."""

    def settings(self) -> Mapping[str, Any]:
        """The settings as they are now: see `nacre.store.settings`."""

    def save_settings(self, settings: Mapping[str, Any]) -> None:
        """Change some settings."""

    def identity(self) -> dict[str, Any]:
        """The place and the state of what is searched there: it differs after every change."""

    def size(self) -> int:
        """Bytes on disk."""

    def verify(self) -> list[str]:
        """Whatever should not be: a line each."""

    def rebuild(self) -> None:
        """Throw both indexes away and make them anew from the truth."""

    def close(self) -> None:
        """Close all files; the object is of no use afterwards."""
