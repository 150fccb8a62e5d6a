"""Folders that were damaged, made by others, or left by a crash: healed, or refused with the cure."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from nacre.errors import DamagedError, EmbedderMismatchError, FormatError, KnowledgeBaseError
from nacre.ingest.source import TextSource
from nacre.retrieval.knowledge_base import KnowledgeBase

DOCUMENTS = [(f"a:{n}", f"Document {n} tells of thing{n} and of all the others.") for n in range(20)]


@pytest.fixture
def folder(tmp_path, embedder) -> Path:
    with KnowledgeBase.open(tmp_path / "kb", embedder) as base:
        base.sync(TextSource("a:", DOCUMENTS))
    return tmp_path / "kb"


def whole(folder: Path, embedder) -> bool:
    with KnowledgeBase.open(folder, embedder) as base:
        return base.verify() == [] and all(base.search(f"thing{n}")[0].uri == f"a:{n}" for n in range(20))


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "[]",
        "null",
        '{"format": "x"}',
        '{"format": 1}',
        '{"format": 1, "embedder": 3, "tokeniser": "", "chunker": ""}',
    ],
)
def test_a_damaged_manifest_is_told_and_can_be_repaired(folder, embedder, content) -> None:
    (folder / "manifest.json").write_text(content)
    with pytest.raises(DamagedError, match="repair"):
        KnowledgeBase.open(folder, embedder)
    KnowledgeBase.repair(folder, embedder).close()
    assert whole(folder, embedder)


def test_a_lost_manifest_can_be_repaired(folder, embedder) -> None:
    (folder / "manifest.json").unlink()
    with pytest.raises(DamagedError, match="repair"):
        KnowledgeBase.open(folder, embedder)
    KnowledgeBase.repair(folder, embedder).close()
    assert whole(folder, embedder)


def test_a_newer_format_is_refused(folder, embedder) -> None:
    manifest = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps(manifest | {"format": 2, "embedder": "something new"}))
    with pytest.raises(FormatError, match="Update"):
        KnowledgeBase.open(folder, embedder)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda p: p.write_bytes(b"not a database at all" * 300),
        lambda p: p.write_bytes(b""),
        lambda p: os.truncate(p, 5000),
    ],
)
def test_a_damaged_catalog_is_told(folder, embedder, spoil) -> None:
    for left in folder.glob("catalog.sqlite-*"):
        left.unlink()
    spoil(folder / "catalog.sqlite")
    with (
        pytest.raises(DamagedError, match=r"sync the sources into a new folder|repair"),
        KnowledgeBase.open(folder, embedder) as base,
    ):
        base.search("thing1")
        base.documents()


def test_a_crash_while_the_folder_is_made_leaves_nothing_to_repair(tmp_path, embedder) -> None:
    KnowledgeBase.open(tmp_path / "kb", embedder).close()
    (tmp_path / "kb" / "manifest.json").unlink()
    KnowledgeBase.open(tmp_path / "kb", embedder).close()
    assert (tmp_path / "kb" / "manifest.json").exists()


def test_a_lost_catalog_is_told_and_not_replaced_by_an_empty_one(folder, embedder) -> None:
    (folder / "catalog.sqlite").unlink()
    with pytest.raises(DamagedError, match="catalog"):
        KnowledgeBase.open(folder, embedder)
    assert not (folder / "catalog.sqlite").exists()


@pytest.mark.parametrize("other", [{"dim": 32}, {"model": "another"}])
def test_another_embedder_is_refused_at_open(folder, embedder, other) -> None:
    with pytest.raises(EmbedderMismatchError, match="was built with"):
        KnowledgeBase.open(folder, type(embedder)(**other))
    with pytest.raises(EmbedderMismatchError, match="was built with"):
        KnowledgeBase.open(folder, "none")


def test_a_folder_made_with_an_object_asks_for_it(folder) -> None:
    with pytest.raises(EmbedderMismatchError, match="embedder="):
        KnowledgeBase.open(folder)


def test_a_path_that_is_a_file_is_told(tmp_path, embedder) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(KnowledgeBaseError, match=r"another folder|cannot be"):
        KnowledgeBase.open(tmp_path / "file", embedder)


@pytest.mark.parametrize("victim", ["words", "vectors"])
@pytest.mark.parametrize("how", ["gone", "truncated", "garbage", "empty"])
def test_spoilt_indexes_are_built_anew(folder, embedder, victim, how) -> None:
    if how == "gone":
        shutil.rmtree(folder / victim)
    for path in (folder / victim).rglob("*"):
        if path.is_file():
            size = path.stat().st_size
            path.write_bytes(
                {"truncated": path.read_bytes()[: size // 2], "garbage": os.urandom(size), "empty": b""}[how]
            )
    assert whole(folder, embedder)


def test_an_index_of_another_history_is_built_anew(folder, embedder, tmp_path) -> None:
    shutil.copytree(folder, tmp_path / "backup")
    with KnowledgeBase.open(folder, embedder) as base:
        base.sync(TextSource("b:", [("b:1", "Something that the backup lacks.")]))
    for left in folder.glob("catalog.sqlite*"):
        left.unlink()
    shutil.copy(tmp_path / "backup" / "catalog.sqlite", folder / "catalog.sqlite")
    assert whole(folder, embedder)


def test_verify_finds_ghosts_missing_and_wrong_entries_and_repair_mends_them(folder, embedder) -> None:
    with KnowledgeBase.open(folder, embedder) as base:
        db = base.store.catalog.db
        db.execute("DELETE FROM vectors WHERE chunk = 1")
        db.execute("DELETE FROM chunks WHERE id = 1")
        db.execute("UPDATE vectors SET vector = (SELECT vector FROM vectors WHERE chunk = 3) WHERE chunk = 2")
        db.execute("UPDATE chunks SET start = 1 WHERE id = 4")
        found = "\n".join(base.verify())
        assert "word index: 1 chunks that were deleted" in found
        assert "vector index: 1 chunks that were deleted" in found
        assert "1 vectors differ" in found
        assert "a:3 is not what stands at its place" in found
        db.execute("UPDATE chunks SET start = 0 WHERE id = 4")
    with KnowledgeBase.repair(folder, embedder) as base:
        assert base.verify() == []


def test_no_pickle_in_the_folder(folder) -> None:
    names = {path.name for path in folder.rglob("*") if path.is_file()}
    assert "catalog.sqlite" in names and "index.faiss" in names
    assert not any(name.endswith((".pkl", ".pickle")) for name in names)


SYNC = """
import os, signal, sys
from hashlib import blake2b
import numpy as np
from nacre.text.words import words
from nacre.retrieval.knowledge_base import KnowledgeBase
from nacre.ingest.source import TextSource
from nacre.store.folder import write_session
from nacre.store.folder import keyword_index as lexical
from nacre.store.folder import vector_index as vectors
folder, place, count = sys.argv[1:]
def dying(function, left=[int(count)]):
    def call(*a, **k):
        left[0] -= 1
        if left[0] < 0: os.kill(os.getpid(), signal.SIGKILL)
        return function(*a, **k)
    return call
