"""The word index: BM25 (Robertson and Zaragoza, 2009) by tantivy over words cut by `nacre.words`, derived from the catalog.

tantivy commits atomically. The generation that the index stands at is written as a document of its own in the same
commit, so it can never disagree with the rest.
"""

from __future__ import annotations

import re
import shutil
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nacre.retrieval.filters import Filter
from nacre.words import words

_WORDS_AT_MOST = 256  # different words of a query; longer queries keep their first
_HEAP = 64_000_000  # bytes


@dataclass(frozen=True)
class Entry:
    """A chunk as the word index sees it."""

    id: int
    context: str
    text: str
    audience: int
    uri: str
    mime: str
    modified: float | None


class WordIndex:
    """Words by chunk number.

    Args:
        folder: `words/` of the knowledge base; an index that cannot be read is begun anew.
    """

    def __init__(self, folder: Path) -> None:
        import tantivy

        self._tantivy: Any = tantivy
        self.folder = folder
        folder.mkdir(exist_ok=True)
        self.schema = _schema(tantivy)
        try:
            self._index = tantivy.Index(self.schema, path=str(folder), reuse=True)
            self._searcher = self._index.searcher()
            self.generation = self._generation()
        except (ValueError, OSError):
            self.begin_anew()

    def begin_anew(self) -> None:
        """Throw the index away; it stands at generation 0 then."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(exist_ok=True)
        self._index = self._tantivy.Index(self.schema, path=str(self.folder), reuse=False)
        self._searcher = self._index.searcher()
        self.generation = 0

    def __len__(self) -> int:
        return max(0, int(self._searcher.num_docs) - 1) if self.generation else 0

    def reload(self) -> None:
        """See what another process has committed."""
        self._index.reload()
        self._searcher = self._index.searcher()
        self.generation = self._generation()

    def ids(self) -> list[int]:
        """All chunk numbers in the index, sorted."""
        found = self._searcher.search(self._tantivy.Query.all_query(), max(1, self._searcher.num_docs), count=False).hits
        numbers = self._searcher.fast_field_values("chunk", [address for _, address in found])
        return sorted(int(number) for number in numbers if number)

    def writer(self) -> Any:
        """A writer for `write`; one at a time, guarded by the knowledge base's lock."""
        return self._index.writer(heap_size=_HEAP, num_threads=1)

    def write(self, writer: Any, removed: Sequence[int], entries: Sequence[Entry]) -> None:
        """Queue changes; `commit` makes them real.

        Args:
            writer: from `writer()`.
            removed: chunk numbers to take out; unknown ones are ignored.
            entries: chunks to put in; those already there are replaced.
        """
        gone = [*removed, *(entry.id for entry in entries)]
        if gone:
            writer.delete_documents_by_query(self._tantivy.Query.term_set_query(self.schema, "chunk", gone))
        for entry in entries:
            body = " ".join((*words(entry.context), *words(entry.text)))
            fields = {"chunk": entry.id, "audience": entry.audience, "uri": entry.uri, "mime": entry.mime, "body": body}
            if entry.modified is not None:
                fields["modified"] = entry.modified
            writer.add_document(self._tantivy.Document.from_dict(fields, self.schema))

    def commit(self, writer: Any, generation: int) -> None:
        """Make queued changes real.

        Args:
            writer: from `writer()`.
            generation: what the index stands at with them.
        """
        writer.delete_documents_by_term("marker", "generation")
        marker = {"chunk": 0, "marker": "generation", "generation": generation}
        writer.add_document(self._tantivy.Document.from_dict(marker, self.schema))
        writer.commit()
        self.reload()

    def search(
        self, query: str, k: int, audiences: Sequence[int] | None = None, where: Filter | None = None
    ) -> list[tuple[int, float]]:
        """The chunks that say the query's words best.

        Args:
            query: any text.
            k: how many.
            audiences: only chunks of these audiences; None means all.
            where: further limits.

        Returns:
            (chunk number, BM25 score) with the best first.
        """
        tantivy = self._tantivy
        asked = Counter(words(query))
        if not asked:
            return []
        terms = []
        for word, count in list(asked.items())[:_WORDS_AT_MOST]:
            term = tantivy.Query.term_query(self.schema, "body", word, index_option="freq")
            terms.append((tantivy.Occur.Should, term if count == 1 else tantivy.Query.boost_query(term, float(count))))
        found = tantivy.Query.boolean_query(terms)
        limits = self._limits(audiences, where)
        if limits:
            silent = [(tantivy.Occur.Must, tantivy.Query.const_score_query(limit, 0.0)) for limit in limits]
            found = tantivy.Query.boolean_query([(tantivy.Occur.Must, found), *silent])
        searcher = self._searcher
        hits = searcher.search(found, k, count=False).hits
        numbers = searcher.fast_field_values("chunk", [address for _, address in hits])
        return [(int(number), float(score)) for number, (score, _) in zip(numbers, hits, strict=True)]

    def _limits(self, audiences: Sequence[int] | None, where: Filter | None) -> list[Any]:
        query, kinds = self._tantivy.Query, self._tantivy.FieldType
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
            limits.append(query.range_query(self.schema, "modified", kinds.Float, after, before, True, False))
        return limits

    def _generation(self) -> int:
        marker = self._tantivy.Query.term_query(self.schema, "marker", "generation")
        hits = self._searcher.search(marker, 1).hits
        return int(self._searcher.doc(hits[0][1])["generation"][0]) if hits else 0


def _schema(tantivy: Any) -> Any:
    builder = tantivy.SchemaBuilder()
    builder.add_unsigned_field("chunk", indexed=True, fast=True)
    builder.add_text_field("body", tokenizer_name="whitespace", index_option="freq")
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
