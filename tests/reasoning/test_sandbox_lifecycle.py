"""The helper over time: killed, forked from, run from many threads, replaced when old; nothing is left behind."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from nacre.reasoning.sandbox import PythonInterpreter, pool


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def settled(probe: Any, wanted: Any, seconds: float = 5) -> Any:
    end = time.monotonic() + seconds
    while (value := probe()) != wanted and time.monotonic() < end:
        time.sleep(0.05)
    return value


@pytest.fixture
def fresh(python: PythonInterpreter) -> Any:
    with PythonInterpreter(packages=()) as interpreter:  # without numpy and sympy it starts in a tenth of the time
        interpreter.start()
        yield interpreter


def below(pid: int) -> list[int]:
    found = [pid]
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(OSError):  # it ended while it was looked at
            found += [p for child in task.read_text().split() for p in below(int(child))]
    return found


@pytest.mark.parametrize(
    "which", [slice(0, 1), slice(1, 2), slice(2, None), slice(None)], ids=["launcher", "zygote", "children", "all"]
)
def test_after_processes_of_the_helper_are_killed_the_next_run_works(fresh: PythonInterpreter, which: slice) -> None:
    helper = fresh._pool._helper
    assert helper is not None
    for pid in below(helper._process.pid)[which]:
        with suppress(ProcessLookupError):  # one that died with those before it
            os.kill(pid, signal.SIGKILL)
    assert [fresh.run("6 * 7").value for _ in range(3)] == [42, 42, 42]


def test_a_run_during_which_the_helper_dies_is_run_again(fresh: PythonInterpreter) -> None:
    helper = fresh._pool._helper
    assert helper is not None
    timer = threading.Timer(0.3, helper._process.kill)
    timer.start()
    assert fresh.run("import time\ntime.sleep(1)\n'done'").value == "done"
    timer.join()


def test_many_runs_leave_no_process_descriptor_or_memory(fresh: PythonInterpreter) -> None:
    hostile = [
        "import threading, time\nthreading.Thread(target=time.sleep, args=(99,)).start()\n1",
        "import os\nos._exit(1)",
        "print('x' * 2_000_000)",
    ]
    for n in range(30):
        fresh.run(hostile[n % 3])
    gc.collect()
    start = (time.sleep(0.3), len(below(os.getpid())))[1], descriptors()
    for n in range(200):
        fresh.run(hostile[n % 3] if n % 10 == 0 else "sum(range(100))")
    gc.collect()
    assert abs(settled(lambda: len(below(os.getpid())), start[0]) - start[0]) <= 1
    assert abs(settled(descriptors, start[1]) - start[1]) <= 6  # a child ahead more or less


def test_closing_ends_every_process(fresh: PythonInterpreter) -> None:
    processes = below(fresh._pool._helper._process.pid)  # type: ignore[union-attr]
    assert len(processes) >= 3
    fresh.close()
    assert settled(lambda: [p for p in processes if Path(f"/proc/{p}").exists()], []) == []
    assert fresh.run("1").value == 1  # and a later run starts anew


def test_everything_ends_with_the_process_that_started_it() -> None:
    code = "import os, sys\nfrom nacre.reasoning.sandbox import PythonInterpreter\np = PythonInterpreter(packages=())\np.run('1')\nprint(p._pool._helper._process.pid, flush=True)\nos.kill(os.getpid(), 9)"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False).stdout
    if not out:
        pytest.skip("no sandbox on this machine")
    assert settled(lambda: Path(f"/proc/{int(out)}").exists(), False) is False


def test_runs_from_many_threads_keep_apart(python: PythonInterpreter) -> None:
    def one(n: int) -> tuple[int, Any]:
        code = [
            "{0} * 1000",
            "print({0})\nans = {0}",
            "def solution():\n    return {0} / 0",
            "import os\nos._exit({0} % 9)",
        ][n % 4]
        return n, python.run(code.format(n))

    with ThreadPoolExecutor(8) as threads:
        done = list(threads.map(one, range(80)))
    for n, run in done:
        expected = [("ok", n * 1000), ("ok", n), ("error", None), ("error", None)][n % 4]
        assert (run.status, run.value) == expected
        assert run.stdout == (f"{n}\n" if n % 4 == 1 else "")


def test_more_runs_than_places_wait_and_their_time_starts_with_them(python: PythonInterpreter) -> None:
    with PythonInterpreter(parallel=1, packages=()) as narrow, ThreadPoolExecutor(4) as threads:
        narrow.start()
        runs = list(threads.map(lambda _: narrow.run("import time\ntime.sleep(0.4)\n1", 1.0), range(4)))
    assert [run.status for run in runs] == ["ok"] * 4


async def test_a_run_does_not_block_the_event_loop(python: PythonInterpreter) -> None:
    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            await asyncio.sleep(0.01)
            ticks += 1

    task = asyncio.create_task(tick())
    assert (await python.arun("import time\ntime.sleep(0.5)\n1")).value == 1
    task.cancel()
    assert ticks > 5


async def test_a_cancelled_task_takes_its_program_with_it() -> None:
    with PythonInterpreter(parallel=1, packages=()) as narrow:
        narrow.start()
        endless = asyncio.create_task(narrow.arun("while True: pass", 600.0))
        waiting = asyncio.create_task(narrow.arun("while True: pass", 600.0))
        await asyncio.sleep(0.2)
        endless.cancel()
        waiting.cancel()
        run = await asyncio.wait_for(narrow.arun("6 * 7"), 60)  # there is one place, and it is free again
    assert run.value == 42


def test_a_forked_process_starts_its_own_helper_and_leaves_ours(fresh: PythonInterpreter) -> None:
    pid = os.fork()
    if pid == 0:
        os._exit(0 if fresh.run("6 * 7").value == 42 else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert fresh.run("6 * 7").value == 42


def test_an_old_helper_is_replaced_while_runs_go_on(python: PythonInterpreter, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "_RETIRE_AFTER", 5)
    with PythonInterpreter(packages=()) as interpreter:
        interpreter.start()
        first = interpreter._pool._helper
        seeds = set()
        end = time.monotonic() + 20
        while interpreter._pool._helper is first and time.monotonic() < end:
            seeds.add(interpreter.run("hash('a')").value)
        assert interpreter._pool._helper is not first
        seeds.add(interpreter.run("hash('a')").value)
        assert len(seeds) == 2
        assert settled(lambda: list(interpreter._pool._using), [interpreter._pool._helper]) != []


def test_the_host_imports_no_framework() -> None:
    code = "import sys, nacre.reasoning.sandbox; print([m for m in ('langchain_core', 'pydantic', 'numpy', 'sympy') if m in sys.modules])"
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"
    )
