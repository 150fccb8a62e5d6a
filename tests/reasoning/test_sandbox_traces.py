"""What a run leaves on the host or learns of it: marks on inodes, locks, other processes, the state of the machine."""

from __future__ import annotations

import fcntl
import json
import os
import socket
from pathlib import Path

import pytest

from nacre.reasoning.sandbox import PythonInterpreter, doctor
from nacre.reasoning.sandbox.helper import Child

LIBC = """
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
def call(number, *args):
    result = libc.syscall(ctypes.c_long(number), *[ctypes.c_long(a) if isinstance(a, int) else a for a in args])
    return "done" if result >= 0 else ctypes.get_errno()
"""
DEVICES = ("/dev/null", "/dev/zero", "/dev/random", "/dev/urandom")
MARKS = """
def tries(path):
    fd = os.open(path, os.O_RDWR if path.startswith("/dev/") else os.O_RDONLY)
    yield lambda: os.utime(path)
    yield lambda: os.utime(fd)
    yield lambda: os.utime(path, (1, 2), follow_symlinks=False)
    yield lambda: os.chmod(path, 0o600)
    yield lambda: os.fchmod(fd, 0o600)
    yield lambda: os.chown(path, -1, os.getgid())
    yield lambda: os.fchown(fd, os.getuid(), -1)
    yield lambda: os.setxattr(path, "user.mark", b"1")
    yield lambda: os.posix_fallocate(fd, 0, 1)
    yield lambda: os.truncate(path, 0)
    yield lambda: os.unlink(path)
    for number, *args in ((132, path.encode(), None), (235, path.encode(), None), (261, fd, None, None), (280, fd, None, None, 0),
                          (280, -100, path.encode(), None, 0x1000), (452, fd, b"", 0o600, 0x1000), (463, fd, b"", 0, b"user.mark", None, 0)):
        yield lambda number=number, args=args: call(number, *args)

for path in PATHS:
    for attempt in tries(path):
        try:
            attempt()
        except OSError:
            pass
"""


def marks(paths: list[str]) -> list[tuple[int, ...]]:
    return [
        (s.st_mode, s.st_uid, s.st_gid, s.st_nlink, s.st_size, s.st_mtime_ns, s.st_ctime_ns)
        for s in map(os.stat, paths)
    ]


def test_no_inode_of_the_host_is_marked(level: PythonInterpreter) -> None:
    paths = [*DEVICES, json.__file__]
    before = marks(paths)
    assert level.run(f"{LIBC}PATHS = {paths!r}\n{MARKS}\n'tried all'", timeout_s=10).value == "tried all"
    assert marks(paths) == before


def test_devices_still_work(level: PythonInterpreter) -> None:
    code = "import os\nwith open('/dev/null', 'w') as f: n = f.write('gone')\n(n, open('/dev/zero', 'rb').read(2), len(open('/dev/urandom', 'rb').read(9)))"
    assert level.run(code).value == (4, b"\0\0", 9)


def test_reading_a_package_leaves_no_time_of_access(
    python: PythonInterpreter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "read_once"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "data.txt").write_text("whole")
    os.utime(
        package / "data.txt", (1, 10**9)
    )  # read before it was written: any mount that keeps such times would renew it
    monkeypatch.syspath_prepend(str(tmp_path))
    for name in ("full", "namespaces"):
        with PythonInterpreter(level=name, packages=("read_once",)) as reader:
            run = reader.run("import read_once, os\nopen(os.path.dirname(read_once.__file__) + '/data.txt').read()")
        assert run.value == "whole", run.error
        assert (package / "data.txt").stat().st_atime == 1


@pytest.mark.parametrize("path", ["/dev/null", json.__file__])
def test_a_lock_of_the_host_does_not_meet_one_of_a_run(level: PythonInterpreter, path: str) -> None:
    """Were the run's lock taken, it would be refused here, and the host's there."""
    code = f"import fcntl, os\nfd = os.open({path!r}, os.O_RDONLY)\nfcntl.lockf(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)\n'granted'"
    try:
        with Path(path).open("r+b", buffering=0) as file:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            assert level.run(code).value == "granted"
    except PermissionError:
        pytest.skip("only an owner of the file can lock it for writing")


