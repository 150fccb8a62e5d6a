"""`nacre serve`, `keys`, `init` and `trace` as a user runs them."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
import yaml

from nacre.errors import StackError
from nacre.server.settings import TEMPLATE, Settings, read_settings

NACRE = str(Path(sys.executable).with_name("nacre"))
ENVIRONMENT = {**os.environ, "NACRE_LANG": "en", "NACRE_MODEL": "quote"}


def nacre(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [NACRE, *arguments], capture_output=True, text=True, env={**ENVIRONMENT, **environment}, timeout=60
    )


@contextmanager
def serving(*arguments: str, **environment: str) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    command = [NACRE, "serve", "--port", "0", *arguments]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env={**ENVIRONMENT, **environment}) as process:
        try:
            line = process.stderr.readline()
            yield re.search(r"http://[\d.]+:\d+", line)[0], process
        finally:
            if process.poll() is None:
                process.terminate()
            process.stderr.read()


def ready(url: str) -> None:
    for _ in range(300):
        try:
            if httpx.get(f"{url}/readyz").status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.05)
    raise AssertionError("the server did not come up")


def test_serve_answers_and_ends_gracefully(folder):
    with serving("--kb", str(folder)) as (url, process):
        ready(url)
        body = {"model": "nacre", "messages": [{"role": "user", "content": "When does the workshop open?"}]}
        answer = httpx.post(f"{url}/v1/chat/completions", json=body, timeout=30).json()
        assert "nine" in answer["choices"][0]["message"]["content"]
        process.send_signal(signal.SIGTERM)
        log = process.stderr.read()
        assert process.wait(20) in (0, -signal.SIGTERM)
    assert '"route": "/v1/chat/completions", "status": 200' in log
    assert "workshop" not in log  # logs hold no contents
    assert "Traceback" not in log


def test_a_busy_port_is_one_line_with_the_cure(folder):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        for language, cure in (("en", "another port"), ("zh", "换一个端口")):
            done = nacre("serve", "--kb", str(folder), "--port", port, NACRE_LANG=language)
            assert done.returncode == 2 and not done.stdout and done.stderr.count("\n") == 1
            assert port in done.stderr and cure in done.stderr and "Errno" not in done.stderr


@pytest.mark.slow
def test_keys_by_command_close_the_door(folder):
    none = nacre("keys", "list", "--kb", str(folder))
    assert not none.stdout and "nacre keys add" in none.stderr
    made = json.loads(nacre("keys", "add", "anna", "--kb", str(folder), "--principals", "hr", "--json").stdout)
    assert nacre("keys", "add", "anna", "--kb", str(folder)).returncode == 2
    listed = nacre("keys", "list", "--kb", str(folder)).stdout
    assert "anna" in listed and "hr" in listed and made["key"] not in listed
    with serving("--kb", str(folder)) as (url, _):
        ready(url)
        assert httpx.get(f"{url}/v1/models").status_code == 401
        headers = {"authorization": f"Bearer {made['key']}"}
        assert httpx.get(f"{url}/v1/me", headers=headers).json()["principals"] == ["hr"]
        assert nacre("keys", "revoke", "anna", "--kb", str(folder)).returncode == 0
    assert nacre("keys", "revoke", "anna", "--kb", str(folder)).returncode == 2


@pytest.mark.slow
def test_serve_refuses_what_cannot_work_in_one_line(folder, tmp_path):
    for arguments, said in (
        (["--kb", str(tmp_path / "nowhere")], "nacre sync"),
        (["--kb", str(folder), "--host", "0.0.0.0"], "keys add"),
        (["--kb", str(folder), "--model", "nonsense:x"], "nonsense"),
        ([], "--kb"),
    ):
        done = subprocess.run(
            [NACRE, "serve", *arguments], capture_output=True, text=True, env=ENVIRONMENT, timeout=60, cwd=tmp_path
        )
        assert done.returncode == 2 and said in done.stderr and done.stderr.count("\n") == 1, done.stderr


@pytest.mark.slow
def test_traces_are_kept_only_when_asked_for_and_hold_no_keys(folder):
    question = "Is sk-abcdefghijklmnopqrstuvwxyz the key, and when does the workshop open?"
    body = {"model": "nacre", "messages": [{"role": "user", "content": question}]}
    with serving("--kb", str(folder)) as (url, _):
        ready(url)
        httpx.post(f"{url}/v1/chat/completions", json=body, timeout=30)
    assert json.loads(nacre("trace", "--kb", str(folder), "--json").stdout) == {"traces": []}
    with serving("--kb", str(folder), "--trace") as (url, _):
        ready(url)
        number = httpx.post(f"{url}/v1/chat/completions", json=body, timeout=30).headers["x-request-id"]
    shown = nacre("trace", number, "--kb", str(folder), "--json").stdout
    assert "[secret]" in shown and "sk-abc" not in shown and "when does the workshop open" in shown
    assert number in nacre("trace", "--kb", str(folder)).stdout
    assert nacre("trace", "req_nothing", "--kb", str(folder)).returncode == 2


def test_a_client_that_never_finishes_its_headers_is_hung_up_on(serve):
    server = serve(patience_s=0.3)
    host, port = server.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=10) as slow:
        slow.sendall(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: ")
        assert slow.recv(100) == b""
    with socket.create_connection((host, int(port)), timeout=10) as slow:
        slow.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 100\r\n\r\n{")
        assert slow.recv(1000).startswith(b"HTTP/1.1 408")


def test_init_writes_settings_that_can_be_read_and_never_overwrites(tmp_path):
    path = tmp_path / "nacre.yaml"
    assert nacre("init", str(path)).returncode == 0
    assert path.read_text("utf-8") == TEMPLATE
    settings = read_settings(path)
    assert settings.kb == str(tmp_path / "kb") and settings.server == Settings(kb="x").server
    assert nacre("init", str(path)).returncode == 2
    commented = re.sub(
        r"^# (model: ollama|stacks:|  handbook|    layers|      - use|        k:|        strict)",
        r"\1",
        TEMPLATE,
        flags=re.M,
    )
    assert set(yaml.safe_load(commented)) == {"kb", "model", "stacks", "server"}


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("kb: kb\nserver:\n  host: 127.0.0.1\n  prot: 80\n", 4, "server.prot"),
        ("kb: kb\nserver:\n  port: many\n", 3, "server.port"),
        ("kb: kb\nstacks:\n  a:\n    layers:\n      - rag\n    modle: x\n", 6, "stacks.a.modle"),
        ("kb: kb\nserver: [\n", 3, "expected"),
        ("- kb\n", 1, "mapping"),
        ("kb: kb\nserver: 3\n", 2, "server"),
    ],
)
def test_a_mistake_in_nacre_yaml_is_told_with_its_line(tmp_path, text, line, said):
    path = tmp_path / "nacre.yaml"
    path.write_text(text)
    with pytest.raises(StackError) as caught:
        read_settings(path)
    assert f"{path}:{line}" in str(caught.value) and said in str(caught.value)


def test_the_command_line_goes_before_the_environment_and_that_before_the_file(tmp_path, monkeypatch):
    path = tmp_path / "nacre.yaml"
    path.write_text("kb: a\nserver:\n  port: 1\n  max_body_mb: 2\n  timeout_s: 3\n")
    monkeypatch.setenv("NACRE_PORT", "4")
    monkeypatch.setenv("NACRE_MAX_BODY_MB", "5")
    monkeypatch.setenv("NACRE_ALLOW_ORIGINS", "https://a.example, https://b.example")
    settings = read_settings(path, port=6)
    assert (settings.server.port, settings.server.max_body_mb, settings.server.timeout_s) == (6, 5, 3)
    assert settings.server.allow_origins == ["https://a.example", "https://b.example"]
    assert settings.kb == str(tmp_path / "a")
