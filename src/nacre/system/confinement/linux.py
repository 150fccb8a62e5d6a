"""System calls that Python's standard library does not offer, through libc."""

from __future__ import annotations

import ctypes
import errno
import os

CLONE_NEWNS, CLONE_NEWCGROUP, CLONE_NEWUTS, CLONE_NEWIPC = 0x00020000, 0x02000000, 0x04000000, 0x08000000
CLONE_NEWUSER, CLONE_NEWPID, CLONE_NEWNET = 0x10000000, 0x20000000, 0x40000000

PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_SET_KEEPCAPS, PR_SET_NO_NEW_PRIVS = 1, 4, 8, 38
PR_CAPBSET_DROP, PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL = 24, 47, 4
CAP_SETUID, CAP_SYS_ADMIN = 7, 21

MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_REMOUNT, MS_BIND = 1, 2, 4, 8, 32, 4096
MS_REC, MS_PRIVATE, MNT_DETACH = 16384, 1 << 18, 2

_OPEN_TREE_CLONE, _OPEN_TREE_CLOEXEC, _AT_RECURSIVE, _AT_EMPTY_PATH = 1, 0o2000000, 0x8000, 0x1000
_MOVE_MOUNT_F_EMPTY_PATH = 4
MOUNT_ATTR_RDONLY, MOUNT_ATTR_NOSUID, MOUNT_ATTR_NODEV, MOUNT_ATTR_NOEXEC = 1, 2, 4, 8
_AT_FDCWD = -100
_MADV_COLLAPSE = 25

# Numbers of x86_64. The newer calls (from 424 on) are the same on every architecture.
_SYS = {"pivot_root": 155, "capset": 126, "setns": 308, "seccomp": 317}
_SYS |= {"open_tree": 428, "move_mount": 429, "mount_setattr": 442}
_SYS |= {"landlock_create_ruleset": 444, "landlock_add_rule": 445, "landlock_restrict_self": 446, "close_range": 436}

_libc = ctypes.CDLL(None, use_errno=True)
_libc.syscall.restype = ctypes.c_long


def syscall(name: str, *args: int | bytes | ctypes.Structure | None) -> int:
    """Call the kernel by the name of the call."""
    values = [
        ctypes.byref(a) if isinstance(a, ctypes.Structure) else ctypes.c_long(a) if isinstance(a, int) else a
        for a in args
    ]
    result: int = _libc.syscall(ctypes.c_long(_SYS[name]), *values)
    return _checked(result, name)


def _checked(result: int, name: str) -> int:
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code), name)
    return result


def prctl(option: int, *args: int) -> int:
    """prctl(2) with numbers only."""
    words = [ctypes.c_ulong(a) for a in (*args, 0, 0, 0, 0)[:4]]
    return _checked(_libc.prctl(option, *words), f"prctl({option})")


def unshare(flags: int, name: str) -> None:
    """Leave namespaces."""
    _checked(_libc.unshare(flags), f"unshare({name})")


def setns(fd: int, flags: int) -> None:
    """Enter a namespace."""
    syscall("setns", fd, flags)


def mount(source: bytes | None, target: bytes, kind: bytes | None, flags: int, data: bytes | None = None) -> None:
    """mount(2)."""
    _checked(_libc.mount(source, target, kind, ctypes.c_ulong(flags), data), "mount")


def umount(target: bytes, flags: int) -> None:
    """umount2(2)."""
    _checked(_libc.umount2(target, flags), "umount")


class _MountAttr(ctypes.Structure):
    _fields_ = [(name, ctypes.c_uint64) for name in ("attr_set", "attr_clr", "propagation", "userns_fd")]


def clone_tree(path: str, attributes: int) -> int:
    """A detached copy of the mounts at `path`, with `attributes` added."""
    tree = syscall("open_tree", _AT_FDCWD, os.fsencode(path), _OPEN_TREE_CLONE | _OPEN_TREE_CLOEXEC | _AT_RECURSIVE)
    attr = _MountAttr(attr_set=attributes)
    syscall("mount_setattr", tree, b"", _AT_EMPTY_PATH | _AT_RECURSIVE, attr, ctypes.sizeof(attr))
    return tree


def attach_tree(tree: int, target: str) -> None:
    """Mount what `clone_tree` returned, and close the descriptor."""
    syscall("move_mount", tree, b"", _AT_FDCWD, os.fsencode(target), _MOVE_MOUNT_F_EMPTY_PATH)
    os.close(tree)


def collapse(start: int, size: int) -> None:
    """madvise(2) with MADV_COLLAPSE: put memory into huge pages now; `size` is a multiple of their size."""
    _checked(_libc.madvise(ctypes.c_void_p(start), ctypes.c_size_t(size), _MADV_COLLAPSE), "madvise")


def keep_capabilities(*keep: int) -> None:
    """Keep only these capabilities, permitted and effective; with none, give up all of them."""
    bits = sum(1 << number for number in keep)
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)
    low, high = bits & 0xFFFFFFFF, bits >> 32
    data = (ctypes.c_uint32 * 6)(low, low, 0, high, high, 0)
    syscall("capset", *(ctypes.cast(part, ctypes.c_char_p) for part in (header, data)))  # type: ignore[arg-type]


def drop_bounding_set() -> None:
    """No program started from here ever gains a capability. Needs CAP_SETPCAP, which a change of user takes away."""
    for number in range(64):
        try:
            prctl(PR_CAPBSET_DROP, number)
        except OSError as error:
            if error.errno == errno.EINVAL:
                return  # past the last capability
            raise


def setfsuid(uid: int) -> None:
    """Open files as another user, being oneself in all else."""
    _libc.setfsuid(uid)
    if _libc.setfsuid(-1) != uid:  # answers the present one; an error is not told otherwise
        raise OSError(errno.EPERM, os.strerror(errno.EPERM), "setfsuid")


def close_all_from(first: int) -> None:
    """Close every descriptor from one on."""
    syscall("close_range", first, 0xFFFFFFFF, 0)
