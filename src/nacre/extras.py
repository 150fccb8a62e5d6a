"""Packages that are not always installed: imported late, and missed with the cure in the message."""

from __future__ import annotations

import importlib
import importlib.util
from types import ModuleType

from nacre.errors import MissingExtraError, MissingKeyError
from nacre.text.language import listed, tr


def need(module: str, *, extra: str = "", install: str = "") -> ModuleType:
    """Import an optional module, or say how to get it."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        line = install or _line(extra)
        raise MissingExtraError(
            tr("{module} is not installed ({error}). Install it: {line}", module=module, error=error, line=line),
            package=module,
            install=line,
        ) from error


def need_all(**extras: str) -> None:
    """Say at once how to get all that is missing.

    Args:
        **extras: packages, each with the extra that brings it.
    """
    if missing := _missing(extras):
        line = _line(*(extras[package] for package in missing))
        raise MissingExtraError(_told(missing, line), package=missing[0], install=line)


def keyless(told: str, package: str, *, extra: str, **data: object) -> MissingKeyError:
    """The error of a missing key; where the package is missing too, it says so, and how to get it."""
    if missing := _missing({package: extra}):
        line = _line(extra)
        told, data = f"{told} {_told(missing, line)}", {**data, "package": package, "install": line}
    return MissingKeyError(told, **data)


def _missing(extras: dict[str, str]) -> list[str]:
    return [package for package in extras if importlib.util.find_spec(package) is None]


def _told(missing: list[str], line: str) -> str:
    return tr("Not installed: {missing}. Install it: {line}", missing=listed(missing), line=line)


def _line(*extras: str) -> str:
    return f"pip install 'nacre-ai[{','.join(dict.fromkeys(extras))}]'"
