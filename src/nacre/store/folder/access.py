"""Who may write a folder: whoever the system lets, one at a time.

The kernel keeps the lock: it goes with the process that held it, however that ended. A folder may also be one that can
only be read, on a read-only file system or of somebody else's: see `database` and `keyword_index` for what that takes.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from nacre.errors import KnowledgeBaseError, LockedError
from nacre.text.language import os_reason, tr

_PARTS = (".", "catalog.sqlite", "words", "vectors")
_EFFECTIVE = os.access in os.supports_effective_ids


def writable(folder: Path) -> bool:
    """Whether this process may change a knowledge base."""
    parts = [folder / name for name in _PARTS]
    return all(os.access(part, os.W_OK, effective_ids=_EFFECTIVE) for part in parts if part.exists())


def not_writable(folder: Path) -> KnowledgeBaseError:
    """For a change of a knowledge base that may only be read."""
    return KnowledgeBaseError(
        tr(
            "{folder} can only be read here: its file system or its permissions forbid writing. "
            "Searching and asking work; to change it, check the permissions or the mount.",
            folder=folder,
        ),
        path=str(folder),
    )


@contextmanager
def write_lock(folder: Path) -> Iterator[None]:
    """Hold the folder's write lock."""
    if not writable(folder):
        raise not_writable(folder)
    path = folder / "lock"
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise KnowledgeBaseError(
            tr("{folder} cannot be written ({reason}). Check its permissions.", folder=folder, reason=os_reason(error)),
            path=str(folder),
        ) from error
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(descriptor, 20, 0).decode("ascii", "replace").strip() or "?"
            raise LockedError(
                tr(
                    "{folder} is being written by process {holder}. Searching works meanwhile; wait for it "
                    "to end, then try again.",
                    folder=folder,
                    holder=holder,
                ),
                path=str(folder),
            ) from None
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, str(os.getpid()).encode(), 0)
        yield
    finally:
        os.close(descriptor)
