"""Haystack's usual retrieval, run inside its own environment by bench/retrieval.py.

    python haystack_retrieval.py MODEL_FOLDER DATA_FOLDER

DocumentSplitter (200 words, no overlap), SentenceTransformersDocumentEmbedder in batches of 32, InMemoryDocumentStore
and InMemoryEmbeddingRetriever: all defaults. Besides, as "ranked_bm25", what "Get started" of its documentation does:
whole documents and InMemoryBM25Retriever, without an encoder. One JSON line out: {"ranked": {query: [document, …]},
"build_s", "chunks", "query_ms_p50", "ranked_bm25"}.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("HAYSTACK_TELEMETRY_ENABLED", "False")

from haystack import Document
from haystack.components.preprocessors import DocumentSplitter
from haystack.components.retrievers.in_memory import InMemoryBM25Retriever, InMemoryEmbeddingRetriever
from haystack.document_stores.in_memory import InMemoryDocumentStore
from haystack.utils import ComponentDevice
from haystack_integrations.components.embedders.sentence_transformers import (
    SentenceTransformersDocumentEmbedder,
    SentenceTransformersTextEmbedder,
)


def ranked(queries: list[dict[str, str]], find: Callable[[str], list[Any]]) -> tuple[dict[str, list[str]], float]:
    """Documents by their best chunk, and the median milliseconds a query."""
    found, times = {}, []
    for query in queries:
        start = time.perf_counter()
        hits = find(query["text"])
        times.append(time.perf_counter() - start)
        found[query["_id"]] = list(dict.fromkeys(hit.meta["id"] for hit in hits))[:10]
    return found, statistics.median(times) * 1000


def main() -> None:
    """Index, ask, print."""
    settings = {"model": sys.argv[1], "device": ComponentDevice.from_str("cpu"), "progress_bar": False}
    embedder, asker = SentenceTransformersDocumentEmbedder(**settings), SentenceTransformersTextEmbedder(**settings)
    embedder.warm_up()
    asker.warm_up()
    asker.run("warm up")
    data = Path(sys.argv[2])
    corpus = [json.loads(line) for line in (data / "corpus.jsonl").open(encoding="utf-8")]
    queries = [json.loads(line) for line in (data / "queries.jsonl").open(encoding="utf-8")]
    began = time.perf_counter()
    documents = [Document(content=f"{row['title']}\n{row['text']}".strip(), meta={"id": row["_id"]}) for row in corpus]
    pieces = DocumentSplitter().run(documents)["documents"]
    store = InMemoryDocumentStore(shared=False)
    store.write_documents(embedder.run(pieces)["documents"])
    build = time.perf_counter() - began
    retriever = InMemoryEmbeddingRetriever(store, top_k=30)
    best, wait = ranked(queries, lambda text: retriever.run(asker.run(text)["embedding"])["documents"])
    whole = InMemoryDocumentStore(shared=False)
    whole.write_documents(documents)
    words = InMemoryBM25Retriever(whole, top_k=30)
    bm25, _ = ranked(queries, lambda text: words.run(text)["documents"])
    print(
        json.dumps({"ranked": best, "build_s": build, "chunks": len(pieces), "query_ms_p50": wait, "ranked_bm25": bm25})
    )


if __name__ == "__main__":
    main()
