"""A tiny embedder that counts what it is asked, and folders to sync."""

from __future__ import annotations

from hashlib import blake2b
from pathlib import Path

import numpy as np
import pytest
from langchain_core.embeddings import Embeddings

from nacre.retrieval.knowledge_base import KnowledgeBase
from nacre.text.words import words


class CountingEmbedder(Embeddings):
    """A bag of hashed words: texts that share words lie near each other."""

    def __init__(self, dim: int = 64, model: str = "hashing") -> None:
        self.dim = dim
        self.model = model
        self.texts: list[str] = []
        self.queries = 0

    def _vector(self, text: str) -> list[float]:
        vector = np.zeros(self.dim)
        for word in words(text):
            vector[int.from_bytes(blake2b(word.encode(), digest_size=4).digest(), "big") % self.dim] += 1
        return vector.tolist()

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        self.texts += texts
        return [self._vector(text) for text in texts]

    def embed_query(self, text: str) -> list[float]:
        self.queries += 1
        return self._vector(text)


@pytest.fixture
def embedder() -> CountingEmbedder:
    return CountingEmbedder()


@pytest.fixture
def base(tmp_path: Path, embedder: CountingEmbedder):
    with KnowledgeBase.open(tmp_path / "kb", embedder) as opened:
        yield opened
