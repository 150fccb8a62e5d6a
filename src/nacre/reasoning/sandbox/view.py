"""Which folders of this machine a program sees: Python's own library, some packages, the system's shared libraries."""

from __future__ import annotations

import importlib.util
import os
import sys
import sysconfig
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

_CHARTS = "matplotlib mpl_toolkits contourpy cycler fontTools kiwisolver packaging pyparsing PIL"
PACKAGES = ("numpy", "sympy", "mpmath", "gmpy2", "dateutil", "six", "tzdata", "pandas", "pytz", *_CHARTS.split())
PRELOADED = ("numpy", "sympy", "dateutil.relativedelta", "dateutil.parser")
_SHARED_LIBRARIES = "/usr/lib/x86_64-linux-gnu /lib/x86_64-linux-gnu /usr/lib64 /lib64 /usr/share/zoneinfo"


@dataclass(frozen=True)
class View:
    """What the helper is told."""

    readable: tuple[str, ...]
    hidden: tuple[str, ...]
    path: tuple[str, ...]
    packages: tuple[str, ...]


def view_of(packages: Iterable[str]) -> View:
    """The standard library, these packages one by one as far as they are installed, shared libraries and time zones."""
    names = tuple(packages)
    outside_venv = {"base": sys.base_prefix, "platbase": sys.base_exec_prefix}
    library = {os.path.realpath(sysconfig.get_path(kind, vars=outside_venv)) for kind in ("stdlib", "platstdlib")}
    found = [place for name in names for place in _places(name)]
    shared = {os.path.realpath(path) for path in _SHARED_LIBRARIES.split() if Path(path).is_dir()}
    hidden = [f"{folder}/{name}" for folder in library for name in ("site-packages", "dist-packages")]
    path = [*sorted(library), *(f"{folder}/lib-dynload" for folder in sorted(library))]
    path += dict.fromkeys(str(Path(place).parent) for place in found)
    loaded = (*PRELOADED, *(name for name in names if name not in PACKAGES))
    return View(
        readable=tuple(sorted({*library, *shared, *found})),
        hidden=tuple(sorted(folder for folder in hidden if Path(folder).is_dir())),
        path=tuple(path),
        packages=tuple(name for name in loaded if name.partition(".")[0] in names),
    )


def _places(package: str) -> list[str]:
    """The folder or file of a package, and the folder of shared libraries that some wheels carry beside it."""
    spec = importlib.util.find_spec(package)
    if spec is None:
        return []
    places = [os.path.realpath(place) for place in (spec.submodule_search_locations or [spec.origin or ""]) if place]
    name = {"PIL": "pillow"}.get(package, package)
    beside = [str(Path(place).parent / f"{name}.libs") for place in places]
    return [place for place in (*places, *beside) if Path(place).exists()]
