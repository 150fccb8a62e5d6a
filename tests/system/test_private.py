"""What is made for one user stays that user's, whatever the umask; what was there before is named."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from nacre import KnowledgeBase
from nacre.ingest.source import TextSource
from nacre.store.copying import copy_store
from nacre.system.files import atomic_write, private_folder, wide
from nacre.system.sqlite import Database

pytestmark = pytest.mark.skipif(os.name == "nt", reason="modes say nothing there")


@pytest.fixture(autouse=True)
def open_umask() -> Iterator[None]:
    """The widest there is: what is narrow was made so."""
    before = os.umask(0)
    yield
    os.umask(before)


def open_ones(folder: Path) -> list[str]:
    return [f"{mode} {path.relative_to(folder)}" for path, mode in wide(folder)]


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def sync(folder: Path, n: int) -> None:
    from langchain_core.embeddings import DeterministicFakeEmbedding

    with KnowledgeBase.open(folder, DeterministicFakeEmbedding(size=16)) as base:
        base.sync(
            TextSource("memory:t/", [(f"memory:t/{i}", f"The lamp number {i} burns.", "Lamps") for i in range(n)])
        )
        # While it is open, with SQLite's log beside it.
        assert (folder / "catalog.sqlite-wal").exists() and {*open_ones(folder)} <= {"0755 ."}


def test_a_knowledge_base_and_all_that_it_grows_are_private(tmp_path):
    tmp_path.chmod(0o700)
    folder = tmp_path / "not" / "yet" / "kb"
    for n in (3, 40, 80):
        sync(folder, n)
    assert {path.name for path in folder.iterdir()} >= {"catalog.sqlite", "words", "vectors", "manifest.json", "lock"}
    assert list(folder.glob("vectors/*/index.faiss")) and len(list(folder.glob("words/*"))) > 3
    assert open_ones(tmp_path) == []
    with _open(folder) as base:
        copy_store(base.store, tmp_path / "copy")
        assert open_ones(tmp_path) == []


def _open(folder: Path) -> KnowledgeBase:
    from langchain_core.embeddings import DeterministicFakeEmbedding

    return KnowledgeBase.open(folder, DeterministicFakeEmbedding(size=16))


def test_a_folder_that_was_there_keeps_its_mode_and_what_is_made_in_it_is_private(tmp_path):
    folder = tmp_path / "kb"
    folder.mkdir(0o755)
    sync(folder, 3)
    assert mode(folder) == 0o755 and [line.split()[1] for line in open_ones(folder)] == ["."]


def test_what_a_user_opened_to_a_group_stays_open(tmp_path):
    folder = tmp_path / "kb"
    sync(folder, 3)
    subprocess.run(["chmod", "-R", "g+rX", str(folder)], check=True)
    with _open(folder) as base:
        base.sync(TextSource("memory:u/", [("memory:u/1", "A lamp of another kind.", "More")]))
    assert all(mode(path) & 0o040 for part in ("words", "vectors") for path in (folder / part).rglob("*"))
    assert mode(folder / "manifest.json") & 0o077 == 0o040


def test_databases_and_replaced_files_are_private(tmp_path):
    tmp_path.chmod(0o700)
    base = Database(tmp_path / "a" / "b.sqlite", "create table if not exists t (x);")
    base.execute("insert into t values (1)")
    assert {path.name for path in (tmp_path / "a").iterdir()} == {"b.sqlite", "b.sqlite-wal", "b.sqlite-shm"}
    atomic_write(tmp_path / "a" / "c.json", "1")
    assert open_ones(tmp_path) == []
    (tmp_path / "a" / "c.json").chmod(0o640)
    atomic_write(tmp_path / "a" / "c.json", "2")
    assert mode(tmp_path / "a" / "c.json") == 0o640 and (tmp_path / "a" / "c.json").read_text() == "2"
    base.close()


def test_making_a_folder_where_a_file_is_says_so(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises((FileExistsError, NotADirectoryError)):
        private_folder(tmp_path / "file")


def test_doctor_names_wide_modes_and_the_cure_closes_them(tmp_path):
    folder = tmp_path / "my kb"
    sync(folder, 3)

    def doctor() -> dict:
        command = [str(Path(sys.executable).with_name("nacre")), "doctor", "--kb", str(folder), "--json"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
        return json.loads(done.stdout)["files"]

    assert doctor()["private"] is True
    folder.chmod(0o755)
    (folder / "catalog.sqlite").chmod(0o644)
    found = doctor()
    assert found["open"] == 2 and any("0644" in line and "catalog.sqlite" in line for line in found["first"])
    assert found["cure"].startswith("chmod")
    subprocess.run(found["cure"], shell=True, check=True)
    assert doctor()["private"] is True
