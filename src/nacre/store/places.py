"""From the name of a place to the store that is there: a path is a folder."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from nacre.errors import UsageError
from nacre.store.folder.manifest import is_made, read_manifest
from nacre.text.language import tr
from nacre.validation import expect

if TYPE_CHECKING:
    from langchain_core.embeddings import Embeddings

    from nacre.store.encoder import Encoder
    from nacre.store.protocol import Store


def open_store(place: str | Path, embedder: str | Embeddings | None, create: bool) -> tuple[Store, Encoder | None]:
    """Open a place, made when it is missing and may be, and the embedder that was given for it."""
    from nacre.store.folder.store import open_folder

    if not create:
        check_exists(place)
    return open_folder(_folder(place), embedder)


def mend_store(place: str | Path) -> None:
    """Make a place fit to be opened again, where what says how it was made is lost."""
    from nacre.store.folder.store import restore_manifest

    check_exists(place)
    restore_manifest(_folder(place))


def check_exists(place: str | Path) -> None:
    """Refuse a place without a knowledge base: a misspelt one is said, not made."""
    folder = _folder(place)
    if not is_made(folder):
        raise UsageError(
            tr("There is no knowledge base in {folder}. Make one: nacre sync FOLDER --kb {folder}", folder=folder)
        )


def embedder_of(place: str | Path) -> str:
    """The name of the embedder that a place was made with, without opening it; empty for none."""
    manifest = read_manifest(_folder(place))
    return str(manifest.embedder["id"]) if manifest and manifest.embedder else ""


def _folder(place: str | Path) -> Path:
    expect(place, "path", str, os.PathLike)
    if not str(place):
        raise UsageError(tr("The folder of the knowledge base is empty. Name one."))
    return Path(place)
