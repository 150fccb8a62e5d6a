"""Modules that are ready before a program starts, and the names that published programs of PAL and PoT take for
granted.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

_STANDARD = """
abc argparse array ast asyncio base64 bisect calendar collections contextlib copy csv ctypes dataclasses datetime
decimal difflib enum fractions functools hashlib heapq inspect io itertools json linecache locale math numbers operator
os pathlib pickle pprint random re secrets shutil statistics string struct tempfile textwrap threading time traceback
types typing unicodedata uuid zoneinfo _strptime
"""
_FUNCTIONS_USED_LATE = """
x, y = Symbol("x"), Symbol("y")
solve(Eq(x ** 2 - x - 6, 0), x), solve([Eq(x + y, 3), Eq(x - y, 1)], [x, y])
solve(x / 2 - 3.5), simplify((x ** 2 - 1) / (x - 1))
solve_it(x * 2 - 6, x), float(simplify("1/3").evalf())
"""


def load(packages: list[str]) -> dict[str, Any]:
    """Import what programs use, once for all runs; optional packages that fail are left out."""
    with _no_work_at_forks():
        for name in _STANDARD.split():
            importlib.import_module(name)
        loaded = []
        for name in packages:
            with suppress(ImportError):
                importlib.import_module(name)
                loaded.append(name)
    names = _names(loaded)
    if "sympy" in loaded:
        exec(_FUNCTIONS_USED_LATE, dict(names))  # fills sympy's caches and triggers its late imports
    return names


@contextmanager
def _no_work_at_forks() -> Iterator[None]:
    """Modules that are imported now do nothing when this process forks.

    The standard library renews locks and the list of threads then, and seeds `random`. Here nothing holds a lock and
    there is one thread, and `reseed` seeds: the rest would touch many pages, which the kernel must copy, for every
    child.
    """
    register = os.register_at_fork
    os.register_at_fork = lambda **functions: None
    try:
        yield
    finally:
        os.register_at_fork = register


def hide_name() -> None:
    """Answer `os.uname` from a copy that does not hold this machine's name: without namespaces the call itself is
    refused.
    """
    kernel, _, release, version, machine = os.uname()
    known = os.uname_result((kernel, "sandbox", release, version, machine))
    os.uname = sys.modules["posix"].uname = lambda: known  # type: ignore[attr-defined]


def _names(loaded: list[str]) -> dict[str, Any]:
    import datetime
    import math
    import statistics

    names: dict[str, Any] = {"math": math, "statistics": statistics}
    names |= {"datetime": datetime.datetime, "date": datetime.date, "timedelta": datetime.timedelta}
    if "numpy" in loaded:
        names["np"] = sys.modules["numpy"]
    if "dateutil.relativedelta" in loaded:
        names["relativedelta"] = sys.modules["dateutil.relativedelta"].relativedelta
    if "sympy" in loaded:
        sympy = sys.modules["sympy"]
        names |= {name: getattr(sympy, name) for name in ("Symbol", "symbols", "Eq", "solve", "simplify")}
        names["solve_it"] = solve_it
    return names


def solve_it(equation: Any, variable: Any) -> Any:
    """The first solution of an equation as a dict, with None for what has none (the helper of Program of Thoughts,
    arXiv:2211.12588).
    """
    solutions = sys.modules["sympy"].solve(equation, variable, dict=True)
    if solutions:
        return solutions[0]
    return dict.fromkeys(variable if isinstance(variable, list) else [variable])


def reseed() -> None:
    """Give this process random numbers of its own. `numpy.random` is not loaded, and seeds itself when it is."""
    for name in ("random", "sympy.core.random"):
        if name in sys.modules:
            sys.modules[name].seed()
