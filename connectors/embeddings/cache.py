"""The cache of exported encoders: each thing in it is written whole or not at all, and can be made again."""

from __future__ import annotations

import functools
import hashlib
import json
import logging
import os
import shutil
import stat
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from nacre.errors import ModelError
from nacre.system.files import atomic_write, private_folder
from nacre.text.language import os_reason, tr

Thing = TypeVar("Thing")

_log = logging.getLogger(__name__)
_STALE_S = 3600.0


def cache_root() -> Path:
    """`$NACRE_CACHE`, else `$XDG_CACHE_HOME/nacre`, else `~/.cache/nacre`."""
    if own := os.environ.get("NACRE_CACHE"):
        return Path(own)
    shared = os.environ.get("XDG_CACHE_HOME")
    return (Path(shared) if shared else Path.home() / ".cache") / "nacre"


def file_hash(path: Path) -> str:
    """The SHA-256 of a file, remembered by its path, size and time so that a later start need not read it again."""
    status = path.stat()
    stamp = json.dumps([str(path.resolve()), status.st_size, status.st_mtime_ns])
    name = hashlib.sha256(stamp.encode()).hexdigest()[:32]
    # Opened out here, so that weights that cannot be read are not taken for a cache that cannot be written.
    with path.open("rb") as file:
        return opened(
            f"hashes/{name}", lambda note: atomic_write(note, hashlib.file_digest(file, "sha256").hexdigest()), _hash
        )


def _hash(note: Path) -> str:
    found = note.read_text(encoding="ascii")
    if len(found) != hashlib.sha256().digest_size * 2:
        raise ValueError(f"{note}: no SHA-256")
    return found


def opened(name: str, write: Callable[[Path], None], read: Callable[[Path], Thing]) -> Thing:
    """What `read` makes of a thing in the cache, as `kept` keeps it. What cannot be read, after a full disk or a power
    cut for one, is made once more.
    """
    place = kept(name, write)
    try:
        return read(place)
    except (ImportError, MemoryError):  # what is kept is whole
        raise
    except Exception as error:  # each library that reads has its own
        _log.warning(
            tr(
                "{place} in the cache cannot be read and is made anew ({error}).",
                place=place,
                error=f"{type(error).__name__}: {str(error)[:200]}",
            )
        )
    try:
        shutil.rmtree(place) if place.is_dir() else place.unlink(missing_ok=True)
    except OSError as error:
        told = tr(
            "{place} cannot be read, nor removed ({error}). Set NACRE_CACHE to another folder.",
            place=place,
            error=os_reason(error),
        )
        raise ModelError(told, model=str(place)) from error
    return read(kept(name, write))


def kept(name: str, write: Callable[[Path], None]) -> Path:
    """A file or folder of the cache, made by `write` on first use; several processes may want it at once. Where the
    cache cannot be written, a private folder in the temporary one takes its place.
    """
    root = cache_root()
    if (root / name).exists():
        return root / name
    try:
        return _written(root / name, write)
    except OSError as error:
        reason = os_reason(error)
    try:
        place = _temporary_root(root, reason) / name
        return place if place.exists() else _written(place, write)
    except OSError as error:
        told = tr(
            "The cache folder {folder} cannot be written ({error}). Set NACRE_CACHE to a folder with "
            "room that you may write.",
            folder=root,
            error=reason,
        )
        raise ModelError(told, model=str(root)) from error


@functools.cache
def _temporary_root(instead_of: Path, reason: str) -> Path:
    root = Path(tempfile.gettempdir()) / f"nacre-{os.getuid() if hasattr(os, 'getuid') else 'cache'}"
    root.mkdir(mode=0o700, exist_ok=True)
    status = root.lstat()
    if hasattr(os, "getuid") and (
        status.st_uid != os.getuid() or stat.S_IMODE(status.st_mode) & 0o077 or not stat.S_ISDIR(status.st_mode)
    ):
        raise PermissionError(f"{root} is not a folder of this user alone")  # what others put there would be run
    _log.warning(
        tr(
            "The cache folder {folder} cannot be written ({error}); {root} is used. Set NACRE_CACHE to choose another.",
            folder=instead_of,
            error=reason,
            root=root,
        )
    )
    return root


def _written(place: Path, write: Callable[[Path], None]) -> Path:
    private_folder(place.parent)
    for old in place.parent.glob(".draft-*"):  # of a process that was killed
        if time.time() - old.stat().st_mtime > _STALE_S:
            shutil.rmtree(old, ignore_errors=True)
    with tempfile.TemporaryDirectory(dir=place.parent, prefix=".draft-", ignore_cleanup_errors=True) as folder:
        draft = Path(folder) / place.name
        write(draft)
        try:
            draft.rename(place)
        except OSError:
            if not place.exists():  # else another process was faster
                raise
    return place
