"""What a parser that was taken over could do: attacks made from inside the walls, by code that means harm."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from nacre.documents import ParserPool

ATTACKS = """
import ctypes, json, os, signal, socket, sys
from nacre.documents import walls
{before}
missing = walls.raise_walls()
secret, parent, made = sys.argv[1], os.getppid(), sys.argv[2]

def system_call(number, *arguments):
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.syscall(number, *arguments) < 0:
        raise OSError(ctypes.get_errno(), "refused")

ATTEMPTS = dict(
    read_secret=lambda: open(secret).read(),
    read_by_other_way=lambda: open("/proc/self/root" + secret).read(),
    read_passwords=lambda: open("/etc/passwd").read(),
    read_parents_environment=lambda: open(f"/proc/{{parent}}/environ").read(),
    list_home=lambda: os.listdir(os.path.dirname(secret)),
    make_file=lambda: open(made, "w"),
    make_temporary=lambda: open("/tmp/left-by-a-parser", "w"),
    append_to_module=lambda: open(walls.__file__, "a"),
    unnamed_file=lambda: os.open("/tmp", os.O_TMPFILE | os.O_RDWR),
    write_to_device=lambda: open("/dev/null", "w"),
    make_folder=lambda: os.mkdir(made),
    remove=lambda: os.unlink(secret),
    rename=lambda: os.rename(secret, made),
    network=lambda: socket.socket(),
    local_socket=lambda: socket.socket(socket.AF_UNIX),
    pair=lambda: socket.socketpair(),
    fork=lambda: os.fork() or os._exit(0),
    execute=lambda: os.execv(sys.executable, [sys.executable, "-c", "print('won')"]),
    kill_parent=lambda: os.kill(parent, 0),
    trace_parent=lambda: system_call(101, 0x4206, parent, 0, 0),
    read_parents_memory=lambda: system_call(310, parent, 0, 0, 0, 0, 0),
    new_users=lambda: system_call(272, 0x10000000),
    mount=lambda: system_call(165, b"x", b"/", b"tmpfs", 0, 0),
    memory_file=lambda: os.memfd_create("x"),
    rings=lambda: system_call(425, 8, 0),
)
won = []
for name, attempt in ATTEMPTS.items():
    try:
        attempt()
        won.append(name)
    except OSError:
        pass
sys.modules["numpy"] = None
import openpyxl, pypdfium2, lxml.etree, selectolax.lexbor  # what parsers load late still loads
print(json.dumps(dict(missing=missing, won=won)))
"""
NO_NAMESPACES = """
def refused(): raise PermissionError(1, "not allowed", "unshare(user)")
walls.namespaces.enter = refused
"""
NO_LANDLOCK = """
def refused(): raise OSError(95, "not supported", "landlock_create_ruleset")
walls.landlock.abi = refused
"""


@pytest.mark.parametrize("before", ["", NO_NAMESPACES, NO_LANDLOCK], ids=["all walls", "no namespaces", "no Landlock"])
def test_attacks_from_inside_a_parser_fail(tmp_path: Path, before: str) -> None:
    (tmp_path / "secret").write_text("pearls")
    command = [
        sys.executable,
        "-P",
        "-c",
        ATTACKS.format(before=before),
        str(tmp_path / "secret"),
        str(tmp_path / "made"),
    ]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env={"PATH": "/usr/bin:/bin"})
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    if (found["missing"]["namespaces"] and found["missing"]["landlock"]) or found["missing"]["seccomp"]:
        pytest.skip(f"this kernel has too little: {found['missing']}")
    assert found["won"] == []
    assert bool(found["missing"]["namespaces"]) >= (before is NO_NAMESPACES)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["secret"]


def test_a_worker_has_the_walls_that_it_says_it_has() -> None:
    with ParserPool(workers=1) as pool:
        missing = pool.missing_walls()
        assert set(missing) == {"namespaces", "landlock", "seccomp"}
        pid = pool._idle[0].process.pid
        status = dict(re.findall(r"(\w+):\t(.*)", Path(f"/proc/{pid}/status").read_text()))
        assert (status["Seccomp"] == "2") == (not missing["seccomp"])
        assert status["NoNewPrivs"] == "1" or missing["seccomp"]
        assert int(status["CapEff"], 16) == int(status["CapPrm"], 16) == 0
        if not missing["namespaces"]:
            spaces = ("user", "net", "mnt", "ipc")
            inside = [Path(f"/proc/{pid}/ns/{name}").readlink() for name in spaces]
            assert all(
                here != Path(f"/proc/self/ns/{name}").readlink() for here, name in zip(inside, spaces, strict=True)
            )
        assert pool.parse(b"<h1>Still reads</h1>", name="a.html").title == "Still reads"