@pytest.mark.parametrize("mode", ["delete", "truncate", "persist", "wal", "memory"])
def test_sqlite_works_in_the_scratch_folder(level: PythonInterpreter, mode: str) -> None:
    where = "'file:a?mode=memory&cache=shared', uri=True" if mode == "memory" else "'a.db'"
    code = f"""
import sqlite3
one, two = sqlite3.connect({where}), sqlite3.connect({where})
one.execute("pragma journal_mode={mode}"), one.execute("create table t (a)")
for n in range(3):
    with one: one.execute("insert into t values (?)", (n,))
    seen = two.execute("select count(*) from t").fetchone()[0]
    with two: two.execute("insert into t values (?)", (n,))
one.execute("pragma integrity_check").fetchone()[0], one.execute("select count(*) from t").fetchone()[0], seen
"""
    if level.start()["level"] == "landlock" and mode != "memory":
        return  # it has no files
    run = level.run(code)
    assert run.value == ("ok", 6, 5), run.error


ASKING = {
    "kill": "call(62, pid, 0)", "tgkill": "call(234, pid, pid, 0)", "tgkill in the own group": "call(234, os.getpid(), pid, 0)",
    "sched_getaffinity": "call(204, pid, 128, buffer)", "prlimit64": "call(302, pid, 7, None, buffer)", "getpgid": "call(121, pid)",
    "getsid": "call(124, pid)", "getpriority": "call(140, 0, pid)", "ioprio_get": "call(252, 1, pid)", "pidfd_open": "call(434, pid, 0)",
    "sched_getscheduler": "call(145, pid)", "sched_getattr": "call(315, pid, buffer, 48, 0)", "get_robust_list": "call(274, pid, buffer, buffer)",
    "setpgid": "call(109, pid, pid)", "waitid": "call(247, 1, pid, buffer, 5, None)", "process_vm_readv": "call(310, pid, buffer, 0, buffer, 0, 0)",
    "clock_gettime": "call(228, ~pid << 3 | 2, buffer)", "clock_getres": "call(229, ~pid << 3, buffer)",
    "clock_nanosleep": "call(230, ~pid << 3 | 2, 0, (ctypes.c_long * 2)(0, 1), None)",
    "futex of an owner": "call(202, (ctypes.c_uint * 1)(pid), 6, 0, (ctypes.c_long * 2)(0, 1), None, 0)",
    "futex of an owner, by trying": "call(202, (ctypes.c_uint * 1)(pid), 8, 0, None, None, 0)",
}  # fmt: skip


@pytest.mark.parametrize("way", ASKING)
def test_no_call_tells_which_processes_exist(level: PythonInterpreter, way: str) -> None:
    code = f"{LIBC}buffer = ctypes.create_string_buffer(512)\nanswers = []\nfor pid in ({os.getpid()}, 4_194_303): answers.append({ASKING[way]})\nanswers"
    living, none = level.run(code).value
    assert living == none != "done"


STATE_OF_THE_MACHINE = {
    "sysinfo": "call(99, buffer)", "adjtimex": "call(159, buffer)", "clock_adjtime": "call(305, 0, buffer)", "mincore": "call(27, page, 4096, buffer)",
    "cachestat": "call(451, file, (ctypes.c_uint64 * 2)(0, 4096), buffer, 0)", "read what is cached": "call(327, file, one, 1, 0, 0, 8)",
    "page out": "call(28, page, 4096, 21)", "cool down": "call(28, page, 4096, 20)", "merge with others": "call(28, page, 4096, 12)",
    "flush all disks": "call(306, file)", "lease": "call(72, file, 1024, 0)", "notify": "call(72, file, 1026, 1)", "write hint": "call(72, file, 1036, buffer)",
    "lock of an open file": "call(72, file, 37, buffer)", "flock": "call(73, file, 1)", "splice": "call(275, file, None, pipe[1], None, 9, 0)",
    "tee": "call(276, pipe[0], pipe[1], 9, 0)", "vmsplice": "call(278, pipe[1], one, 1, 8)", "quota": "call(443, file, 0, 0, 0)",
    "wake who waits on a library": "call(202, page, 1, 9, None, None, 0)", "wake them by bits": "call(202, page, 10, 9, None, None, -1)",
    "huge pages of the machine": "call(9, 0, 2 << 20, 3, 0x40022, -1, 0)",
    "timer slack": "call(157, 29, 10**9, 0, 0, 0)", "strict filter": "call(317, 0, 0, None)", "ioctl on random": "call(16, file, 0x5203, buffer)",
}  # fmt: skip


@pytest.mark.parametrize("way", STATE_OF_THE_MACHINE)
def test_no_call_reads_or_moves_the_state_of_the_machine(level: PythonInterpreter, way: str) -> None:
    code = f"""{LIBC}import mmap
buffer, pipe, file = ctypes.create_string_buffer(512), os.pipe(), os.open(os.__file__, os.O_RDONLY)
one = (ctypes.c_uint64 * 2)(ctypes.addressof(buffer), 9)
libc.mmap.restype = ctypes.c_void_p
page = ctypes.c_void_p(libc.mmap(None, 4096, 1, 1, file, 0))
{STATE_OF_THE_MACHINE[way]}"""
    run = level.run(code)
    assert run.value in (1, 22, 38), run  # EPERM, EINVAL, ENOSYS


