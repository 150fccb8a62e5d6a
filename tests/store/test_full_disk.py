"""A disk that is full while a folder is written: one line, nothing lost, what there is can be searched."""

from __future__ import annotations

import errno
import os
import subprocess

import pytest

from nacre.errors import KnowledgeBaseError
from nacre.ingest.source import TextSource
from nacre.retrieval.knowledge_base import KnowledgeBase
from nacre.store.folder.indexes import Indexes
from nacre.testing.stores import StoreEmbeddings


def documents(count):
    return TextSource("m:", [(f"m:{n}", f"The pearl {n} was grey. " * 40) for n in range(count)])


def test_a_base_whose_indexes_cannot_follow_is_searched_as_it_was(tmp_path, monkeypatch, caplog):
    with KnowledgeBase.open(tmp_path / "kb", StoreEmbeddings()) as base:
        base.sync(documents(2))

    calls = []

    def full(self, whole=Indexes._catch_up_words):
        calls.append(self)
        if len(calls) > 1:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        whole(self)

    with monkeypatch.context() as patched:
        patched.setattr(Indexes, "_catch_up_words", full)
        with (
            KnowledgeBase.open(tmp_path / "kb", StoreEmbeddings()) as base,
            pytest.raises(KnowledgeBaseError, match=r"kb cannot be written .*No space left.* free some space"),
        ):
            base.sync(documents(4))
        with KnowledgeBase.open(tmp_path / "kb", StoreEmbeddings()) as base:
            assert base.search("pearl") and base.stats()["documents"] == 4
            assert "No space left" in caplog.text
    with KnowledgeBase.open(tmp_path / "kb", StoreEmbeddings()) as base:
        report = base.sync(documents(4))
        assert (report.added, report.unchanged, report.failed) == (0, 4, []) and base.verify() == []


@pytest.fixture
def small(tmp_path):
    """A file system of 12 MiB."""
    place = tmp_path / "small"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=12m", "none", str(place)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("no file system can be mounted here")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


@pytest.mark.scale  # a process that has mapped a file on a full tmpfs may be killed (SIGBUS)
def test_a_sync_onto_a_full_disk_is_told_and_the_next_goes_on(small):
    with KnowledgeBase.open(small / "kb", StoreEmbeddings()) as base:
        base.sync(documents(2))
    ballast = small / "ballast"
    with KnowledgeBase.open(small / "kb", StoreEmbeddings()) as base:
        ballast.write_bytes(bytes(int(9.5 * 2**20)))
        with pytest.raises(KnowledgeBaseError, match=r"cannot be written .*is the disk full\?") as caught:
            base.sync(documents(400))
        assert "\n" not in str(caught.value)
        assert base.search("pearl")
    with KnowledgeBase.open(small / "kb", StoreEmbeddings()) as base:
        assert base.search("pearl")
    ballast.unlink()
    with KnowledgeBase.open(small / "kb", StoreEmbeddings()) as base:
        report = base.sync(documents(40))
        assert report.added + report.unchanged == 40 and report.failed == [] and base.verify() == []
