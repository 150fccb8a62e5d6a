"""`manifest.json`: what made a knowledge base, checked before anything else is read."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from nacre.errors import DamagedError, FormatError
from nacre.store.bm25 import RULES
from nacre.store.folder.database import NAME as CATALOG
from nacre.system.files import atomic_write
from nacre.text.language import tr

FORMAT = 1
NAME = "manifest.json"


@dataclass(frozen=True)
class Manifest:
    """The settings that a folder was built with.

    Args:
        embedder: identity of the embedder (id, dim, prefixes, normalised, max_tokens), or None for words only.
    """

    embedder: dict[str, Any] | None
    format: int = FORMAT
    tokeniser: str = f"nacre.text.words/{RULES}"
    chunker: str = "structure/1"

    def to_json(self) -> str:
        """The manifest as it stands in the file."""
        return json.dumps(asdict(self), ensure_ascii=False, indent=2) + "\n"


def is_made(folder: Path) -> bool:
    """Whether there is a knowledge base in a folder, or what is left of one."""
    return (folder / NAME).exists() or (folder / CATALOG).exists()


def read_manifest(folder: Path) -> Manifest | None:
    """Read a folder's manifest."""
    path = folder / NAME
    try:
        content = path.read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError):  # the latter: `folder` is a file, which making it will say
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise _damaged(path, str(error)) from error
    return parse_manifest(content, path)


def parse_manifest(content: str, path: Path) -> Manifest:
    """Read a manifest from its text."""
    try:
        data = json.loads(content)
        made = int(data["format"])
        if made <= FORMAT:
            embedder = data["embedder"]
            if embedder is not None and not isinstance(embedder["id"], str):
                raise TypeError("embedder.id")
            return Manifest(embedder, made, str(data["tokeniser"]), str(data["chunker"]))
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise _damaged(path, f"{type(error).__name__}: {error}") from error
    raise FormatError(
        tr(
            "{path} has format {made}; this Nacre reads up to {format}. Update it: pip install -U nacre-ai",
            path=path,
            made=made,
            format=FORMAT,
        ),
        path=str(path),
    )


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write a folder's manifest so that a crash leaves either the old one or the new one."""
    atomic_write(folder / NAME, manifest.to_json())


def _damaged(path: Path, why: str) -> DamagedError:
    return DamagedError(
        tr(
            "{path} cannot be read ({why}). Restore it from a backup, or run: nacre.KnowledgeBase.repair({parent!r})",
            path=path,
            why=why,
            parent=str(path.parent),
        ),
        path=str(path),
    )