def test_no_program_sees_the_name_of_this_machine(level: PythonInterpreter) -> None:
    seen = level.run(
        f"{LIBC}import platform\nb = ctypes.create_string_buffer(512)\nlibc.uname(b)\nrepr([os.uname(), platform.node(), b.raw])"
    ).value
    assert "sandbox" in seen and socket.gethostname() not in seen


@pytest.mark.parametrize("name", ["charset_normalizer", "pydantic", "langchain_core"])
def test_a_package_that_is_installed_but_not_listed_is_not_there(level: PythonInterpreter, name: str) -> None:
    run = level.run(
        f"try:\n    import {name}\nexcept ImportError as error:\n    answer = (type(error).__name__, error.name)"
    )
    assert run.value == ("ModuleNotFoundError", name), run.error
    assert level.run(f"import importlib.util\nimportlib.util.find_spec({name!r}) is None").value is True


def test_listed_packages_load_their_parts_when_asked(level: PythonInterpreter) -> None:
    assert level.run("import sympy\nx = Symbol('x')\nfloat(sympy.lambdify(x, x ** 2)(3))", timeout_s=20).value == 9.0
    assert (
        level.run("import numpy.polynomial, sympy.stats, xml.dom.minidom, wsgiref.util\n'all'", timeout_s=20).value
        == "all"
    )


def test_no_program_is_root(level: PythonInterpreter) -> None:
    facts = level.start()
    own = os.geteuid() if facts["level"] == "landlock" and os.geteuid() else 65534
    if facts["user"] != "root without capabilities":  # where the system lets nobody become another user
        assert level.run("import os\n(*os.getresuid(), os.geteuid())").value == (own,) * 4


@pytest.mark.parametrize("name", ["full", "namespaces", "landlock"])
def test_the_doctor_looks_at_the_bounding_set(python: PythonInterpreter, name: str) -> None:
    row = next(row for row in doctor(name)["protections"] if row["name"] == "bounding set empty")  # type: ignore[arg-type]
    with PythonInterpreter(level=name, packages=()) as other:  # type: ignore[arg-type]
        sets = other.inspect(bounding_sets)
    assert row["active"] is (sets == [0, 0])
    assert row["active"] or (name == "landlock" and os.geteuid() and row["detail"])


def bounding_sets(child: Child) -> list[int]:
    """Of a child and of the zygote that made it."""
    pid = status(f"/proc/self/fdinfo/{child.kill}")["Pid"]
    seen = status(f"/proc/{pid}/status")
    return [int(fields["CapBnd"], 16) for fields in (seen, status(f"/proc/{seen['PPid']}/status"))]


def status(path: str) -> dict[str, str]:
    return {
        key: value.strip() for key, _, value in (line.partition(":") for line in Path(path).read_text().splitlines())
    }


ENDINGS = {
    "stops itself": "import os\nos.kill(os.getpid(), 19)",
    "ends its first thread only": "import ctypes, threading, time\nthreading.Thread(target=time.sleep, args=(99,)).start()\nctypes.CDLL(None).syscall(60, 0)",
    "waits at exit": "import atexit, time\natexit.register(time.sleep, 99)\nNone",
    "finalizer without end": "class A:\n    def __del__(self):\n        while True: pass\na = A()\na.a = a\ndel a",
    "flush without end": "import sys, time\nclass Out:\n    write = len\n    flush = lambda self: time.sleep(99)\nsys.stdout = Out()",
    "error without text": "class E(Exception):\n    def __str__(self):\n        while True: pass\nraise E",
    "deaf": "import signal\nfor n in range(1, 65):\n    try: signal.signal(n, signal.SIG_IGN)\n    except (OSError, ValueError): pass\nwhile True: pass",
    "answer in part": "import os, time\nos.write(700, b'ok')\ntime.sleep(99)",
    "answer of another's nonce": "import os\nos.write(700, bytes(16) + b'ok\\n[]\\n\"forged\"')",
    "pipes closed": "import os\nos.closerange(0, 1024)\nwhile True: pass",
}  # fmt: skip


@pytest.mark.parametrize("way", ENDINGS)
def test_however_a_run_ends_the_call_returns_and_the_next_is_served(level: PythonInterpreter, way: str) -> None:
    run = level.run(ENDINGS[way], timeout_s=0.4)
    assert run.status in ("ok", "timeout", "error") and run.value is None, run
    assert level.run("6 * 7").value == 42
