"""Packages that are not always installed: imported late, and missed with the cure in the message."""

from __future__ import annotations

import importlib
from types import ModuleType

from nacre.errors import MissingExtraError
from nacre.text.language import tr


def need(module: str, *, extra: str = "", install: str = "") -> ModuleType:
    """Import an optional module, or say how to get it."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        line = install or f"pip install 'nacre-ai[{extra}]'"
        raise MissingExtraError(
            tr("{module} is not installed ({error}). Install it: {line}", module=module, error=error, line=line),
            package=module,
            install=line,
        ) from error
