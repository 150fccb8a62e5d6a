"""PostgreSQL as a store: the same kit as the folder's, exact and with the graph."""

from __future__ import annotations

import pytest

from nacre.store.places import open_store
from nacre.testing.stores import StoreEmbeddings, StoreTests

OPTIONS = {"exact": "", "hnsw": "&index=hnsw"}


class TestPostgres(StoreTests):
    options = ""

    @pytest.fixture
    def store(self, postgres, place):
        opened = []

        def open_one(name="one"):
            address = f"{place}_{name}{self.options}"
            opened.append(open_store(address, StoreEmbeddings(), create=True)[0])
            return opened[-1]

        yield open_one
        for each in opened:
            postgres.execute(f'DROP SCHEMA IF EXISTS "{each.address.schema}" CASCADE')
            each.close()


class TestGraph(TestPostgres):
    """Everything that may be seen is little here, so it is scanned: see test_graph.py for the graph itself."""

    options = "&index=hnsw"
    exact = False
