"""`manifest.json`: what made a knowledge base, checked before anything else is read."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from nacre.errors import DamagedError, EmbedderMismatchError, FormatError
from nacre.files import atomic_write
from nacre.language import tr

FORMAT = 1
NAME = "manifest.json"
_COMPARED = ("id", "weights", "dim", "query_prefix", "document_prefix", "normalised")


@dataclass(frozen=True)
class Manifest:
    """The settings that a folder was built with.

    Args:
        embedder: identity of the embedder (id, dim, prefixes, normalised, max_tokens), or None for words only.
        format: version of the folder's format.
        tokeniser: name of the function that cuts text into words.
        chunker: name of the way documents are cut.
    """

    embedder: dict[str, Any] | None
    format: int = FORMAT
    tokeniser: str = "nacre.words/1"
    chunker: str = "structure/1"

    def to_json(self) -> str:
        """The manifest as it stands in the file.

        Returns:
            JSON, readable by people.
        """
        return json.dumps(asdict(self), ensure_ascii=False, indent=2) + "\n"


def read(folder: Path) -> Manifest | None:
    """Read a folder's manifest.

    Args:
        folder: the knowledge base.

    Returns:
        The manifest, or None when the folder has none.

    Raises:
        DamagedError: it is no manifest.
        FormatError: a newer version of Nacre wrote it.
    """
    path = folder / NAME
    try:
        content = path.read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError):  # the latter: `folder` is a file, which making it will say
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise _damaged(path, str(error)) from error
    return parse(content, path)


def parse(content: str, path: Path) -> Manifest:
    """Read a manifest from its text.

    Args:
        content: JSON.
        path: where it came from, for messages.

    Returns:
        The manifest.

    Raises:
        DamagedError: it is no manifest.
        FormatError: a newer version of Nacre wrote it.
    """
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
            f"{path} has format {made}; this Nacre reads up to {FORMAT}. Update it: pip install -U nacre-ai",
            f"{path} 的格式版本为 {made}，当前 Nacre 最高支持 {FORMAT}。请升级：pip install -U nacre-ai",
        ),
        path=str(path),
    )


def write(folder: Path, manifest: Manifest) -> None:
    """Write a folder's manifest so that a crash leaves either the old one or the new one.

    Args:
        folder: the knowledge base.
        manifest: its settings.
    """
    atomic_write(folder / NAME, manifest.to_json())


def check_embedder(folder: Path, made_with: dict[str, Any] | None, given: dict[str, Any] | None) -> None:
    """Refuse another embedder than the folder's.

    Args:
        folder: the knowledge base.
        made_with: identity in the manifest.
        given: identity of the embedder at hand.

    Raises:
        EmbedderMismatchError: vectors of the two cannot be compared.
    """
    if made_with is None or given is None:
        if made_with is given:
            return
    elif all(made_with.get(key) == given.get(key) for key in _COMPARED):
        return
    old, new = _name(made_with), _name(given)
    raise EmbedderMismatchError(
        tr(
            f"{folder} was built with the embedder {old}, not {new}. Open it without naming an embedder, or build another folder with {new}.",
            f"{folder} 是用嵌入模型 {old} 建立的，而不是 {new}。请不指定嵌入模型直接打开，或用 {new} 另建一个文件夹。",
        ),
        path=str(folder),
    )


def nameless(folder: Path, made_with: dict[str, Any]) -> EmbedderMismatchError:
    """For a folder whose embedder was given as an object and has no name to load it by.

    Args:
        folder: the knowledge base.
        made_with: identity in the manifest.

    Returns:
        The error to raise.
    """
    name = _name(made_with)
    return EmbedderMismatchError(
        tr(
            f"{folder} was built with the embedder object {name}, which cannot be loaded by name. Pass it: KnowledgeBase.open(path, embedder=...).",
            f"{folder} 是用嵌入对象 {name} 建立的，无法按名称加载。请传入该对象：KnowledgeBase.open(path, embedder=...)。",
        ),
        path=str(folder),
    )


def _name(identity: dict[str, Any] | None) -> str:
    return "none" if identity is None else f"{identity['id']} (dim {identity.get('dim')})"


def _damaged(path: Path, why: str) -> DamagedError:
    return DamagedError(
        tr(
            f"{path} cannot be read ({why}). Restore it from a backup, or run: nacre.KnowledgeBase.repair({str(path.parent)!r})",
            f"{path} 无法读取（{why}）。请从备份恢复，或运行：nacre.KnowledgeBase.repair({str(path.parent)!r})",
        ),
        path=str(path),
    )
