"""Where an expected passage is: in the knowledge base, at which ranks of a search, or only in the files behind it."""

from __future__ import annotations

import html
import re
import unicodedata
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from nacre.retrieval.hit import Hit
from nacre.retrieval.knowledge_base import KnowledgeBase
from nacre.retrieval.postprocessing import distinct
from nacre.retrieval.retriever import KnowledgeBaseRetriever

_FILES = 2000  # that are looked through at most
_BYTES = 20_000_000  # of one file
_DEEP = 500  # passages among which one is looked for
_TAG = re.compile(r"<[^>]{0,2000}>")


@dataclass(frozen=True)
class Place:
    """Where the expected passage stands in a document; one that is expected as a whole runs over all of its text."""

    uri: str
    start: int
    end: int
    whole: bool
    chunks: tuple[tuple[int, int, int], ...]

    def shown_by(self, start: int, end: int) -> bool:
        """Whether a span of the document holds the passage, or for a whole document any of it."""
        return self.whole or (start <= self.start and self.end <= end)

    def touched_by(self, start: int, end: int) -> bool:
        """Whether a span of the document holds some of the passage."""
        return start < self.end and self.start < end


@dataclass(frozen=True)
class Ranks:
    """Ranks from 1; None where the passage is not among the first 500."""

    words: int | None
    vectors: int | None
    fused: int | None
    distinct: int | None
    final: int | None


def places(base: KnowledgeBase, expect: str) -> list[Place]:
    """The places of an expected text, white space and case apart, or of a document named by its address or its end."""
    documents = base.documents()
    named = [document for document in documents if is_address_of(expect, document["uri"])]
    pattern = _pattern(expect)
    found = []
    for document in named or documents:
        uri = document["uri"]
        text = base.text(uri)
        match = None if named else pattern.search(text)
        if named or match:
            start, end = match.span() if match else (0, len(text))
            chunks = base.store.catalog.chunks(document["document_id"], start, end)
            found.append(Place(uri, start, end, bool(named), tuple(chunks)))
    return found


def is_address_of(expect: str, uri: str) -> bool:
    """Whether an expectation is the address of a document, or the end of it ("handbook.md")."""
    wanted = expect.strip().removeprefix("./")
    return bool(wanted) and f"/{unquote(uri)}".endswith(f"/{unquote(wanted).lstrip('/')}")


def files_with(base: KnowledgeBase, expect: str) -> tuple[list[str], list[str]]:
    """The local files in which an expected passage, or file, is found although the knowledge base lacks it."""
    documents = base.documents()
    known: dict[str, float | None] = {document["uri"]: document["modified"] for document in documents}
    scopes = dict.fromkeys(document["scope"] for document in documents)
    pattern = _pattern(expect)
    unsynced: list[str] = []
    unparsed: list[str] = []
    for path in _local_files([*known, *scopes]):
        uri = path.as_uri()
        if not (is_address_of(expect, uri) or pattern.search(content(path))):
            continue
        changed = uri not in known or (known[uri] or 0) < path.stat().st_mtime - 1
        (unsynced if changed else unparsed).append(str(path))
    return unsynced, unparsed


def source_around(base: KnowledgeBase, where: str) -> str:
    """The folder that was synced and holds a file, else the file itself: what is synced again to have it too."""
    uri = Path(where).as_uri()
    scopes = {str(document["scope"]) for document in base.documents()}
    around = [scope for scope in scopes if scope.endswith("/") and uri.startswith(scope)]
    return unquote(urlsplit(max(around, key=len)).path) if around else where


def content(path: Path) -> str:
    """All the text that the bytes of a file hold, crudely: archives are looked into, streams of PDF are not."""
    try:
        if path.stat().st_size > _BYTES:
            return ""
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                parts = [
                    i for i in archive.infolist() if i.file_size < _BYTES and i.filename.endswith((".xml", "html"))
                ]
                raw = "\n".join(archive.read(part).decode("utf-8", "replace") for part in parts)
        else:
            data = path.read_bytes()
            raw = data.decode("utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8", "replace")
            raw += "" if "\ufffd" not in raw else data.decode("gb18030", "replace")
    except (OSError, zipfile.BadZipFile, RuntimeError, ValueError):
        return ""
    return raw + "\n" + html.unescape(_TAG.sub("", raw))


def ranks_of(retriever: KnowledgeBaseRetriever, question: str, place: Place, principals: Sequence[str] | None) -> Ranks:
    """Search step by step; of the expected passage the best-ranked chunk counts."""
    base: KnowledgeBase = retriever.knowledge_base

    def found(*arms: str) -> list[Hit]:
        return base.search(question, k=_DEEP, principals=principals, where=retriever.where, arms=arms)

    fused = found("words", "vectors")
    different = distinct(fused) if retriever.distinct else fused
    final = _rank(different, place)
    if retriever.reranker:
        deep = retriever.model_copy(update={"k": _DEEP, "expand": 0})
        asker: dict[str, Any] = {} if principals is None else {"principals": principals}
        reranked = deep.invoke(question, **asker)
        final = next((n for n, d in enumerate(reranked, 1) if int(d.id or -1) in {c[0] for c in place.chunks}), None)
    vectors = _rank(found("vectors"), place) if base.store.embedder else None
    return Ranks(_rank(found("words"), place), vectors, _rank(fused, place), _rank(different, place), final)


def _rank(hits: Sequence[Hit], place: Place) -> int | None:
    wanted = {number for number, _, _ in place.chunks}
    return next((rank for rank, hit in enumerate(hits, 1) if hit.chunk_id in wanted), None)


def _local_files(uris: Sequence[str]) -> Iterator[Path]:
    """The files behind addresses, and those in folders among them."""
    seen: set[Path] = set()
    for uri in uris:
        if not uri.startswith("file://"):
            continue
        path = Path(unquote(urlsplit(uri).path))
        for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
            if file not in seen and len(seen) < _FILES and file.is_file():
                seen.add(file)
                yield file


def _pattern(expect: str) -> re.Pattern[str]:
    letters = [c for c in unicodedata.normalize("NFC", expect) if not c.isspace()]
    return re.compile(r"\s*".join(map(re.escape, letters)) or r"(?!)", re.IGNORECASE)
