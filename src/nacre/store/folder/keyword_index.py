"""The word index: BM25 (Robertson and Zaragoza, 2009) by tantivy over words cut by `nacre.text.words`, derived from the catalog.

tantivy commits atomically. The generation that the index stands at is written as a document of its own in the same
commit, so it can never disagree with the rest.
"""

from __future__ import annotations

import math
import re
import shutil
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from nacre.store.arm import Arm
from nacre.store.filters import Filter
from nacre.system.files import private_folder
from nacre.text.han import IDEOGRAPHS
from nacre.text.words import words

_WORDS_AT_MOST = 256  # different words of a query; longer queries keep their first
_HAN_RUN = re.compile(rf"[{IDEOGRAPHS}]{{2,}}")
# Questions are full of words that statements do without, so their rarity in the base says nothing. They count half.
_FUNCTION_WORDS = """
a an and are as at be been but by for from had has have in is it its of on or that the their thes this those to was were
which with 的 了 是 在 和 与 有 为 被 之 于 及 或 以 也 就 都 而 等 其 中 个 这 那 一个 什么 谁 哪 哪些 哪个 哪里 何 为何 何时 吗
呢 多少 几 怎么 怎样 如何 为什么 请问
"""
_HALF = frozenset(_FUNCTION_WORDS.split())
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


@dataclass(frozen=True)
class Words:
    """The word index as it stood after one commit: whatever is written meanwhile, all that it says belongs together."""

    tantivy: Any
    searcher: Any
    schema: Any
    generation: int

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
        """The chunks that say the query's words best.

        Args:
            audiences: only chunks of these audiences; None means all.
        """
        make, occur = self.tantivy.Query, self.tantivy.Occur
        asked = self._asked(query)
        if not asked:
            return Arm({})
        wanted = []
        for word, weight in asked.items():
            term = make.term_query(self.schema, "body", word, index_option="freq")
            wanted.append((occur.Should, term if weight == 1 else make.boost_query(term, weight)))
        found = make.boolean_query(wanted)
        limits = self._limits(audiences, where)
        if among:
            limits.append(make.term_set_query(self.schema, "chunk", list(among)))
        if limits:
            silent = [(occur.Must, make.const_score_query(limit, 0.0)) for limit in limits]
            found = make.boolean_query([(occur.Must, found), *silent])
        hits = self.searcher.search(found, k, count=False).hits
        numbers = self.searcher.fast_field_values("chunk", [address for _, address in hits])
        scores = {int(number or 0): float(score) for number, (score, _) in zip(numbers, hits, strict=True)}
        return Arm(scores, 0.0, self._deviation(asked))

    def reach(self, query: str) -> float:
        """What the words of a query are worth together: a chunk that says each of them once scores about that.

        Returns:
            The sum of their idf; a word that no chunk holds counts like one that a single chunk holds.
        """
        return sum(weight * self._idf(max(1, self._holding(word))) for word, weight in self._asked(query).items())

    def said(self, wanted: Sequence[str], among: Sequence[int]) -> dict[int, float]:
        """How much of some words given chunks say.

        Returns:
            The share of the words that a chunk holds, weighted by idf, 0 to 1; a chunk that holds none is left out.
        """
        make, occur = self.tantivy.Query, self.tantivy.Occur
        idf = {word: self._idf(max(1, self._holding(word))) for word in wanted[:_WORDS_AT_MOST]}
        clauses = [
            (occur.Should, make.const_score_query(make.term_query(self.schema, "body", word), value))
            for word, value in idf.items()
        ]
        limit = make.const_score_query(make.term_set_query(self.schema, "chunk", list(among)), 0.0)
        found = make.boolean_query([(occur.Must, make.boolean_query(clauses)), (occur.Must, limit)])
        hits = self.searcher.search(found, len(among), count=False).hits
        numbers = self.searcher.fast_field_values("chunk", [address for _, address in hits])
        most = sum(idf.values())
        return {int(number or 0): float(score) / most for number, (score, _) in zip(numbers, hits, strict=True)}

    def _asked(self, query: str) -> dict[str, float]:
        counts = Counter(terms(query))
        return {word: n * (0.5 if word in _HALF else 1.0) for word, n in list(counts.items())[:_WORDS_AT_MOST]}

    def _deviation(self, asked: dict[str, float]) -> float:
        """Of the query's BM25 scores over all chunks, if words fell independently: a word scores its idf or nothing."""
        total = self.searcher.num_docs + 1
        variance = 0.0
        for word, weight in asked.items():
            holding = self._holding(word)
            share = (holding + 0.5) / (total + 1)
            variance += (weight * self._idf(holding)) ** 2 * share * (1 - share)
        return math.sqrt(variance)

    def _holding(self, word: str) -> int:
        # Entries that were replaced count until their segment is merged away: there may seem to be more than there are.
        return min(int(self.searcher.doc_freq("body", word)), int(self.searcher.num_docs))

    def _idf(self, holding: int) -> float:
        return math.log(1 + (self.searcher.num_docs + 1 - holding + 0.5) / (holding + 0.5))

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
        return limits


