"""Calls of pdfium that a page makes thousands of times, with addresses as plain numbers: half the cost of typed
pointers.
"""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Callable
from typing import Any


@functools.cache
def quick(name: str) -> Callable[..., Any]:
    """A function of pdfium's that takes an address where the library's own takes a pointer, and gives one."""
    import pypdfium2.raw as pdfium

    function = getattr(pdfium, name)
    kinds = [_plain(kind) for kind in (function.restype, *function.argtypes)]
    # Each call is short: letting go of the interpreter's lock for it would cost more than the call.
    return ctypes.PYFUNCTYPE(*kinds)(address(function))


def address(pointer: Any) -> int:
    """Where a pointer points; 0 for none."""
    return ctypes.cast(pointer, ctypes.c_void_p).value or 0


def _plain(kind: Any) -> Any:
    return ctypes.c_void_p if isinstance(kind, type) and issubclass(kind, ctypes._Pointer) else kind
