"""The walls around a parser worker, as far as this kernel has them: a hole in a PDF library leads nowhere.

Namespaces leave it a file view that holds Python and shared libraries, read-only, and no network; Landlock says the
same of files once more; seccomp lets it read and compute. What a kernel does not offer is left out, and `nacre doctor`
says so.
"""

from __future__ import annotations

import mimetypes
import os
import platform
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

import nacre
from nacre.system.confinement import landlock, linux, namespaces, seccomp, syscalls

_LIBRARIES = (
    "/usr/lib/x86_64-linux-gnu", "/lib/x86_64-linux-gnu", "/usr/lib64", "/lib64", "/usr/local/lib", "/etc/ld.so.cache",
    "/usr/share/zoneinfo", "/etc/localtime",
)  # fmt: skip


def raise_walls(between: Callable[[], object] | None = None) -> dict[str, str]:
    """Lock this process up, for good. It must have one thread; modules can still be imported afterwards.

    Args:
        between: runs before system calls are filtered, but where no file of this machine's is to be seen any more.
    """
    if (platform.machine(), sys.maxsize > 2**32) != ("x86_64", True):
        return dict.fromkeys(("namespaces", "landlock", "seccomp"), platform.machine())
    mimetypes.knownfiles.clear()  # lists of this machine's that openpyxl would read, and must not
    readable = _readable()
    missing = {"namespaces": _try(lambda: _own_view(readable))}
    if between:
        between()
    linux.prctl(linux.PR_SET_NO_NEW_PRIVS, 1)
    missing["landlock"] = _try(lambda: _only_read(readable))
    linux.keep_capabilities()
    missing["seccomp"] = _try(seccomp.Filter(syscalls.reading(os.getpid())).install)
    return missing


def _try(step: Callable[[], None]) -> str:
    try:
        step()
    except OSError as error:
        return f"{error.filename}: {error.strerror}"
    return ""


def _own_view(readable: Iterable[str]) -> None:
    namespaces.enter()
    namespaces.build_view(tuple(readable), ())
    linux.drop_bounding_set()
    if os.getuid() == 0 and namespaces.nobody_can_read([os.__file__, __file__]):
        namespaces.become_nobody()


def _only_read(readable: Iterable[str]) -> None:
    ruleset = landlock.Ruleset()
    for path in (*readable, "/dev/null", "/dev/urandom"):
        if Path(path).exists():
            ruleset.allow(path, landlock.READ)
    ruleset.enforce()


def _readable() -> list[str]:
    """Where modules and the libraries that they load lie; no folder that lies in another one of these."""
    prefixes = {sys.prefix, sys.base_prefix, sys.exec_prefix, sys.base_exec_prefix}
    named = [*_LIBRARIES, *(f"{prefix}/lib" for prefix in prefixes), *nacre.__path__, *sys.path]
    named += os.environ.get("LD_LIBRARY_PATH", "").split(os.pathsep)
    whole = [path for path in named if Path(path).is_absolute()]
    both = {*map(os.path.normpath, whole), *map(os.path.realpath, whole)}
    there = sorted(path for path in both if Path(path).exists())
    return [path for path in there if not any(path.startswith(f"{above}/") for above in there)]
