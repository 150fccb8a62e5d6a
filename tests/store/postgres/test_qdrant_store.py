"""Arms in Qdrant beside a truth in PostgreSQL: the same kit, by the engine in this process and by what the wire says."""

from __future__ import annotations

import pytest

from nacre.store.places import open_store
from nacre.testing.stores import StoreEmbeddings, StoreTests

pytest.importorskip("qdrant_edge")


class TestQdrant(StoreTests):
    options = ""

    @pytest.fixture
    def arms(self, tmp_path):
        return f"qdrant+file://{tmp_path}"

    @pytest.fixture
    def store(self, postgres, place, arms):
        opened = []

        def open_one(name="one"):
            address = f"{place}_{name}&arms={arms}{self.options}"
            opened.append(open_store(address, StoreEmbeddings(), create=True)[0])
            return opened[-1]

        yield open_one
        for each in opened:
            postgres.execute(f'DROP SCHEMA IF EXISTS "{each.address.schema}" CASCADE')
            each.close()
