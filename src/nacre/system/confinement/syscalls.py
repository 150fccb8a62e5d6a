"""Which system calls a program may make (x86_64), and with which arguments. Everything else answers EPERM.

The list was drawn from what the interpreter, numpy and sympy do; it is a list of what is *allowed*, so a call that a
newer kernel adds is refused without being named here.
"""

from __future__ import annotations

import errno
import os
from dataclasses import dataclass

LOW, FULL = 0xFFFFFFFF, 0xFFFFFFFFFFFFFFFF
_PROT_WRITE, _PROT_EXEC, _MAP_HUGETLB = 2, 4, 0x40000
_THREAD_FLAGS = 0x00000100 | 0x00010000  # CLONE_VM | CLONE_THREAD
_NAMESPACE_FLAGS = 0x7E020080  # every CLONE_NEW… bit
_AF_UNIX, _SOCK_STREAM, _SOCK_FLAGS = 1, 1, 0o2004000


@dataclass(frozen=True)
class Test:
    """`args[index] & mask == value`."""

    index: int
    mask: int
    value: int


@dataclass(frozen=True)
class Rule:
    """Allow when every test of one of the `ways` holds, else answer `error`; what fits one of `undone` is answered with
    success and not done.
    """

    ways: tuple[tuple[Test, ...], ...] = ()
    error: int = errno.EPERM
    undone: tuple[tuple[Test, ...], ...] = ()


ALLOW = Rule(ways=((),))
UNDONE = Rule(undone=((),))

_FILES = {
    "read": 0, "write": 1, "open": 2, "close": 3, "stat": 4, "fstat": 5, "lstat": 6, "lseek": 8, "pread64": 17,
    "pwrite64": 18, "readv": 19, "writev": 20, "access": 21, "dup": 32, "dup2": 33, "sendfile": 40, "truncate": 76,
    "ftruncate": 77, "getdents": 78, "getcwd": 79, "chdir": 80, "fchdir": 81, "rename": 82, "mkdir": 83, "rmdir": 84,
    "creat": 85, "link": 86, "unlink": 87, "symlink": 88, "umask": 95, "statfs": 137, "fstatfs": 138, "getdents64": 217,
    "openat": 257, "mkdirat": 258, "newfstatat": 262, "unlinkat": 263, "renameat": 264, "linkat": 265, "symlinkat": 266,
    "faccessat": 269, "fallocate": 285, "dup3": 292, "preadv": 295, "pwritev": 296, "renameat2": 316,
    "copy_file_range": 326, "statx": 332, "close_range": 436, "faccessat2": 439,
}  # fmt: skip
# These reach files that Landlock does not guard; without a mount namespace they are refused.
_FILE_ATTRIBUTES = {
    "readlink": 89, "chmod": 90, "fchmod": 91, "utime": 132, "utimes": 235, "futimesat": 261, "readlinkat": 267,
    "fchmodat": 268, "utimensat": 280,
}  # fmt: skip
_MEMORY = {"munmap": 11, "brk": 12, "mremap": 25}
# On the scratch folder, which is memory, these change nothing; on a library file they reach the host's inode: its disk,
# its cache.
_WRITING_BACK = {"msync": 26, "fsync": 74, "fdatasync": 75, "fadvise64": 221}
_WAITING = {
    "poll": 7, "pipe": 22, "select": 23, "sched_yield": 24, "pause": 34, "nanosleep": 35, "getitimer": 36, "alarm": 37,
    "setitimer": 38, "gettimeofday": 96, "times": 100, "time": 201, "epoll_create": 213, "epoll_wait": 232,
    "epoll_ctl": 233, "pselect6": 270, "ppoll": 271, "epoll_pwait": 281, "eventfd2": 290, "epoll_create1": 291,
    "pipe2": 293, "epoll_pwait2": 441,
}  # fmt: skip
_SIGNALS = {
    "rt_sigaction": 13, "rt_sigprocmask": 14, "rt_sigreturn": 15, "rt_sigpending": 127, "rt_sigtimedwait": 128,
    "rt_sigsuspend": 130, "sigaltstack": 131, "restart_syscall": 219,
}  # fmt: skip
_SELF = {
    "getpid": 39, "exit": 60, "getrlimit": 97, "getrusage": 98, "getuid": 102, "getgid": 104, "geteuid": 107,
    "getegid": 108, "getppid": 110, "getpgrp": 111, "getgroups": 115, "getresuid": 118, "getresgid": 120,
    "setrlimit": 160, "gettid": 186, "set_tid_address": 218, "exit_group": 231, "set_robust_list": 273, "getcpu": 309,
    "getrandom": 318, "rseq": 334,
}  # fmt: skip
_SENDING_SIGNALS = {"kill": 62, "tgkill": 234}
# The first argument of these may name another process's clock.
_CLOCKS = {"clock_gettime": 228, "clock_getres": 229, "clock_nanosleep": 230}
_EXTENDED_ATTRIBUTES = (*range(188, 200), *range(463, 467))
# TCGETS TIOCGWINSZ FIONREAD FIONBIO FIONCLEX FIOCLEX
_TERMINAL_REQUESTS = (0x5401, 0x5413, 0x541B, 0x5421, 0x5450, 0x5451)
_DESCRIPTOR_COMMANDS = (0, 1, 2, 3, 4, 1030)  # F_DUPFD GETFD SETFD GETFL SETFL F_DUPFD_CLOEXEC
_ASKING_FOR_A_LOCK, _LOCKING = 5, 6  # F_GETLK; F_SETLK, and F_SETLKW beside it
_NAMING_A_THREAD = (15, 16)  # PR_SET_NAME, PR_GET_NAME
MMAP, MPROTECT, IOCTL, MADVISE, SOCKETPAIR, SENDTO = 9, 10, 16, 28, 53, 44
RECVFROM, SHUTDOWN, CLONE, UNAME, FCNTL, PRCTL = 45, 48, 56, 63, 72, 157
FUTEX, SCHED_GETAFFINITY, PRLIMIT64, CLONE3 = 202, 204, 302, 435


