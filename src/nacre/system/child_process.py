"""The one door through which every other process begins: elsewhere, without the user's modules, without secrets.

A folder of documents may be a stranger's. A `json.py` in it must not become the standard library of a child, nor a
`git` in it the program of that name; so a child stands in `/`, and its search paths name no folder that is relative or
the current one.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import IO, TypeAlias

import nacre
from nacre.errors import UsageError
from nacre.text.language import tr

FOLDER = "/"
HOME = str(Path(nacre.__file__).parents[1])
"""The folder from which `import nacre` works, whatever finder did it here."""

_COMMON = ("TZ", "NACRE_LANG", "LANG", "LC_ALL", "LC_CTYPE", "LC_MESSAGES")
_LISTS = ("PATH", "LD_LIBRARY_PATH")
_PLACES = ("TMPDIR", "PYTHONHOME")
_PACKAGES = ("site-packages", "dist-packages")
# The standard library first: nothing that is installed, let alone found, takes the place of a module of Python's own.
_START = """
import json, os, site, sys
folders, module = json.loads(sys.argv.pop(1)), sys.argv.pop(1)
library = os.path.dirname(os.__file__)
own = [p for p in sys.path if p in (library, library + "/lib-dynload") or p.endswith(".zip")]
for folder in folders:
    if folder not in sys.path and os.path.basename(folder) in ("site-packages", "dist-packages"):
        site.addsitedir(folder)
sys.path[:] = dict.fromkeys([*own, *folders, *sys.path])
from importlib import import_module
raise SystemExit(import_module(module).main())
"""
Stream: TypeAlias = IO[bytes] | int | None


def start(
    command: Sequence[str],
    environment: Mapping[str, str],
    *,
    stdin: Stream,
    stdout: Stream,
    stderr: Stream = None,
    pass_fds: Sequence[int] = (),
    new_session: bool = False,
) -> subprocess.Popen[bytes]:
    """Start a process in `/` with this environment and nothing of ours."""
    return subprocess.Popen(
        command,
        env=environment,
        cwd=FOLDER,
        stdin=stdin,
        stdout=stdout,
        stderr=stderr,
        pass_fds=pass_fds,
        start_new_session=new_session,
    )


def module(name: str, *arguments: str) -> list[str]:
    """The command that runs `main()` of one of our modules with the packages of this process."""
    flags = ("-P", "-s", "-B", "-X", "utf8")
    return [sys.executable, *flags, "-c", _START, json.dumps(_module_folders()), name, *arguments]


def environment(more: Iterable[str] = ()) -> dict[str, str]:
    """What a child may know of our environment: search paths without this folder, the language, the time zone."""
    found = {name: os.environ[name] for name in (*_COMMON, *more) if name in os.environ}
    # An empty list would mean the current folder.
    found |= {name: kept for name in _LISTS if (kept := search_path(os.environ.get(name, "")))}
    return found | {name: os.environ[name] for name in _PLACES if _is_elsewhere(os.environ.get(name, ""))}


def search_path(folders: str) -> str:
    """A search path without its relative, empty and missing folders, and without the current one."""
    return os.pathsep.join(folder for folder in folders.split(os.pathsep) if _is_elsewhere(folder))


def program(command: Sequence[str]) -> list[str]:
    """A command of the user's so that it means the same in another folder.

    The program is looked for in `PATH`, never in the current folder, unless it is written with a slash. Arguments that
    begin with `./` or `../`, and Python scripts, become absolute; nothing else is touched, whatever files lie here.
    """
    name, *arguments = command
    where = os.path.abspath(name) if os.sep in name else name  # noqa: PTH100 - a link keeps its name
    found = shutil.which(where, path=search_path(os.environ.get("PATH", os.defpath)))
    if found is None:
        told = tr("There is no program {name!r} in PATH. One in the current folder is written ./{name}", name=name)
        raise UsageError(told)
    return [found, *(_absolute(argument) for argument in arguments)]


def _absolute(argument: str) -> str:
    here = argument in (".", "..") or argument.startswith(("./", "../"))
    here = here or (argument.endswith(".py") and not argument.startswith("-"))
    return os.path.abspath(argument) if here else argument  # noqa: PTH100 - as above


def _module_folders() -> list[str]:
    """Of `sys.path`: where packages are installed, where we come from, and what PYTHONPATH names absolutely."""
    named = "" if sys.flags.ignore_environment else os.environ.get("PYTHONPATH", "")
    trusted = {os.path.realpath(folder) for folder in (HOME, *search_path(named).split(os.pathsep)) if folder}
    return [
        folder
        for folder in sys.path
        if os.path.realpath(folder) in trusted or (Path(folder).name in _PACKAGES and _is_elsewhere(folder))
        if Path(folder).is_absolute()
    ]


def _is_elsewhere(folder: str) -> bool:
    """Whether it is a folder, named absolutely, and not the current one."""
    path = Path(folder)
    if not (path.is_absolute() and path.is_dir()):
        return False
    try:
        return not path.samefile(os.curdir)
    except OSError:  # the current folder is gone
        return True
