"""The word index: BM25 by tantivy over the terms of `nacre.store.bm25`, derived from the catalog.

tantivy commits atomically. The generation that the index stands at, and the rules by which its terms were made, are
written as a document of its own in the same commit, so they can never disagree with the rest.
"""

from __future__ import annotations

import contextlib
import re
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

from nacre.errors import KnowledgeBaseError
from nacre.store import bm25
from nacre.store.arm import Arm
from nacre.store.filters import Filter
from nacre.store.protocol import KeywordIndex
from nacre.system.files import private_folder
from nacre.text.language import tr

_HEAP = 64_000_000  # bytes
_MARKER = f"generation, rules {bm25.RULES}"
_LIST = "meta.json"  # tantivy's list of the files that make up the index


class Entry(NamedTuple):
    """A chunk as the word index sees it."""

    id: int
    context: str
    text: str
    audience: int
    uri: str
    mime: str
    modified: float | None
    document: int


@dataclass(frozen=True)
class TantivySnapshot(KeywordIndex):
    """The word index as it stood after one commit: whatever is written meanwhile, all that it says belongs together."""

    tantivy: Any
    searcher: Any
    schema: Any
    generation: int
    matching: Callable[[Filter], Sequence[int]]

    def __len__(self) -> int:
        return max(0, int(self.searcher.num_docs) - 1) if self.generation else 0

    def ids(self) -> list[int]:
        """All chunks in the index."""
        everything = self.tantivy.Query.all_query()
        found = self.searcher.search(everything, max(1, self.searcher.num_docs), count=False).hits
        numbers = self.searcher.fast_field_values("chunk", [address for _, address in found])
        return sorted(int(number) for number in numbers if number)

    def search(
        self,
        query: str,
        k: int,
        audiences: Sequence[int] | None = None,
        where: Filter | None = None,
        among: Sequence[int] = (),
    ) -> Arm:
        make, occur = self.tantivy.Query, self.tantivy.Occur
        weights = bm25.query_weights(query)
        if not weights:
            return Arm({})
        wanted = []
        for word, weight in weights.items():
            term = make.term_query(self.schema, "body", word, index_option="freq")
            wanted.append((occur.Should, term if weight == 1 else make.boost_query(term, weight)))
        found = make.boolean_query(wanted)
        limits = self._limits(audiences, where)
        if among:
            limits.append(make.term_set_query(self.schema, "chunk", list(among)))
        if limits:
            silent = [(occur.Must, make.const_score_query(limit, 0.0)) for limit in limits]
            found = make.boolean_query([(occur.Must, found), *silent])
        return Arm(self._scores(found, k), 0.0, bm25.deviation(weights, self._holding(weights), self._total()))

    def reach(self, query: str) -> float:
        """The sum of the idf of a query's words; one that no chunk holds counts like one that a single chunk holds."""
        weights = bm25.query_weights(query)
        return sum(weights[word] * value for word, value in self._idf(weights).items())

    def said(self, wanted: Sequence[str], among: Sequence[int]) -> dict[int, float]:
        make, occur = self.tantivy.Query, self.tantivy.Occur
        idf = self._idf(dict.fromkeys(wanted[: bm25.WORDS_AT_MOST], 1.0))
        clauses = [
            (occur.Should, make.const_score_query(make.term_query(self.schema, "body", word), value))
            for word, value in idf.items()
        ]
        limit = make.const_score_query(make.term_set_query(self.schema, "chunk", list(among)), 0.0)
        found = make.boolean_query([(occur.Must, make.boolean_query(clauses)), (occur.Must, limit)])
        most = sum(idf.values())
        return {number: score / most for number, score in self._scores(found, len(among)).items()}

    def _scores(self, query: Any, k: int) -> dict[int, float]:
        hits = self.searcher.search(query, k, count=False).hits
        numbers = self.searcher.fast_field_values("chunk", [address for _, address in hits])
        return {int(number or 0): float(score) for number, (score, _) in zip(numbers, hits, strict=True)}

    def _total(self) -> int:
        return int(self.searcher.num_docs) + 1

    def _holding(self, wanted: Mapping[str, float]) -> dict[str, int]:
        # Entries that were replaced count until their segment is merged away: there may seem to be more than there are.
        most = int(self.searcher.num_docs)
        return {word: min(int(self.searcher.doc_freq("body", word)), most) for word in wanted}

    def _idf(self, wanted: Mapping[str, float]) -> dict[str, float]:
        total = self._total()
        return {word: bm25.idf(max(1, holding), total) for word, holding in self._holding(wanted).items()}

    def _limits(self, audiences: Sequence[int] | None, where: Filter | None) -> list[Any]:
        query, kinds = self.tantivy.Query, self.tantivy.FieldType
        limits = []
        if audiences is not None:
            limits.append(query.term_set_query(self.schema, "audience", [int(number) for number in audiences]))
        if where and where.uri_prefix:
            limits.append(query.regex_query(self.schema, "uri", f"{_escaped(where.uri_prefix)}(?s:.)*"))
        if where and where.mime:
            limits.append(query.term_query(self.schema, "mime", where.mime))
        if where and (where.modified_after or where.modified_before):
            after = where.modified_after.timestamp() if where.modified_after else None
            before = where.modified_before.timestamp() if where.modified_before else None
            limits.append(query.range_query(self.schema, "modified", kinds.Float, after, before, True, before is None))
        if where and where.conditions():
            limits.append(query.term_set_query(self.schema, "document", list(self.matching(where))))
        return limits


