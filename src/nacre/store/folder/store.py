"""A knowledge base in a folder: made, opened, written by one, copied and mended."""

from __future__ import annotations

import errno
import logging
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nacre.errors import DamagedError, KnowledgeBaseError, LockedError
from nacre.store.embedders import given_encoder, load_encoder
from nacre.store.encoder import Encoder
from nacre.store.folder.access import not_writable, writable, write_lock
from nacre.store.folder.catalog import Catalog
from nacre.store.folder.database import NAME as CATALOG
from nacre.store.folder.indexes import FolderView, Indexes
from nacre.store.folder.manifest import NAME as MANIFEST
from nacre.store.folder.manifest import Manifest, parse_manifest, read_manifest, write_manifest
from nacre.store.folder.write_session import FolderSession
from nacre.store.protocol import Store
from nacre.store.settings import SettingsFile, save_settings
from nacre.system.files import private_folder
from nacre.text.language import os_reason, tr

_log = logging.getLogger(__name__)
if TYPE_CHECKING:
    from langchain_core.embeddings import Embeddings


class FolderStore(Store):
    """The folder of a knowledge base: see `nacre.store.protocol.Store`. What a crash left behind is healed at once."""

    def __init__(self, folder: Path, catalog: Catalog, manifest: Manifest) -> None:
        self.folder = folder
        self.place = str(folder)
        self.catalog = catalog
        self._manifest = (catalog.turn, manifest)
        self.indexes = Indexes(folder, catalog, manifest.embedder["dim"] if manifest.embedder else None)
        self._settings = SettingsFile(folder)
        if self.indexes.behind and not self.indexes.read_only:
            try:
                with write_lock(folder):
                    self.indexes.catch_up()
            except LockedError:
                pass  # another process is at it
            except KnowledgeBaseError as error:
                if not _is_full(folder, error):
                    raise
                _log.warning("%s", error)  # what there is can still be searched
        self.indexes.refresh()

    @property
    def turn(self) -> int:  # type: ignore[override]  # another process may have changed it
        return self.catalog.turn

    @property
    def manifest(self) -> Manifest:
        """As it is now."""
        if self._manifest[0] != (turn := self.catalog.turn):
            self._manifest = (turn, _told_by(self.catalog, self._manifest[1]))
        return self._manifest[1]

    @property
    def embedder(self) -> dict[str, Any] | None:  # type: ignore[override]
        """Identity of the embedder whose vectors are searched now."""
        return self.manifest.embedder

    def view(self) -> AbstractContextManager[FolderView]:
        return self.indexes.view()

    @contextmanager
    def writing(self, scopes: Sequence[str] = ()) -> Iterator[FolderSession]:
        with write_lock(self.folder):
            self.indexes.catch_up()
            yield FolderSession(self.catalog, self.indexes)

    def check_writable(self) -> None:
        if not writable(self.folder):
            raise not_writable(self.folder)

    def settings(self) -> Mapping[str, Any]:
        return self._settings.now()

    def save_settings(self, settings: Mapping[str, Any]) -> None:
        save_settings(self.folder, settings)

    def identity(self) -> dict[str, Any]:
        """The folder, and the generations of its truth and of what is searched."""
        return {"place": str(self.folder.resolve()), "generation": self.indexes.stand()}

    def size(self) -> int:
        return sum(file.stat().st_size for file in self.folder.rglob("*") if file.is_file())

    def verify(self) -> list[str]:
        from nacre.store.folder.verify import find_problems

        return find_problems(self.catalog, self.indexes)

    def rebuild(self) -> None:
        with write_lock(self.folder):
            self.indexes.rebuild()

    def close(self) -> None:
        self.indexes.close()
        self.catalog.close()


def _is_full(folder: Path, error: KnowledgeBaseError) -> bool:
    """Whether it was for want of room."""
    return getattr(error.__cause__, "errno", 0) == errno.ENOSPC or shutil.disk_usage(folder).free < 1 << 24


def open_folder(folder: Path, embedder: str | Embeddings | None) -> tuple[FolderStore, Encoder | None]:
    """Open a folder, made when missing, and the embedder that was given for it."""
    manifest = read_manifest(folder)
    if manifest is None:
        encoder = load_encoder(embedder)
        return _make(folder, encoder), encoder
    if not (folder / CATALOG).exists():
        given_encoder(embedder, manifest.embedder, str(folder))
        raise _missing_file(folder, CATALOG)
    catalog = Catalog(folder)
    told = _told_by(catalog, manifest)
    try:
        encoder = given_encoder(embedder, told.embedder, str(folder))
    except BaseException:
        catalog.close()
        raise
    if told.embedder != manifest.embedder and writable(folder):  # a change of embedder was interrupted at its last step
        write_manifest(folder, told)
    return FolderStore(folder, catalog, told), encoder


def _told_by(catalog: Catalog, manifest: Manifest) -> Manifest:
    """The manifest by the catalog, which holds as long as the embedder was ever changed; else the one of the file."""
    kept = catalog.meta("manifest")
    return parse_manifest(kept, Path(catalog.db.path)) if kept and catalog.turn else manifest


def _make(folder: Path, encoder: Encoder | None) -> FolderStore:
    """Make a new, empty folder; one that a crash left half made is finished."""
    try:
        private_folder(folder)
    except OSError as error:
        raise KnowledgeBaseError(
            tr("{folder} cannot be made ({reason}). Name another folder.", folder=folder, reason=os_reason(error)),
            path=str(folder),
        ) from error
    manifest = Manifest(encoder.identity if encoder else None)
    with write_lock(folder):
        catalog = Catalog(folder, create=True)
        if catalog.counts()["documents"]:
            catalog.close()
            raise _missing_file(folder, MANIFEST)
        catalog.remember("manifest", manifest.to_json())
        write_manifest(folder, manifest)
    return FolderStore(folder, catalog, manifest)


def restore_manifest(folder: Path) -> None:
    """Write the manifest anew from the catalog's copy, when it is lost or cannot be read."""
    if not (folder / CATALOG).exists():
        raise _missing_file(folder, CATALOG)
    with suppress(DamagedError):  # that is what we are here for
        if read_manifest(folder) is not None:
            return
    catalog = Catalog(folder)
    kept = catalog.meta("manifest")
    catalog.close()
    if kept is None:
        raise _missing_file(folder, MANIFEST)
    write_manifest(folder, parse_manifest(kept, folder / CATALOG))


def _missing_file(folder: Path, name: str) -> DamagedError:
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
