"""A knowledge base that may only be read: on a read-only file system, or in a folder of somebody else's.

SQLite and tantivy both want to write where they read: the one its shared memory, the other its locks. SQLite is told that
the file does not change (see `database`); tantivy is given a folder of its own that links to the index's files, which it
never changes once written, and that may be brought up to date like any other.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from pathlib import Path

from nacre.errors import KnowledgeBaseError
from nacre.text.language import tr

_LIST = "meta.json"  # tantivy's list of the files that make up the index
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


def shadow(words: Path) -> Path:
    """A folder that may be written and holds links to a word index that may not.

    Returns:
        A new temporary folder; who asked for it removes it.
    """
    try:
        place = Path(tempfile.mkdtemp(prefix="nacre-words-"))
    except OSError as error:
        raise KnowledgeBaseError(
            tr(
                "{parent} can only be read, so a temporary folder is needed, and none can be made "
                "({error}). Set TMPDIR to one.",
                parent=words.parent,
                error=error,
            ),
            path=str(words.parent),
        ) from error
    with contextlib.suppress(OSError):  # what another user keeps to himself is built anew from the catalog
        shutil.copyfile(words / _LIST, place / _LIST)  # first: what it names is there now, and a writer may replace it
        for file in words.iterdir():
            if file.name != _LIST and not file.name.endswith(".lock"):
                (place / file.name).symlink_to(file.absolute())
    return place
