"""Carry out a sync: read and parse ahead in workers, embed in batches, commit one document at a time."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field, replace
from hashlib import blake2b
from pathlib import PurePosixPath
from urllib.parse import unquote, urlsplit

from nacre.documents import Options, ParsedDocument
from nacre.documents.chunking import BlockLike, Chunk, chunk
from nacre.documents.limits import Limits
from nacre.documents.wide import embedded_text
from nacre.errors import NacreError, ParseError
from nacre.ingest.archives import archive_of, may_be_archive, unpacked
from nacre.ingest.ledger import Listing, Permissions, find_gone, list_sources
from nacre.ingest.report import Progress, SyncReport
from nacre.ingest.runner import Here, NoWorkersError, Parsers, Runner, Vectors, later
from nacre.ingest.source import Item, Source, Unreachable
from nacre.store.calibration import calibrate, languages, measured, scatter
from nacre.store.encoder import Encoder, PlainTokeniser
from nacre.store.protocol import Store, WriteSession
from nacre.store.records import (
    ChunkRecord,
    DocumentRecord,
    DocumentState,
    SupersededText,
    dump_metadata,
    pack_blocks,
    unpack_blocks,
)
from nacre.store.settings import KEEP_VERSIONS, chunk_limit
from nacre.text.hygiene import clean_text
from nacre.text.language import tr
from nacre.text.titles import telling_name

_BATCH = 128  # chunks that are embedded together
_FIRST = 16  # of them while nothing is being embedded yet
_AHEAD = 4  # documents read and parsed ahead, for each worker
_COMMIT_SECONDS = 30.0  # how often a long sync shows its work to searches


@dataclass(frozen=True)
class _Job:
    """A document that must be read: new, or perhaps changed."""

    scope: str
    item: Item
    audience: int
    known: DocumentState | None

    @property
    def facts(self) -> dict[str, str]:
        """What is stored of its place, whatever its content."""
        return {"scope": self.scope, "stamp": self.item.stamp, "metadata": dump_metadata(self.item.metadata)}


_Read = tuple[bytes, ParsedDocument | None]
"""A document that was read, by the hash of its content; None where that is the known one."""
_Cut = list[tuple[DocumentState | None, DocumentRecord, list[ChunkRecord]]]


@dataclass(frozen=True)
class _Sent:
    """Documents whose chunks are being embedded: the vectors that were there, and what gives those of other hashes."""

    documents: _Cut
    known: Mapping[bytes, bytes] = field(default_factory=dict)
    parts: Sequence[tuple[list[bytes], Vectors]] = ()


class Syncer:
    """One run of a sync, by the one who may write."""

    def __init__(
        self,
        store: Store,
        session: WriteSession,
        encoder: Encoder | None,
        on_progress: Callable[[Progress], object] | None,
        options: Options | None = None,
        runner: Runner | None = None,
    ) -> None:
        self.store = store
        self.catalog, self.session, self.encoder = store.catalog, session, encoder
        self.tokeniser = encoder or PlainTokeniser()
        self.on_progress = on_progress
        self.options = options or Options()
        self.runner = runner or Here()
        self._at_once = _BATCH * self.runner.width
        self.limit = chunk_limit(store.settings(), self.tokeniser.max_tokens, store.place)
        self.report = SyncReport()
        self._began = self._shown = time.monotonic()
        self._done = self._total = 0
        self._cut_ones: _Cut = []
        self._sent: _Sent | None = None
        self._reading: dict[str, threading.Lock] = {}
        self._moving: dict[bytes, list[DocumentState]] = {}

    def run(self, sources: Sequence[Source], principals: tuple[str, ...] | None, prune: bool) -> SyncReport:
        """Make the store hold what the sources list."""
        permissions = Permissions(self.catalog, self.session, principals, [source.scope for source in sources])
        seen = list_sources(sources)
        for uri, (scope, item) in seen.items.items():
            # What is read in another way is not the same document any more.
            seen.items[uri] = scope, replace(item, stamp=item.stamp and item.stamp + self.options.mark)
        states = {state.uri: state for state in self.catalog.states()}
        jobs = []
        for scope, item in self._unpacked(seen, states):
            known = states.get(item.uri)
            job = _Job(scope, item, permissions.audience(scope, item, known), known)
            if not self._settled_unread(job):
                jobs.append(job)
        for state in find_gone(states.values(), seen) if prune else []:
            self._moving.setdefault(state.hash, []).append(state)
        self.report.failed.extend(seen.failed)
        try:
            self._read_all(jobs)
            self._flush()
            for state in [state for states in self._moving.values() for state in states]:
                self.session.delete(state.id)
                self.report.deleted += 1
            self._cut_anew()
            self.session.drop_kept_vectors()
        finally:
            self.runner.close()
            self.session.publish()
        with self.store.view() as view:
            if self.encoder and view.vectors:
                calibrate(self.catalog, self.session, view.vectors, self.encoder)
        self.report.languages = languages(self.catalog, self.encoder)
        self.report.seconds = time.monotonic() - self._began
        return self.report

    def _unpacked(self, seen: Listing, states: Mapping[str, DocumentState]) -> list[tuple[str, Item]]:
        """All items, those of archives in the place of the archive; of one that did not change as they are known."""
        inside: dict[str, list[DocumentState]] = {}
        for state in states.values():
            inside.setdefault(archive_of(state.uri), []).append(state)
        for uri, (scope, item) in list(seen.items.items()):
            if not may_be_archive(item):
                continue
            del seen.items[uri]
            known = inside.get(uri, [])
            try:
                if item.stamp and known and all(state.stamp == item.stamp for state in known):
                    found: list[Item | Unreachable] = [replace(item, uri=state.uri, title="") for state in known]
                else:
                    found = list(unpacked(item, Limits()))
            except (NacreError, OSError) as error:  # what was stored of it stays
                found = [Unreachable(item.uri, getattr(error, "message", None) or str(error))]
            for one in found:
                if isinstance(one, Unreachable):
                    seen.unreachable.append(one.uri)
                    seen.failed.append((one.uri, one.reason))
                else:
                    seen.items[one.uri] = (scope, one)
        self._total = len(seen.items)
        return list(seen.items.values())

    def _settled_unread(self, job: _Job) -> bool:
        """Whether the source's stamp says that nothing changed."""
        known = job.known
        if known is None or not job.item.stamp or known.stamp != job.item.stamp or self._needs_reading(known):
            return False
        self._same(job, known)
        return True

    def _needs_reading(self, known: DocumentState) -> bool:
        """Whether it is cut to another size, and an earlier Nacre stored it without what cutting needs."""
        return known.cut != (self.limit or 0) and not known.whole

    def _same(self, job: _Job, known: DocumentState) -> None:
        """The content is the known one; its scope, stamp or principals may not be."""
        now = {**job.facts, "audience": job.audience}
        changed = {name: value for name, value in now.items() if getattr(known, name) != value}
        if changed:
            self.session.refile(known.id, **changed)
        if known.audience == job.audience:
            self.report.unchanged += 1
        else:
            self.report.updated += 1
        self._step(job.item.uri)

    def _moved(self, job: _Job, digest: bytes) -> bool:
        """Whether this new document is one that left another place; it keeps its number and its chunks."""
        if not (leaving := self._moving.get(digest)):
            return False
        state = leaving.pop()
        stem, left = (PurePosixPath(_name(uri)).stem for uri in (job.item.uri, state.uri))
        title = job.item.title or (stem if state.title == left else state.title)
        # Who could not see a document before may not see it because it was moved.
        audience = job.audience or state.audience
        self.session.refile(state.id, uri=job.item.uri, **job.facts, audience=audience, title=title)
        self.report.updated += 1
        self.report.moved += 1
        self._step(job.item.uri)
        return True

    def _read_all(self, jobs: Sequence[_Job]) -> None:
        if not jobs:
            return
        with ExitStack() as stack:
            parsers = stack.enter_context(self.runner.parsers(self.options))
            threads = ThreadPoolExecutor(parsers.workers, thread_name_prefix="nacre-read")
            stack.callback(threads.shutdown, wait=True, cancel_futures=True)
            if self.encoder and not measured(self.catalog, self.encoder):
                threads.submit(scatter, self.encoder)  # now, while nothing is embedded yet
            for job, future in _ahead(threads, lambda job: self._read(job, parsers), jobs, parsers.workers * _AHEAD):
                try:
                    read = future.result()
                except NoWorkersError:
                    raise
                except (NacreError, OSError) as error:  # an older version of the document is left as it is
                    self.report.failed.append((job.item.uri, getattr(error, "message", None) or str(error)))
                    self._step(job.item.uri)
                else:
                    self._take(job, read)

    def _read(self, job: _Job, parsers: Parsers) -> _Read:
        """In a thread: content, its hash, and its text unless it is known already."""
        with self._reading.setdefault(job.scope, threading.Lock()):
            content = job.item.read()
        raw = content.encode("utf-8", "surrogatepass") if isinstance(content, str) else content
        digest = blake2b(raw + self.options.mark.encode(), digest_size=20).digest()
        if job.known and job.known.hash == digest and not self._needs_reading(job.known):
            return digest, None

        def tell(page: int, pages: int) -> None:
            self._tell(job.item.uri, page / max(1, pages))

        return digest, _parse(job.item, content, raw, parsers, tell)

    def _take(self, job: _Job, read: _Read) -> None:
        digest, parsed = read
        if parsed is None:
            assert job.known is not None
            return self._same(job, job.known)
        if job.known is None and self._moved(job, digest):
            return
        self.report.warnings.extend((job.item.uri, warning) for warning in parsed.warnings)
        self.report.hidden_text.extend({"uri": job.item.uri, **asdict(hidden)} for hidden in parsed.hidden)
        document = DocumentRecord(
            uri=job.item.uri,
            hash=digest,
            title=clean_text(job.item.title or parsed.title),
            mime=parsed.mime,
            text=parsed.text.encode("utf-8", "replace").decode("utf-8"),  # as long as before, and storable
            scope=job.scope,
            stamp=job.item.stamp,
            modified=job.item.modified,
            metadata=dict(job.item.metadata),
            fields=dict(parsed.fields),
            audience=job.audience,
            cut=self.limit or 0,
            blocks=pack_blocks(parsed.blocks, parsed.tables, parsed.places),
        )
        if job.known and job.known.hash == digest:  # read again only to be cut anew
            self.report.unchanged += 1
        self._cut(job.known, document, parsed.blocks)

    def _cut(self, known: DocumentState | None, document: DocumentRecord, blocks: Sequence[BlockLike]) -> None:
        name = telling_name(document.uri, document.title)
        chunks = chunk(document.text, blocks, document.title, self.tokeniser, self.limit, name)
        if len(chunks) > _BATCH:  # the small ones before it do not wait for it
            self._flush()
        self._cut_ones.append((known, document, [_record(document.text, one) for one in chunks]))
        if sum(len(chunks) for _, _, chunks in self._cut_ones) >= (self._at_once if self._sent else _FIRST):
            self._send()

    def _cut_anew(self) -> None:
        """Documents of all sources follow a changed chunk size, from what is stored of them."""
        others = self.catalog.states(not_cut_to=self.limit or 0)
        self._total += len(others)
        for known in others:
            if known.whole:
                document = replace(self.catalog.document(known.uri), cut=self.limit or 0)
                self._cut(known, document, unpack_blocks(document.blocks or b""))
            else:
                self.report.warnings.append((known.uri, tr("it keeps its old chunk size until its source is synced")))
                self._step(known.uri)
        self._flush()

    def _flush(self) -> None:
        """Store all that was cut."""
        self._send()
        self._send()

    def _send(self) -> None:
        """Have embedded what was cut, and store meanwhile what was sent before."""
        before, cut, self._cut_ones = self._sent, self._cut_ones, []
        self._sent = self._embedded(cut, before) if cut else None
        if before:
            self._store(before)

    def _store(self, sent: _Sent) -> None:
        vectors = self._vectors(sent)
        for known, document, chunks in sent.documents:
            if known and known.hash != document.hash:
                self._keep(known)
            self.session.put(document, [replace(chunk, vector=vectors.get(chunk.hash)) for chunk in chunks])
            if known is None:
                self.report.added += 1
            elif known.hash != document.hash:
                self.report.updated += 1
            self.report.recut += known is not None and known.cut != document.cut
            self._step(document.uri)
        if time.monotonic() - self._shown > _COMMIT_SECONDS:
            self.session.publish()
            self._shown = time.monotonic()

    def _keep(self, known: DocumentState) -> None:
        """The text that a document leaves stays readable for what cites it."""
        old = self.catalog.document(known.uri)
        superseded = SupersededText(old.version, old.audience, old.text)
        self.session.keep_version(known.id, superseded, self.store.settings().get("keep_versions", KEEP_VERSIONS))

    def _embedded(self, cut: _Cut, before: _Sent | None) -> _Sent:
        """Begin to embed what the catalog has no vectors of, and will have none of when `before` is stored."""
        if (encoder := self.encoder) is None:
            return _Sent(cut)
        texts = {chunk.hash: embedded_text(chunk.context, chunk.text) for *_, chunks in cut for chunk in chunks}
        known = self.catalog.vectors_of(list(texts))  # now: to store what is `before` may take some out
        coming = {digest for part, _ in before.parts for digest in part} if before else ()
        new = [digest for digest in texts if digest not in known and digest not in coming]
        if len(new) <= 2 * self._at_once:
            return _Sent(cut, known, [(new, self.runner.embed(encoder, [texts[one] for one in new]))] if new else [])
        # A large document: each part is begun when the one before is kept, so that an interruption costs nothing twice.
        parts = [new[at : at + self._at_once] for at in range(0, len(new), self._at_once)]
        return _Sent(cut, known, [(part, later(self.runner, encoder, [texts[one] for one in part])) for part in parts])

    def _vectors(self, sent: _Sent) -> dict[bytes, bytes]:
        """The vectors of documents that were sent, by the hash of the text."""
        owners = {chunk.hash: document.uri for _, document, chunks in sent.documents for chunk in chunks}
        stored = [digest for digest in owners if digest not in sent.known] if self.encoder else []
        known = {**sent.known, **self.catalog.vectors_of(stored)}
        for part, vectors_of in sent.parts:
            if large := len(sent.parts) > 1:
                self._tell(owners[part[0]], len(known) / len(owners))
            vectors = {digest: row.tobytes() for digest, row in zip(part, vectors_of().astype("<f4"), strict=True)}
            if large:  # interrupted, it goes on from here
                self.session.keep_vectors(vectors)
            known.update(vectors)
            self.report.embedded += len(part)
        return known

    def _step(self, uri: str) -> None:
        self._done += 1
        self._tell(uri)

    def _tell(self, uri: str, share: float = 1.0) -> None:
        if self.on_progress:
            seconds = time.monotonic() - self._began
            rate = self._done / seconds if seconds > 0 else 0.0
            eta = (self._total - self._done) / rate if rate > 0 and seconds > 1 else None
            self.on_progress(Progress(self._done, self._total, uri, self.report.embedded, seconds, rate, eta, share))


