"""`manifest.json`: what made a knowledge base, checked before anything else is read."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from nacre.errors import DamagedError, EmbedderMismatchError, FormatError
from nacre.system.files import atomic_write
from nacre.text.language import tr

FORMAT = 1
NAME = "manifest.json"
_COMPARED = ("id", "weights", "dim", "query_prefix", "document_prefix", "normalised")


@dataclass(frozen=True)
class Manifest:
    """The settings that a folder was built with.

    Args:
        embedder: identity of the embedder (id, dim, prefixes, normalised, max_tokens), or None for words only.
    """

    embedder: dict[str, Any] | None
    format: int = FORMAT
    tokeniser: str = "nacre.text.words/1"
    chunker: str = "structure/1"

    def to_json(self) -> str:
        """The manifest as it stands in the file."""
        return json.dumps(asdict(self), ensure_ascii=False, indent=2) + "\n"


def read(folder: Path) -> Manifest | None:
    """Read a folder's manifest."""
    path = folder / NAME
    try:
        content = path.read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError):  # the latter: `folder` is a file, which making it will say
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise _damaged(path, str(error)) from error
    return parse(content, path)


def parse(content: str, path: Path) -> Manifest:
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


def write(folder: Path, manifest: Manifest) -> None:
    """Write a folder's manifest so that a crash leaves either the old one or the new one."""
    atomic_write(folder / NAME, manifest.to_json())


def check_embedder(folder: Path, made_with: dict[str, Any] | None, given: dict[str, Any] | None) -> None:
    """Refuse another embedder than the folder's."""
    if made_with is None or given is None:
        if made_with is given:
            return
    elif all(made_with.get(key) == given.get(key) for key in _COMPARED):
        return
    old, new = _name(made_with), _name(given)
    raise EmbedderMismatchError(
        tr(
            "{folder} was built with the embedder {old}, not {new}. Open it without naming an "
            "embedder, or build another folder with {new}.",
            folder=folder,
            old=old,
            new=new,
        ),
        path=str(folder),
    )


def nameless(folder: Path, made_with: dict[str, Any]) -> EmbedderMismatchError:
    """For a folder whose embedder was given as an object and has no name to load it by."""
    name = _name(made_with)
    return EmbedderMismatchError(
        tr(
            "{folder} was built with the embedder object {name}, which cannot be loaded by name. "
            "Pass it: KnowledgeBase.open(path, embedder=...).",
            folder=folder,
            name=name,
        ),
        path=str(folder),
    )


def _name(identity: dict[str, Any] | None) -> str:
    return "none" if identity is None else f"{identity['id']} (dim {identity.get('dim')})"


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
