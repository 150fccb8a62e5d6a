"""Open a knowledge base that must be there already: a misspelt folder is said, not made."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from nacre.errors import UsageError
from nacre.text.language import tr

if TYPE_CHECKING:
    from nacre.retrieval.knowledge_base import KnowledgeBase


def open_existing(folder: str | Path, embedder: str | None = None) -> KnowledgeBase:
    """Open a knowledge base to read it."""
    from nacre.retrieval.knowledge_base import KnowledgeBase

    return KnowledgeBase.open(there(folder), embedder=embedder)


def repair_existing(folder: str | Path) -> KnowledgeBase:
    """Repair a knowledge base, as `KnowledgeBase.repair` does."""
    from nacre.retrieval.knowledge_base import KnowledgeBase

    return KnowledgeBase.repair(there(folder))


def there(folder: str | Path) -> Path:
    """The folder of a knowledge base."""
    if not (Path(folder) / "manifest.json").exists() and not (Path(folder) / "catalog.sqlite").exists():
        raise UsageError(
            tr("There is no knowledge base in {folder}. Make one: nacre sync FOLDER --kb {folder}", folder=folder)
        )
    return Path(folder)
