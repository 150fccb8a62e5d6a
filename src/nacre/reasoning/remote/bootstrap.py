"""The part of a remote run that happens there. It is sent as source text, so it imports the standard library and
IPython only.

Nothing here protects anybody: the walls around a remote kernel are those of the machine that it runs on.
"""

from __future__ import annotations

import contextlib
import sys
import types
from collections.abc import Iterable
from pathlib import Path
from typing import Any

PACKAGE = "nacre_inside"
_ANSWERING = 32 << 20  # bytes above the program's limit, to report that it was reached
_ready: dict[str, Any] = {}


class OutputLimitReached(Exception):
    """The program has written more than it may."""


class Limited:
    """A text stream that takes so many characters and one more, so that whoever listens sees the limit passed."""

    def __init__(self, stream: Any, limit: int) -> None:
        self._stream, self._left = stream, limit + 1

    def write(self, text: str) -> int:
        """Write a text, or what there is room for; gives how many characters it has."""
        room, self._left = self._left, max(0, self._left - len(text))
        if room:
            self._stream.write(text[:room])
        if len(text) > room:
            raise OutputLimitReached("the program has written more than it may")
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        """Write several texts."""
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def prepare(modules: dict[str, str], packages: list[str]) -> None:
    """Do before the program arrives what does not depend on it; packages that are not there are left out."""
    parent = types.ModuleType(PACKAGE)
    parent.__path__ = []
    sys.modules[PACKAGE] = parent
    for name, source in modules.items():
        module = types.ModuleType(f"{PACKAGE}.{name}")
        module.__package__ = PACKAGE
        sys.modules[module.__name__] = module
        setattr(parent, name, module)
        exec(compile(source, f"<{module.__name__}>", "exec"), module.__dict__)
    _ready.update(names=sys.modules[f"{PACKAGE}.preload"].load(packages), run=sys.modules[f"{PACKAGE}.program"].run)


def run(request: dict[str, Any]) -> None:
    """Run one program and show its answer as a display of plain text.

    Args:
        request: "code", "inputs", "value_limit", "lacks" (as the sandbox's runner takes them), "memory" (bytes above
            what is in use now), "output" (characters of each stream) and "mark" (what the answer begins with).
    """
    from IPython.display import display  # type: ignore[import-not-found, unused-ignore]

    _limit_memory(request["memory"])
    for name in ("stdout", "stderr"):
        setattr(sys, name, Limited(getattr(sys, name), request["output"]))
    space = {"__name__": "__main__", "exit": sys.exit, "quit": sys.exit, **_ready["names"]}
    answer = _ready["run"](request, space)
    display({"text/plain": request["mark"] + answer}, raw=True)


def _limit_memory(memory: int) -> None:
    """A limit of the address space, where the system has one and this process may set it."""
    with contextlib.suppress(ImportError, OSError, ValueError):
        import resource

        used = int(Path("/proc/self/statm").read_text("ascii").split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (used + memory, used + memory + _ANSWERING))
