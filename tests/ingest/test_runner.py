"""A sync whose parsing and embedding happen elsewhere writes what one here writes."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from nacre.errors import EmbedderMismatchError, KnowledgeBaseError, UsageError
from nacre.ingest.runner import OnRay
from nacre.ingest.source import TextSource
from nacre.retrieval.knowledge_base import KnowledgeBase
from nacre.store.embedders import embedder_named
from nacre.store.encoder import Encoder


@pytest.mark.parametrize("workers", ["spark", "ray:", "", "http://host"])
def test_unknown_workers_are_refused(base, workers):
    with pytest.raises(UsageError, match="ray://HOST:PORT"):
        base.sync(TextSource("p:", []), workers=workers)


class Away:
    """Ray as it is when its cluster is gone."""

    class exceptions:
        RayError = RuntimeError

    def is_initialized(self):
        return False

    def get(self, task):
        raise AssertionError("Ray would start another cluster")


def test_a_cluster_that_is_gone_ends_the_sync_with_one_line(base, monkeypatch, tmp_path):
    for n in range(3):
        (tmp_path / f"{n}.md").write_text(f"# Part {n}")
    gone = OnRay.__new__(OnRay)
    gone.ray, gone._address, gone.width, gone.workers = Away(), "ray://there:10001", 1, 2
    gone._parse = SimpleNamespace(remote=gone.ray.get)
    monkeypatch.setattr("nacre.ingest.runner.runner_of", lambda workers: gone)
    with pytest.raises(KnowledgeBaseError, match="ray://there:10001 is gone"):
        base.sync(tmp_path, workers="ray://there:10001")
    assert base.verify() == []


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


@pytest.mark.scale
def test_a_node_whose_embedder_is_another_is_refused_in_one_line(cluster):
    encoder = Encoder(embedder_named("minilm"))
    encoder.identity = {**encoder.identity, "weights": "others"}
    with pytest.raises(EmbedderMismatchError, match="Install the same Nacre") as caught:
        OnRay("ray").embed(encoder, ["A pearl."])()
    assert "\n" not in str(caught.value)
