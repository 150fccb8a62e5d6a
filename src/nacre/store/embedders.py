"""Where a store asks the connectors, late: the name of an embedder becomes one."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from langchain_core.embeddings import Embeddings


def embedder_named(name: str | None) -> Embeddings:
    """The embedder of that name; None is the embedded default."""
    from nacre.connectors.embeddings import load_encoder

    return cast("Embeddings", load_encoder(name))  # like one, and without the time that loading LangChain takes
