"""Two places that should hold the same: compared document by document, and by what they find for several askers."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

from nacre.text.language import listed, tr
from nacre.text.words import sentences

if TYPE_CHECKING:
    from nacre.retrieval.hit import Hit
    from nacre.retrieval.knowledge_base import KnowledgeBase
    from nacre.store.protocol import DocumentStore

_K = 10
_TOLD = 20  # differences that are told one by one


@dataclass
class Comparison:
    """What two places have in common.

    Args:
        problems: a line for each document that differs.
        same_hits: share of the first ten hits of one place that are among those of the other.
        same_order: share of the questions whose hits come in the same order.
        leaks: hits that their asker may not see.
    """

    problems: list[str] = field(default_factory=list)
    same_hits: float = 1.0
    same_order: float = 1.0
    leaks: int = 0


def compare(one: KnowledgeBase, other: KnowledgeBase, queries: int = 200) -> Comparison:
    """Compare all documents, and what is found for sentences of the base.

    Args:
        queries: how many sentences are asked, in turn as everyone and as up to four principals.
    """
    found = Comparison(_differences(one.store.catalog, other.store.catalog))
    groups = one.store.catalog.audiences()
    names = sorted({name for principals in groups.values() for name in principals})
    askers: list[list[str] | None] = [None, *([name] for name in random.Random(0).sample(names, min(4, len(names))))]
    rows = {row["document_id"]: row["principals"] for row in other.documents()}
    asked = hits = same = ordered = 0
    for n, (_, text) in enumerate(one.store.catalog.sample(queries)):
        who = askers[n % len(askers)]
        question = sentence(text)
        if not question.strip():
            continue
        mine, theirs = one.search(question, _K, who), other.search(question, _K, who)
        asked, hits = asked + 1, hits + max(len(mine), len(theirs))
        same += len(_numbers(mine) & _numbers(theirs))
        ordered += [hit.chunk_id for hit in mine] == [hit.chunk_id for hit in theirs]
        found.leaks += sum(not _permitted(rows.get(hit.document_id), who) for hit in theirs)
    found.same_hits = round(same / hits, 5) if hits else 1.0
    found.same_order = round(ordered / asked, 5) if asked else 1.0
    return found


def _differences(one: DocumentStore, other: DocumentStore) -> list[str]:
    mine, theirs = _documents(one), _documents(other)
    found = [
        *(tr("{uri} is missing there", uri=uri) for uri in sorted(set(mine) - set(theirs))),
        *(tr("{uri} is there only", uri=uri) for uri in sorted(set(theirs) - set(mine))),
    ]
    for uri in sorted(set(mine) & set(theirs)):
        differ = [name for name, value in mine[uri].items() if theirs[uri][name] != value]
        differ = differ or (
            ["chunks"] if _digest(one, mine[uri]["document_id"]) != _digest(other, mine[uri]["document_id"]) else []
        )
        if differ:
            found.append(tr("{uri} differs: {facts}", uri=uri, facts=listed(differ)))
    more = len(found) - _TOLD
    return [*found[:_TOLD], tr("and {more} more", more=more)] if more > 0 else found


def _documents(catalog: DocumentStore) -> dict[str, dict[str, Any]]:
    facts = ("document_id", "version", "title", "mime", "principals", "chunks", "characters")
    hashes = {state.uri: state.hash for state in catalog.states()}
    return {
        row["uri"]: {"content": hashes.get(row["uri"]), **{name: row[name] for name in facts}}
        for row in catalog.documents()
    }


def _digest(catalog: DocumentStore, document: int) -> bytes:
    """Of all that a search uses of a document: numbers, places, texts, vectors."""
    digest = blake2b(digest_size=20)
    for chunk in catalog.chunk_records(document):
        facts = (chunk.id, chunk.start, chunk.end, chunk.heading, chunk.page, chunk.context, chunk.text)
        digest.update(repr(facts).encode("utf-8", "replace") + chunk.hash + (chunk.vector or b""))
    return digest.digest()


def sentence(text: str) -> str:
    """A sentence of a chunk that may be asked: the one that is nearest to 60 characters."""
    spans = [text[start:end] for start, end in sentences(text)] or [text]
    return min(spans, key=lambda one: abs(len(one) - 60))


def _numbers(hits: Sequence[Hit]) -> set[int]:
    return {hit.chunk_id for hit in hits}


def _permitted(principals: Sequence[str] | None, who: Sequence[str] | None) -> bool:
    return principals is not None and (not principals or bool(set(principals) & set(who or ())))
