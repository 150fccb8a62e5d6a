"""The first process of the helper: it tries what the kernel offers, enters the namespaces, starts the zygote inside."""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
from typing import Any, NoReturn

from nacre.system.confinement import landlock, linux, namespaces, seccomp, syscalls

from .zygote import Zygote


def main() -> NoReturn:
    """Serve the host at the other end of the socket whose number is the only argument."""
    control = socket.socket(fileno=int(sys.argv[1]))
    config = json.loads(control.recv(1 << 20))
    os.umask(0o022)
    missing = _missing(config["level"])
    if not missing and config["level"] != "landlock":
        missing = _try("user namespaces", namespaces.enter)
    if missing:
        _refuse(control, missing)
    child = os.fork()  # process 1 of the new namespace: when it ends, the kernel ends every run
    if child == 0:
        linux.prctl(linux.PR_SET_PDEATHSIG, signal.SIGKILL)
        _be_zygote(config, control)
    control.close()
    os.waitpid(child, 0)
    os._exit(0)


def _be_zygote(config: dict[str, Any], control: socket.socket) -> NoReturn:
    try:
        zygote = Zygote(config, control)
        zygote.prepare()
        control.send(json.dumps({"facts": zygote.facts()}).encode())
        zygote.serve()
    except OSError as error:
        _refuse(control, [("mounts and users of its own", f"{error.filename}: {error.strerror}")])
    finally:
        os._exit(1)


def _missing(level: str) -> list[tuple[str, str]]:
    """What this kernel does not offer, tried by doing it: (name, what it answered)."""
    if os.uname().machine != "x86_64" or sys.maxsize < 2**32:
        return [("x86_64", os.uname().machine)]
    missing = _try("seccomp", _try_seccomp)
    if level != "namespaces":
        missing += _try("Landlock", lambda: _try_landlock(level))
    return missing


def _try(name: str, step: Any) -> list[tuple[str, str]]:
    try:
        step()
    except OSError as error:
        return [(name, f"{error.filename}: {error.strerror}")]
    return []


def _try_landlock(level: str) -> None:
    version = landlock.abi()
    if level == "landlock" and version < 3:  # before that it did not guard truncation
        raise OSError(0, f"version {version}, and 3 is needed where there are no namespaces", "landlock")


def _try_seccomp() -> None:
    child = os.fork()
    if child == 0:
        try:
            linux.prctl(linux.PR_SET_NO_NEW_PRIVS, 1)
            seccomp.Filter(syscalls.allowed(None)).install()
            os._exit(0)
        except OSError as error:
            os._exit(error.errno or 1)
        finally:
            os._exit(1)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if code:
        raise OSError(code, os.strerror(code) if code > 0 else f"ended by signal {-code}", "seccomp")


def _refuse(control: socket.socket, missing: list[tuple[str, str]]) -> NoReturn:
    control.send(json.dumps({"missing": missing}).encode())
    os._exit(1)
