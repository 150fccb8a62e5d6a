"""The folder as a store."""

from __future__ import annotations

import pytest

from nacre.store.places import open_store
from nacre.testing.stores import StoreEmbeddings, StoreTests


class TestFolder(StoreTests):
    @pytest.fixture
    def store(self, tmp_path):
        opened = []

        def open_one(name="one"):
            opened.append(open_store(tmp_path / name, StoreEmbeddings(), create=True)[0])
            return opened[-1]

        yield open_one
        for each in opened:
            each.close()
