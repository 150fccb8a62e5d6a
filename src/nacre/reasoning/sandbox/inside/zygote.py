"""The zygote: a process with everything loaded that makes one locked-down child after another, ahead of need."""

from __future__ import annotations

import gc
import json
import os
import select
import signal
import socket
import sys
import types
from contextlib import suppress
from pathlib import Path
from typing import Any

from nacre.system.confinement import landlock, linux, namespaces, seccomp, syscalls

from . import child, imports, preload, program
from .memory import OwnMemory


class Zygote:
    """Makes children."""

    def __init__(self, config: dict[str, Any], control: socket.socket) -> None:
        self.config, self.control = config, control
        self.has_namespaces = config["level"] != "landlock"
        self._own_pids = -1
        self._poll = select.poll()
        self._alive: dict[int, int] = {}  # a pidfd, readable when the child has ended, to its process id
        self._inherited: child.Inherited
        self._user = ""

    def prepare(self) -> None:
        """Build the view, load the modules, make the rules, give up what children do not need."""
        with suppress(OSError):  # to be the first when memory runs out: a courtesy to the host, not a protection
            Path("/proc/self/oom_score_adj").write_text("500")
        self._own_pids = os.open("/proc/self/ns/pid", os.O_RDONLY | os.O_CLOEXEC)
        memory = OwnMemory()
        if self.has_namespaces:
            namespaces.build_view(self.config["readable"], self.config["hidden"])
        main = self._load_modules()
        self._inherited = child.Inherited(
            config=self.config,
            main=main,
            address_space=memory.address_space(),
            ruleset=self._rules() if self.config["level"] != "namespaces" else None,
            filter=seccomp.Filter(syscalls.allowed(None)) if self.has_namespaces else None,
        )
        gc.disable()
        gc.collect()
        gc.freeze()  # a child that collects garbage does not touch, and so copy, these pages
        memory.use_huge_pages()
        memory.close()
        try:
            linux.drop_bounding_set()
        except OSError:  # where not every capability is held, the system may not let us, and the doctor says so
            if self.has_namespaces:
                raise
        self._user = self._give_up_root()
        linux.keep_capabilities(*([linux.CAP_SYS_ADMIN] if self.has_namespaces else []))
        linux.prctl(linux.PR_SET_DUMPABLE, 0)
        linux.prctl(linux.PR_SET_PDEATHSIG, signal.SIGKILL)  # after the change of user, which clears it

    def _load_modules(self) -> types.ModuleType:
        sys.path[:] = self.config["path"]
        sys.executable, sys.argv, sys.orig_argv, sys.dont_write_bytecode = "", [""], [], True
        os.dup2(2, 1)  # both a pipe, as they will be for a program
        program.open_streams()
        if not self.has_namespaces:
            imports.hide_unlisted(self.config["readable"])
            preload.hide_name()
        main = program.main_module(preload.load(self.config["packages"]))
        for name in [name for name in sys.modules if name.partition(".")[0] in (__package__, "nacre")]:
            del sys.modules[name]  # a program cannot import what this process is made of
        return main

    def _rules(self) -> landlock.Ruleset:
        ruleset = landlock.Ruleset()
        for path in self.config["readable"]:
            if self.has_namespaces or not Path(path).is_dir():
                ruleset.allow(path, landlock.READ)
            else:
                ruleset.allow_all_but(path, self.config["hidden"])
        for path in namespaces.DEVICES:
            if Path(path).exists():
                ruleset.allow(path, landlock.DEVICE)
        if self.has_namespaces:
            ruleset.allow(namespaces.BOX, landlock.WRITE)
        return ruleset

    def _give_up_root(self) -> str:
        """What programs run as, in words for `nacre doctor`."""
        if os.getuid():
            return "unprivileged"
        files_as_root = not (self.has_namespaces or namespaces.nobody_can_read(self.config["readable"]))
        try:
            namespaces.become_nobody(files_as_root)
        except OSError:
            if self.has_namespaces:
                raise
            return "root without capabilities"
        return "nobody, but files are opened as root: nobody cannot read Python" if files_as_root else "unprivileged"

    def facts(self) -> dict[str, Any]:
        """What holds for every child, for `nacre doctor`."""
        ruleset = self._inherited.ruleset
        return {
            "level": self.config["level"],
            "landlock_abi": ruleset.abi if ruleset else 0,
            "user": self._user,
            "modules": [name for name in self.config["packages"] if name in sys.modules],
        }

    def serve(self) -> None:
        """Make a child whenever the host asks, report the dead, end with the host."""
        self._poll.register(self.control, select.POLLIN)
        while True:
            for fd, _ in self._poll.poll():
                if fd in self._alive:
                    self._poll.unregister(fd)
                    os.close(fd)
                    pid, status, used = os.wait4(self._alive.pop(fd), 0)
                    code, cpu_s = os.waitstatus_to_exitcode(status), used.ru_utime + used.ru_stime
                    self._tell({"gone": pid, "code": code, "cpu_s": cpu_s})
                elif not self.control.recv(16):
                    os._exit(0)  # the host is gone
                else:
                    self._make_child()

    def _make_child(self) -> None:
        pipes = [os.pipe2(os.O_CLOEXEC) for _ in range(4)]
        (program_in, program_out), *answers = pipes
        try:
            pid = self._fork()
            if pid == 0:
                child.run(self._inherited, program_in, *(write for _, write in answers))
            ended = os.pidfd_open(pid)
            self._alive[ended] = pid
            self._poll.register(ended, select.POLLIN)
            self._tell({"child": pid}, [ended, program_out, *(read for read, _ in answers)])
        except OSError as error:
            self._tell({"failed": f"{error.filename or 'fork'}: {error.strerror}"})
        finally:
            for fd in (fd for pipe in pipes for fd in pipe):
                os.close(fd)

    def _fork(self) -> int:
        if not self.has_namespaces:
            return os.fork()
        linux.unshare(linux.CLONE_NEWPID, "pid")
        pid = -1
        try:
            pid = os.fork()
        finally:
            if pid != 0:
                linux.setns(self._own_pids, linux.CLONE_NEWPID)  # a second unshare fails until this one is taken back
        return pid

    def _tell(self, message: dict[str, Any], descriptors: list[int] | None = None) -> None:
        socket.send_fds(self.control, [json.dumps(message).encode()], descriptors or [])
