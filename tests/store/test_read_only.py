"""A knowledge base that the user may not write: it is searched, asked, counted and checked, and says why it cannot be
changed.

The reader is a process of its own that may not write the folder: as another user where the tests run as root.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from nacre.retrieval.knowledge_base import KnowledgeBase

READER = """
import json, os, sys
import numpy, faiss, tantivy, rjieba, nacre.connectors.sources.files, nacre.ingest.sync  # before the right to read them is given up
from nacre.errors import NacreError
from nacre.retrieval.knowledge_base import KnowledgeBase
from nacre.store.folder.access import write_lock
if os.getuid() == 0:
    os.setuid(65534)
def tried(work):
    try:
        return work()
    except NacreError as error:
        return f"{type(error).__name__}: {error}"
kb = tried(lambda: KnowledgeBase.open(sys.argv[1]))
if isinstance(kb, str):
    print(json.dumps({"open": kb}), flush=True)
    sys.exit()
def look():
    print(json.dumps({"hits": [hit.text for hit in kb.search("heron")], "stats": kb.stats()["documents"], "verify": kb.verify(),
        "sync": tried(lambda: kb.sync(sys.argv[2])), "delete": tried(lambda: kb.delete("x")),
        "repair": tried(lambda: KnowledgeBase.repair(sys.argv[1]))}), flush=True)
look()
for line in sys.stdin:
    look()
"""


class Reader:
    """Another user's process, which looks once at the start and again when it is asked to."""

    def __init__(self, kb: Path) -> None:
        command = [sys.executable, "-c", READER, str(kb), str(kb.parent / "birds")]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def look(self, again: bool = False) -> dict[str, Any]:
        assert self.process.stdin and self.process.stdout
        if again:
            self.process.stdin.write("\n")
            self.process.stdin.flush()
        return dict(json.loads(self.process.stdout.readline()))

    def close(self) -> None:
        self.process.communicate("", timeout=30)


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder that every user can reach, unlike pytest's."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    (folder / "birds").mkdir()
    (folder / "birds" / "one.txt").write_text("The grey heron stands still.")
    yield folder
    allow(folder / "kb")
    shutil.rmtree(folder)


def forbid(kb: Path) -> None:
    """Its owner opens it to everyone's eyes, as `chmod -R a+rX` does, and to nobody's hand."""
    for path in kb.rglob("*"):
        path.chmod(path.stat().st_mode | (0o555 if path.is_dir() else 0o444))
    for folder in (kb, kb / "words"):
        folder.chmod(0o555)


def allow(kb: Path) -> None:
    for folder in (kb, kb / "words"):
        folder.chmod(0o755)


def made(place: Path) -> Path:
    with KnowledgeBase.open(place / "kb", "none") as base:
        base.sync(place / "birds")
    forbid(place / "kb")
    return place / "kb"


def test_it_is_searched_and_checked_and_refuses_to_be_changed(place) -> None:
    reader = Reader(made(place))
    seen = reader.look()
    reader.close()
    assert seen["hits"] == ["The grey heron stands still."]
    assert (seen["stats"], seen["verify"]) == (1, [])
    for change in ("sync", "delete", "repair"):
        assert seen[change].startswith("KnowledgeBaseError: ")
        assert "can only be read here" in seen[change]


def test_the_reader_leaves_nothing_behind(place, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("TMPDIR", str(place))
    place.chmod(0o777)
    kb = made(place)
    before = sorted(kb.rglob("*"))
    reader = Reader(kb)
    reader.look()
    reader.close()
    assert sorted(kb.rglob("*")) == before
    assert sorted(file.name for file in place.iterdir()) == ["birds", "kb"]


def test_it_sees_what_a_writer_elsewhere_writes_while_and_after_it_writes(place) -> None:
    kb = made(place)
    reader = Reader(kb)
    assert len(reader.look()["hits"]) == 1
    allow(kb)
    (place / "birds" / "two.txt").write_text("A white heron flies.")
    with KnowledgeBase.open(kb) as writer:
        writer.sync(place / "birds")
        forbid(kb)
        during = reader.look(again=True)
        allow(kb)
        (place / "birds" / "one.txt").unlink()
        writer.sync(place / "birds")
        forbid(kb)
    after = reader.look(again=True)
    reader.close()
    assert (len(during["hits"]), during["verify"]) == (2, [])
    assert (after["hits"], after["verify"]) == (["A white heron flies."], [])


@pytest.mark.parametrize("to_himself", [False, True], ids=["lost", "kept by its user to himself"])
def test_indexes_that_are_behind_are_caught_up_for_the_reader_alone(place, to_himself) -> None:
    kb = made(place)
    allow(kb)
    shutil.rmtree(kb / "words")
    (kb / "words").mkdir()
    if to_himself:
        (kb / "words" / "meta.json").touch(0)
    forbid(kb)
    reader = Reader(kb)
    seen = reader.look()
    reader.close()
    assert (seen["hits"], seen["verify"]) == (["The grey heron stands still."], [])
    assert not list((kb / "words").glob("*.term"))


def test_changes_that_only_a_writer_can_fold_in_are_told(place) -> None:
    kb = made(place)
    allow(kb)
    crash = "import os, sys; from nacre.retrieval.knowledge_base import KnowledgeBase as K; b = K.open(sys.argv[1]); b.delete('x'); b.store.catalog.remember('a', 'b'); os._exit(0)"
    subprocess.run([sys.executable, "-c", crash, str(kb)], check=True)
    (kb / "catalog.sqlite-shm").unlink()
    assert (kb / "catalog.sqlite-wal").stat().st_size
    forbid(kb)
    reader = Reader(kb)
    seen = reader.look()
    reader.close()
    assert seen["open"].startswith("KnowledgeBaseError: ")
    assert "not folded in yet" in seen["open"]


def test_a_folder_of_another_user_can_be_read_with_its_own_word_index(place) -> None:
    """tantivy writes two files that only their user can read; the index would have to be built anew at every open."""
    kb = made(place)
    files = [file for file in (kb / "words").iterdir() if not file.name.endswith(".lock")]
    assert [file.name for file in files if not file.stat().st_mode & 0o004] == []
