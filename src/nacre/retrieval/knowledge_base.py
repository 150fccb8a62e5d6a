"""The knowledge base: a folder that is opened, synced and searched."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from numbers import Integral
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nacre.errors import LockedError, UsageError
from nacre.ingest.source import Source
from nacre.ingest.sources import sources_of
from nacre.retrieval import arguments as asked
from nacre.retrieval.hit import Hit
from nacre.retrieval.search import Searcher
from nacre.store.embedders import embedder_named
from nacre.store.encoder import Encoder, PlainTokeniser
from nacre.store.filters import Filter
from nacre.store.folder import manifest as manifests
from nacre.store.folder.catalog import Catalog
from nacre.store.folder.database import NAME as CATALOG
from nacre.store.folder.indexes import Indexes
from nacre.store.folder.lock import writing
from nacre.store.folder.opening import encoder_of, folder_of, lost, made, restore_manifest
from nacre.text.language import tr
from nacre.validation import expect

if TYPE_CHECKING:
    from langchain_core.embeddings import Embeddings

    from nacre.ingest.report import Progress, SyncReport
    from nacre.retrieval.integrations import KnowledgeBaseVectorStore
    from nacre.retrieval.retriever import KnowledgeBaseRetriever


class KnowledgeBase:
    """Documents in a folder, kept in step with their sources, searched by words and by meaning: see `KnowledgeBase.open`.

    One process at a time may write; any number may search meanwhile and see new content. Safe to share between threads.
    """

    def __init__(self, folder: Path, catalog: Catalog, manifest: manifests.Manifest, encoder: Encoder | None) -> None:
        self.folder = folder
        self.manifest = manifest
        self._catalog = catalog
        self._encoder = encoder
        self._indexes = Indexes(folder, catalog, manifest.embedder["dim"] if manifest.embedder else None)
        self._searcher = Searcher(catalog, self._indexes, lambda: self.encoder)
        self._heal()

    @classmethod
    def open(cls, path: str | Path, embedder: str | Embeddings | None = None) -> KnowledgeBase:
        """Open a knowledge base, made when missing; what a crash left behind is healed.

        Args:
            path: its folder.
            embedder: name of an embedder, a LangChain `Embeddings`, "none" for search by words only, or None for the
                one that the folder was built with (the embedded default for a new folder).

        Returns:
            The knowledge base.

        Raises:
            UsageError: the path is empty.
            EmbedderMismatchError: it was built with another embedder.
            FormatError: a newer Nacre wrote it.
            DamagedError: its manifest or its catalog cannot be read.
            KnowledgeBaseError: the folder cannot be made or written, or a setting in it is wrong.
        """
        folder = folder_of(path)
        manifest = manifests.read(folder)
        if manifest is None:
            encoder = encoder_of(embedder)
            return cls(folder, *made(folder, encoder), encoder)
        encoder = None
        if embedder is not None:
            encoder = encoder_of(embedder)
            manifests.check_embedder(folder, manifest.embedder, encoder.identity if encoder else None)
        elif manifest.embedder and not manifest.embedder.get("named", True):
            raise manifests.nameless(folder, manifest.embedder)
        if not (folder / CATALOG).exists():
            raise lost(folder, CATALOG)
        return cls(folder, Catalog(folder), manifest, encoder)

    @property
    def encoder(self) -> Encoder | None:
        """The embedder, loaded when first needed; None in a folder of words only."""
        if self._encoder is None and self.manifest.embedder is not None:
            loaded = Encoder(embedder_named(str(self.manifest.embedder["id"])))
            manifests.check_embedder(self.folder, self.manifest.embedder, loaded.identity)
            self._encoder = loaded
        return self._encoder

    def _heal(self) -> None:
        """Bring indexes that a crash left behind up to date, unless another process is at it or nothing may be written."""
        if self._indexes.behind and not self._indexes.read_only:
            try:
                with writing(self.folder):
                    self._indexes.catch_up()
            except LockedError:
                pass
        self._indexes.refresh()

    # ------------------------------------------------------------------------------------------------ writing

    def sync(
        self,
        *sources: str | Path | Source,
        principals: Iterable[str] | None = None,
        prune: bool = True,
        on_progress: Callable[[Progress], object] | None = None,
    ) -> SyncReport:
        """Make the knowledge base hold what the sources hold now.

        Only what changed is read, parsed and embedded. Each document is one transaction: an interrupted sync loses
        nothing and goes on where it stopped, also within a large document. A document that cannot be read becomes a row of the report, and what was
        stored of it before stays.

        Args:
            sources: paths, URLs or `Source` objects.
            principals: who may see these documents; ["*"] is everyone. None keeps what each source had at its last
                sync; documents of a new source are then seen by everyone.
            prune: take out documents that a source listed before and lists no more. A source that cannot be reached,
                or only in part, is never taken for an empty one.
            on_progress: called after each document, and within a large one while it is embedded.

        Returns:
            What was done, and what failed for which reason.

        Raises:
            UsageError: no source, or an empty list of principals.
            LockedError: another process is writing.
            ModelError: the embedder does not answer; what was done so far is kept.
            KnowledgeBaseError: the folder cannot be written, or a setting in it is wrong.
        """
        from nacre.ingest.ledger import listing
        from nacre.ingest.permissions import Rights
        from nacre.ingest.sync import Syncer  # and the parsers with it: a search does without

        expect(on_progress, "on_progress", Callable, type(None))
        given = asked.named(principals)
        resolved = sources_of(sources)
        with writing(self.folder):
            self._indexes.catch_up()
            rights = Rights(self._catalog, given, [source.scope for source in resolved])
            syncer = Syncer(self._catalog, self._indexes, self.encoder, self.encoder or PlainTokeniser(), on_progress)
            return syncer.run(listing(resolved), rights, prune)

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
        with writing(self.folder):
            if found := self._catalog.db.read("SELECT id FROM documents WHERE uri = ?", (uri,)):
                self._catalog.delete(found[0][0])
                self._catalog.checkpoint()
            self._indexes.catch_up()
            return bool(found)

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
            query: a question or some words.
            k: how many passages at most.
            principals: as whom to search. Documents that have principals are found only by one of them; None finds
                those without principals.
            where: limits by address, type or date.
            arms: which indexes to ask; one alone serves to compare.

        Returns:
            Hits, the best first.

        Raises:
            UsageError: an empty query, `k` below 1 or an unknown arm.
        """
        query, k, where = asked.question(query), asked.count(k), asked.limits(where, arms)
        return self._searcher.search(query, k, asked.named(principals), where, arms)

    def widened(self, hits: Sequence[Hit], neighbours: int = 1) -> list[Hit]:
        """Hits with the text around them; those that then touch become one.

        Args:
            hits: from `search`, the best first.
            neighbours: chunks on either side.

        Returns:
            Longer hits, each still a literal span of its document.
        """
        from nacre.retrieval.expansion import widened

        return widened(hits, neighbours, self._catalog)

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

        return KnowledgeBaseRetriever(knowledge_base=self, k=k, principals=asked.named(principals), **options)

    def to_langchain(self, principals: Iterable[str] | None = None) -> KnowledgeBaseVectorStore:
        """The knowledge base as a LangChain vector store: what is added through it are documents like all others.

        Args:
            principals: as whom to search and, for documents added through it, who may see them.

        Returns:
            A vector store.
        """
        from nacre.retrieval.integrations import KnowledgeBaseVectorStore

        return KnowledgeBaseVectorStore(self, asked.named(principals))

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

        return llamaindex_retriever(self, k, asked.named(principals))

    # ------------------------------------------------------------------------------------------------ looking

    def text(self, uri: str) -> str:
        """The extracted text of a document, whoever may see it: check with `visible` before showing it to others.

        Args:
            uri: its address.

        Returns:
            The text; `text[hit.start:hit.end] == hit.text` for every hit of it.

        Raises:
            UsageError: no document has that address.
        """
        expect(uri, "uri", str)
        found = self._catalog.text(uri)
        if found is None:
            raise UsageError(tr("No document has the address {uri}. kb.documents() lists them all.", uri=uri))
        return found

    def visible(self, uri: str, principals: Iterable[str] | None = None) -> bool:
        """Whether a document is there and the asker may see it.

        Args:
            uri: its address.
            principals: as whom, as in `search`.

        Returns:
            True or False.
        """
        expect(uri, "uri", str)
        found = self._catalog.db.read("SELECT audience FROM documents WHERE uri = ?", (uri,))
        return bool(found) and found[0][0] in self._searcher.audiences(asked.named(principals))

    def document(self, number: int) -> dict[str, Any] | None:
        """A document by the number that hits and citations carry, whoever may see it: check with `visible`.

        Args:
            number: `document_id` of a hit.

        Returns:
            uri, title, mime, version; None when there is no such document.
        """
        expect(number, "number", Integral)
        if not 0 < number < 1 << 63:
            return None
        found = self._catalog.db.read("SELECT uri, title, mime, version FROM documents WHERE id = ?", (number,))
        return dict(zip(("uri", "title", "mime", "version"), found[0], strict=True)) if found else None

    def metadata(self, uri: str) -> dict[str, str]:
        """What a document's source said of it besides its text.

        Args:
            uri: its address.

        Returns:
            Facts by name; empty when there are none, or no such document.
        """
        expect(uri, "uri", str)
        found = self._catalog.db.read("SELECT metadata FROM documents WHERE uri = ?", (uri,))
        return dict(json.loads(found[0][0])) if found else {}

    def documents(self) -> list[dict[str, Any]]:
        """All documents, sorted by address.

        Returns:
            uri, title, mime, version, principals, modified (seconds or None), chunks, characters, document_id, metadata.
        """
        return self._catalog.documents()

    @property
    def identity(self) -> dict[str, Any]:
        """What answers from here depend on; a cache that keys on it forgets them with the next change."""
        embedder = (self.manifest.embedder or {}).get("id")
        place, stand = str(self.folder.resolve()), self._indexes.stand()
        return {"folder": place, "generation": stand, "embedder": embedder, **self.settings}

    @property
    def settings(self) -> Mapping[str, Any]:
        """What `settings.json` in the folder says now: see `nacre.store.settings`."""
        return self._searcher.settings.now()

    def stats(self) -> dict[str, Any]:
        """Figures of the whole knowledge base.

        Returns:
            documents, chunks, vectors, generation, bytes (on disk) and the embedder's id.
        """
        return {
            **{table: self._catalog.count(table) for table in ("documents", "chunks", "vectors")},
            "generation": self._catalog.generation,
            "bytes": sum(file.stat().st_size for file in self.folder.rglob("*") if file.is_file()),
            "embedder": self.manifest.embedder["id"] if self.manifest.embedder else None,
        }

    def verify(self) -> list[str]:
        """Check that the truth is whole and that both indexes agree with it.

        Returns:
            One line for each problem; empty when all is well.
        """
        from nacre.store.folder.verify import problems

        self._indexes.refresh()
        return problems(self._catalog, self._indexes)

    @classmethod
    def repair(cls, path: str | Path, embedder: str | Embeddings | None = None) -> KnowledgeBase:
        """Build the manifest, if it is lost, and both indexes anew from the catalog.

        Args:
            path: the folder.
            embedder: as in `open`.

        Returns:
            The knowledge base, repaired.

        Raises:
            DamagedError: the catalog itself is damaged; sync the sources into a new folder.
            LockedError: another process is writing.
        """
        folder = folder_of(path)
        restore_manifest(folder)
        base = cls.open(folder, embedder)
        with writing(folder):
            base._indexes.rebuild()
        return base

    def close(self) -> None:
        """Close the files; the object is of no use afterwards."""
        self._indexes.close()
        self._catalog.close()

    def __enter__(self) -> KnowledgeBase:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()
