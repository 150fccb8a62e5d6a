"""Imports where no mount hides anything: a package that programs were not given is not found, as if it were not
installed.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any


def hide_unlisted(readable: Sequence[str]) -> None:
    """Have imports find in a folder of packages only those that may be read.

    Landlock says PermissionError to the others, where a library that can do without them expects ImportError.
    """
    listed: dict[str, set[str]] = {}
    for folder, _, name in (os.path.realpath(place).rpartition("/") for place in readable):
        listed.setdefault(folder, set()).add(name.partition(".")[0])
    finder_of = sys.path_hooks[-1]

    def hook(path: str) -> _Listed:
        if path not in listed or path in readable:
            raise ImportError(path=path)  # the hook of all other folders
        return _Listed(finder_of(path), listed[path])

    sys.path_hooks.insert(0, hook)
    sys.path_importer_cache.clear()


class _Listed:
    """The finder of a folder, for some of its names."""

    def __init__(self, finder: Any, names: set[str]) -> None:
        self._finder, self._names = finder, names

    def find_spec(self, fullname: str, target: ModuleType | None = None) -> ModuleSpec | None:
        if fullname.partition(".")[0] not in self._names:
            return None
        spec: ModuleSpec | None = self._finder.find_spec(fullname, target)
        return spec

    def invalidate_caches(self) -> None:
        self._finder.invalidate_caches()
