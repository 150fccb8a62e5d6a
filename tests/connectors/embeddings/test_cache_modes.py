"""The cache of models is its user's alone: who may write a model there decides what is found."""

from __future__ import annotations

import os

from nacre.connectors.embeddings.cache import kept


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
