"""Another embedder for a base: searched meanwhile, gone on with after an interruption, switched and undone at once."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.conftest import CountingEmbedder

from nacre.errors import KnowledgeBaseError, ModelError, UsageError
from nacre.ingest.source import TextSource
from nacre.retrieval.knowledge_base import KnowledgeBase
from nacre.store.calibration import MEASURED
from nacre.store.folder.manifest import read_manifest, write_manifest

ROOMS = [
    (f"n:{n}", f"Room {n} keeps {thing} behind the door.", "")
    for n, thing in enumerate(["rope", "oars", "nets", "tar"] * 75)
]


def breaking() -> CountingEmbedder:
    """Gives up after some texts."""
    embedder = CountingEmbedder(96, "other")
    whole = embedder.embed_documents

    def embed(texts: list[str]) -> list[list[float]]:
        if len(embedder.texts) >= 128:
            raise ConnectionError("gone")
        return whole(texts)

    embedder.embed_documents = embed  # type: ignore[method-assign]
    return embedder


@pytest.fixture
def rooms(base: KnowledgeBase) -> KnowledgeBase:
    base.sync(TextSource("n:", ROOMS))
    return base


def test_vectors_of_another_length_take_the_place_of_the_old_ones(rooms: KnowledgeBase) -> None:
    other = CountingEmbedder(96, "other")
    shown: list[tuple[int, int]] = []
    report = rooms.reembed(other, on_progress=lambda done, total: shown.append((done, total)))
    assert report["chunks"] == 300 and report["embedder"] == "CountingEmbedder:other" and shown[-1] == (300, 300)
    assert 0 < report["found_after"] <= 1
    assert rooms.search("Room 7", arms=("vectors",))[0].uri == "n:7"
    assert rooms.stats()["embedder"].endswith("other") and rooms.verify() == []
    assert rooms.sync(TextSource("n:", ROOMS)).embedded == 0
    with KnowledgeBase.open(rooms.folder, CountingEmbedder(96, "other")) as again:
        assert again.search("Room 9", arms=("vectors",))[0].uri == "n:9" and again.verify() == []


def test_an_interruption_keeps_what_was_embedded_and_changes_nothing(rooms: KnowledgeBase, embedder) -> None:
    with pytest.raises((ModelError, ConnectionError)):
        rooms.reembed(breaking())
    queries = embedder.queries
    assert rooms.search("Room 7", arms=("vectors",))[0].uri == "n:7" and embedder.queries == queries + 1
    assert rooms.verify() == []
    assert rooms.reembed(CountingEmbedder(96, "other"))["chunks"] == 300 - 128


def test_a_shadow_of_a_third_embedder_is_not_mixed_in(rooms: KnowledgeBase) -> None:
    with pytest.raises((ModelError, ConnectionError)):
        rooms.reembed(breaking())
    assert rooms.reembed(CountingEmbedder(96, "third"))["chunks"] == 300


def test_undo_goes_back_in_one_step_until_the_base_has_changed(rooms: KnowledgeBase, embedder) -> None:
    rooms.reembed(CountingEmbedder(96, "other"))
    with KnowledgeBase.open(rooms.folder, CountingEmbedder(96, "other")) as same:
        assert same.undo_reembed() == "CountingEmbedder:hashing"
    with KnowledgeBase.open(rooms.folder, embedder) as back:
        assert back.search("Room 7", arms=("vectors",))[0].uri == "n:7" and back.verify() == []
        back.reembed(CountingEmbedder(96, "other"))
        back.sync(TextSource("m:", [("m:1", "A room that nobody embedded before.", "")]))
        with pytest.raises(KnowledgeBaseError, match="cannot go back"):
            back.undo_reembed()
        assert back.search("Room 7", arms=("vectors",))[0].uri == "n:7"


def test_another_reader_follows_or_says_that_it_needs_the_embedder(rooms: KnowledgeBase, embedder) -> None:
    with KnowledgeBase.open(rooms.folder, embedder) as reader:
        assert reader.search("Room 3")[0].uri == "n:3"
        rooms.reembed(CountingEmbedder(96, "other"))
        assert reader.search("Room 3", arms=("words",))[0].uri == "n:3"
        with pytest.raises(KnowledgeBaseError, match="CountingEmbedder:other"):
            reader.search("Room 3")


def test_a_manifest_that_was_not_written_any_more_is_mended(rooms: KnowledgeBase) -> None:
    before = read_manifest(rooms.folder)
    rooms.reembed(CountingEmbedder(96, "other"))
    write_manifest(rooms.folder, before)
    with KnowledgeBase.open(rooms.folder, CountingEmbedder(96, "other")) as again:
        assert again.search("Room 7", arms=("vectors",))[0].uri == "n:7"
    assert read_manifest(rooms.folder).embedder["id"] == "CountingEmbedder:other"


def test_what_makes_no_sense_is_refused(rooms: KnowledgeBase, embedder) -> None:
    with pytest.raises(UsageError, match="already"):
        rooms.reembed(embedder)
    with pytest.raises(UsageError):
        rooms.reembed("none")


SLOWLY = """
import sys, time
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from nacre.retrieval.knowledge_base import KnowledgeBase
from tests import conftest

class CountingEmbedder(conftest.CountingEmbedder):  # its name is its identity

    def embed_documents(self, texts):
        time.sleep(0.05 if self.dim == 96 else 0)
        return super().embed_documents(texts)

base = KnowledgeBase.open(sys.argv[1], CountingEmbedder())
print("ready", flush=True)
base.reembed(CountingEmbedder(96, "other"))
"""


@pytest.mark.slow
@pytest.mark.parametrize("wait", [0.0, 0.06, 0.12, 0.2, 0.3])
def test_a_killed_run_leaves_the_old_or_the_new_vectors_whole(rooms: KnowledgeBase, wait: float) -> None:
    root = str(Path(__file__).parents[2])
    rooms.close()
    child = subprocess.Popen([sys.executable, "-c", SLOWLY, str(rooms.folder), root], stdout=subprocess.PIPE)
    assert child.stdout and child.stdout.readline()
    time.sleep(wait)
    os.kill(child.pid, signal.SIGKILL)
    child.communicate()
    made = read_manifest(rooms.folder).embedder["id"].partition(":")[2]
    try:
        opened = KnowledgeBase.open(rooms.folder, CountingEmbedder(64 if made == "hashing" else 96, made))
    except KnowledgeBaseError:  # killed between the switch and the file
        opened = KnowledgeBase.open(rooms.folder, CountingEmbedder(96, "other"))
    with opened as again:
        assert again.verify() == []
        assert again.search("Room 7", arms=("vectors",))[0].uri == "n:7"


def test_what_is_undone_ranks_as_before(tmp_path: Path) -> None:
    with KnowledgeBase.open(tmp_path / "kb", "minilm") as base:
        base.sync(TextSource("n:", ROOMS[:80]))
        catalog, measured = base.store.catalog, {key: base.store.catalog.meta(key) for key in MEASURED}
        assert any(measured.values())
        base.reembed()
        assert {key: catalog.meta(key) for key in MEASURED} != measured
        base.undo_reembed()
        assert {key: catalog.meta(key) for key in MEASURED} == measured
