"""What this process knows of its own memory, and pages that a fork copies quickly."""

from __future__ import annotations

import os
from contextlib import suppress

from nacre.system.confinement import linux

_HUGE = 2 << 20  # bytes of a huge page on x86_64


class OwnMemory:
    """This process's memory as the kernel sees it. Made while /proc is still in view; works after it is gone."""

    def __init__(self) -> None:
        self._size = os.open("/proc/self/statm", os.O_RDONLY | os.O_CLOEXEC)
        self._maps = os.open("/proc/self/maps", os.O_RDONLY | os.O_CLOEXEC)

    def address_space(self) -> int:
        """How many bytes of address space are in use."""
        return int(os.pread(self._size, 200, 0).split()[0]) * os.sysconf("SC_PAGE_SIZE")

    def use_huge_pages(self) -> None:
        """Have the kernel gather the private memory of this process in huge pages.

        A fork copies a table entry for every page, and the end of a child takes each of them back. For pages that lie
        together in a huge one the kernel does both at once. Kernels before
        6.1, and those that have no huge page to spare, leave the memory as it is.
        """
        for start, end in self._private():
            first, last = -(-start // _HUGE) * _HUGE, end // _HUGE * _HUGE
            if first < last:
                with suppress(OSError):
                    linux.collapse(first, last - first)

    def close(self) -> None:
        """Give the descriptors back."""
        os.close(self._size)
        os.close(self._maps)

    def _private(self) -> list[tuple[int, int]]:
        """Start and end of the writable areas that come from no file."""
        with os.fdopen(os.dup(self._maps)) as lines:
            areas = [line.split() for line in lines]
        own = [
            area[0] for area in areas if area[1].startswith("rw") and area[4] == "0" and area[5:] in ([], ["[heap]"])
        ]
        return [(int(start, 16), int(end, 16)) for start, _, end in (place.partition("-") for place in own)]
