"""Resource limits of one run, and what is left of them to answer with."""

from __future__ import annotations

import resource

_ANSWERING = 32 << 20  # bytes that the runner may use above the program's own limit, to report that it was reached
_FIXED = {"CORE": 0, "MEMLOCK": 0, "MSGQUEUE": 0, "NICE": 0, "RTPRIO": 0, "SIGPENDING": 64}


def apply(address_space: int, file_size: int, files: int, processes: int) -> None:
    """Set the limits that do not depend on the program, in bytes; the helper's address space is included."""
    limits = {**_FIXED, "FSIZE": file_size, "NOFILE": files, "NPROC": processes}
    for name, value in limits.items():
        resource.setrlimit(getattr(resource, f"RLIMIT_{name}"), (value, value))
    resource.setrlimit(resource.RLIMIT_AS, (address_space, address_space + _ANSWERING))


def apply_cpu(seconds: int) -> None:
    """Limit processor time; the kernel kills at the limit."""
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))


def allow_answer() -> None:
    """Raise the address space to what was kept back, after a program that used up its own."""
    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    resource.setrlimit(resource.RLIMIT_AS, (hard, hard))
