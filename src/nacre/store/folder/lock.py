"""One writer at a time, kept by the kernel: the lock goes with the process that held it, however that ended."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from nacre.errors import KnowledgeBaseError, LockedError
from nacre.store.folder.read_only import not_writable, writable
from nacre.text.language import os_reason, tr


@contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Hold the folder's write lock.

    Returns:
        A context; the lock is given back at its end.
    """
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
