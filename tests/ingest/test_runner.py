"""A sync whose parsing and embedding happen elsewhere writes what one here writes."""

from __future__ import annotations

import pytest

from nacre.errors import UsageError
from nacre.ingest.source import TextSource
from nacre.retrieval.knowledge_base import KnowledgeBase


@pytest.mark.parametrize("workers", ["spark", "ray:", "", "http://host"])
def test_unknown_workers_are_refused(base, workers):
    with pytest.raises(UsageError, match="ray://HOST:PORT"):
        base.sync(TextSource("p:", []), workers=workers)


@pytest.fixture(scope="module")
def cluster():
    ray = pytest.importorskip("ray")
    import os

    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    ray.init(
        address="local",
        num_cpus=2,
        _node_ip_address="127.0.0.1",
        include_dashboard=False,
        log_to_driver=False,
        logging_level="error",
    )
    yield ray
    ray.shutdown()


@pytest.mark.scale
def test_a_cluster_writes_what_this_machine_writes(cluster, tmp_path):
    folder = tmp_path / "documents"
    folder.mkdir()
    for n in range(12):
        (folder / f"{n}.html").write_text(f"<h1>Part {n}</h1><p>The lighthouse {n} stands on a rock.</p>" * 3)
    (folder / "broken.pdf").write_bytes(b"%PDF-1.7\nnothing")
    with KnowledgeBase.open(tmp_path / "here") as here, KnowledgeBase.open(tmp_path / "there") as there:
        mine, theirs = here.sync(folder), there.sync(folder, workers="ray")
        assert (theirs.added, theirs.embedded) == (mine.added, mine.embedded) and theirs.embedded > 0
        assert theirs.failed == mine.failed and len(mine.failed) == 1
        assert there.sync(folder, workers="ray").embedded == 0
        question = "Which lighthouse stands on a rock?"
        assert [hit.text for hit in here.search(question)] == [hit.text for hit in there.search(question)]


@pytest.mark.scale
def test_an_embedder_without_a_name_stays_here(cluster, base):
    with pytest.raises(UsageError, match="has no name"):
        base.sync(TextSource("p:", [("p:1", "A pearl.")]), workers="ray")
