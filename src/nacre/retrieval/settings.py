"""`settings.json`: how a knowledge base cuts its documents and how it is asked. Written by hand or by `nacre eval tune`.

    {"fusion_weight": 0.5, "chunk_size": 200, "k": 8, "expand": 1, "distinct": true}

All may be left out. `fusion_weight` counts from the next search on, in every process; `chunk_size` from the next sync on,
which cuts all documents anew.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nacre.errors import KnowledgeBaseError
from nacre.files import atomic_write
from nacre.language import tr

NAME = "settings.json"
AUTO = "auto"  # the rule that comes along: as if the setting were left out
FOR_RETRIEVER = ("k", "expand", "distinct")
LEAST_CHUNK, MOST_CHUNK = 32, 8192  # tokens
_MOST_PASSAGES, _MOST_NEIGHBOURS = 1000, 10


def wrong(name: str, value: object) -> str | None:
    """What is wrong with a setting.

    Args:
        name: of the setting.
        value: as it was written.

    Returns:
        One sentence for people, or None when it is good.
    """
    whole = {"k": (1, _MOST_PASSAGES), "expand": (0, _MOST_NEIGHBOURS), "chunk_size": (LEAST_CHUNK, MOST_CHUNK)}
    if name in whole:
        least, most = whole[name]
        good = type(value) is int and least <= value <= most
        wanted = tr(f"a whole number from {least} to {most}", f"{least} 到 {most} 的整数")
        wanted += tr(" (tokens)", "（token 数）") if name == "chunk_size" else ""
    elif name == "fusion_weight":
        good = isinstance(value, int | float) and type(value) is not bool and 0 <= value <= 1
        wanted = tr("a number from 0 (words alone) to 1 (vectors alone)", "0（仅词）到 1（仅向量）的数")
    elif name == "distinct":
        good, wanted = type(value) is bool, tr("true or false", "true 或 false")
    else:
        known = "fusion_weight, chunk_size, k, expand, distinct"
        return tr(f"there is no setting {name!r}; there are {known}.", f"没有名为 {name!r} 的设置；可用：{known}。")
    if good or value == AUTO:
        return None
    said = json.dumps(value, ensure_ascii=False, default=str)[:80]
    return tr(f'{name} is {said}; write {wanted}, or "{AUTO}".', f'{name} 为 {said}；请写{wanted}，或 "{AUTO}"。')


def load_settings(folder: Path) -> dict[str, Any]:
    """The settings of a knowledge base.

    Args:
        folder: the knowledge base.

    Returns:
        What is set, by name; what is "auto" is left out. Empty when there is no such file.

    Raises:
        KnowledgeBaseError: the file cannot be read, or a setting in it is wrong.
    """
    path = folder / NAME
    try:
        data = json.loads(path.read_text("utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (OSError, ValueError, RecursionError) as error:
        raise _bad(path, tr(f"it cannot be read ({error}).", f"无法读取（{error}）。")) from error
    if not isinstance(data, dict):
        raise _bad(path, tr('it is no JSON object like {"k": 8}.', '不是 {"k": 8} 这样的 JSON 对象。'))
    for name, value in data.items():
        if reason := wrong(name, value):
            raise _bad(path, reason)
    return {name: value for name, value in data.items() if value != AUTO}


def save_settings(folder: Path, settings: Mapping[str, Any]) -> None:
    """Write the settings of a knowledge base; those that are there already and not named stay.

    Args:
        folder: the knowledge base.
        settings: values by name; "auto" takes one out.

    Raises:
        KnowledgeBaseError: a setting is wrong, or the file cannot be written.
    """
    path = folder / NAME
    for name, value in settings.items():
        if reason := wrong(name, value):
            raise KnowledgeBaseError(tr(f"{path}: {reason}", f"{path}：{reason}"), path=str(path))
    kept = {name: value for name, value in {**load_settings(folder), **settings}.items() if value != AUTO}
    try:
        atomic_write(path, json.dumps(kept, indent=2) + "\n")
    except OSError as error:
        raise KnowledgeBaseError(
            tr(
                f"{path} cannot be written ({error.strerror}). Check the permissions of the folder.",
                f"{path} 无法写入（{error.strerror}）。请检查文件夹权限。",
            ),
            path=str(path),
        ) from error


class SettingsFile:
    """The settings as they stand in the file now. A look costs microseconds while the file is the same.

    Args:
        folder: the knowledge base.

    Raises:
        KnowledgeBaseError: the file cannot be read, or a setting in it is wrong.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._seen: tuple[int, ...] | None = None
        self._settings: dict[str, Any] = {}
        self.now()

    def now(self) -> Mapping[str, Any]:
        """The settings.

        Returns:
            As from `load_settings`.

        Raises:
            KnowledgeBaseError: as from `load_settings`.
        """
        seen: tuple[int, ...] | None = None
        try:
            facts = (self.folder / NAME).stat()
            seen = (facts.st_ino, facts.st_size, facts.st_mtime_ns)
        except OSError:
            pass  # there is none
        if seen != self._seen:
            self._settings = load_settings(self.folder)
            self._seen = seen
        return self._settings


def chunk_limit(folder: Path, most: int) -> int | None:
    """How many tokens a chunk may have.

    Args:
        folder: the knowledge base.
        most: tokens that its embedder reads of a text.

    Returns:
        The size that is set, or None for the rule that comes along.

    Raises:
        KnowledgeBaseError: the embedder does not read that much, so the end of every chunk could not be found.
    """
    size: int | None = load_settings(folder).get("chunk_size")
    if size is not None and size > most:
        raise _bad(
            folder / NAME,
            tr(
                f"chunk_size is {size}, but this knowledge base's embedder reads {most} tokens of a text; write {most} or less.",
                f"chunk_size 为 {size}，但该知识库的嵌入模型只读 {most} 个 token；请写不大于 {most} 的数。",
            ),
        )
    return size


def _bad(path: Path, reason: str) -> KnowledgeBaseError:
    cure = tr(
        "Mend it, or delete the line or the file to go back to the defaults.", "请改正，或删去该行或该文件以恢复默认。"
    )
    return KnowledgeBaseError(tr(f"{path}: {reason} {cure}", f"{path}：{reason}{cure}"), path=str(path))
