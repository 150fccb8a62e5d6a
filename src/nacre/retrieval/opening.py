"""Making, checking and mending the folder of a knowledge base, before there is one to use."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from nacre.errors import DamagedError, KnowledgeBaseError, UsageError
from nacre.expect import expect
from nacre.files import private_folder
from nacre.language import os_reason, tr
from nacre.retrieval import manifest as manifests
from nacre.retrieval.catalog import Catalog
from nacre.retrieval.database import NAME as CATALOG
from nacre.retrieval.encoder import Encoder
from nacre.retrieval.lock import writing
from nacre.retrieval.manifest import Manifest
from nacre.retrieval.seams import embedder_named

if TYPE_CHECKING:
    from langchain_core.embeddings import Embeddings


def folder_of(path: str | Path) -> Path:
    """The folder that a path names.

    Args:
        path: as given by the user.

    Returns:
        The path.

    Raises:
        UsageError: it is no path, or empty, as an unset variable is; `Path("")` would be the working directory.
    """
    expect(path, "path", str, os.PathLike)
    if not str(path):
        raise UsageError(tr("The folder of the knowledge base is empty. Name one.", "知识库文件夹为空。请给出文件夹。"))
    return Path(path)


def made(folder: Path, encoder: Encoder | None) -> tuple[Catalog, Manifest]:
    """Make a new, empty folder.

    Args:
        folder: where; a folder that a crash left half made is finished.
        encoder: the embedder, or None for words only.

    Returns:
        Its catalog and its manifest.

    Raises:
        DamagedError: there are documents in it, but no manifest.
        KnowledgeBaseError: it cannot be made.
    """
    try:
        private_folder(folder)
    except OSError as error:
        raise KnowledgeBaseError(
            tr(
                f"{folder} cannot be made ({os_reason(error)}). Name another folder.",
                f"无法创建 {folder}（{os_reason(error)}）。请换一个文件夹。",
            ),
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
    """Write the manifest anew from the catalog's copy, when it is lost or cannot be read.

    Args:
        folder: the knowledge base.

    Raises:
        DamagedError: the catalog is lost or damaged as well.
    """
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
    """An embedder as the knowledge base uses it.

    Args:
        embedder: a name, an object, "none", or None for the embedded default.

    Returns:
        The encoder, or None for "none".

    Raises:
        UsageError: it is neither a name nor an embedder.
    """
    if embedder is None or isinstance(embedder, str):
        return None if embedder == "none" else Encoder(embedder_named(embedder))
    if not callable(getattr(embedder, "embed_query", None)):
        from langchain_core.embeddings import Embeddings

        expect(embedder, "embedder", str, Embeddings)
    return Encoder(embedder)


def lost(folder: Path, name: str) -> DamagedError:
    """For a folder that lacks one of its files.

    Args:
        folder: the knowledge base.
        name: the file.

    Returns:
        The error to raise.
    """
    return DamagedError(
        tr(
            f"{folder} has no {name}, though it is a knowledge base. Restore it from a backup, or try nacre.KnowledgeBase.repair({str(folder)!r}).",
            f"{folder} 是知识库，却缺少 {name}。请从备份恢复，或尝试 nacre.KnowledgeBase.repair({str(folder)!r})。",
        ),
        path=str(folder),
    )
