"""Which system calls a program may make (x86_64), and with which arguments. Everything else answers EPERM.

The list was drawn from what the interpreter, numpy and sympy do; it is a list of what is *allowed*, so a call that a newer
kernel adds is refused without being named here.
"""

from __future__ import annotations

import errno
import os
from dataclasses import dataclass

LOW, FULL = 0xFFFFFFFF, 0xFFFFFFFFFFFFFFFF
_PROT_WRITE, _PROT_EXEC = 2, 4
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
    """Allow when every test of one of the `ways` holds (no ways at all: never), else answer `error`."""

    ways: tuple[tuple[Test, ...], ...] = ()
    error: int = errno.EPERM


ALLOW = Rule(ways=((),))

_FILES = {
    "read": 0, "write": 1, "open": 2, "close": 3, "stat": 4, "fstat": 5, "lstat": 6, "lseek": 8, "pread64": 17, "pwrite64": 18,
    "readv": 19, "writev": 20, "access": 21, "dup": 32, "dup2": 33, "sendfile": 40, "fsync": 74, "fdatasync": 75,
    "truncate": 76, "ftruncate": 77, "getdents": 78, "getcwd": 79, "chdir": 80, "fchdir": 81, "rename": 82, "mkdir": 83, "rmdir": 84,
    "creat": 85, "link": 86, "unlink": 87, "symlink": 88, "umask": 95, "statfs": 137, "fstatfs": 138, "getdents64": 217,
    "fadvise64": 221, "openat": 257, "mkdirat": 258, "newfstatat": 262, "unlinkat": 263, "renameat": 264, "linkat": 265,
    "symlinkat": 266, "faccessat": 269, "fallocate": 285, "dup3": 292, "preadv": 295, "pwritev": 296, "renameat2": 316,
    "copy_file_range": 326, "statx": 332, "close_range": 436, "faccessat2": 439,
}  # fmt: skip
# These reach files that Landlock does not guard; without a mount namespace they are refused.
_FILE_ATTRIBUTES = {
    "readlink": 89, "chmod": 90, "fchmod": 91, "utime": 132, "utimes": 235, "futimesat": 261, "readlinkat": 267, "fchmodat": 268,
    "utimensat": 280,
}  # fmt: skip
_MEMORY = {"munmap": 11, "brk": 12, "mremap": 25, "msync": 26, "madvise": 28}
_WAITING = {
    "poll": 7, "pipe": 22, "select": 23, "sched_yield": 24, "pause": 34, "nanosleep": 35, "getitimer": 36, "alarm": 37, "setitimer": 38,
    "gettimeofday": 96, "times": 100, "time": 201, "futex": 202, "epoll_create": 213, "clock_gettime": 228, "clock_getres": 229,
    "clock_nanosleep": 230, "epoll_wait": 232, "epoll_ctl": 233, "pselect6": 270, "ppoll": 271, "epoll_pwait": 281, "eventfd2": 290,
    "epoll_create1": 291, "pipe2": 293, "epoll_pwait2": 441,
}  # fmt: skip
_SIGNALS = {
    "rt_sigaction": 13, "rt_sigprocmask": 14, "rt_sigreturn": 15, "rt_sigpending": 127, "rt_sigtimedwait": 128, "rt_sigsuspend": 130,
    "sigaltstack": 131, "restart_syscall": 219,
}  # fmt: skip
_SELF = {
    "getpid": 39, "exit": 60, "uname": 63, "getrlimit": 97, "getrusage": 98, "sysinfo": 99, "getuid": 102, "getgid": 104, "geteuid": 107,
    "getegid": 108, "getppid": 110, "getpgrp": 111, "getgroups": 115, "getresuid": 118, "getresgid": 120, "setrlimit": 160, "gettid": 186,
    "sched_getaffinity": 204, "set_tid_address": 218, "exit_group": 231, "set_robust_list": 273, "getcpu": 309, "getrandom": 318,
    "rseq": 334,
}  # fmt: skip
_SENDING_SIGNALS = {"kill": 62, "tgkill": 234}
_EXTENDED_ATTRIBUTES = (*range(188, 200), *range(463, 467))
_TERMINAL_REQUESTS = (
    0x5401,
    0x5413,
    0x541B,
    0x5421,
    0x5450,
    0x5451,
)  # TCGETS TIOCGWINSZ FIONREAD FIONBIO FIONCLEX FIOCLEX
_DESCRIPTOR_COMMANDS = (
    0,
    1,
    2,
    3,
    4,
    5,
    6,
    7,
    1030,
)  # F_DUPFD GETFD SETFD GETFL SETFL GETLK SETLK SETLKW F_DUPFD_CLOEXEC
_NAMING_A_THREAD = (15, 16)  # PR_SET_NAME, PR_GET_NAME
MMAP, MPROTECT, IOCTL, SOCKETPAIR, SENDTO, RECVFROM, SHUTDOWN, CLONE, FCNTL, PRCTL, PRLIMIT64, CLONE3 = (
    9,
    10,
    16,
    53,
    44,
    45,
    48,
    56,
    72,
    157,
    302,
    435,
)


