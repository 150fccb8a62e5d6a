"""Which protections hold on this machine: asked of the kernel, and proved by attacking a sandbox."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from nacre.errors import InterpreterError
from nacre.reasoning.sandbox.helper import Child
from nacre.reasoning.sandbox.interpreter import PythonInterpreter
from nacre.reasoning.sandbox.limits import LEVELS, Level

_NAMESPACES = ("user", "mnt", "pid", "net", "ipc", "uts")


def doctor(level: Level | None = None) -> dict[str, Any]:
    """Start a sandbox, look at one of its processes from outside, and run a program in it.

    Args:
        level: the level to look at; None is the one that programs get.

    Returns:
        `available`, and when so `level`, `protections` (a list of {"name", "active", "detail"}), `self_test` (attack to
        whether it failed), `modules`, `start_seconds` and `run_ms`; else `error`, `missing` and `weaker_levels`, those
        that would work if asked for by name.
    """
    begin = time.monotonic()
    try:
        with PythonInterpreter(level=level) as python:
            facts = python.start()
            started = time.monotonic() - begin
            first, second = python.run("1"), python.run("1")
            seen = python.inspect(_kernel_view)
            run_ms = round(min(first.seconds, second.seconds) * 1000, 2)
    except InterpreterError as error:
        missing, weaker = list(getattr(error, "missing", ())), [name for name in LEVELS[1:] if name != level]
        works = [name for name in weaker if _starts(name)]
        return {"available": False, "error": error.message, "missing": missing, "weaker_levels": works}
    report = {
        "available": True,
        "level": facts["level"],
        "protections": _protections(facts, seen),
        "self_test": facts["self_test"],
    }
    return report | {"modules": facts["modules"], "start_seconds": round(started, 2), "run_ms": run_ms}


def _starts(level: Level) -> bool:
    try:
        with PythonInterpreter(level=level) as python:
            python.start()
    except InterpreterError:
        return False
    return True


def _kernel_view(child: Child) -> dict[str, str]:
    """What the kernel says about a waiting child: the fields of its status file, once it has locked itself down."""
    known = Path(f"/proc/self/fdinfo/{child.kill}").read_text().splitlines()
    pid = next(line.split()[1] for line in known if line.startswith("Pid:"))
    deadline = time.monotonic() + 2
    while True:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
        fields = {key: value.strip() for key, _, value in (line.partition(":") for line in lines)}
        if fields.get("Seccomp") == "2" or time.monotonic() > deadline:
            return fields
        time.sleep(0.01)


def _protections(facts: dict[str, Any], seen: dict[str, str]) -> list[dict[str, Any]]:
    isolated = facts["level"] != "landlock"
    files = "library folders, read-only, and an empty scratch folder" if isolated else ""
    empty = int(seen.get("CapBnd", "1"), 16) == 0
    why = "" if empty else "this user may not empty it; no new privileges and no exec keep it out of reach"
    rows = [
        ("seccomp filter", seen.get("Seccomp") == "2", f"{seen.get('Seccomp_filters', '?')} filter"),
        ("no new privileges", seen.get("NoNewPrivs") == "1", ""),
        ("no capabilities", int(seen.get("CapEff", "1"), 16) == int(seen.get("CapPrm", "1"), 16) == 0, ""),
        ("bounding set empty", empty, why),
        ("Landlock", facts["landlock_abi"] > 0, f"ABI {facts['landlock_abi']}" if facts["landlock_abi"] else ""),
        ("namespaces", isolated and len(seen.get("NSpid", "").split()) > 1, ", ".join(_NAMESPACES) if isolated else ""),
        ("file view of its own", isolated, files),
        ("not root", facts["user"] == "unprivileged", facts["user"]),
        ("limits", True, "memory, processor, output, files, disk, threads, time"),
        ("clean process", True, "started anew: no environment, memory or descriptors of this one"),
    ]
    return [{"name": name, "active": active, "detail": detail} for name, active, detail in rows]
