"""Making, checking and mending the folder of a knowledge base, before there is one to use."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from nacre.errors import DamagedError, KnowledgeBaseError, UsageError
from nacre.store.embedders import embedder_named
from nacre.store.encoder import Encoder
from nacre.store.folder import manifest as manifests
from nacre.store.folder.catalog import Catalog
from nacre.store.folder.database import NAME as CATALOG
from nacre.store.folder.lock import writing
from nacre.store.folder.manifest import Manifest
from nacre.system.files import private_folder
from nacre.text.language import os_reason, tr
from nacre.validation import expect

if TYPE_CHECKING:
    from langchain_core.embeddings import Embeddings


def folder_of(path: str | Path) -> Path:
    """The folder that a path names."""
    expect(path, "path", str, os.PathLike)
    if not str(path):
        raise UsageError(tr("The folder of the knowledge base is empty. Name one."))
    return Path(path)


def made(folder: Path, encoder: Encoder | None) -> tuple[Catalog, Manifest]:
    """Make a new, empty folder.

    Args:
        folder: where; a folder that a crash left half made is finished.
    """
    try:
        private_folder(folder)
    except OSError as error:
        raise KnowledgeBaseError(
            tr("{folder} cannot be made ({reason}). Name another folder.", folder=folder, reason=os_reason(error)),
            path=str(folder),
        ) from error
    manifest = Manifest(encoder.identity if encoder else None)
    with writing(folder):
        catalog = Catalog(folder, create=True)
        if catalog.count("documents"):
            catalog.close()
            raise lost(folder, manifests.NAME)
        catalog.set_meta("manifest", manifest.to_json())
        manifests.write(folder, manifest)
    return catalog, manifest


def restore_manifest(folder: Path) -> None:
    """Write the manifest anew from the catalog's copy, when it is lost or cannot be read."""
    if not (folder / CATALOG).exists():
        raise lost(folder, CATALOG)
    try:
        if manifests.read(folder) is not None:
            return
    except DamagedError:
        pass  # that is what we are here for
    catalog = Catalog(folder)
    kept = catalog.meta("manifest")
    catalog.close()
    if kept is None:
        raise lost(folder, manifests.NAME)
    manifests.write(folder, manifests.parse(kept, folder / CATALOG))


def encoder_of(embedder: str | Embeddings | None) -> Encoder | None:
    """An embedder as the knowledge base uses it."""
    if embedder is None or isinstance(embedder, str):
        return None if embedder == "none" else Encoder(embedder_named(embedder))
    if not callable(getattr(embedder, "embed_query", None)):
        from langchain_core.embeddings import Embeddings

        expect(embedder, "embedder", str, Embeddings)
    return Encoder(embedder)


def lost(folder: Path, name: str) -> DamagedError:
    """For a folder that lacks one of its files."""
    return DamagedError(
        tr(
            "{folder} has no {name}, though it is a knowledge base. Restore it from a backup, or try "
            "nacre.KnowledgeBase.repair({folder2!r}).",
            folder=folder,
            name=name,
            folder2=str(folder),
        ),
        path=str(folder),
    )
