"""The retrieval suite: a BEIR set is indexed as a knowledge base and its queries are searched."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nacre.eval.datasets import Retrieval, load_retrieval
from nacre.eval.metrics import average_precision, ndcg, recall, reciprocal_rank
from nacre.eval.report import Report, fingerprint, percentile

if TYPE_CHECKING:
    from nacre.retrieval.knowledge_base import KnowledgeBase

METRICS = ("ndcg@10", "recall@10", "mrr@10", "map")
_SCOPE = "beir:corpus/"
# Several chunks of one document may be among the first; enough are asked for that ten documents are.
PASSAGES = 40
ARMS = ("words", "vectors")


def evaluate_retrieval(
    folder: Path,
    *,
    embedder: Any = None,
    kb: Path | None = None,
    k: int = PASSAGES,
    arms: Sequence[str] = ARMS,
    limit: int | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> Report:
    """Index a BEIR set and search its queries; a document is ranked by its best chunk.

    Args:
        kb: where to build the knowledge base; None builds it in a temporary folder.
        limit: how many queries, the first; None takes all.

    Returns:
        The report: nDCG@10, recall@10, MRR@10, MAP, seconds of indexing, milliseconds a query.
    """
    data = load_retrieval(folder)
    queries = list(data.queries.items())[:limit]
    with tempfile.TemporaryDirectory(prefix="nacre-eval-") as temporary:
        began = time.perf_counter()
        base = index(data, kb or Path(temporary) / "kb", embedder)
        index_seconds = time.perf_counter() - began
        items, waits = [], []
        for done, (id, text) in enumerate(queries, 1):
            began = time.perf_counter()
            ranking = documents(base, text, k, arms)
            waits.append(time.perf_counter() - began)
            items.append(
                {
                    "id": id,
                    "question": text,
                    **score(ranking, data.qrels[id]),
                    "ranking": ranking[:10],
                    "gold": sorted(data.qrels[id]),
                }
            )
            if on_progress:
                on_progress(done, len(queries))
        stats = base.stats()
        cut = fingerprint(f"{d['uri']} {d['chunks']}" for d in base.documents())
    figures = {
        "queries": len(queries),
        "documents": len(data.corpus),
        "chunks": stats["chunks"],
        "index_seconds": round(index_seconds, 3),
        "query_ms_p50": round(1000 * percentile(waits, 0.5), 3),
        "query_ms_p95": round(1000 * percentile(waits, 0.95), 3),
    }
    settings = {
        "data": folder.name,
        "stack": {"embedder": stats["embedder"], "k": k, "arms": list(arms)},
        "chunks": cut,
        "corpus": fingerprint(p.title + "\n" + p.text for p in data.corpus),
    }
    return Report("retrieval", METRICS, items, figures, settings, data.problems)


def index(data: Retrieval, path: Path, embedder: Any = None) -> KnowledgeBase:
    """Make a knowledge base of a corpus.

    Returns:
        The knowledge base; the uri of a document ends with its id.
    """
    from nacre.ingest.source import TextSource
    from nacre.retrieval.knowledge_base import KnowledgeBase

    base = KnowledgeBase.open(path, embedder=embedder)
    base.sync(TextSource(_SCOPE, [(_SCOPE + p.id, p.text, p.title) for p in data.corpus]))
    return base


def documents(base: KnowledgeBase, query: str, k: int = PASSAGES, arms: Sequence[str] = ARMS) -> list[str]:
    """Search, and rank documents by their best chunk."""
    return list(dict.fromkeys(hit.uri.removeprefix(_SCOPE) for hit in base.search(query, k=k, arms=arms)))


def score(ranking: list[str], relevant: Any) -> dict[str, float]:
    """All metrics of one query."""
    values = (
        ndcg(ranking, relevant),
        recall(ranking, relevant),
        reciprocal_rank(ranking, relevant),
        average_precision(ranking, relevant),
    )
    return dict(zip(METRICS, values, strict=True))


if __name__ == "__main__":
    from nacre.eval import command_line

    command_line("retrieval")
