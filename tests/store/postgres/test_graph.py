"""The graphs themselves, pgvector's and that of Qdrant's engine: asked where much may be seen, and as good as a scan."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from nacre.store.places import open_store
from nacre.store.postgres import vector_index
from nacre.testing.random_documents import StoreEmbeddings, document_of

DIM, DOCUMENTS, CHUNKS, QUESTIONS, K = 32, 20, 100, 60, 10


def vectors(count, seed):
    """Unit vectors round topics, as encoders make them."""
    dice = np.random.default_rng(seed)
    topics = np.random.default_rng(0).standard_normal((40, DIM))
    rows = topics[dice.integers(0, len(topics), count)] + 0.6 * dice.standard_normal((count, DIM))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype("<f4")


def fill(store):
    """Half of the documents are for everybody, a quarter each for two groups."""
    with store.writing() as session:
        audiences = [0, 0, session.audience(["a"]), session.audience(["b"])]
        for n in range(DOCUMENTS):
            document, chunks = document_of(n, sentences=CHUNKS)
            rows = vectors(CHUNKS, n + 1)
            chunks = [replace(chunk, vector=row.tobytes()) for chunk, row in zip(chunks, rows, strict=True)]
            session.put(replace(document, audience=audiences[n % 4]), chunks)
        session.publish()
    return audiences


def recall(approximate, exact, audiences):
    """The share of the nearest that a graph finds."""
    found = 0
    with approximate.view() as mine, exact.view() as theirs:
        for vector in vectors(QUESTIONS, 99):
            near = {n for n, _ in mine.vectors.search(vector, K, audiences)}
            found += len(near & {n for n, _ in theirs.vectors.search(vector, K, audiences)})
    return found / (QUESTIONS * K)


@pytest.fixture
def few(monkeypatch):
    monkeypatch.setattr(vector_index, "_GRAPH_LEAST", 100)


def test_the_graph_of_pgvector_finds_what_a_scan_finds(postgres, place, few, monkeypatch):
    exact = open_store(place, StoreEmbeddings(), create=True)[0]
    graph = open_store(f"{place}&index=hnsw", StoreEmbeddings(), create=True)[0]
    used = (
        "SELECT pg_stat_force_next_flush(), idx_scan FROM pg_stat_user_indexes WHERE indexrelname = 'vectors_graph'"
        f" AND schemaname = '{graph.address.schema}'"
    )
    public, _, a, b = fill(graph)
    for audiences in (None, [public, a]):
        assert recall(graph, exact, audiences) >= 0.99
    graph.db.close()  # what a connection counted is told when it ends
    (before,) = (scans for _, scans in postgres.execute(used))
    assert before >= 2 * QUESTIONS
    monkeypatch.setattr(vector_index, "_GRAPH_LEAST", 1000)
    assert recall(graph, exact, [b]) == 1.0  # too few for the graph
    graph.db.close()
    assert [scans for _, scans in postgres.execute(used)] == [before]
    exact.close()


def test_the_graph_of_qdrant_finds_what_a_scan_finds(place, few, tmp_path, monkeypatch):
    q = pytest.importorskip("qdrant_edge")
    from nacre.store.qdrant.edge import EdgeEngine
    from nacre.store.qdrant.engine import MEANING, WORDS

    address = f"{place}&index=hnsw&arms=qdrant+file://{tmp_path}"
    store = open_store(address, StoreEmbeddings(), create=True)[0]
    public, _, a, b = fill(store)
    store.close()
    config = q.EdgeConfig(
        vectors={MEANING: q.EdgeVectorParams(size=DIM, distance=q.Distance.Dot)},
        sparse_vectors={WORDS: q.EdgeSparseVectorParams()},
        hnsw_config=q.HnswIndexConfig(m=16, ef_construct=100, full_scan_threshold=10),
        optimizers=q.EdgeOptimizersConfig(indexing_threshold=10),
    )
    shard = q.EdgeShard.load(str(tmp_path / store.address.arms.collection), config)
    shard.optimize()
    assert shard.info().indexed_vectors_count >= DOCUMENTS * CHUNKS
    shard.close()
    looked = []

    def rank(self, asked, k, limits, most=0, whole=EdgeEngine.rank):
        looked.append(most)
        return whole(self, asked, k, limits, most)

    monkeypatch.setattr(EdgeEngine, "rank", rank)
    exact = open_store(place, StoreEmbeddings(), create=True)[0]
    graph = open_store(address, StoreEmbeddings(), create=True)[0]
    for audiences in (None, [public, a]):
        assert recall(graph, exact, audiences) >= 0.99
    assert looked == [4 * K] * (2 * QUESTIONS)
    monkeypatch.setattr(vector_index, "_GRAPH_LEAST", 1000)
    assert recall(graph, exact, [b]) == 1.0 and set(looked[2 * QUESTIONS :]) == {0}
    assert graph.verify() == []
    graph.close()
    exact.close()
