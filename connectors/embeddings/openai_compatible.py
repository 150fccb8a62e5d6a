"""Embeddings of a service that speaks the OpenAI protocol: batched, retried, kept within its limits."""

from __future__ import annotations

import logging
import math
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from typing import Any, NamedTuple

from langchain_core.embeddings import Embeddings
from openai import OpenAI

from nacre.connectors.embeddings.prefixes import prefixes_for
from nacre.connectors.models.api_errors import Place, translated
from nacre.connectors.models.provider import Provider
from nacre.errors import ModelError
from nacre.text.language import tr
from nacre.text.tokens import beginning, estimate

_log = logging.getLogger(__name__)
_PROBE = "nacre"


class Limits(NamedTuple):
    """What one request may hold."""

    texts: int = 64
    tokens: int = 512  # of a text
    request_tokens: int = 100_000
    dimension: int | None = None  # of the model's vectors; None: asked of the service once


# (provider, pattern on the model's name, limits); the first that matches. Sources, read on 2026-11-23: OpenAI, API
# reference of embeddings; Alibaba Cloud Model Studio, text-embedding synchronous API. Zhipu's and Qianfan's rows are
# from their own API pages as known to the authors, on the low side where pages differ.
_KNOWN: tuple[tuple[str, str, Limits], ...] = (
    ("openai", r"embedding-3-large", Limits(2048, 8191, 300_000, 3072)),
    ("openai", r"", Limits(2048, 8191, 300_000, 1536)),
    ("dashscope", r"v[34]", Limits(10, 8192, 8192 * 10, 1024)),
    ("dashscope", r"", Limits(25, 2048, 2048 * 25, 1536)),
    ("zhipu", r"embedding-3", Limits(64, 3072, 3072 * 64, 2048)),
    ("zhipu", r"", Limits(64, 512, 512 * 64, 1024)),
    ("qianfan", r"tao-8k", Limits(1, 8192, 8192, 1024)),
    ("qianfan", r"", Limits(16, 384, 384 * 16)),
    ("ollama", r"bge-m3|nomic|qwen3|snowflake-arctic-embed2", Limits(64, 2048)),
    ("vllm", r"bge-m3|qwen3", Limits(64, 8192)),
)


def limits_of(provider: str, model: str) -> Limits:
    """The limits of a model."""
    rows = (limits for name, pattern, limits in _KNOWN if name == provider and re.search(pattern, model.lower()))
    return next(rows, Limits())


class OpenAICompatibleEmbeddings(Embeddings):
    """Embeddings over HTTP (`POST /embeddings`). Busy (429) and failing (5xx) servers are asked again, after the time
    that their Retry-After names. Unset, sizes are what the service and the model take; longer texts are cut.
    """

    def __init__(
        self,
        provider: Provider,
        model: str,
        base_url: str,
        api_key: str,
        *,
        dimensions: int | None = None,
        query_prefix: str | None = None,
        document_prefix: str | None = None,
        batch_size: int | None = None,
        max_tokens: int | None = None,
        concurrency: int = 4,
        max_retries: int = 6,
        timeout: float = 60.0,
    ) -> None:
        limits = limits_of(provider.name, model)
        self.model = model
        self.dimensions = dimensions
        self.query_prefix, self.document_prefix = prefixes_for(model).override(query_prefix, document_prefix)
        self.batch_size = batch_size or limits.texts
        self.window = max_tokens or limits.tokens
        self.concurrency = concurrency
        self._request_tokens = limits.request_tokens
        self._known_dimension = dimensions or limits.dimension
        self._place = Place(provider, model, base_url)
        self._client = OpenAI(base_url=base_url, api_key=api_key, max_retries=max_retries, timeout=timeout)

    @cached_property
    def identity(self) -> dict[str, Any]:
        """What an index must remember: two embedders with the same identity give comparable vectors."""
        return {
            "id": self._place.name,
            "dim": self._known_dimension or len(self.embed_query(_PROBE)),
            "query_prefix": self.query_prefix,
            "document_prefix": self.document_prefix,
            "normalised": True,
            "max_tokens": self.max_tokens,
        }

    @property
    def max_tokens(self) -> int:
        """The most tokens a passage may have without being cut, the prefix already taken off."""
        return self.window - estimate(self.document_prefix)

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """Encode passages."""
        return self._embed([self.document_prefix + text for text in texts])

    def embed_query(self, text: str) -> list[float]:
        """Encode a question."""
        return self._embed([self.query_prefix + text])[0]

    def close(self) -> None:
        """Close the connections to the service."""
        self._client.close()

    def _embed(self, texts: list[str]) -> list[list[float]]:
        batches = list(self._batches([self._fitting(text) for text in texts]))
        if len(batches) < 2:
            return [vector for batch in batches for vector in self._request(batch)]
        with ThreadPoolExecutor(min(self.concurrency, len(batches))) as pool:
            return [vector for vectors in pool.map(self._request, batches) for vector in vectors]

    def _batches(self, texts: list[str]) -> Iterator[list[str]]:
        batch: list[str] = []
        tokens = 0
        for text in texts:
            size = estimate(text)
            if batch and (len(batch) == self.batch_size or tokens + size > self._request_tokens):
                yield batch
                batch, tokens = [], 0
            batch.append(text)
            tokens += size
        if batch:
            yield batch

    def _fitting(self, text: str) -> str:
        if not text.strip():
            return "."  # an empty input is refused by most services
        if estimate(text) <= self.window:
            return text
        _log.warning(
            "A text of about %d tokens was cut to the %d that %s takes.", estimate(text), self.window, self._place.name
        )
        return beginning(text, self.window)

    def _request(self, texts: list[str]) -> list[list[float]]:
        extra: dict[str, Any] = {"dimensions": self.dimensions} if self.dimensions else {}
        with translated(self._place):
            # Named, because the SDK asks for base64 otherwise, which not every server speaks.
            reply = self._client.embeddings.create(model=self.model, input=texts, encoding_format="float", **extra)
            rows = sorted(reply.data or [], key=lambda row: row.index)
            vectors = [_unit(row.embedding) for row in rows]
        if len(vectors) != len(texts) or len({len(vector) for vector in vectors}) != 1:
            told = tr(
                "{name} at {url} gave {count} vectors for {count2} texts. Check that the model is an embedding model.",
                name=self._place.name,
                url=self._place.url,
                count=len(vectors),
                count2=len(texts),
            )
            raise ModelError(told, model=self._place.name)
        return vectors


def _unit(vector: list[float]) -> list[float]:
    length = math.sqrt(sum(x * x for x in vector))
    return [x / length for x in vector] if length else vector
