"""The local sentence encoder as LangChain `Embeddings`."""

from __future__ import annotations

from langchain_core.embeddings import Embeddings

from nacre.connectors.embeddings.local_encoder import LocalEncoder


class OnnxEmbeddings(LocalEncoder, Embeddings):
    """Embeddings by a BERT-family sentence encoder; arguments and methods are those of `LocalEncoder`."""
