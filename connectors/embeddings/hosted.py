"""What the embedding services allow in one request. Facts only.

Sources, read on 2026-11-23: OpenAI, API reference of embeddings; Alibaba Cloud Model Studio, text-embedding
synchronous API. Zhipu's and Qianfan's rows are from their own API pages as known to the authors, on the low side
where pages differ.
"""

from __future__ import annotations

import re
from typing import NamedTuple


class Limits(NamedTuple):
    """What one request may hold.

    Args:
        tokens: the most tokens a text.
        request_tokens: the most tokens a request.
        dimension: length of the model's vectors; None: asked of the service once.
    """

    texts: int = 64
    tokens: int = 512
    request_tokens: int = 100_000
    dimension: int | None = None


# (provider, pattern on the model's name, limits); the first that matches.
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
