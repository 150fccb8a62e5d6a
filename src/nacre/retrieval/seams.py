"""The one place where the knowledge base reaches out of the core, and late: names become embedders and sources.

`retrieval` takes `Embeddings` and `Source` objects. A user who writes a name or a path gets Nacre's own connectors.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, cast

from nacre.retrieval.source import Source

if TYPE_CHECKING:
    from langchain_core.embeddings import Embeddings


def embedder_named(name: str | None) -> Embeddings:
    """The embedder of that name.

    Args:
        name: as in `nacre.connectors.embeddings.load_embedder`; None is the embedded default.

    Returns:
        An embedder.
    """
    from nacre.connectors.embeddings import load_encoder

    return cast("Embeddings", load_encoder(name))  # like one, and without the time that loading LangChain takes


def source_of(source: str | Path | Source) -> Source:
    """A source as an object.

    Args:
        source: a path or URL, or already a source.

    Returns:
        The source.
    """
    if isinstance(source, Source):
        return source
    from nacre.connectors.sources import resolve

    return resolve(source)