def _record(text: str, one: Chunk) -> ChunkRecord:
    passage = text[one.start : one.end]
    whole = f"{one.context}\n{passage}" if one.context else passage  # also what is not embedded of it
    digest = blake2b(whole.encode("utf-8", "replace"), digest_size=16).digest()
    return ChunkRecord(one.start, one.end, one.heading, one.page, one.context, passage, digest, None)


def _parse(
    item: Item, content: bytes | str, raw: bytes, parsers: Parsers, on_page: Callable[[int, int], None]
) -> ParsedDocument:
    if isinstance(content, str) and item.mime in ("", "text/plain"):
        text = clean_text(content) if content.strip() else clean_text(item.title)
        if not text.strip():
            raise ParseError(tr("it holds no text"), uri=item.uri)
        return ParsedDocument(text=text, title=item.title, mime="text/plain", blocks=())
    raw = clean_text(content).encode("utf-8") if isinstance(content, str) else raw
    return parsers.parse(raw, name=_name(item.uri), mime=item.mime or None, on_page=on_page)


def _name(uri: str) -> str:
    return PurePosixPath(unquote(urlsplit(uri).path)).name or uri


def _ahead(
    threads: ThreadPoolExecutor, work: Callable[[_Job], _Read], jobs: Sequence[_Job], most: int
) -> Iterator[tuple[_Job, Future[_Read]]]:
    """Run `work` on all jobs, at most so many ahead of the one that is taken, in order."""
    running: deque[tuple[_Job, Future[_Read]]] = deque()
    for job in jobs:
        running.append((job, threads.submit(work, job)))
        if len(running) >= most:
            yield running.popleft()
    yield from running
