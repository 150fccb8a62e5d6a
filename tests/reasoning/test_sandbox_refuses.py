"""Where the kernel says no, the sandbox refuses and says what is missing: tried by really denying the calls."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

from nacre.reasoning.sandbox import PythonInterpreter

# Deny some calls to this process and all below it, then do what the test wants.
DENYING = """
import json, sys
from nacre.system.confinement import linux, seccomp
from nacre.system.confinement.syscalls import ALLOW, Rule
denied, error, body = json.loads(sys.argv[1])
linux.prctl(linux.PR_SET_NO_NEW_PRIVS, 1)
rules = dict.fromkeys(range(600), ALLOW) | {number: Rule(error=error) for number in denied}
seccomp.Filter(rules).install()
from nacre.errors import NacreError
from nacre.reasoning.sandbox import PythonInterpreter, doctor
try:
    print(json.dumps(eval(body)))
except NacreError as error:
    print(json.dumps({"refused": error.message, "missing": list(getattr(error, "missing", ()))}))
"""
EPERM, ENOSYS, EOPNOTSUPP = 1, 38, 95
UNSHARE, MOUNT, MOVE_MOUNT, PIVOT_ROOT, SECCOMP, LANDLOCK = 272, 165, 429, 155, 317, (444, 445, 446)


def where_denied(denied: list[int], error: int, body: str) -> Any:
    done = subprocess.run(
        [sys.executable, "-c", DENYING, json.dumps([denied, error, body])],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.stdout, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize(
    ("denied", "error", "missing", "cure"),
    [
        ([UNSHARE], EPERM, "user namespaces", 'level="landlock"'),
        ([MOUNT], EPERM, "mounts and users of its own", "apparmor"),
        ([MOVE_MOUNT], ENOSYS, "mounts and users of its own", 'level="landlock"'),
        ([PIVOT_ROOT], EPERM, "mounts and users of its own", 'level="landlock"'),
        ([SECCOMP], ENOSYS, "seccomp", "CONFIG_SECCOMP_FILTER"),
        ([*LANDLOCK], ENOSYS, "Landlock", 'level="namespaces"'),
        ([*LANDLOCK], EOPNOTSUPP, "Landlock", "lsm"),
    ],
)  # fmt: skip
def test_it_refuses_and_names_what_is_missing_and_the_cure(
    python: PythonInterpreter, denied: list[int], error: int, missing: str, cure: str
) -> None:
    answer = where_denied(denied, error, "PythonInterpreter(packages=()).run('1').value")
    assert missing in answer["missing"] and cure in answer["refused"], answer


@pytest.mark.parametrize(
    ("denied", "error", "level"),
    [([UNSHARE], EPERM, "landlock"), ([MOUNT], EPERM, "landlock"), ([*LANDLOCK], ENOSYS, "namespaces")],
)
def test_the_weaker_level_serves_there_when_asked_for_by_name(
    python: PythonInterpreter, denied: list[int], error: int, level: str
) -> None:
    body = f"[PythonInterpreter(level={level!r}, packages=()).run(code).status for code in ('1', 'open(\"/etc/passwd\")', 'import socket; socket.socket()')]"
    first, second, third = where_denied(denied, error, body)
    assert first == "ok" and second in ("error", "blocked") and third == "blocked"


@pytest.mark.parametrize("level", ["full", "namespaces", "landlock"])
def test_without_seccomp_no_level_serves(python: PythonInterpreter, level: str) -> None:
    assert where_denied([SECCOMP], ENOSYS, f"PythonInterpreter(level={level!r}, packages=()).run('1').value")[
        "missing"
    ] == ["seccomp"]


def test_without_namespaces_and_landlock_nothing_serves(python: PythonInterpreter) -> None:
    for level in ("full", "namespaces", "landlock"):
        assert where_denied(
            [UNSHARE, *LANDLOCK], EPERM, f"PythonInterpreter(level={level!r}, packages=()).run('1').value"
        )["missing"]


def test_the_doctor_names_what_is_missing_and_what_would_work(python: PythonInterpreter) -> None:
    report = where_denied([UNSHARE], EPERM, "doctor()")
    assert (
        report["available"] is False
        and report["missing"] == ["user namespaces"]
        and report["weaker_levels"] == ["landlock"]
    )


def test_the_doctor_shows_what_holds(python: PythonInterpreter) -> None:
    from nacre.reasoning.sandbox import doctor

    report = doctor()
    assert report["available"] and report["level"] == "full"
    assert all(row["active"] for row in report["protections"]), report["protections"]
    assert set(report["self_test"].values()) == {True}


def test_a_sandbox_that_fails_its_self_test_serves_nothing(
    python: PythonInterpreter, monkeypatch: pytest.MonkeyPatch
) -> None:
    from nacre.errors import InterpreterError
    from nacre.reasoning.sandbox import selftest

    monkeypatch.setattr(selftest, "PROGRAM", "def solution():\n    return {'read_file': False}\n")
    with PythonInterpreter(packages=()) as broken, pytest.raises(InterpreterError, match="self-test"):
        broken.run("1")


def test_the_refusal_is_also_in_chinese(python: PythonInterpreter, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NACRE_LANG", "zh")
    assert "本机缺少" in where_denied([UNSHARE], EPERM, "PythonInterpreter(packages=()).run('1').value")["refused"]
