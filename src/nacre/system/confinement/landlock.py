"""Landlock: which folders a program may read and write, enforced by the kernel on every open."""

from __future__ import annotations

import ctypes
import os
import stat
from collections.abc import Sequence

from .linux import syscall

_VERSION, _PATH_BENEATH = 1, 1
_WRITE_FILE, _READ_FILE, _READ_DIR, _TRUNCATE = 1 << 1, 1 << 2, 1 << 3, 1 << 14
_REMOVE, _MAKE_DIR, _MAKE_REG, _MAKE_SYM, _REFER = 1 << 4 | 1 << 5, 1 << 7, 1 << 8, 1 << 12, 1 << 13
READ = _READ_FILE | _READ_DIR
WRITE = READ | _WRITE_FILE | _TRUNCATE | _REMOVE | _MAKE_DIR | _MAKE_REG | _MAKE_SYM | _REFER
EXECUTE = READ | 1
DEVICE = _READ_FILE | _WRITE_FILE
_FILE_ONLY = _READ_FILE | _WRITE_FILE | _TRUNCATE | 1
_ALL_FILES = {1: 0x1FFF, 2: 0x3FFF, 3: 0x7FFF, 4: 0x7FFF, 5: 0xFFFF}  # by ABI; later ones add nothing to files
ALL = 0xFFFF  # to do whatever files allow; of the kernel's rights those that it knows
# TCP bind and connect (ABI 4); abstract sockets and signals (ABI 6); no audit records (ABI 7).
_ALL_NET, _ALL_SCOPES, _QUIET = 3, 3, 1


class _Ruleset(ctypes.Structure):
    _fields_ = [("files", ctypes.c_uint64), ("net", ctypes.c_uint64), ("scoped", ctypes.c_uint64)]


class _Beneath(ctypes.Structure):
    _pack_ = 1
    _fields_ = [("access", ctypes.c_uint64), ("folder", ctypes.c_int32)]


def abi() -> int:
    """The version that this kernel speaks."""
    return syscall("landlock_create_ruleset", None, 0, _VERSION)


class Ruleset:
    """Folders with the rights that they carry; everything else is closed."""

    def __init__(self) -> None:
        self.abi = abi()
        self._files = _ALL_FILES[min(self.abi, 5)]
        ruleset = _Ruleset(self._files, _ALL_NET if self.abi >= 4 else 0, _ALL_SCOPES if self.abi >= 6 else 0)
        size = 24 if self.abi >= 6 else 16 if self.abi >= 4 else 8
        self._fd = syscall("landlock_create_ruleset", ruleset, size, 0)

    def allow(self, path: str, rights: int) -> None:
        """Open a place and what lies beneath it."""
        folder = os.open(path, os.O_PATH | os.O_CLOEXEC)
        try:
            if not stat.S_ISDIR(os.fstat(folder).st_mode):
                rights &= _FILE_ONLY
            syscall("landlock_add_rule", self._fd, _PATH_BENEATH, _Beneath(rights & self._files, folder), 0)
        finally:
            os.close(folder)

    def allow_all_but(self, folder: str, hidden: Sequence[str]) -> None:
        """Open a folder for reading, and all in it but the hidden folders, whose names alone stay visible."""
        if not any(path.startswith(f"{folder}/") for path in hidden):
            self.allow(folder, READ)
            return
        self.allow(folder, _READ_DIR)
        for entry in os.scandir(folder):
            if entry.path not in hidden and not entry.is_symlink():  # a link may lead out
                self.allow(entry.path, READ)

    def enforce(self) -> None:
        """Bind this process to the rules, for good. Needs no_new_privs."""
        syscall("landlock_restrict_self", self._fd, _QUIET if self.abi >= 7 else 0)
