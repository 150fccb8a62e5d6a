"""LlamaIndex's usual retrieval, run inside the peers' environment by bench/retrieval.py.

    python llamaindex_retrieval.py MODEL_FOLDER DATA_FOLDER

SentenceSplitter (1024 tokens, 200 overlap), sentence-transformers in batches of 10, VectorStoreIndex in memory: all
defaults. One JSON line out: {"ranked": {query: [document, …]}, "build_s", "chunks", "query_ms_p50"}.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from pathlib import Path
from typing import Any

from llama_index.core import Document, VectorStoreIndex
from llama_index.core.embeddings import BaseEmbedding
from llama_index.core.node_parser import SentenceSplitter
from sentence_transformers import SentenceTransformer


class Encoder(BaseEmbedding):
    """What llama-index-embeddings-huggingface does."""

    model: Any = None

    def _get_text_embeddings(self, texts: list[str], prompt: str = "passage: ") -> list[list[float]]:
        return self.model.encode(texts, batch_size=len(texts), prompt=prompt, show_progress_bar=False).tolist()

    def _get_text_embedding(self, text: str) -> list[float]:
        return self._get_text_embeddings([text])[0]

    def _get_query_embedding(self, query: str) -> list[float]:
        return self._get_text_embeddings([query], "query: ")[0]

    async def _aget_query_embedding(self, query: str) -> list[float]:
        return self._get_query_embedding(query)


def main() -> None:
    """Index, ask, print."""
    encoder = Encoder(embed_batch_size=10)
    encoder.model = SentenceTransformer(sys.argv[1], device="cpu")
    encoder.get_query_embedding("warm up")
    data = Path(sys.argv[2])
    corpus = [json.loads(line) for line in (data / "corpus.jsonl").open(encoding="utf-8")]
    queries = [json.loads(line) for line in (data / "queries.jsonl").open(encoding="utf-8")]
    began = time.perf_counter()
    documents = [
        Document(text=f"{row['title']}\n{row['text']}".strip() or " ", metadata={"id": row["_id"]}) for row in corpus
    ]
    nodes = SentenceSplitter().get_nodes_from_documents(documents)
    for node in nodes:  # the id is bookkeeping, not text to embed
        node.excluded_embed_metadata_keys = ["id"]
    retriever = VectorStoreIndex(nodes, embed_model=encoder).as_retriever(similarity_top_k=30)
    build = time.perf_counter() - began
    ranked, times = {}, []
    for query in queries:
        start = time.perf_counter()
        found = retriever.retrieve(query["text"])
        times.append(time.perf_counter() - start)
        ranked[query["_id"]] = list(dict.fromkeys(hit.node.metadata["id"] for hit in found))[:10]
    print(
        json.dumps(
            {"ranked": ranked, "build_s": build, "chunks": len(nodes), "query_ms_p50": statistics.median(times) * 1000}
        )
    )


if __name__ == "__main__":
    main()