class CountingEmbedder:
    model = "hashing"
    def embed_query(self, text):
        vector = np.zeros(64)
        for word in words(text): vector[int.from_bytes(blake2b(word.encode(), digest_size=4).digest(), "big") % 64] += 1
        return vector.tolist()
    def embed_documents(self, texts): return [self.embed_query(text) for text in texts]
base = KnowledgeBase.open(folder, CountingEmbedder())
module, _, name = place.rpartition(".")
owner = {"session": write_session.FolderSession, "words": lexical.TantivyIndex, "vectors": vectors.FaissIndex, "os": os}[module]
setattr(owner, name, dying(getattr(owner, name)))
documents = [(f"a:{n}", f"Document {n} tells of thing{n} and of all the others.") for n in range(3, 20)]
documents += [(f"a:{n}", f"Changed document {n} about thing{n}.") for n in range(3)] + [(f"b:{n}", f"New {n}") for n in range(5)]
base.sync(TextSource("a:", documents[2:]))
"""

PLACES = [
    "session._replace_chunks",
    "session._remove_chunks",
    "session._next_generation",
    "session.publish",
    "session.delete",
]
PLACES += ["words.write", "words.commit", "words.reload", "vectors.update", "vectors.save", "os.fsync"]


@pytest.mark.parametrize("place", PLACES)
def test_a_kill_at_any_step_is_healed_at_the_next_open(folder, embedder, tmp_path, place) -> None:
    (tmp_path / "sync.py").write_text(SYNC)
    killed = subprocess.run(
        [sys.executable, str(tmp_path / "sync.py"), str(folder), place, "1"], capture_output=True, text=True, timeout=60
    )
    assert killed.returncode in (-signal.SIGKILL, 0), killed.stderr
    with KnowledgeBase.open(folder, embedder) as base:
        assert base.verify() == []
        uris = [document["uri"] for document in base.documents()]
        assert len(uris) == len(set(uris)) and len(uris) >= 18
        for hit in base.search("thing5 and all the others", k=50):
            assert base.text(hit.uri)[hit.start : hit.end] == hit.text
        before = len(embedder.texts)
        documents = [(f"a:{n}", f"Document {n} tells of thing{n} and of all the others.") for n in range(20)]
        report = base.sync(TextSource("a:", documents))
        assert report.embedded == len(embedder.texts) - before
        assert base.verify() == []
        assert len(base.documents()) == 20


@pytest.mark.parametrize("registered", [True, False], ids=["known to the index", "unknown to it"])
def test_a_file_that_a_killed_writer_left_is_not_in_the_way_of_the_next(tmp_path, registered):
    """A writer that is killed before its commit leaves files whose names the next one takes, as it counts from the same
    commit.
    """
    pages = [(f"m/{n}", f"Page {n} tells of thing{n}.") for n in range(6)]
    words = tmp_path / "kb" / "words"
    base = KnowledgeBase.open(tmp_path / "kb", embedder="none")
    base.sync(TextSource("m/", pages))
    before = {file.name: file.read_bytes() for file in words.iterdir()}
    base.sync(TextSource("m/", pages[1:]))
    assert [file for file in words.glob("*.del") if file.name not in before]
    base.close()
    for name, data in before.items():
        if name != ".managed.json" or not registered:
            (words / name).write_bytes(data)
    healed = KnowledgeBase.open(tmp_path / "kb")
    assert healed.verify() == []
    assert not healed.search("thing0") and healed.search("thing1")[0].uri == "m/1"
