"""The cache of models is its user's alone: who may write a model there decides what is found."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from nacre.connectors.embeddings import e5
from nacre.connectors.embeddings.cache import file_hash, kept, opened
from nacre.connectors.embeddings.local_encoder import LocalEncoder
from nacre.errors import ModelError


def test_folders_of_the_cache_are_private_whatever_the_umask(tmp_path, monkeypatch):
    monkeypatch.setenv("NACRE_CACHE", str(tmp_path / "home" / "cache"))
    before = os.umask(0)
    try:
        made = kept("models/one/int8", lambda place: place.mkdir())
    finally:
        os.umask(before)
    assert made.is_dir()
    for folder in made.parents:
        if folder == tmp_path:
            break
        assert folder.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("hurt", ["weights.bin", "model.onnx"])
def test_a_graph_that_cannot_be_read_is_made_anew(tmp_path, monkeypatch, tiny_bert, caplog, hurt):
    monkeypatch.setenv("NACRE_CACHE", str(tmp_path / "cache"))
    folder = tiny_bert()
    before = LocalEncoder(folder, precision="fp32").encode_queries(["a"])
    [file] = (tmp_path / "cache").rglob(hurt)
    file.write_bytes(file.read_bytes()[:100])
    assert (LocalEncoder(folder, precision="fp32").encode_queries(["a"]) == before).all()
    assert "made anew" in caplog.text and file.stat().st_size > 100


def test_a_note_of_a_hash_that_was_cut_off_is_written_again(tmp_path, monkeypatch):
    monkeypatch.setenv("NACRE_CACHE", str(tmp_path / "cache"))
    (tmp_path / "file").write_bytes(b"weights")
    found = file_hash(tmp_path / "file")
    [note] = (tmp_path / "cache" / "hashes").iterdir()
    note.write_text("")
    assert file_hash(tmp_path / "file") == found == note.read_text()


def test_what_can_be_neither_read_nor_removed_is_told(tmp_path, monkeypatch):
    monkeypatch.setenv("NACRE_CACHE", str(tmp_path / "cache"))
    remove = shutil.rmtree

    def refusing(place, *args, **more):
        if Path(place).name == "one":
            raise PermissionError(13, "denied")
        remove(place, *args, **more)

    monkeypatch.setattr(shutil, "rmtree", refusing)
    with pytest.raises(ModelError, match="NACRE_CACHE"):
        opened("models/one", lambda place: place.mkdir(), lambda place: place.read_text())


def test_another_sample_or_other_pieces_are_another_graph(tmp_path, monkeypatch):
    def variant():
        return e5._PackedCheckpoint(tmp_path, None, "mean", True, 512, {}, sample=e5._SAMPLE).variant

    before = variant()
    monkeypatch.setattr(e5, "_PIECES", "next")
    other = variant()
    monkeypatch.setattr(e5, "_SAMPLE", ("query: another",))
    assert len({before, other, variant()}) == 3


@pytest.mark.parametrize("error", [ImportError, MemoryError])
def test_what_cannot_be_read_for_want_of_a_library_or_memory_is_kept(tmp_path, monkeypatch, error):
    monkeypatch.setenv("NACRE_CACHE", str(tmp_path / "cache"))
    made: list[Path] = []

    def write(draft: Path) -> None:
        made.append(draft)
        draft.write_text("whole")

    def read(place: Path) -> str:
        raise error

    with pytest.raises(error):
        opened("things/one", write, read)
    assert opened("things/one", write, Path.read_text) == "whole" and len(made) == 1