class TantivyIndex:
    """Words by chunk number, as files: `now` is what they say since the last commit that was looked at.

    Args:
        folder: `words/` of the knowledge base; an index that cannot be read is begun anew.
        matching: the documents that a filter lets through.
    """

    def __init__(self, folder: Path, matching: Callable[[Filter], Sequence[int]]) -> None:
        import tantivy

        self._tantivy: Any = tantivy
        self.folder = folder
        self._matching = matching
        private_folder(folder)
        self.schema = _schema(tantivy)
        try:
            self._index = tantivy.Index(self.schema, path=str(folder), reuse=True)
            self.now = self._snapshot()
        except (ValueError, OSError):
            self.begin_anew()
        if not self.now.generation and self.now.searcher.num_docs:  # written by other rules than `bm25.RULES`
            self.begin_anew()

    def begin_anew(self) -> None:
        """Throw the index away; it stands at generation 0 then."""
        shutil.rmtree(self.folder, ignore_errors=True)
        private_folder(self.folder)
        self._index = self._tantivy.Index(self.schema, path=str(self.folder), reuse=False)
        self.now = self._snapshot()

    def distrust(self) -> None:
        """Hold what it says for another history than the catalog's: the next writer begins anew."""
        self.now = replace(self.now, generation=-1)

    def reload(self) -> None:
        """See what another process has committed."""
        self._index.reload()
        self.now = self._snapshot()

    def _snapshot(self) -> TantivySnapshot:
        searcher = self._index.searcher()
        generation = _generation(self._tantivy, searcher, self.schema)
        return TantivySnapshot(self._tantivy, searcher, self.schema, generation, self._matching)

    def writer(self) -> Any:
        """A writer for `write` and `commit`; one at a time, guarded by the knowledge base's lock."""
        writer = self._index.writer(heap_size=_HEAP, num_threads=1)
        writer.garbage_collect_files()  # what a killed writer left, before its names are wanted again
        return writer

    def write(self, writer: Any, removed: Sequence[int], entries: Sequence[Entry]) -> None:
        """Queue changes; `commit` makes them real.

        Args:
            removed: chunk numbers to take out; unknown ones are ignored.
            entries: chunks to put in; those already there are replaced.
        """
        gone = [*removed, *(entry.id for entry in entries)]
        if gone:
            writer.delete_documents_by_query(self._tantivy.Query.term_set_query(self.schema, "chunk", gone))
        for entry in entries:
            body = " ".join((*bm25.terms(entry.context), *bm25.terms(entry.text)))
            fields = {"chunk": entry.id, "document": entry.document, "audience": entry.audience, "body": body}
            fields |= {"uri": entry.uri, "mime": entry.mime}
            if entry.modified is not None:
                fields["modified"] = entry.modified
            writer.add_document(self._tantivy.Document.from_dict(fields, self.schema))

    def commit(self, writer: Any, generation: int) -> None:
        """Make queued changes real."""
        writer.delete_documents_by_term("marker", _MARKER)
        marker = {"chunk": 0, "marker": _MARKER, "generation": generation}
        writer.add_document(self._tantivy.Document.from_dict(marker, self.schema))
        writer.commit()
        self.reload()


def _generation(tantivy: Any, searcher: Any, schema: Any) -> int:
    hits = searcher.search(tantivy.Query.term_query(schema, "marker", _MARKER), 1).hits
    return int(searcher.doc(hits[0][1])["generation"][0]) if hits else 0


def _schema(tantivy: Any) -> Any:
    builder = tantivy.SchemaBuilder()
    builder.add_unsigned_field("chunk", indexed=True, fast=True)
    builder.add_text_field("body", tokenizer_name="whitespace", index_option="freq")
    builder.add_unsigned_field("document", indexed=True)
    builder.add_unsigned_field("audience", indexed=True)
    builder.add_text_field("uri", tokenizer_name="raw", index_option="basic")
    builder.add_text_field("mime", tokenizer_name="raw", index_option="basic")
    builder.add_float_field("modified", indexed=True, fast=True)
    builder.add_text_field("marker", tokenizer_name="raw", index_option="basic")
    builder.add_unsigned_field("generation", stored=True)
    return builder.build()


def _escaped(text: str) -> str:
    """For tantivy's regular expressions, which know no escape of a plain letter."""
    return re.sub(r"([\\.+*?()|\[\]{}^$#&\-~])", r"\\\1", text)


def shadow(words: Path) -> Path:
    """A new temporary folder that may be written and holds links to a word index that may not: tantivy writes its locks
    where it reads, and never changes a file once it is written. Who asked for the folder removes it."""
    try:
        place = Path(tempfile.mkdtemp(prefix="nacre-words-"))
    except OSError as error:
        raise KnowledgeBaseError(
            tr(
                "{parent} can only be read, so a temporary folder is needed, and none can be made "
                "({error}). Set TMPDIR to one.",
                parent=words.parent,
                error=error,
            ),
            path=str(words.parent),
        ) from error
    with contextlib.suppress(OSError):  # what another user keeps to himself is built anew from the catalog
        shutil.copyfile(words / _LIST, place / _LIST)  # first: what it names is there now, and a writer may replace it
        for file in words.iterdir():
            if file.name != _LIST and not file.name.endswith(".lock"):
                (place / file.name).symlink_to(file.absolute())
    return place
