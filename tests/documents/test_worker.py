"""Workers: killed ones cost their own document only; limits hold; nothing of the caller leaks in."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from nacre.documents import Limits, ParserPool, parse
from nacre.errors import ParseError

# Quadratic in the HTML parser itself, deep in C: only a kill ends it.
SLOW = b"<html><body>" + b"<div>" * 150_000 + b"x"


def test_a_worker_gives_what_the_parser_gives(pool: ParserPool) -> None:
    data = "# 标题\n\n| a | b |\n|---|---|\n| 1 | 2 |\n".encode()
    assert pool.parse(data, name="a.md") == parse(data, name="a.md")


def test_reasons_come_through_with_the_name(pool: ParserPool) -> None:
    with pytest.raises(ParseError, match="empty") as caught:
        pool.parse(b"", name="空.txt")
    assert caught.value.uri == "空.txt"


def test_a_slow_document_is_ended_and_the_next_one_is_read() -> None:
    with ParserPool(workers=1, timeout_s=1) as pool:
        with pytest.raises(ParseError, match="within 1 s"):
            pool.parse(SLOW, name="a.html")
        assert pool.parse(b"fine", name="b.txt").text == "fine"


def test_a_hungry_document_is_ended_and_the_next_one_is_read() -> None:
    with ParserPool(workers=1, memory_bytes=200 << 20, timeout_s=30) as pool:
        with pytest.raises(ParseError, match="memory"):
            pool.parse(b"[" + b"[1],\n" * 2_000_000 + b"1]", name="a.json")
        assert pool.parse(b"fine", name="b.txt").text == "fine"


def test_a_crash_costs_one_document() -> None:
    with ParserPool(workers=1, timeout_s=20) as pool:
        pool.parse(b"warm", name="a.txt")
        victim = pool._idle[0].process.pid
        killer = threading.Timer(0.3, os.kill, (victim, signal.SIGSEGV))
        killer.start()
        with pytest.raises(ParseError, match="crashed"):
            pool.parse(SLOW, name="a.html")
        assert pool.parse(b"fine", name="b.txt").text == "fine"


def test_a_worker_that_died_between_documents_is_replaced() -> None:
    with ParserPool(workers=1) as pool:
        pool.parse(b"warm", name="a.txt")
        pool._idle[0].process.kill()
        pool._idle[0].process.wait()
        assert pool.parse(b"fine", name="b.txt").text == "fine"


def test_threads_share_the_workers() -> None:
    with ParserPool(workers=2) as pool, ThreadPoolExecutor(8) as threads:
        texts = list(threads.map(lambda n: pool.parse(f"text {n}".encode(), name=f"{n}.txt").text, range(60)))
        assert texts == [f"text {n}" for n in range(60)]
        assert len(pool._idle) <= 2


def test_a_worker_inherits_no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    with ParserPool(workers=1) as pool:
        pool.parse(b"warm", name="a.txt")
        environment = Path(f"/proc/{pool._idle[0].process.pid}/environ").read_bytes()
    assert b"PATH=" in environment and b"sk-secret" not in environment


def test_workers_end_with_their_pool_and_a_closed_pool_says_so() -> None:
    pool = ParserPool(workers=1)
    pool.parse(b"warm", name="a.txt")
    process = pool._idle[0].process
    pool.close()
    assert process.poll() is not None
    with pytest.raises(ParseError, match="closed"):
        pool.parse(b"x", name="a.txt")


def test_workers_end_when_their_parent_is_killed(tmp_path: Path) -> None:
    code = """
        import time
        from nacre.documents import ParserPool
        pool = ParserPool(workers=1)
        pool.parse(b"warm", name="a.txt")
        print(pool._idle[0].process.pid, flush=True)
        time.sleep(60)
    """
    parent = subprocess.Popen([sys.executable, "-c", textwrap.dedent(code)], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    worker = int(parent.stdout.readline())
    parent.kill()
    parent.communicate()
    for _ in range(200):
        if not Path(f"/proc/{worker}").exists() or "State:\tZ" in Path(f"/proc/{worker}/status").read_text():
            return
        threading.Event().wait(0.05)
    pytest.fail("the worker lives on")


def test_a_script_needs_no_main_guard(tmp_path: Path) -> None:
    """`multiprocessing` would run the script again in each worker."""
    script = tmp_path / "script.py"
    script.write_text(
        'from nacre.documents import ParserPool\nprint("once")\nwith ParserPool(workers=1) as pool:\n    print(pool.parse(b"hi", name="a.txt").text)\n'
    )
    shown = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=True)
    assert shown.stdout.split() == ["once", "hi"]


def test_time_grows_with_the_file_but_not_for_text() -> None:
    limits = Limits()
    small, big = limits.deadline(b"%PDF-1.7"), limits.deadline(b"%PDF-1.7" + b"0" * (20 << 20))
    assert small == limits.seconds < big <= limits.seconds_at_most
    assert limits.deadline(b"a" * (1 << 20)) < 10
