"""LangChain's usual retrieval, run inside the peers' environment by bench/retrieval.py.

    python langchain_retrieval.py MODEL_FOLDER DATA_FOLDER

RecursiveCharacterTextSplitter(1000, 200), sentence-transformers in batches of 32, InMemoryVectorStore. One JSON line
out: {"ranked": {query: [document, …]}, "build_s", "chunks", "query_ms_p50"}.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from pathlib import Path

from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from langchain_core.vectorstores import InMemoryVectorStore
from langchain_text_splitters import RecursiveCharacterTextSplitter
from sentence_transformers import SentenceTransformer


class Encoder(Embeddings):
    """What langchain-huggingface does."""

    def __init__(self, folder: str) -> None:
        self.model = SentenceTransformer(folder, device="cpu")

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """Batches of 32, the default."""
        return self._encode(texts, "passage: ")

    def embed_query(self, text: str) -> list[float]:
        """One text."""
        return self._encode([text], "query: ")[0]

    def _encode(self, texts: list[str], prompt: str) -> list[list[float]]:
        return self.model.encode(texts, batch_size=32, prompt=prompt, show_progress_bar=False).tolist()


def main() -> None:
    """Index, ask, print."""
    encoder, data = Encoder(sys.argv[1]), Path(sys.argv[2])
    encoder.embed_query("warm up")
    corpus = [json.loads(line) for line in (data / "corpus.jsonl").open(encoding="utf-8")]
    queries = [json.loads(line) for line in (data / "queries.jsonl").open(encoding="utf-8")]
    began = time.perf_counter()
    documents = [Document(f"{row['title']}\n{row['text']}".strip(), metadata={"id": row["_id"]}) for row in corpus]
    pieces = RecursiveCharacterTextSplitter(chunk_size=1000, chunk_overlap=200).split_documents(documents)
    store = InMemoryVectorStore(encoder)
    store.add_documents(pieces)
    build = time.perf_counter() - began
    ranked, times = {}, []
    for query in queries:
        start = time.perf_counter()
        found = store.similarity_search(query["text"], k=30)
        times.append(time.perf_counter() - start)
        ranked[query["_id"]] = list(dict.fromkeys(document.metadata["id"] for document in found))[:10]
    print(
        json.dumps(
            {"ranked": ranked, "build_s": build, "chunks": len(pieces), "query_ms_p50": statistics.median(times) * 1000}
        )
    )


if __name__ == "__main__":
    main()
