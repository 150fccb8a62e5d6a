"""Latency, throughput and leaks of the sandbox, beside a bare `python -c` of the same program.

python bench/sandbox.py [--json] [--runs 10000]
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import signal
import statistics
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from operator import sub
from pathlib import Path
from typing import Any

from nacre.reasoning.sandbox import PythonInterpreter

TINY = "def solution():\n    return sum(i * i for i in range(100))\n"
HEAVY = """x = Symbol('x')
def solution():
    return [int(v) for v in solve(Eq(x**2 - x - 6, 0), x)] + [int(np.arange(10).sum())]
"""
IMPORTS = "import numpy as np\nfrom sympy import Symbol, solve, Eq\n"


def percentile(values: list[float], share: float) -> float:
    """By the nearest rank."""
    return sorted(values)[min(len(values) - 1, round(share * (len(values) - 1)))]


def latency(python: PythonInterpreter, runs: int) -> dict[str, float]:
    """Milliseconds of the sandbox and of a subprocess, taken in turn so that both see the same machine."""
    ours, bare, heavy = [], [], []
    for n in range(runs):
        ours.append(timed(lambda: python.run(TINY)))
        time.sleep(0.01)
        if n % 4 == 0:
            bare.append(timed(lambda: in_subprocess(TINY + "print(solution())")))
            heavy.append(timed(lambda: python.run(HEAVY)))
            time.sleep(0.01)
    return {
        "p50_ms": statistics.median(ours),
        "p99_ms": percentile(ours, 0.99),
        "subprocess_p50_ms": statistics.median(bare),
        "ratio": statistics.median(ours) / statistics.median(bare),
        "numpy_sympy_p50_ms": statistics.median(heavy),
        "numpy_sympy_subprocess_ms": timed(lambda: in_subprocess(IMPORTS + HEAVY + "solution()")),
    }


def in_subprocess(program: str) -> None:
    """Run a program in a Python of its own, without any protection."""
    subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)


def timed(work: Any) -> float:
    """Milliseconds that a call takes."""
    start = time.perf_counter()
    work()
    return (time.perf_counter() - start) * 1000


def throughput(python: PythonInterpreter, runs: int = 160) -> dict[str, float]:
    """Runs a second: one at a time, then eight threads at once; and how many failed.

    The program computes for some 30 ms. With a program that does nothing the two are nearly equal: one run at a time
    already keeps both processors busy, the one with the run, the other with making the next child.
    """
    code = "def solution():\n    return sum(i * i for i in range(500_000))\n"
    expected = sum(i * i for i in range(500_000))
    start = time.perf_counter()
    failed = sum(python.run(code).value != expected for _ in range(runs))
    alone = runs / (time.perf_counter() - start)
    start = time.perf_counter()
    with ThreadPoolExecutor(8) as threads:
        failed += sum(threads.map(lambda _: python.run(code).value != expected, range(runs)))
        together = runs / (time.perf_counter() - start)
        start = time.perf_counter()
        failed += sum(threads.map(lambda _: python.run(TINY).value != 328350, range(4 * runs)))
    tiny = 4 * runs / (time.perf_counter() - start)
    return {
        "one_at_a_time_per_s": alone,
        "eight_threads_per_s": together,
        "parallel_gain": together / alone,
        "tiny_per_s": tiny,
        "failed": failed,
    }


def cost(python: PythonInterpreter, runs: int = 400) -> dict[str, float]:
    """What a run of the tiny program costs in all: processor time and page faults of this process, the helper and the
    children.
    """
    python.run(TINY)
    time.sleep(0.2)
    before = used()
    for _ in range(runs):
        python.run(TINY)
    time.sleep(0.2)  # the last child is taken back, and the next one made
    ticks, faults = (now - then for now, then in zip(used(), before, strict=True))
    return {"cpu_ms_a_run": ticks / os.sysconf("SC_CLK_TCK") * 1000 / runs, "page_faults_a_run": faults / runs}


def used() -> tuple[int, int]:
    """Clock ticks and minor page faults so far, of this process, all that descend from it and those that they waited
    for.
    """
    ticks = faults = 0
    for pid in below(os.getpid()):
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        faults += int(fields[7]) + int(fields[8])
        ticks += sum(map(int, fields[11:15]))
    return ticks, faults


def endurance(python: PythonInterpreter, runs: int) -> dict[str, float]:
    """Many runs, with the helper killed now and then: what is left over, and how many failed."""
    for _ in range(50):
        python.run(TINY)
    before = (len(below(os.getpid())), descriptors(), resident())
    failed, start = 0, time.perf_counter()
    for n in range(runs):
        if n % (runs // 4 or 1) == runs // 8:
            os.kill(below(os.getpid())[-1] if n % 2 else below(os.getpid())[1], signal.SIGKILL)
        failed += python.run(TINY).value != 328350
    seconds = time.perf_counter() - start
    time.sleep(2)
    after = (len(below(os.getpid())), descriptors(), resident())
    left = dict(zip(("processes_left", "descriptors_left", "memory_growth_mb"), map(sub, after, before), strict=True))
    return {"runs": runs, "failed": failed, "seconds": seconds, **left}


def below(pid: int) -> list[int]:
    """This process and all that descend from it."""
    found = [pid]
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        found += [p for child in task.read_text().split() for p in below(int(child))]
    return found


def descriptors() -> int:
    """Descriptors that this process holds."""
    return len(list(Path("/proc/self/fd").iterdir()))


def resident() -> float:
    """Megabytes of this process in memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / 2**20


TARGETS = {
    "p50_ms": ("<=", 5),
    "p99_ms": ("<=", 15),
    "ratio": ("<=", 0.1),
    "numpy_sympy_p50_ms": ("<=", 40),
    "parallel_gain": (">=", 1.6),
    "failed": ("<=", 0),
    "processes_left": ("<=", 0),
    "descriptors_left": ("<=", 5),
    "memory_growth_mb": ("<=", 5),
    "start_s": ("<=", 2),
}


def main() -> int:
    """Print the figures; exit 1 when one misses its target."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--runs", type=int, default=10_000, help="length of the endurance run")
    arguments = parser.parse_args()
    start = time.perf_counter()
    with PythonInterpreter() as python:
        python.start()
        figures: dict[str, float] = {"start_s": time.perf_counter() - start}
        figures |= latency(python, 400)
        figures |= cost(python)
        figures |= throughput(python)
        first_failed = figures["failed"]
        figures |= endurance(python, arguments.runs)
        figures["failed"] += first_failed
    missed = [
        name
        for name, (sign, target) in TARGETS.items()
        if not (figures[name] <= target if sign == "<=" else figures[name] >= target)
    ]
    if arguments.json:
        print(json.dumps({**figures, "missed": missed}))
        return bool(missed)
    for name, value in figures.items():
        target = " ".join(map(str, TARGETS[name])) if name in TARGETS else ""
        print(f"{name:28} {value:10.3f}   {target:8} {'MISSED' if name in missed else ''}")
    return bool(missed)


if __name__ == "__main__":
    raise SystemExit(main())
