"""Attacks on the sandbox. Each program shows what it reached by printing it; nothing may be printed that only the host
has.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from nacre.reasoning.sandbox import PythonInterpreter

LIBC = "import ctypes, os\nlibc = ctypes.CDLL(None, use_errno=True)\nL = ctypes.c_long\n"

READING = {
    "openat2 syscall": LIBC
    + "how = (ctypes.c_uint64 * 3)(0, 0, 0)\nfd = libc.syscall(L(437), L(-100), b'@SECRET@', how, L(24))\nprint(os.read(fd, 99))",
    "open by handle": LIBC
    + "h = ctypes.create_string_buffer(136)\nh[0] = b'\\x80'\nm = ctypes.c_int()\nlibc.name_to_handle_at(-100, b'@SECRET@', h, ctypes.byref(m), 0)\n"
    + "fd = libc.open_by_handle_at(libc.open(b'/', 0), h, 0)\nprint(os.read(fd, 99))",
    "codecs": "import codecs\nprint(codecs.open('@SECRET@').read())",
    "fileinput": "import fileinput\nprint(list(fileinput.input('@SECRET@')))",
    "tokenize": "import tokenize\nprint(tokenize.open('@SECRET@').read())",
    "zip import": "import sys\nsys.path.insert(0, '@FOLDER@')\nimport planted\nprint(planted.SECRET)",
    "runpy": "import runpy\nprint(runpy.run_path('@FOLDER@/planted.py'))",
    "loadtxt": "print(np.loadtxt('@SECRET@', dtype=str))\n",
    "memmap": "print(np.memmap('@SECRET@', dtype='u1', mode='r').tobytes())",
    "execveat": LIBC
    + "argv = (ctypes.c_char_p * 3)(b'cat', b'@SECRET@', None)\nlibc.syscall(L(322), L(-100), b'/bin/cat', argv, None, L(0))\nprint('no')",
    "io_uring": LIBC
    + "p = ctypes.create_string_buffer(120)\nfd = libc.syscall(L(425), L(8), p)\nprint('WON' if fd >= 0 else 'no')",
    "mount the host's root": LIBC + "print('WON' if libc.syscall(L(428), L(-100), b'/', L(1)) >= 0 else 'no')",
    "chdir and relative": "import os\nos.chdir('@FOLDER@')\nprint(open('secret.txt').read())",
    "list the folder": "import os\nprint(os.listdir('@FOLDER@'))",
    "environment block": LIBC + "libc.getenv.restype = ctypes.c_char_p\nprint(libc.getenv(b'NACRE_TEST_SECRET'))",
    "command lines": "import glob\nfor f in glob.glob('/proc/[0-9]*/cmdline'): print(open(f).read())",
    "memory of the parent": LIBC
    + "b = ctypes.create_string_buffer(8)\n"
    + "io = (ctypes.c_uint64 * 2)(ctypes.addressof(b), 8)\nprint('WON' if libc.syscall(L(310), L(os.getppid() or @HOST@), io, L(1), io, L(1), L(0)) > 0 else 'no')",
    "core pattern": "print(open('/proc/sys/kernel/core_pattern').read() and 'WON')",
    "kernel log": LIBC + "b = ctypes.create_string_buffer(999)\nprint('WON' if libc.klogctl(3, b, 999) > 0 else 'no')",
}

WRITING = {
    "truncate": "import os\nos.truncate('@SECRET@', 0)",
    "hard link over": "import os\nos.link('@SECRET@', '@FOLDER@/second')",
    "times": "import os\nos.utime('@SECRET@', (0, 0))",
    "owner": "import os\nos.chown('@SECRET@', 0, 0)",
    "attribute": "import os\nos.setxattr('@SECRET@', 'user.a', b'b')",
    "exchange": LIBC + "libc.syscall(L(316), L(-100), b'@SECRET@', L(-100), b'@FOLDER@/planted.py', L(2))",
    "sqlite": "import sqlite3\nsqlite3.connect('@FOLDER@/new.db').execute('create table a (b)')",
    "node": "import os, stat\nos.mknod('@FOLDER@/node', stat.S_IFIFO | 0o666)",
    "library": "import json\nopen(json.__file__, 'a').write('#')",
    "bytecode": "import json, os\nos.makedirs(os.path.dirname(json.__file__) + '/planted')",
}

NETWORK = {
    "tcp": "import socket\nsocket.create_connection(('127.0.0.1', @PORT@), 1)",
    "raw socket call": LIBC + "fd = libc.syscall(L(41), L(2), L(1), L(0))\nprint('WON' if fd >= 0 else 'no')",
    "netlink": LIBC + "print('WON' if libc.syscall(L(41), L(16), L(3), L(0)) >= 0 else 'no')",
    "vsock": LIBC + "print('WON' if libc.syscall(L(41), L(40), L(1), L(0)) >= 0 else 'no')",
    "kernel crypto": LIBC + "print('WON' if libc.syscall(L(41), L(38), L(5), L(0)) >= 0 else 'no')",
    "datagram pair to an address": "import socket\na, b = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)\nprint('WON')",
    "send by address on a pair": "import socket\na, b = socket.socketpair()\na.sendto(b'x', '\\0anything')\nprint('WON')",
    "asyncio": "import asyncio\nasyncio.run(asyncio.open_connection('127.0.0.1', @PORT@))\nprint('WON')",
}

PROCESSES = {
    "fork by number": LIBC + "print('WON' if libc.syscall(L(57)) >= 0 else 'no')",
    "vfork by number": LIBC + "print('WON' if libc.syscall(L(58)) >= 0 else 'no')",
    "clone3": LIBC + "a = (ctypes.c_uint64 * 11)()\na[4] = 17\nprint('WON' if libc.syscall(L(435), a, L(88)) >= 0 else 'no')",
    "clone with new user": LIBC + "print('WON' if libc.syscall(L(56), L(0x10000000 | 17), None, None, None, None) >= 0 else 'no')",
    "posix_spawn": "import os\nos.posix_spawn('/bin/true', ['true'], {})\nprint('WON')",
    "signal the group": "import os, signal\nos.kill(0, 0)\nos.kill(-1, signal.SIGKILL)\nprint('alive')",
    "signal the bystander": "import os\nos.kill(@VICTIM@, 9)",
    "pidfd": "import os, signal\nsignal.pidfd_send_signal(os.pidfd_open(@VICTIM@), 9)",
    "limits of the bystander": "import resource\nresource.prlimit(@VICTIM@, resource.RLIMIT_NOFILE, (0, 0))",
    "priority of the bystander": "import os\nos.setpriority(os.PRIO_PROCESS, @VICTIM@, 19)\nprint('WON')",
    "processors of the bystander": "import os\nos.sched_setaffinity(@VICTIM@, {0})\nprint('WON')",
    "new session": "import os\nos.setsid()\nprint('WON')",
    "become root": "import os\nos.setuid(0)\nprint('WON')",
}  # fmt: skip

KERNEL = {
    "writable and executable": "import mmap\nmmap.mmap(-1, 4096, prot=7)\nprint('WON')",
    "32-bit call": "import ctypes, mmap\nm = mmap.mmap(-1, 4096)\nm.write(b'\\xb8\\x14\\0\\0\\0\\xcd\\x80\\xc3')\na = ctypes.addressof(ctypes.c_char.from_buffer(m))\n"
    "ctypes.CDLL(None).mprotect(ctypes.c_void_p(a), 4096, 5)\nprint('WON' if ctypes.CFUNCTYPE(ctypes.c_int)(a)() else 'no')",
    "x32 call": LIBC + "libc.syscall(L(0x40000000 + 39))\nprint('WON')",
    "bpf": LIBC + "b = ctypes.create_string_buffer(128)\nprint('WON' if libc.syscall(L(321), L(0), b, L(72)) >= 0 else 'no')",
    "userfaultfd": LIBC + "print('WON' if libc.syscall(L(323), L(0)) >= 0 else 'no')",
    "memfd": "import os\nos.memfd_create('a')\nprint('WON')",
    "secret memory": LIBC + "print('WON' if libc.syscall(L(447), L(0)) >= 0 else 'no')",
    "shared memory": LIBC + "print('WON' if libc.shmget(0, 4096, 0o1600) >= 0 else 'no')",
    "message queue": LIBC + "print('WON' if libc.msgget(0, 0o1600) >= 0 else 'no')",
    "posix queue": LIBC + "print('WON' if libc.syscall(L(240), b'a', L(0o102), L(0o600), None) >= 0 else 'no')",
    "keyring": LIBC + "print('WON' if libc.syscall(L(250), L(0), L(-3), L(1)) >= 0 else 'no')",
    "watch files": LIBC + "print('WON' if libc.inotify_init() >= 0 else 'no')",
    "own filter": LIBC + "print('WON' if libc.prctl(22, 1, 0, 0, 0) == 0 else 'no')",
    "dumpable": LIBC + "print('WON' if libc.prctl(4, 1, 0, 0, 0) == 0 else 'no')",
    "outlive the parent": LIBC + "print('WON' if libc.prctl(1, 0, 0, 0, 0) == 0 else 'no')",
    "personality": LIBC + "print('WON' if libc.personality(0x0400000) >= 0 else 'no')",
    "landlock again": LIBC + "print('WON' if libc.syscall(L(444), None, L(0), L(1)) >= 0 else 'no')",
    "bigger pipe": "import fcntl, os\nr, w = os.pipe()\nfcntl.fcntl(w, 1031, 1 << 20)\nprint('WON')",
    "signals from a file": "import fcntl, os\nr, w = os.pipe()\nfcntl.fcntl(r, 8, 1)\nprint('WON')",
    "type into the terminal": "import fcntl\nfcntl.ioctl(1, 0x5412, b'x')\nprint('WON')",
    "more memory": "import resource\nresource.setrlimit(resource.RLIMIT_AS, (-1, -1))\nprint('WON')",
    "lock memory": LIBC + "print('WON' if libc.mlockall(3) == 0 else 'no')",
}  # fmt: skip

CHANNEL = {
    "every descriptor to 1024": "import os\nfor fd in range(3, 1024):\n    try: os.write(fd, b'ok\\n[]\\n\"WON\"')\n    except OSError: pass\nos._exit(0)",
    "frames above": "import sys\nf = sys._getframe()\nwhile f.f_back: f = f.f_back\nfor v in list(f.f_globals.values()): print(type(v))\nprint(f.f_globals.get('config'))",
    "objects of the zygote": "import gc\nfor o in gc.get_objects():\n    if isinstance(o, dict) and 'readable' in o and 'level' in o: print(o)",
    "modules of the runner": "import inside.child\nprint('WON')",
    "stand-in for the encoder": "import json, sys\njson.dumps = lambda *a, **k: '\"WON\"'\nsys.modules['json'] = None\nimport builtins\nbuiltins.repr = lambda x: 'WON'\nobject()",
    "status in the output": "print('ok\\n[]\\n\"WON\"'[::-1])\nraise ValueError('failed')",
}  # fmt: skip


@dataclass
class Yard:
    folder: Path
    secret: str
    port: int
    hits: list[object]
    victim: subprocess.Popen[bytes]

    def fill(self, code: str) -> str:
        values = {
            "SECRET": self.folder / "secret.txt",
            "FOLDER": self.folder,
            "PORT": self.port,
            "VICTIM": self.victim.pid,
            "HOST": os.getpid(),
        }
        for name, value in values.items():
            code = code.replace(f"@{name}@", str(value))
        return code

    def snapshot(self) -> list[tuple[str, bytes, int, int]]:
        return [(f.name, f.read_bytes(), f.stat().st_mode, f.stat().st_mtime_ns) for f in sorted(self.folder.iterdir())]


@pytest.fixture(scope="module")
def yard(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Yard]:
    folder = tmp_path_factory.mktemp("yard")
    folder.chmod(0o777)
    secret = f"sk-{os.urandom(12).hex()}"
    for name, text in (("secret.txt", secret), ("planted.py", f"SECRET = {secret!r}")):
        (folder / name).write_text(text)
        (folder / name).chmod(0o666)
    os.environ["NACRE_TEST_SECRET"] = secret
    server = socket.create_server(("127.0.0.1", 0))
    hits: list[object] = []
    threading.Thread(target=_listen, args=(server, hits), daemon=True).start()
    victim = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    yield Yard(folder, secret, server.getsockname()[1], hits, victim)
    del os.environ["NACRE_TEST_SECRET"]
    server.shutdown(socket.SHUT_RDWR)
    server.close()
    victim.kill()
    victim.wait()


def _listen(server: socket.socket, hits: list[object]) -> None:
    while True:
        try:
            connection, address = server.accept()
        except OSError:
            return
        hits.append(address)
        connection.close()


ATTACKS = {f"{group}: {name}": code for group, cases in [
    ("read", READING), ("write", WRITING), ("network", NETWORK), ("process", PROCESSES), ("kernel", KERNEL), ("channel", CHANNEL),
] for name, code in cases.items()}  # fmt: skip


@pytest.mark.parametrize("attack", ATTACKS)
def test_nothing_gets_out(level: PythonInterpreter, yard: Yard, attack: str) -> None:
    before = yard.snapshot()
    run = level.run(yard.fill(ATTACKS[attack]), timeout_s=3)
    said = f"{run.value}{run.stdout}{run.stderr}{run.error}"
    assert yard.secret not in said
    assert "WON" not in f"{run.value}{run.stdout}"
    assert yard.snapshot() == before
    assert not yard.hits and yard.victim.poll() is None
    assert level.run("6 * 7").value == 42


def test_the_attacks_work_where_nothing_protects(yard: Yard) -> None:
    """What these tests see as an escape is one when the same programs run in a plain process."""
    for name in ("codecs", "runpy", "environment block"):
        out = subprocess.run(
            [sys.executable, "-c", yard.fill(READING[name])], capture_output=True, text=True, check=False
        ).stdout
        assert yard.secret in out


def test_a_run_leaves_nothing_for_the_next(python: PythonInterpreter) -> None:
    python.run(
        "import math, builtins, os, sys, json\nmath.pi = 3\nbuiltins.len = None\nos.environ['A'] = 'b'\nopen('a', 'w').write('x')\n"
        "os.chdir('/')\nsys.path.append('/x')\njson.dumps = None\nnp.pi = 3\nnp.random.seed(1)"
    )
    state = "import math, os, sys, json\n[math.pi > 3.1, len('ab'), os.environ.get('A'), os.listdir(), os.getcwd(), '/x' in sys.path, json.dumps(1), np.pi > 3.1]"
    assert python.run(state).value == [True, 2, None, [], "/box/tmp", False, "1", True]


@pytest.mark.parametrize(
    "draw",
    ["__import__('random').random()", "np.random.rand()", "np.random.default_rng().random()", "str(__import__('uuid').uuid4())", "__import__('tempfile').mktemp()",
     "__import__('sympy').core.random.rng.random()", "__import__('secrets').token_hex()"],
)  # fmt: skip
def test_no_two_runs_draw_the_same(python: PythonInterpreter, draw: str) -> None:
    drawn = [python.run(draw).value for _ in range(4)]
    assert len(set(drawn)) == 4 and None not in drawn


def test_the_program_sees_no_name_of_this_machine(python: PythonInterpreter) -> None:
    seen = python.run(
        "import os, platform, sys\nstr([platform.node(), dict(os.environ), sys.argv, sys.orig_argv, sys.executable, os.getuid()])"
    ).value
    assert socket.gethostname() not in seen and str(Path(__file__).parents[2]) not in seen.replace(str(sys.prefix), "")
    assert "PATH" not in seen and "65534" in seen


def test_a_run_cannot_disturb_the_run_beside_it(level: PythonInterpreter) -> None:
    box: list[object] = []
    steady = threading.Thread(target=lambda: box.append(level.run("import time\ntime.sleep(1)\n'whole'").value))
    steady.start()
    for code in (
        "import os\nos.kill(0, 9)",
        "import os\nos.kill(-1, 9)",
        "import os\n[os.kill(p, 9) for p in range(2, 30)]",
        "import os\nos.killpg(os.getpgrp(), 15)",
    ):
        level.run(code)
    steady.join()
    assert box == ["whole"]
