"""Arms in Qdrant as a store: the kit by its engine in this process, and on a server where one is named."""

from __future__ import annotations

import os
import uuid

import pytest

from nacre.store.places import open_store
from nacre.testing.stores import StoreEmbeddings, StoreTests

pytestmark = pytest.mark.scale
SERVER = os.environ.get("NACRE_QDRANT_URL", "")


class TestQdrant(StoreTests):
    @pytest.fixture
    def arms(self, tmp_path):
        pytest.importorskip("qdrant_edge")
        return lambda name: f"qdrant+file://{tmp_path}"

    @pytest.fixture
    def store(self, postgres, place, arms):
        opened = []

        def open_one(name="one"):
            address = f"{place}_{name}&index=hnsw&arms={arms(name)}"
            opened.append(open_store(address, StoreEmbeddings(), create=True)[0])
            return opened[-1]

        yield open_one
        for each in opened:
            assert each._arms._silent_until == 0.0  # Qdrant was asked, and never failed
            postgres.execute(f'DROP SCHEMA IF EXISTS "{each.address.schema}" CASCADE')
            each.close()


@pytest.mark.skipif(not SERVER, reason="no Qdrant server: name one in NACRE_QDRANT_URL, its key in QDRANT_API_KEY")
class TestQdrantServer(TestQdrant):
    @pytest.fixture
    def arms(self):
        client = pytest.importorskip("qdrant_client")
        made = uuid.uuid4().hex[:12]
        yield lambda name: f"qdrant+{SERVER}/nacre-test-{made}-{name}"
        with_key = client.QdrantClient(url=SERVER, api_key=os.environ.get("QDRANT_API_KEY") or None)
        for collection in with_key.get_collections().collections:
            if collection.name.startswith(f"nacre-test-{made}"):
                with_key.delete_collection(collection.name)
