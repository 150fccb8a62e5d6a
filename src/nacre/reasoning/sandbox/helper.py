"""The helper process, seen from outside: started clean, asked for children, watched for its end."""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import deque
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from nacre.errors import InterpreterError, SandboxUnavailableError
from nacre.reasoning.sandbox.limits import Level, Limits
from nacre.reasoning.sandbox.view import View
from nacre.system import child_process
from nacre.text.language import N_, tr

_START_S, _FORK_S = 60.0, 10.0
_AHEAD = 2  # children that wait for a program
_ENVIRONMENT = {"LANG": "C.UTF-8", "LC_ALL": "C.UTF-8", "HOME": "/box/tmp", "TMPDIR": "/box/tmp"}
_ENVIRONMENT |= {"MALLOC_ARENA_MAX": "1", "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
_START = "import sys; sys.path += sys.argv[2:]; from inside.launcher import main; main()"
# What a machine may lack, and the cure.
_CURES = {
    "x86_64": N_("the sandbox knows the system calls of x86_64 only: use a remote interpreter"),
    "seccomp": N_("allow seccomp filters (CONFIG_SECCOMP_FILTER)"),
    "Landlock": N_(
        'use Linux 5.13 or later with `landlock` in /sys/kernel/security/lsm, or ask for level="namespaces"'
    ),
    "user namespaces": N_(
        "allow them (sysctl kernel.apparmor_restrict_unprivileged_userns=0, "
        "user.max_user_namespaces, the container's seccomp profile), or ask for "
        'level="landlock"'
    ),
}
_CURES["mounts and users of its own"] = _CURES["user namespaces"]


class HelperGone(Exception):
    """The helper ended; another one is needed."""


@dataclass(frozen=True)
class Child:
    """A locked-down process that waits for a program, as descriptors."""

    pid: int
    kill: int
    program: int
    stdout: int
    stderr: int
    answer: int


class Helper:
    """One helper process."""

    def __init__(self, level: Level, limits: Limits, view: View, parallel: int) -> None:
        self._lock = threading.Lock()
        self._ready: deque[Child] = deque()
        self._gone: dict[int, tuple[int, float]] = {}
        self._running: set[int] = set()
        self._coming = 0  # children asked for and not here yet
        self.made = 0
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._control = ours
        with theirs:
            self._process = _spawn(theirs.fileno())
        try:
            ours.send(json.dumps(_config(level, limits, view, parallel)).encode())
            self.facts = self._facts()
            self._ask(_AHEAD)
        except BaseException:
            self.close()
            raise

    def _facts(self) -> dict[str, Any]:
        try:
            message, _ = self._receive(time.monotonic() + _START_S)
        except (HelperGone, TimeoutError) as error:
            self._process.kill()
            assert self._process.stderr is not None
            words = self._process.stderr.read().decode("utf-8", "replace").strip()[-800:] or "no answer"
            raise InterpreterError(tr("The sandbox does not start: {self_}", self_=words)) from error
        if "missing" in message:
            missing = [(str(name), str(answer)) for name, answer in message["missing"]]
            lacks = ", ".join(f"{name} ({answer})" for name, answer in missing)
            cure = "; ".join(dict.fromkeys(tr(_CURES[name]) for name, _ in missing if name in _CURES))
            cure = cure[:1].upper() + cure[1:]
            told = tr(
                "The sandbox refuses to run programs: this machine lacks {listed}. {cure}.", listed=lacks, cure=cure
            )
            raise SandboxUnavailableError(told, missing=tuple(name for name, _ in missing))
        facts: dict[str, Any] = message["facts"]
        return facts

    def take(self) -> Child:
        """A child that waits for a program."""
        with self._lock:
            deadline = time.monotonic() + _FORK_S
            self._drain()
            if not self._ready:
                self._ask(self._coming + 1)
            while not self._ready:
                self._read_message(deadline)
            child = self._ready.popleft()
            self._running.add(child.pid)
            self.made += 1
            return child

    def release(self, child: Child) -> None:
        """End the child if it still runs, and close its descriptors."""
        kill(child)
        for fd in (child.kill, child.program, child.stdout, child.stderr, child.answer):
            os.close(fd)
        with self._lock:
            self._running.discard(child.pid)
            self._gone.pop(child.pid, None)
            with suppress(HelperGone):  # the next `take` notices it
                self._ask(_AHEAD - len(self._ready))  # after the run: making a child would take processor time from it

    def how_it_ended(self, child: Child, timeout_s: float = 2.0) -> tuple[int, float]:
        """The exit code (negative for a signal) and processor seconds of a child that left no answer."""
        deadline = time.monotonic() + timeout_s
        while True:
            with self._lock:
                self._drain()
                if child.pid in self._gone:
                    return self._gone[child.pid]
            if time.monotonic() > deadline:
                raise TimeoutError
            _wait_readable(self._control.fileno(), min(deadline, time.monotonic() + 0.05))

    def close(self) -> None:
        """End the helper and with it every run."""
        with self._lock:
            self._control.close()  # process 1 of the sandbox ends with its socket, and the kernel ends the rest
            for child in self._ready:
                for fd in (child.kill, child.program, child.stdout, child.stderr, child.answer):
                    os.close(fd)
            self._ready.clear()
        self._process.kill()
        self._process.wait()
        if self._process.stderr is not None:
            self._process.stderr.close()

    def abandon(self) -> None:
        """Forget the helper of a parent process after a fork: close our copies, kill nothing."""
        self._control.close()
        self._process.returncode = 0  # it is not our child: nothing to wait for

    def _ask(self, wanted: int) -> None:
        """Have `wanted` children on their way."""
        while self._coming < wanted:
            try:
                self._control.send(b"+")
            except OSError as error:
                raise HelperGone from error
            self._coming += 1

    def _drain(self) -> None:
        while _wait_readable(self._control.fileno(), 0):
            self._read_message(time.monotonic())

    def _read_message(self, deadline: float) -> None:
        try:
            message, descriptors = self._receive(deadline)
        except TimeoutError as error:
            raise HelperGone from error  # alive or not, it does not do its work
        if "child" in message:
            self._coming -= 1
            self._ready.append(Child(message["child"], *descriptors))
        elif "gone" in message and message["gone"] in self._running:
            self._gone[message["gone"]] = (message["code"], message["cpu_s"])
        elif "failed" in message:
            self._coming -= 1
            raise InterpreterError(
                tr("The sandbox cannot start a process: {failed}. Too many may be running.", failed=message["failed"])
            )

    def _receive(self, deadline: float) -> tuple[dict[str, Any], list[int]]:
        if not _wait_readable(self._control.fileno(), deadline):
            raise TimeoutError
        try:
            data, descriptors, _, _ = socket.recv_fds(self._control, 1 << 16, 5)
        except OSError as error:
            raise HelperGone from error
        if not data:
            raise HelperGone
        return json.loads(data), descriptors


def kill(child: Child) -> None:
    """End a child, whatever it is doing."""
    with suppress(ProcessLookupError):
        signal.pidfd_send_signal(child.kill, signal.SIGKILL)


def _spawn(control: int) -> subprocess.Popen[bytes]:
    places = (str(Path(__file__).parent), child_process.HOME)
    command = [sys.executable, "-I", "-S", "-X", "utf8", "-c", _START, str(control), *places]
    return child_process.start(
        command,
        _ENVIRONMENT,
        pass_fds=[control],
        new_session=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )


def _config(level: Level, limits: Limits, view: View, parallel: int) -> dict[str, Any]:
    return {
        "level": level,
        **asdict(view),
        "memory_bytes": limits.memory,
        "scratch_bytes": limits.scratch,
        "scratch_files": limits.scratch_files,
        "file_bytes": limits.file_size,
        "files": limits.files,
        "processes": limits.threads + parallel + _AHEAD + 1,
    }


def _wait_readable(fd: int, deadline: float) -> bool:
    poll = select.poll()
    poll.register(fd, select.POLLIN)
    return bool(poll.poll(max(0.0, deadline - time.monotonic()) * 1000))