def _one_of(index: int, numbers: tuple[int, ...]) -> Rule:
    return Rule(tuple((Test(index, LOW, number),) for number in numbers))


def _masked(index: int, *patterns: tuple[int, int]) -> tuple[tuple[Test, ...], ...]:
    return tuple((Test(index, LOW & ~ignored, value),) for ignored, value in patterns)


# Those that C libraries and numpy give: NORMAL RANDOM SEQUENTIAL WILLNEED, DONTNEED, FREE, (NO)HUGEPAGE, (DONT)DUMP,
# guards. Others act on pages that the host's processes share.
_ADVICE = Rule(_masked(2, (3, 0), (0, 4), (0, 8), (1, 14), (1, 16), (1, 102)), errno.EINVAL)
# WAIT and WAKE (also by BITSET), CMP_REQUEUE and WAKE_OP, REQUEUE: all private. One that is not private meets, on a
# page of a library, every process that has loaded it; who waits so (as pthread_join does) is told to look again. The
# others name an owner by its process id.
_PRIVATE, _BY_CLOCK = 0x80, 0x100
_FUTEX = Rule(
    _masked(
        1, *((_BY_CLOCK | both, _PRIVATE | operation) for both, operation in ((1, 0), (0, 9), (0, 10), (1, 4), (0, 3)))
    ),
    errno.ENOSYS,
    undone=_masked(1, (_BY_CLOCK, 0), (_BY_CLOCK, 9)),
)