class WordIndex:
    """Words by chunk number, as files: `now` is what they say since the last commit that was looked at.

    Args:
        folder: `words/` of the knowledge base; an index that cannot be read is begun anew.
    """

    def __init__(self, folder: Path) -> None:
        import tantivy

        self._tantivy: Any = tantivy
        self.folder = folder
        private_folder(folder)
        self.schema = _schema(tantivy)
        try:
            self._index = tantivy.Index(self.schema, path=str(folder), reuse=True)
            self.now = self._words()
        except (ValueError, OSError):
            self.begin_anew()

    def begin_anew(self) -> None:
        """Throw the index away; it stands at generation 0 then."""
        shutil.rmtree(self.folder, ignore_errors=True)
        private_folder(self.folder)
        self._index = self._tantivy.Index(self.schema, path=str(self.folder), reuse=False)
        self.now = self._words()

    def distrust(self) -> None:
        """Hold what it says for another history than the catalog's: the next writer begins anew."""
        self.now = replace(self.now, generation=-1)

    def reload(self) -> None:
        """See what another process has committed."""
        self._index.reload()
        self.now = self._words()

    def _words(self) -> Words:
        searcher = self._index.searcher()
        return Words(self._tantivy, searcher, self.schema, _generation(self._tantivy, searcher, self.schema))

    def writer(self) -> Any:
        """Begin to write.

        Returns:
            A writer for `write` and `commit`; one at a time, guarded by the knowledge base's lock.
        """
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
            body = " ".join((*terms(entry.context), *terms(entry.text)))
            fields = {"chunk": entry.id, "audience": entry.audience, "uri": entry.uri, "mime": entry.mime, "body": body}
            if entry.modified is not None:
                fields["modified"] = entry.modified
            writer.add_document(self._tantivy.Document.from_dict(fields, self.schema))

    def commit(self, writer: Any, generation: int) -> None:
        """Make queued changes real."""
        writer.delete_documents_by_term("marker", "generation")
        marker = {"chunk": 0, "marker": "generation", "generation": generation}
        writer.add_document(self._tantivy.Document.from_dict(marker, self.schema))
        writer.commit()
        self.reload()


def _generation(tantivy: Any, searcher: Any, schema: Any) -> int:
    hits = searcher.search(tantivy.Query.term_query(schema, "marker", "generation"), 1).hits
    return int(searcher.doc(hits[0][1])["generation"][0]) if hits else 0


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


def terms(text: str) -> list[str]:
    """The index terms of a text: its words, and every pair of neighbouring Chinese characters that is no word.

    The pairs find names that the dictionary lacks and words that it cuts differently in question and document.

    Returns:
        Terms without white space; document and query must go through this same function.

    Example:
        >>> terms("故乡")
        ['故乡']
    """
    found = words(text)
    known = set(found)
    for run in _HAN_RUN.findall(unicodedata.normalize("NFKC", text)):
        found.extend(pair for at in range(len(run) - 1) if (pair := run[at : at + 2]) not in known)
    return found
