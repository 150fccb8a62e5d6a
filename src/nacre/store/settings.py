"""`settings.json`: how a knowledge base cuts its documents and how it is asked. Written by hand or by `nacre eval
tune`.

    {"fusion_weight": 0.5, "chunk_size": 200, "k": 8, "expand": 1, "distinct": true, "include_hidden": false,
     "pictures": false, "keep_versions": 3}

All may be left out. `fusion_weight` counts from the next search on, in every process; `chunk_size` from the next sync
on, which cuts all documents anew; `include_hidden` (hidden sheets, rows, columns and slides) and `pictures` (the
writing in pictures inside office files) for what a sync lists; `keep_versions`, how many superseded texts of a document
stay readable for what cites them, for what a sync changes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nacre.errors import KnowledgeBaseError
from nacre.system.files import atomic_write
from nacre.text.language import tr

NAME = "settings.json"
AUTO = "auto"  # the rule that comes along: as if the setting were left out
FOR_RETRIEVER = ("k", "expand", "distinct")
LEAST_CHUNK, MOST_CHUNK = 32, 8192  # tokens
_MOST_PASSAGES, _MOST_NEIGHBOURS = 1000, 10
KEEP_VERSIONS, MOST_VERSIONS = 3, 1000


def setting_problem(name: str, value: object) -> str | None:
    """What is wrong with a setting."""
    whole = {
        "k": (1, _MOST_PASSAGES),
        "expand": (0, _MOST_NEIGHBOURS),
        "chunk_size": (LEAST_CHUNK, MOST_CHUNK),
        "keep_versions": (0, MOST_VERSIONS),
    }
    if name in whole:
        least, most = whole[name]
        good = type(value) is int and least <= value <= most
        wanted = tr("a whole number from {least} to {most}", least=least, most=most)
        wanted += tr(" (tokens)") if name == "chunk_size" else ""
    elif name == "fusion_weight":
        good = isinstance(value, int | float) and type(value) is not bool and 0 <= value <= 1
        wanted = tr("a number from 0 (words alone) to 1 (vectors alone)")
    elif name in {"distinct", "include_hidden", "pictures"}:
        good, wanted = type(value) is bool, tr("true or false")
    else:
        known = "fusion_weight, chunk_size, k, expand, distinct, include_hidden, pictures, keep_versions"
        return tr("there is no setting {name!r}; there are {known}.", name=name, known=known)
    if good or value == AUTO:
        return None
    said = json.dumps(value, ensure_ascii=False, default=str)[:80]
    return tr('{name} is {said}; write {wanted}, or "{auto}".', name=name, said=said, wanted=wanted, auto=AUTO)


def load_settings(folder: Path) -> dict[str, Any]:
    """What is set for a knowledge base, by name; what is "auto" is left out."""
    path = folder / NAME
    try:
        data = json.loads(path.read_text("utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (OSError, ValueError, RecursionError) as error:
        raise _bad(path, tr("it cannot be read ({error}).", error=error)) from error
    if not isinstance(data, dict):
        raise _bad(path, tr('it is no JSON object like {"k": 8}.'))
    for name, value in data.items():
        if reason := setting_problem(name, value):
            raise _bad(path, reason)
    return {name: value for name, value in data.items() if value != AUTO}


def changed_settings(before: Mapping[str, Any], settings: Mapping[str, Any], place: str) -> dict[str, Any]:
    """The settings that are to be kept; those that are there already and not named stay."""
    for name, value in settings.items():
        if reason := setting_problem(name, value):
            raise KnowledgeBaseError(tr("{path}: {reason}", path=place, reason=reason), path=place)
    return {name: value for name, value in {**before, **settings}.items() if value != AUTO}


def save_settings(folder: Path, settings: Mapping[str, Any]) -> None:
    """Write the settings of a knowledge base."""
    path = folder / NAME
    kept = changed_settings(load_settings(folder), settings, str(path))
    try:
        atomic_write(path, json.dumps(kept, indent=2) + "\n")
    except OSError as error:
        raise KnowledgeBaseError(
            tr(
                "{path} cannot be written ({strerror}). Check the permissions of the folder.",
                path=path,
                strerror=error.strerror,
            ),
            path=str(path),
        ) from error


class SettingsFile:
    """The settings as they stand in the file now. A look costs microseconds while the file is the same."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._seen: tuple[int, ...] | None = None
        self._settings: dict[str, Any] = {}
        self.now()

    def now(self) -> Mapping[str, Any]:
        """The settings."""
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


def chunk_limit(settings: Mapping[str, Any], most: int, place: str) -> int | None:
    """How many tokens a chunk may have.

    Args:
        most: tokens that its embedder reads of a text.
        place: that has these settings.
    """
    size: int | None = settings.get("chunk_size")
    if size is not None and size > most:
        raise _bad(
            Path(place) / NAME,
            tr(
                "chunk_size is {size}, but this knowledge base's embedder reads {most} tokens of a text; "
                "write {most} or less.",
                size=size,
                most=most,
            ),
        )
    return size


def _bad(path: Path, reason: str) -> KnowledgeBaseError:
    cure = tr("Mend it, or delete the line or the file to go back to the defaults.")
    return KnowledgeBaseError(tr("{path}: {reason} {cure}", path=path, reason=reason, cure=cure), path=str(path))
