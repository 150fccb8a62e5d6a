"""The retrieval suite: a BEIR set is indexed as a knowledge base and its queries are searched."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from operator import itemgetter
from pathlib import Path
from typing import Any, Unpack

from nacre.eval.datasets import Retrieval, load_retrieval
from nacre.eval.items import Item
from nacre.eval.metrics import average_precision, ndcg, recall, reciprocal_rank
from nacre.eval.report import Report, fingerprint, percentile
from nacre.eval.running import Run, Suite, carry_out
from nacre.ingest.source import TextSource
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
    **run: Unpack[Run],
) -> Report:
    """Index a BEIR set and search its queries; a document is ranked by its best chunk.

    Args:
        folder: corpus.jsonl, queries.jsonl and qrels.tsv.
        embedder: as in `KnowledgeBase.open`.
        kb: where to build the knowledge base; None builds it in a temporary folder.
        k: how many passages a search gives.
        arms: which indexes are searched, "words", "vectors" or both.
        **run: how it is carried out, as in `Run`.

    Returns:
        The report: nDCG@10, recall@10, MRR@10, MAP, seconds of indexing, milliseconds a query.

    Raises:
        EvaluationError: a file is missing, or nothing usable is in it.
    """
    data, began = load_retrieval(folder), time.perf_counter()
    with indexed(data, kb, embedder) as base:
        index_seconds, stats = round(time.perf_counter() - began, 3), base.stats()

        def searched(query: tuple[str, str]) -> Item:
            id, text = query
            ranking = documents(base, text, k, arms)
            gold = data.qrels[id]
            return {"question": text, **score(ranking, gold), "ranking": ranking[:10], "gold": sorted(gold)}

        def figures(items: Sequence[Item]) -> dict[str, Any]:
            waits = [item["seconds"] for item in items if "seconds" in item]
            return {
                "documents": len(data.corpus),
                "chunks": stats["chunks"],
                "index_seconds": index_seconds,
                **{f"query_ms_p{p}": round(1000 * percentile(waits, p / 100), 3) for p in (50, 95) if waits},
            }

        settings = {
            "data": folder.name,
            "stack": {"embedder": stats["embedder"], "k": k, "arms": list(arms)},
            "chunks": fingerprint(f"{d['uri']} {d['chunks']}" for d in base.documents()),
            "corpus": fingerprint(p.title + "\n" + p.text for p in data.corpus),
        }
        queries = list(data.queries.items())
        suite = Suite(
            "retrieval",
            METRICS,
            queries,
            searched,
            settings,
            data.problems,
            name_of=itemgetter(0),
            unit="queries",
            figures=figures,
            resumes=False,
        )
        return carry_out(suite, **run)


@contextmanager
def indexed(data: Retrieval, kb: Path | None = None, embedder: Any = None) -> Iterator[KnowledgeBase]:
    """A knowledge base of a corpus; where no place for it is named, it is gone afterwards."""
    with (
        tempfile.TemporaryDirectory(prefix="nacre-eval-") as temporary,
        index(data, kb or Path(temporary) / "kb", embedder) as base,
    ):
        yield base


def index(data: Retrieval, path: Path, embedder: Any = None) -> KnowledgeBase:
    """Make a knowledge base of a corpus."""
    base = KnowledgeBase.open(path, embedder=embedder)
    base.sync(TextSource(_SCOPE, [(_SCOPE + p.id, p.text, p.title) for p in data.corpus]))
    return base


def documents(base: KnowledgeBase, query: str, k: int = PASSAGES, arms: Sequence[str] = ARMS) -> list[str]:
    """Search, and rank documents by their best chunk."""
    return list(dict.fromkeys(hit.uri.removeprefix(_SCOPE) for hit in base.search(query, k=k, arms=arms)))


def score(ranking: list[str], relevant: Any) -> dict[str, float]:
    """All metrics of one query."""
    measures = (ndcg, recall, reciprocal_rank, average_precision)
    return {name: measure(ranking, relevant) for name, measure in zip(METRICS, measures, strict=True)}


if __name__ == "__main__":
    from nacre.eval import command_line

    command_line("retrieval")
