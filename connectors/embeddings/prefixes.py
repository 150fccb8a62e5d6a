"""Which text a model was trained to see before a question and before a passage.

A model that carries its own prompts (`config_sentence_transformers.json`) needs no row here.
Sources: the models' own cards.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import cached_property
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray


class Prefixes(NamedTuple):
    """The texts put before a question and before a passage."""

    query: str = ""
    document: str = ""

    def override(self, query: str | None, document: str | None) -> Self:
        """These, but for what the user gives."""
        return type(self)(self.query if query is None else query, self.document if document is None else document)


class PrefixedEncoder(ABC):
    """The methods of LangChain's `Embeddings`, over one that encodes texts behind a prefix."""

    name: str
    query_prefix: str
    document_prefix: str
    normalised = True

    @cached_property
    def identity(self) -> dict[str, Any]:
        """What an index must remember: two embedders with the same identity give comparable vectors."""
        told = {"id": self.name, **self._facts(), "query_prefix": self.query_prefix}
        told |= {"document_prefix": self.document_prefix, "normalised": self.normalised}
        return told

    @abstractmethod
    def _facts(self) -> dict[str, Any]:
        """What else tells the model: `dim`, `max_tokens`, a hash of its weights."""

    @abstractmethod
    def _encode(self, texts: Sequence[str], prefix: str) -> NDArray[np.float32]:
        """Texts behind a prefix to vectors: shape (texts, dim)."""

    def encode_documents(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Passages to vectors: shape (texts, dim)."""
        return self._encode(texts, self.document_prefix)

    def encode_queries(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Questions to vectors: shape (texts, dim)."""
        return self._encode(texts, self.query_prefix)

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """Passages to vectors of `dim` numbers."""
        vectors: list[list[float]] = self.encode_documents(texts).tolist()
        return vectors

    def embed_query(self, text: str) -> list[float]:
        """A question to its vector of `dim` numbers."""
        vector: list[float] = self.encode_queries([text])[0].tolist()
        return vector


_BGE_EN = "Represent this sentence for searching relevant passages: "
_BGE_ZH = "为这个句子生成表示以用于检索相关文章："
_E5_TASK = "Instruct: Given a web search query, retrieve relevant passages that answer the query\nQuery: "

# The first pattern that matches the last part of the name (folder or repository), whatever its case.
_KNOWN: tuple[tuple[str, Prefixes], ...] = (
    (r"e5-.*instruct|e5-mistral", Prefixes(_E5_TASK, "")),
    (r"(^|-)e5-(small|base|large)", Prefixes("query: ", "passage: ")),
    (r"bge-(small|base|large)-en", Prefixes(_BGE_EN, "")),
    (r"bge-(small|base|large)-zh", Prefixes(_BGE_ZH, "")),
    (r"bge-m3|bge-multilingual", Prefixes()),
    (r"mxbai-embed|snowflake-arctic-embed-(xs|s|m|l)(-v1\.5)?$|uae-large", Prefixes(_BGE_EN, "")),
    (r"snowflake-arctic-embed-.*v2", Prefixes("query: ", "")),
    (r"nomic-embed", Prefixes("search_query: ", "search_document: ")),
    (r"stella-.*-zh-v2|piccolo-.*-zh$", Prefixes("查询: ", "结果: ")),
    (r"qwen3-embedding", Prefixes(_E5_TASK.replace("\nQuery: ", "\nQuery:"), "")),
)


def prefixes_for(name: str, prompts: dict[str, str] | None = None) -> Prefixes:
    """The prefixes of a model, empty where none is known; of its own prompts "query" and "document" or "passage" are
    used.
    """
    if prompts and ("query" in prompts or "document" in prompts or "passage" in prompts):
        return Prefixes(prompts.get("query", ""), prompts.get("document", prompts.get("passage", "")))
    last = name.rstrip("/").rsplit("/", 1)[-1].lower()
    return next((known for pattern, known in _KNOWN if re.search(pattern, last)), Prefixes())
