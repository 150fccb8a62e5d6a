"""What the tests of a store put into it: documents of random sentences, and vectors that are a function of the text."""

from __future__ import annotations

import random
from dataclasses import replace
from hashlib import blake2b

import numpy as np
from langchain_core.embeddings import Embeddings
from numpy.typing import NDArray

from nacre.store.protocol import Store
from nacre.store.records import ChunkRecord, DocumentRecord

_DIM = 32
WORDS = [f"word{n}" for n in range(400)] + ["潮汐", "灯塔", "年假", "报销", "规定", "港口", "珍珠", "航线"]


class StoreEmbeddings(Embeddings):
    """Vectors that are a function of the text alone."""

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """One vector a text."""
        return [self.embed_query(text) for text in texts]

    def embed_query(self, text: str) -> list[float]:
        """A vector of length 32."""
        digest = blake2b(text.encode("utf-8", "replace"), digest_size=_DIM * 2).digest()
        return list(map(float, np.frombuffer(digest, "<u2").astype(float) - 32768))


def document_of(
    n: int, *, text: str = "", title: str = "", sentences: int = 3
) -> tuple[DocumentRecord, list[ChunkRecord]]:
    """A document of random sentences, the same for the same number, a chunk a sentence."""
    dice = random.Random(n)
    parts = [text] if text else [" ".join(dice.sample(WORDS, 9)) + f" {n}." for _ in range(sentences)]
    whole, chunks = "", []
    for part in parts:
        start = len(whole) + (1 if whole else 0)
        whole = f"{whole} {part}" if whole else part
        digest = blake2b(f"{title}\n{part}".encode(), digest_size=16).digest()
        heading = ("Part", title or str(n))
        vector = vector_of(part).tobytes()
        chunks.append(ChunkRecord(start, start + len(part), heading, n or None, title, part, digest, vector))
    record = DocumentRecord(
        uri=f"mem:{n:05d}",
        hash=blake2b(whole.encode(), digest_size=20).digest(),
        title=title or f"Document {n}",
        mime="text/plain",
        text=whole,
        scope="mem:",
        stamp=str(n),
        modified=1e9 + n,
        metadata={"n": str(n)},
        fields={"number": n, "colour": "odd" if n % 2 else "even"},
        blocks=None,
    )
    return record, chunks


def fill(store: Store, count: int, audience: list[str] | None = None) -> list[int]:
    """Store the first so many documents; returns their numbers."""
    with store.writing() as session:
        who = session.audience(audience)
        numbers = [session.put(replace(document_of(n)[0], audience=who), document_of(n)[1]) for n in range(count)]
        session.publish()
    return numbers


def vector_of(text: str) -> NDArray[np.float32]:
    """What is embedded of a text."""
    vector = np.asarray(StoreEmbeddings().embed_query(text))
    return np.asarray(vector / np.linalg.norm(vector), "<f4")


def ids_of(store: Store, uri: str) -> list[int]:
    """The numbers of a document's chunks."""
    head = store.catalog.find(uri)
    return [chunk.id for chunk in store.catalog.chunk_records(head.id)] if head else []
