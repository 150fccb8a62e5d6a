"""One run: a process that locks itself down, waits for a program, runs it and answers."""

from __future__ import annotations

import gc
import json
import os
import signal
import types
from dataclasses import dataclass
from typing import Any

from nacre.system.confinement import landlock, linux, namespaces, seccomp, syscalls

from . import preload, program, rlimits

# Above the limit on descriptors, out of the way of programs that close all they know.
_ANSWER_FD, _PROGRAM_FD = 700, 701
_NONCE_BYTES = 16


@dataclass(frozen=True)
class Inherited:
    """What a child finds ready in its memory."""

    config: dict[str, Any]
    main: types.ModuleType
    address_space: int  # bytes in use before the program
    ruleset: landlock.Ruleset | None
    filter: seccomp.Filter | None  # of system calls; None without namespaces: it names the process, so it is made there


def run(inherited: Inherited, program_in: int, stdout: int, stderr: int, answer: int) -> None:
    """Become the run: never returns."""
    try:
        null = os.open("/dev/null", os.O_RDONLY | os.O_CLOEXEC)
        for fd, place in ((answer, _ANSWER_FD), (program_in, _PROGRAM_FD), (null, 0), (stdout, 1), (stderr, 2)):
            os.dup2(fd, place, inheritable=False)
        lock_down(inherited)
        _serve(program.prepare(inherited.main))
    except BaseException as error:  # whatever it is, this process must not go on as a second zygote
        os.write(2, f"sandbox: {type(error).__name__}: {error}".encode("utf-8", "replace"))
    finally:
        os._exit(70)


def lock_down(inherited: Inherited) -> None:
    """Give up everything that the program does not need. What stands here last is what stays."""
    config = inherited.config
    os.setsid()  # kill(0) reaches a process group across namespaces: have one alone
    if inherited.filter is not None:
        namespaces.mount_scratch(config["scratch_bytes"], config["scratch_files"])
    linux.prctl(linux.PR_SET_NO_NEW_PRIVS, 1)
    if inherited.ruleset is not None:
        inherited.ruleset.enforce()
    os.closerange(3, _ANSWER_FD)  # the zygote's socket and Landlock's rules
    linux.close_all_from(_PROGRAM_FD + 1)
    linux.keep_capabilities()
    linux.prctl(linux.PR_SET_DUMPABLE, 0)
    linux.prctl(linux.PR_SET_PDEATHSIG, signal.SIGKILL)
    preload.reseed()
    gc.enable()
    rlimits.apply(
        inherited.address_space + config["memory_bytes"], config["file_bytes"], config["files"], config["processes"]
    )
    (inherited.filter or seccomp.Filter(syscalls.allowed(os.getpid()))).install()


def _serve(space: dict[str, Any]) -> None:
    request = json.loads(_read_exactly(int.from_bytes(_read_exactly(4), "big")))
    rlimits.apply_cpu(request["cpu_s"])
    os.write(_ANSWER_FD, b"s")  # from here on the run counts; one that is killed before is made again
    answer = program.run(request, space)
    nonce = _read_exactly(_NONCE_BYTES)  # stayed in the pipe: no object of this process held it while the program ran
    _write_all(nonce + answer.encode())


def _read_exactly(size: int) -> bytes:
    data = bytearray()
    while len(data) < size:
        part = os.read(_PROGRAM_FD, size - len(data))
        if not part:
            os._exit(0)  # the host gave this process up
        data += part
    return bytes(data)


def _write_all(data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(_ANSWER_FD, view) :]
    os.closerange(0, 3)
    os.closerange(_ANSWER_FD, _PROGRAM_FD + 1)  # the host need not wait until the kernel has taken this process apart
    os._exit(0)
