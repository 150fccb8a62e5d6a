"""A copy of a knowledge base, to try settings on without touching the one that people ask."""

from __future__ import annotations

from pathlib import Path

from nacre.retrieval.knowledge_base import KnowledgeBase
from nacre.store.folder import manifest as manifests
from nacre.store.folder.database import NAME as CATALOG
from nacre.store.settings import save_settings
from nacre.system.files import private_file, private_folder


def copied(base: KnowledgeBase, folder: Path) -> KnowledgeBase:
    """Copy a knowledge base as it is at this moment, with its vectors; it may be written to meanwhile.

    Args:
        base: the knowledge base; nothing in its folder is changed.

    Returns:
        The copy, opened with the same embedder; its indexes are built from its catalog.
    """
    private_folder(folder)
    private_file(folder / CATALOG)  # SQLite fills an empty one
    base._catalog.db.execute("VACUUM INTO ?", (str(folder / CATALOG),))
    manifests.write(folder, base.manifest)
    save_settings(folder, base.settings)
    return KnowledgeBase.open(folder, base.encoder.embeddings if base.encoder else "none")
