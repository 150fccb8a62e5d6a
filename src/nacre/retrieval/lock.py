"""One writer at a time, kept by the kernel: the lock goes with the process that held it, however that ended."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from nacre.errors import KnowledgeBaseError, LockedError
from nacre.language import os_reason, tr
from nacre.retrieval.access import not_writable, writable


@contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Hold the folder's write lock.

    Args:
        folder: the knowledge base.

    Returns:
        A context; the lock is given back at its end.

    Raises:
        LockedError: another process, or another `KnowledgeBase` in this one, is writing.
        KnowledgeBaseError: the folder cannot be written to.
    """
    if not writable(folder):
        raise not_writable(folder)
    path = folder / "lock"
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise KnowledgeBaseError(
            tr(
                f"{folder} cannot be written ({os_reason(error)}). Check its permissions.",
                f"{folder} 无法写入（{os_reason(error)}）。请检查权限。",
            ),
            path=str(folder),
        ) from error
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(descriptor, 20, 0).decode("ascii", "replace").strip() or "?"
            raise LockedError(
                tr(
                    f"{folder} is being written by process {holder}. Searching works meanwhile; wait for it to end, then try again.",
                    f"{folder} 正在被进程 {holder} 写入。此时仍可搜索；请等它结束后重试。",
                ),
                path=str(folder),
            ) from None
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, str(os.getpid()).encode(), 0)
        yield
    finally:
        os.close(descriptor)
