"""The knowledge base: a place that is opened, synced and searched."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nacre.errors import UsageError
from nacre.ingest.source import Source
from nacre.ingest.sources import sources_of
from nacre.retrieval.arguments import check_count, check_fields, check_filter, check_hits, check_principals, clean_query
from nacre.retrieval.compound import search_in_parts
from nacre.retrieval.document_reader import DocumentReader
from nacre.retrieval.hit import Hit
from nacre.retrieval.passage_boxes import boxed
from nacre.retrieval.search import Searcher
from nacre.retrieval.validity import dated
from nacre.store.calibration import languages
from nacre.store.embedders import given_encoder, load_encoder, own_encoder
from nacre.store.encoder import Encoder
from nacre.store.filters import Filter
from nacre.store.places import mend_store, open_store
from nacre.store.protocol import Store
from nacre.validation import expect

if TYPE_CHECKING:
    from langchain_core.embeddings import Embeddings

    from nacre.ingest.report import Progress, SyncReport
    from nacre.retrieval.integrations import KnowledgeBaseVectorStore
    from nacre.retrieval.retriever import KnowledgeBaseRetriever
    from nacre.text.tables import Grid


class KnowledgeBase(DocumentReader):
    """Documents in one place, kept in step with their sources, searched by words and by meaning: see `open`.

    One process at a time may write; any number may search meanwhile and see new content. Safe to share between threads.
    """

    def __init__(self, store: Store, encoder: Encoder | None) -> None:
        super().__init__(store)
        self.place = store.place
        self._encoder, self._loading = encoder, threading.Lock()
        self._turn = store.turn
        self._searcher = Searcher(store, lambda: self.encoder)

    @classmethod
    def open(cls, place: str | Path, embedder: str | Embeddings | None = None, *, create: bool = True) -> KnowledgeBase:
        """Open a knowledge base, made when missing; what a crash left behind is healed.

        Args:
            place: its folder.
            embedder: its name, a LangChain `Embeddings`, "none" for words only, or None for its own (a default).
            create: make it where there is none; otherwise that is an error.

        Returns:
            The knowledge base.

        Raises:
            UsageError: the place is empty, or there is no knowledge base and none is to be made.
            EmbedderMismatchError: it was built with another embedder.
            FormatError: a newer Nacre wrote it.
            DamagedError: its manifest or its catalog cannot be read.
            KnowledgeBaseError: the folder cannot be made or written, or a setting in it is wrong.
        """
        return cls(*open_store(place, embedder, create))

    @classmethod
    def repair(cls, place: str | Path, embedder: str | Embeddings | None = None) -> KnowledgeBase:
        """Build the manifest, if it is lost, and both indexes anew from the catalog.

        Args:
            place: its folder.
            embedder: as in `open`.

        Returns:
            The knowledge base, repaired.

        Raises:
            UsageError: there is no knowledge base.
            DamagedError: the catalog itself is damaged; sync the sources into a new folder.
            LockedError: another process is writing.
        """
        mend_store(place)
        base = cls.open(place, embedder)
        base.store.rebuild()
        return base

    @property
    def folder(self) -> Path:
        """The folder of a knowledge base that is kept in one."""
        return Path(self.place)

    @property
    def encoder(self) -> Encoder | None:
        """The embedder, loaded when first needed; None where there are words only."""
        with self._loading:
            turn = self._turn
            with suppress(UsageError):  # closed
                turn = self.store.turn
            if self._turn != turn:  # rebuilt with another one, by this process or another
                self._encoder = given_encoder(None, self.store.embedder, self.place)
                self._turn = turn
            if self._encoder is None and self.store.embedder is not None:
                self._encoder = own_encoder(self.store.embedder, self.place)
            return self._encoder

    # ------------------------------------------------------------------------------------------------ writing

    def sync(
        self,
        *sources: str | Path | Source,
        principals: Iterable[str] | None = None,
        prune: bool = True,
        on_progress: Callable[[Progress], object] | None = None,
        workers: str | None = None,
        include_hidden: bool | None = None,
        pictures: bool | None = None,
    ) -> SyncReport:
        """Make the knowledge base hold what the sources hold now.

        Only what changed is read, parsed and embedded. Each document is one transaction: an interrupted sync loses
        nothing and goes on where it stopped, also within a large document. A document that cannot be read becomes a row
        of the report, and what was stored of it before stays.

        Args:
            sources: paths, URLs or `Source` objects.
            principals: who may see these documents; ["*"] is everyone. None keeps what each source had at its last
                sync; documents of a new source are then seen by everyone.
            prune: take out documents that a source listed before and lists no more. A source that cannot be reached, or
                only in part, or lists nothing where ten documents were, is never taken for an empty one.
            on_progress: called after each document, and within a large one while it is embedded.
            workers: who parses and embeds: None for this machine, "ray" for the Ray cluster that it is of,
                "ray://host:port" for another.
            include_hidden: read hidden sheets, rows, columns and slides too; None is what the settings say (no).
            pictures: read the writing in pictures inside office files too, by OCR (extra `ocr`); None as above.

        Returns:
            What was done, and what failed for which reason.

        Raises:
            UsageError: no source, or an empty list of principals.
            LockedError: another process is writing.
            ModelError: the embedder does not answer; what was done so far is kept.
            KnowledgeBaseError: the folder cannot be written, or a setting in it is wrong.
        """
        from nacre.documents import Options
        from nacre.ingest.runner import runner_of
        from nacre.ingest.sync import Syncer  # and the parsers with it: a search does without

        expect(on_progress, "on_progress", Callable, type(None))
        expect(workers, "workers", str, type(None))
        asked = {"include_hidden": include_hidden, "pictures": pictures}
        for name, value in asked.items():
            expect(value, name, bool, type(None))
        given, resolved = check_principals(principals), sources_of(sources)
        with self.store.writing([source.scope for source in resolved]) as session:
            said = self.store.settings()
            chosen = {name: said.get(name, False) if value is None else value for name, value in asked.items()}
            options, runner = Options(**chosen), runner_of(workers)
            return Syncer(self.store, session, self.encoder, on_progress, options, runner).run(resolved, given, prune)

    def reembed(
        self, embedder: str | Embeddings | None = None, *, on_progress: Callable[[int, int], object] | None = None
    ) -> dict[str, Any]:
        """Give every chunk a vector of another embedder, while searches go on, and then search those.

        The new vectors are made beside the old ones, where an interruption leaves them for the next run, and take their
        place in one step, for every process that has the folder open. The old ones stay until the next time: see
        `undo_reembed`. Chunks stay as they were cut.

        Args:
            embedder: as in `open`; None for the embedded default.
            on_progress: called with the chunks that are done and all of them.

        Returns:
            chunks (embedded in this run), seconds, embedder (its id), and the share of sentences that find their own
            chunk by meaning alone, before and after: found_before, found_after (None without a vector then).

        Raises:
            UsageError: the embedder is "none", or the one that the vectors are of.
            LockedError: another process is writing.
            ModelError: the embedder does not answer; what was done so far is kept.
        """
        from nacre.retrieval.reembedding import reembed

        report = reembed(self.store, lambda: self.encoder, embedder, on_progress)
        if not isinstance(embedder, str | None):
            self._encoder, self._turn = load_encoder(embedder), self.store.turn
        return report

    def undo_reembed(self) -> str:
        """Go back to the vectors from before the last `reembed`, in one step.

        Returns: the id of the embedder that is used again.

        Raises:
            KnowledgeBaseError: there are none, or the base was synced since.
            LockedError: another process is writing.
        """
        from nacre.retrieval.reembedding import undo

        undo(self.store, lambda: self.encoder)
        return str(self._embedder_id)

    def delete(self, uri: str) -> bool:
        """Take one document out, everywhere.

        Args:
            uri: its address.

        Returns:
            Whether there was one.

        Raises:
            LockedError: another process is writing.
        """
        expect(uri, "uri", str)
        with self.store.writing() as session:
            if found := self.store.catalog.find(uri):
                session.delete(found.id)
                session.publish()
            return found is not None

    # ------------------------------------------------------------------------------------------------ searching

    def search(
        self,
        query: str,
        k: int = 10,
        principals: Iterable[str] | None = None,
        *,
        where: Filter | None = None,
        arms: Sequence[str] = ("words", "vectors"),
    ) -> list[Hit]:
        """Find the passages that answer a query best.

        Args:
            query: a question or some words; one of many sentences, or several questions, is searched by its parts too.
            k: how many passages at most.
            principals: as whom to search. Documents that have principals are found only by one of them; None finds
                those without principals.
            where: limits by address, type, date, or the fields of the documents.
            arms: which indexes to ask; one alone serves to compare.

        Returns:
            Hits, the best first.

        Raises:
            UsageError: an empty query, `k` below 1, an unknown arm, or a slip in the name of a field.
        """
        query, k, where = clean_query(query), check_count(k), check_filter(where, arms)
        asker, searcher = check_principals(principals), self._searcher
        found = search_in_parts(lambda some, most: searcher.search(some, most, asker, where, arms, query), query, k)
        if not found:
            check_fields(where, self.store.catalog, asker)
        return boxed(dated(found, query, self.store.catalog), self.store.catalog)

    def standing_out(self, query: str, texts: Sequence[str]) -> list[float | None]:
        """Compare texts by their meaning.

        Args:
            query: what they are compared with.
            texts: sentences, say.

        Returns:
            How many standard deviations each lies above the passages in its writing; None where no vectors tell.
        """
        return self._searcher.standing_out(clean_query(query), texts)

    def widened(self, hits: Sequence[Hit], neighbours: int = 1) -> list[Hit]:
        """Hits with the text around them; those that then touch become one.

        Args:
            hits: from `search`, the best first.
            neighbours: chunks on either side.

        Returns:
            Longer hits, each still a literal span of its document.
        """
        from nacre.retrieval.postprocessing import widen

        return boxed(widen(check_hits(hits), neighbours, self.store.catalog), self.store.catalog)

    def tables_in(self, hits: Sequence[Hit]) -> list[list[Grid]]:
        """The tables that stand in each hit's text, whole or in part, with the names of their columns.

        Args:
            hits: from `search` or `widened`.

        Returns:
            A list for each hit; all places in it are within the hit's text.
        """
        from nacre.retrieval.passage_tables import tables_in

        return tables_in(check_hits(hits), self.store.catalog)

    def retriever(self, k: int = 6, principals: Iterable[str] | None = None, **options: Any) -> KnowledgeBaseRetriever:
        """The knowledge base as a LangChain retriever.

        Args:
            k: how many passages at most.
            principals: as whom to search, as in `search`; a call may narrow them, never widen.
            **options: further fields of `KnowledgeBaseRetriever`.

        Returns:
            A retriever; the metadata of its documents carry the fields of `Hit`.
        """
        from nacre.retrieval.retriever import KnowledgeBaseRetriever

        return KnowledgeBaseRetriever(knowledge_base=self, k=k, principals=check_principals(principals), **options)

    def to_langchain(self, principals: Iterable[str] | None = None) -> KnowledgeBaseVectorStore:
        """The knowledge base as a LangChain vector store: what is added through it are documents like all others.

        Args:
            principals: as whom to search and, for documents added through it, who may see them.

        Returns:
            A vector store.
        """
        from nacre.retrieval.integrations import KnowledgeBaseVectorStore

        return KnowledgeBaseVectorStore(self, check_principals(principals))

    def to_llamaindex(self, k: int = 6, principals: Iterable[str] | None = None) -> Any:
        """The knowledge base as a LlamaIndex retriever.

        Args:
            k: how many passages at most.
            principals: as whom to search.

        Returns:
            A `llama_index.core.retrievers.BaseRetriever`.

        Raises:
            MissingExtraError: LlamaIndex is not installed.
        """
        from nacre.retrieval.integrations import llamaindex_retriever

        return llamaindex_retriever(self, k, check_principals(principals))

    # ------------------------------------------------------------------------------------------------ state

    @property
    def identity(self) -> dict[str, Any]:
        """What answers from here depend on; a cache that keys on it forgets them with the next change."""
        return {**self.store.identity(), "embedder": self._embedder_id, **self.settings}

    @property
    def settings(self) -> Mapping[str, Any]:
        """How documents are cut and asked for, as it is set now: see `nacre.store.settings`."""
        return self.store.settings()

    @property
    def _embedder_id(self) -> str | None:
        return self.store.embedder["id"] if self.store.embedder else None

    def stats(self) -> dict[str, Any]:
        """Figures of the whole knowledge base.

        Returns:
            documents, chunks, vectors, generation, bytes (on disk) and the embedder's id.
        """
        return {
            **self.store.catalog.counts(),
            "generation": self.store.catalog.generation,
            "bytes": self.store.size(),
            "embedder": self._embedder_id,
        }

    def languages(self) -> list[dict[str, Any]]:
        """Which languages a sample of the knowledge base holds, and whether its embedder reads them.

        Returns:
            {"writing", "name", "share", "read"}, the most frequent first; `read` is None where there are words only.
        """
        return languages(self.store.catalog, self.encoder)

    def verify(self) -> list[str]:
        """Check that the truth is whole and that both indexes agree with it.

        Returns:
            One line for each problem; empty when all is well.
        """
        return self.store.verify()

    def close(self) -> None:
        """Close the files; the object is of no use afterwards."""
        self.store.close()

    def __enter__(self) -> KnowledgeBase:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()