def _one_of(index: int, numbers: tuple[int, ...]) -> Rule:
    return Rule(tuple((Test(index, LOW, number),) for number in numbers))


def allowed(own_pid: int | None) -> dict[int, Rule]:
    """The rules of a program.

    Args:
        own_pid: None inside namespaces of its own. Otherwise the process id: then signals go to itself only, there are no
            threads, no sockets even between its own threads, and no call that changes or follows what Landlock does not guard.

    Returns:
        System call number to rule.
    """
    rules = dict.fromkeys(
        [*_FILES.values(), *_MEMORY.values(), *_WAITING.values(), *_SIGNALS.values(), *_SELF.values()], ALLOW
    )
    rules |= dict.fromkeys(
        _EXTENDED_ATTRIBUTES, Rule(error=errno.ENOTSUP)
    )  # shutil.copy2 takes ENOTSUP for "nothing to copy"
    never_both = Rule(((Test(2, _PROT_WRITE, 0),), (Test(2, _PROT_EXEC, 0),)))  # memory is writable or executable
    rules |= {MMAP: never_both, MPROTECT: never_both, CLONE3: Rule(error=errno.ENOSYS)}  # libc then falls back to clone
    rules |= {
        IOCTL: _one_of(1, _TERMINAL_REQUESTS),
        FCNTL: _one_of(1, _DESCRIPTOR_COMMANDS),
        PRCTL: _one_of(0, _NAMING_A_THREAD),
    }
    rules[PRLIMIT64] = Rule(((Test(0, LOW, 0),),))  # its own limits only
    if own_pid is not None:
        return rules | {number: Rule(((Test(0, LOW, own_pid),),)) for number in _SENDING_SIGNALS.values()}
    rules |= dict.fromkeys([*_FILE_ATTRIBUTES.values(), *_SENDING_SIGNALS.values(), RECVFROM, SHUTDOWN], ALLOW)
    rules[CLONE] = Rule(((Test(0, _THREAD_FLAGS | _NAMESPACE_FLAGS, _THREAD_FLAGS),),))  # threads, never processes
    rules[SOCKETPAIR] = Rule(
        ((Test(0, LOW, _AF_UNIX), Test(1, LOW & ~_SOCK_FLAGS, _SOCK_STREAM)),)
    )  # asyncio wakes itself by one
    rules[SENDTO] = Rule(((Test(4, FULL, 0),),))  # on a connected pair; never to an address
    return rules


# What makes, changes, moves or removes a file.
_CHANGING = (
    "truncate", "ftruncate", "rename", "mkdir", "rmdir", "creat", "link", "unlink", "symlink", "mkdirat", "unlinkat", "renameat",
    "linkat", "symlinkat", "fallocate", "renameat2", "copy_file_range",
)  # fmt: skip
_FOR_WRITING = os.O_ACCMODE | os.O_CREAT | os.O_TRUNC


def reading(own_pid: int) -> dict[int, Rule]:
    """The rules of a process that reads and computes: it opens nothing for writing, and has no thread, socket or child.

    Args:
        own_pid: its process id, the only one that it may signal.

    Returns:
        System call number to rule.
    """
    changing = {_FILES[name] for name in _CHANGING}
    rules = {number: rule for number, rule in allowed(own_pid).items() if number not in changing}
    return rules | {
        _FILES["open"]: Rule(((Test(1, _FOR_WRITING, 0),),)),
        _FILES["openat"]: Rule(((Test(2, _FOR_WRITING, 0),),)),
    }
