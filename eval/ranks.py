"""The rank of an expected passage after every step of retrieval."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from nacre.eval.expected import Place
from nacre.retrieval.hit import Hit
from nacre.retrieval.postprocessing import distinct

if TYPE_CHECKING:
    from nacre.retrieval.knowledge_base import KnowledgeBase
    from nacre.retrieval.retriever import KnowledgeBaseRetriever

_DEEP = 500  # passages that are looked through


@dataclass(frozen=True)
class Ranks:
    """Ranks from 1; None where the passage is not among the first 500."""

    words: int | None
    vectors: int | None
    fused: int | None
    distinct: int | None
    final: int | None

    def as_dict(self) -> dict[str, int | None]:
        """The ranks by name."""
        return asdict(self)


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