def _descriptors(may_ask_for_locks: bool) -> Rule:
    """fcntl: locks are granted and not taken.

    A run is one process, which its own locks never stand in the way of, and what is its own no other opens. What others
    open, the host's devices and libraries, no run may lock.
    """
    commands = (*_DESCRIPTOR_COMMANDS, *([_ASKING_FOR_A_LOCK] if may_ask_for_locks else []))
    return Rule(_one_of(1, commands).ways, undone=((Test(1, LOW & ~1, _LOCKING),),))


def allowed(own_pid: int | None) -> dict[int, Rule]:
    """The rules of a program."""
    rules = dict.fromkeys(
        [*_FILES.values(), *_MEMORY.values(), *_WAITING.values(), *_SIGNALS.values(), *_SELF.values()], ALLOW
    )
    rules |= dict.fromkeys(_WRITING_BACK.values(), UNDONE)
    # shutil.copy2 takes ENOTSUP for "nothing to copy".
    rules |= dict.fromkeys(_EXTENDED_ATTRIBUTES, Rule(error=errno.ENOTSUP))
    never_both = Test(2, _PROT_WRITE, 0), Test(2, _PROT_EXEC, 0)  # memory is writable or executable
    rules[MPROTECT] = Rule(tuple((test,) for test in never_both))
    own_pages = Test(3, _MAP_HUGETLB, 0)  # the machine's reserved ones are others'
    rules[MMAP] = Rule(tuple((test, own_pages) for test in never_both))
    rules[CLONE3] = Rule(error=errno.ENOSYS)  # libc then falls back to clone
    rules |= {
        IOCTL: _one_of(1, _TERMINAL_REQUESTS),
        PRCTL: _one_of(0, _NAMING_A_THREAD),
        MADVISE: _ADVICE,
        FUTEX: _FUTEX,
        FCNTL: _descriptors(may_ask_for_locks=own_pid is None),
    }
    rules[PRLIMIT64] = Rule(((Test(0, LOW, 0),),))  # its own limits only
    if own_pid is not None:
        rules |= {number: Rule(((Test(0, LOW, own_pid),),)) for number in _SENDING_SIGNALS.values()}
        # The clocks that have a number, below 16.
        rules |= dict.fromkeys(_CLOCKS.values(), Rule(((Test(0, LOW & ~0xF, 0),),)))
        return rules | {SCHED_GETAFFINITY: _one_of(0, (0, own_pid))}
    always = _FILE_ATTRIBUTES | _SENDING_SIGNALS | _CLOCKS
    rules |= dict.fromkeys([*always.values(), SCHED_GETAFFINITY, UNAME, RECVFROM, SHUTDOWN], ALLOW)
    rules[CLONE] = Rule(((Test(0, _THREAD_FLAGS | _NAMESPACE_FLAGS, _THREAD_FLAGS),),))  # threads, never processes
    # asyncio wakes itself by one.
    rules[SOCKETPAIR] = Rule(((Test(0, LOW, _AF_UNIX), Test(1, LOW & ~_SOCK_FLAGS, _SOCK_STREAM)),))
    rules[SENDTO] = Rule(((Test(4, FULL, 0),),))  # on a connected pair; never to an address
    return rules


# What makes, changes, moves or removes a file.
_CHANGING = """
truncate ftruncate rename mkdir rmdir creat link unlink symlink mkdirat unlinkat renameat linkat symlinkat fallocate
renameat2 copy_file_range
"""
_FOR_WRITING = os.O_ACCMODE | os.O_CREAT | os.O_TRUNC


def reading(own_pid: int) -> dict[int, Rule]:
    """The rules of a process that reads and computes: it opens nothing for writing, has no thread, socket or child, and
    signals itself alone.
    """
    changing = {_FILES[name] for name in _CHANGING.split()}
    rules = {number: rule for number, rule in allowed(own_pid).items() if number not in changing}
    return rules | {
        _FILES["open"]: Rule(((Test(1, _FOR_WRITING, 0),),)),
        _FILES["openat"]: Rule(((Test(2, _FOR_WRITING, 0),),)),
    }
