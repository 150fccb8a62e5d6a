"""The conformance suites of LangChain on our vector store and retriever, and the LlamaIndex view."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest
from langchain_core.documents import Document
from langchain_core.embeddings import DeterministicFakeEmbedding
from langchain_core.vectorstores import VectorStore
from langchain_tests.integration_tests import RetrieversIntegrationTests, VectorStoreIntegrationTests

from nacre.errors import MissingExtraError, UsageError
from nacre.ingest.source import TextSource
from nacre.retrieval.integrations import KnowledgeBaseVectorStore
from nacre.retrieval.knowledge_base import KnowledgeBase
from nacre.retrieval.retriever import KnowledgeBaseRetriever


class TestVectorStore(VectorStoreIntegrationTests):
    @pytest.fixture
    def vectorstore(self, tmp_path: Path) -> Generator[VectorStore, None, None]:
        with KnowledgeBase.open(tmp_path / "kb", self.get_embeddings()) as base:
            yield base.to_langchain()


class TestRetriever(RetrieversIntegrationTests):
    @pytest.fixture(autouse=True)
    def _filled(self, tmp_path: Path) -> Generator[None, None, None]:
        with KnowledgeBase.open(tmp_path / "kb", DeterministicFakeEmbedding(size=8)) as base:
            base.sync(TextSource("a:", [(f"a:{n}", f"Text number {n} about an example query.") for n in range(12)]))
            self.base = base
            yield

    @property
    def retriever_constructor(self) -> type[KnowledgeBaseRetriever]:
        return KnowledgeBaseRetriever

    @property
    def retriever_constructor_params(self) -> dict[str, Any]:
        return {"knowledge_base": self.base, "distinct": False}

    @property
    def retriever_query_example(self) -> str:
        return "example query"


def test_a_long_document_comes_back_in_passages_that_say_where_they_stand(base) -> None:
    store = base.to_langchain()
    text = "\n\n".join(f"Paragraph {n} deals with matter{n} at some length. " * 8 for n in range(40))
    [name] = store.add_documents([Document(id="long", page_content=text, metadata={"author": "Lin", "tags": ["a", 1]})])
    found = store.similarity_search("matter17", k=1)[0]
    assert found.id == name == "long"
    assert found.metadata["author"] == "Lin" and found.metadata["tags"] == ["a", 1]
    assert text[found.metadata["start"] : found.metadata["end"]] == found.page_content


def test_synced_documents_are_found_through_the_store_too(base) -> None:
    base.sync(TextSource("a:", [("a:1", "Words of the handbook.")]))
    assert base.to_langchain().similarity_search("handbook")[0].metadata["uri"] == "a:1"


def test_the_store_keeps_to_its_principals(base) -> None:
    base.to_langchain(["a"]).add_texts(["Secret of a."], ids=["1"])
    other = base.to_langchain(["b"])
    assert other.similarity_search("secret") == [] and other.get_by_ids(["1"]) == []
    assert base.to_langchain(["a"]).get_by_ids(["1"])[0].page_content == "Secret of a."


def test_adding_to_the_store_removes_nothing_and_delete_all_removes_only_its_own(base) -> None:
    store = base.to_langchain()
    base.sync(TextSource("a:", [("a:1", "Handbook.")]))
    store.add_texts(["one"])
    store.add_texts(["two"])
    assert base.stats()["documents"] == 3
    store.delete()
    assert [document["uri"] for document in base.documents()] == ["a:1"]


@pytest.mark.parametrize(
    ("texts", "facts", "ids"), [([""], None, None), (["a"], [{}, {}], None), (["a"], [{"x": object()}], None)]
)
def test_what_cannot_be_added_is_told(base, texts, facts, ids) -> None:
    with pytest.raises(UsageError):
        base.to_langchain().add_texts(texts, facts, ids=ids)


def test_a_store_can_be_made_from_texts(tmp_path, embedder) -> None:
    store = KnowledgeBaseVectorStore.from_texts(["Tea at five."], embedder, path=str(tmp_path / "kb"))
    assert store.similarity_search("tea")[0].page_content == "Tea at five."
    assert store.embeddings is embedder
    store.base.close()
    with pytest.raises(UsageError, match="path"):
        KnowledgeBaseVectorStore.from_texts(["x"], embedder)


def test_llamaindex_gets_scored_nodes_or_the_install_line(base) -> None:
    base.sync(TextSource("a:", [("a:1", "Tea at five.", "Habits")]))
    try:
        retriever = base.to_llamaindex(k=1)
    except MissingExtraError as error:
        assert "nacre-ai[llamaindex]" in str(error)
        return
    [found] = retriever.retrieve("tea")
    assert found.node.get_content() == "Tea at five." and found.node.metadata["uri"] == "a:1" and found.score > 0
