"""Where a sync asks the connectors, late: a path or an address becomes a source."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from nacre.errors import UsageError
from nacre.ingest.source import Source
from nacre.text.language import tr


def sources_of(sources: Sequence[str | Path | Source]) -> list[Source]:
    """Sources as objects."""
    if not sources:
        raise UsageError(tr("sync needs at least one source: a folder, a file or a URL."))
    return [source if isinstance(source, Source) else _resolved(source) for source in sources]


def _resolved(source: str | Path) -> Source:
    from nacre.connectors.sources import resolve

    return resolve(source)
