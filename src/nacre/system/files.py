"""Folders and files that hold what people wrote or asked: made for their user alone, and written wholly or not at all.

What is there already keeps its mode: who opens a folder to a group has decided so, and what is made in it later
follows.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import stat
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from nacre.errors import UsageError
from nacre.text.language import os_reason, tr

_FOLDER, _FILE = 0o700, 0o600
_OTHERS = 0o077


def private_folder(path: Path) -> None:
    """Make a folder, and those above it that are missing, for this user alone; one that is there is left as it is."""
    try:
        path.mkdir(_FOLDER, exist_ok=True)
    except FileNotFoundError:
        if path.parent == path:
            raise
        private_folder(path.parent)
        path.mkdir(_FOLDER, exist_ok=True)


def sure_place(folder: Path) -> None:
    """Refuse a folder that cannot be made or written, by trying: the modes of /proc or of a full disk do not say it."""
    stands = next(place for place in (folder, *folder.absolute().parents) if os.path.lexists(place))
    if not stands.is_dir():
        raise UsageError(tr("{file} is no folder. Take another place.", file=stands))
    try:
        with tempfile.TemporaryDirectory(dir=stands, prefix=".nacre-"):
            pass
    except OSError as error:
        told = tr(
            "Nothing can be written in {folder} ({reason}). Take another place.", folder=stands, reason=os_reason(error)
        )
        raise UsageError(told) from error


def private_file(path: Path | str) -> None:
    """Make an empty file for this user alone, where there is none: SQLite gives the files beside it the same mode."""
    os.close(os.open(path, os.O_CREAT | os.O_RDWR | getattr(os, "O_CLOEXEC", 0), _FILE))


def private_opener(path: str, flags: int) -> int:
    """For `open(path, "w", opener=private_opener)`."""
    return os.open(path, flags, _FILE)


def atomic_write(path: Path, content: str | bytes) -> None:
    """Write a whole file so that readers and crashes see the old or the new one; the new one is as open as the old."""
    data = content.encode("utf-8") if isinstance(content, str) else content
    part = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    try:
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _FILE), "wb") as file:
            with contextlib.suppress(OSError):
                part.chmod(stat.S_IMODE(path.stat().st_mode))
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    sync_to_disk(path.parent)


def sync_to_disk(path: Path) -> None:
    """Make what a file holds durable, or the renames in a folder."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def as_open_as_its_folder(folder: Path) -> None:
    """Give the files in a folder, which a library made as it liked, the folder's own mode."""
    mode = stat.S_IMODE(folder.stat().st_mode) & 0o666
    for entry in os.scandir(folder):
        # Gone meanwhile, or made by another user who let us write here.
        with contextlib.suppress(OSError):
            if entry.is_file(follow_symlinks=False) and stat.S_IMODE(entry.stat().st_mode) != mode:
                Path(entry.path).chmod(mode)


def wide(folder: Path) -> Iterator[tuple[Path, str]]:
    """Folders and files that others of this machine may enter, read or write, with their modes; none on Windows."""
    if os.name == "nt":
        return
    for place, folders, files in os.walk(folder):
        for path in (Path(place), *(Path(place, name) for name in files)):
            with contextlib.suppress(OSError):
                mode = path.lstat().st_mode
                if mode & _OTHERS and not stat.S_ISLNK(mode):
                    yield path, f"{stat.S_IMODE(mode):04o}"
        folders.sort()


def wide_report(folder: Path) -> dict[str, Any]:
    """What `wide` found, for a person and a program: how much, the first few, and the command that closes it."""
    found = list(wide(folder))
    cure = f"chmod -R go-rwx {shlex.quote(str(folder))}" if found else ""
    first = [f"{mode} {path}" for path, mode in found[:5]]
    return {"private": not found, "open": len(found), "first": first, "cure": cure}
