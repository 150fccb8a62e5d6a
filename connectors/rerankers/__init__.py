"""Rerankers by name: `load_reranker("BAAI/bge-reranker-base")`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nacre.connectors.rerankers.cross_encoder import CrossEncoderReranker

__all__ = ["load_reranker"]


def load_reranker(name: str, **kwargs: Any) -> CrossEncoderReranker:
    """Load a cross-encoder that ranks passages by reading each one together with the question.

    Args:
        name: a folder or a hub repository of a BERT, RoBERTa or XLM-R model with a head of one score.
        **kwargs: fields of `CrossEncoderReranker`: `top_n`, `budget_s` (seconds), `max_tokens`, `precision`.

    Returns:
        A reranker that is also a LangChain document compressor.

    Raises:
        ModelUnavailableError: the model is not here and cannot be downloaded.
        ModelError: it is no cross-encoder of these families.
    """
    from nacre.connectors.rerankers.cross_encoder import CrossEncoderReranker

    return CrossEncoderReranker(model=name, **kwargs)
