"""The one place where the knowledge base reaches out of the core, and late: names become embedders and sources.

`retrieval` takes `Embeddings` and `Source` objects. A user who writes a name or a path gets Nacre's own connectors.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, cast

from nacre.errors import UsageError
from nacre.ingest.source import Source
from nacre.text.language import tr

if TYPE_CHECKING:
    from langchain_core.embeddings import Embeddings


def embedder_named(name: str | None) -> Embeddings:
    """The embedder of that name.

    Args:
        name: as in `nacre.connectors.embeddings.load_embedder`; None is the embedded default.
    """
    from nacre.connectors.embeddings import load_encoder

    return cast("Embeddings", load_encoder(name))  # like one, and without the time that loading LangChain takes


def sources_of(sources: Sequence[str | Path | Source]) -> list[Source]:
    """Sources as objects."""
    if not sources:
        raise UsageError(tr("sync needs at least one source: a folder, a file or a URL."))
    return [source if isinstance(source, Source) else _resolved(source) for source in sources]


def _resolved(source: str | Path) -> Source:
    from nacre.connectors.sources import resolve

    return resolve(source)
