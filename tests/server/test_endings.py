"""How a server ends while it is in the middle of things: asked to stop, and killed."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

WORDS = 150
SLOW = f"""
import sys
from nacre import ScriptedChatModel
from nacre.server import app as run
from nacre.server.settings import Settings

real = run.create_app
model = ScriptedChatModel(lambda messages, n: "word " * {WORDS}, delay_s=0.02)
run.create_app = lambda settings, **options: real(settings, model, **options)
run.serve(Settings.model_validate({{"kb": sys.argv[1], "server": {{"port": 0}}, "stacks": {{"nacre": {{"layers": []}}}}}}))
"""
ASKED = {"model": "nacre", "messages": [{"role": "user", "content": "When does the workshop open?"}], "stream": True}


@contextmanager
def serving(folder: Path) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """A server of its own process whose model says a word in 20 ms."""
    command = [sys.executable, "-c", SLOW, str(folder)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True) as process:
        try:
            line = process.stderr.readline()
            assert "http:" in line, line + process.stderr.read()
            url = re.findall(r"http://[\d.]+:\d+", line)[0]
            with httpx.Client(transport=httpx.HTTPTransport(retries=10)) as client:
                assert client.get(f"{url}/readyz", timeout=60).status_code == 200
            yield url, process
        finally:
            if process.poll() is None:
                kill(process)
            process.stderr.read()


def kill(process: subprocess.Popen[str]) -> None:
    """Kill a server and all that it started, as a machine that loses its power does."""
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def words(lines: Iterator[str]) -> Iterator[str]:
    """Every line of a stream that holds a word."""
    return (line for line in lines if '"content":"word ' in line)


def stream(url: str) -> Any:
    return httpx.stream("POST", f"{url}/v1/chat/completions", json=ASKED, timeout=30)


@pytest.mark.slow
def test_a_server_that_is_asked_to_stop_finishes_its_streams_and_takes_no_more(folder):
    with serving(folder) as (url, process):
        with stream(url) as answer:
            lines = answer.iter_lines()
            next(words(lines))
            process.send_signal(signal.SIGTERM)
            rest = list(lines)
        assert sum(1 for _ in words(iter(rest))) > WORDS / 2 and "data: [DONE]" in rest
        with pytest.raises(httpx.TransportError):
            httpx.get(f"{url}/healthz")
        assert process.wait(20) in (0, -signal.SIGTERM)


@pytest.mark.slow
def test_a_server_that_is_killed_in_a_stream_leaves_a_broken_stream_and_starts_again(folder):
    with serving(folder) as (url, process):
        kept = httpx.post(
            f"{url}/v1/responses",
            json={"model": "nacre", "input": "When does the workshop open?", "store": True},
            timeout=60,
        ).json()
        with pytest.raises(httpx.RemoteProtocolError), stream(url) as answer:  # never an end that looks like one
            lines = answer.iter_lines()
            next(words(lines))
            kill(process)
            list(lines)
    with serving(folder) as (url, _):
        assert httpx.get(f"{url}/v1/responses/{kept['id']}").json() == kept
        with stream(url) as answer:
            assert "data: [DONE]" in list(answer.iter_lines())


@pytest.mark.slow
def test_a_server_that_is_killed_while_it_reads_uploads_reads_the_rest_when_it_starts_again(folder):
    with serving(folder) as (url, process):
        files = [("files", (f"{n}.txt", f"Buoy {n} is red. ".encode() * 300)) for n in range(40)]
        ids = [
            httpx.post(f"{url}/v1/files", files={"file": file}, data={"purpose": "assistants"}).json()["id"]
            for _, file in files
        ]
        httpx.post(f"{url}/v1/vector_stores/main/file_batches", json={"file_ids": ids})
        while not (counts := httpx.get(f"{url}/v1/vector_stores/main").json()["file_counts"])["completed"]:
            time.sleep(0.02)
        kill(process)
    assert counts["in_progress"] > 0  # it was in the middle of it
    with serving(folder) as (url, _):
        for _ in range(600):
            counts = httpx.get(f"{url}/v1/vector_stores/main").json()["file_counts"]
            if not counts["in_progress"]:
                break
            time.sleep(0.1)
        assert counts == {"in_progress": 0, "completed": 40, "failed": 0, "cancelled": 0, "total": 40}
        found = httpx.post(f"{url}/v1/vector_stores/main/search", json={"query": "buoy 17 red"}).json()
        assert found["data"][0]["filename"] == "17.txt"
