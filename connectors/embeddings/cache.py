"""The cache folder of exported encoders: keyed by the weights' hash, written whole or not at all."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nacre.errors import ModelError
from nacre.system.files import atomic_write
from nacre.text.language import tr

if TYPE_CHECKING:
    from collections.abc import Iterator

_STALE_S = 3600.0


def cache_root() -> Path:
    """The folder for what can be made again."""
    if own := os.environ.get("NACRE_CACHE"):
        return Path(own)
    shared = os.environ.get("XDG_CACHE_HOME")
    return (Path(shared) if shared else Path.home() / ".cache") / "nacre"


def file_hash(path: Path) -> str:
    """The SHA-256 of a file, remembered by its path, size and time so that a later start need not read it again.

    Returns:
        64 hexadecimal digits.
    """
    status = path.stat()
    stamp = json.dumps([str(path.resolve()), status.st_size, status.st_mtime_ns])
    note = cache_root() / "hashes" / hashlib.sha256(stamp.encode()).hexdigest()[:32]
    try:
        return note.read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError):
        pass
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    write_whole(note, digest)
    return digest


def read_json(path: Path) -> dict[str, Any] | None:
    """Read a small JSON object of ours."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return value if isinstance(value, dict) else None


def write_whole(path: Path, text: str) -> None:
    """Write a small file so that a reader sees all of it or none."""
    with _writing(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
        atomic_write(path, text)


def write_first(path: Path, text: str) -> None:
    """Write a small file unless it is there already: where two processes decide at once, the first one's word holds."""
    with _writing(path.parent), tempfile.NamedTemporaryFile("w", dir=path.parent, encoding="utf-8") as file:
        file.write(text)
        file.flush()
        with suppress(OSError):  # there already, or a disk without hard links
            os.link(file.name, path)
    if not path.is_file():
        write_whole(path, text)


@contextmanager
def draft_folder(parent: Path) -> Iterator[Path]:
    """A folder to work in, on the disk of the cache, gone afterwards."""
    with _writing(parent):
        parent.mkdir(parents=True, exist_ok=True)
        for old in parent.glob(".draft-*"):  # of a process that was killed
            if time.time() - old.stat().st_mtime > _STALE_S:
                shutil.rmtree(old, ignore_errors=True)
        draft = Path(tempfile.mkdtemp(dir=parent, prefix=".draft-"))
        try:
            yield draft
        finally:
            shutil.rmtree(draft, ignore_errors=True)


def adopt(draft: Path, place: Path) -> None:
    """Move a finished folder to its place; where another process was faster, its folder stays and ours is dropped."""
    try:
        draft.rename(place)
    except OSError:
        if not place.is_dir():
            raise


@contextmanager
def _writing(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ModelError(
            tr(
                "The cache folder {folder} cannot be written ({error}). Set NACRE_CACHE to a folder with "
                "room that you may write.",
                folder=folder,
                error=error,
            ),
            model=str(folder),
        ) from error
