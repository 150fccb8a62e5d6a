"""A real server on a loopback port, with a scripted model and a small knowledge base."""

from __future__ import annotations

import asyncio
import shutil
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("fastapi")
uvicorn = pytest.importorskip("uvicorn")

from langchain_core.language_models import BaseChatModel  # noqa: E402

from nacre import KnowledgeBase, ScriptedChatModel  # noqa: E402
from nacre.ingest.source import TextSource  # noqa: E402
from nacre.server.app import create_app  # noqa: E402
from nacre.server.auth.connections import protocol  # noqa: E402
from nacre.server.settings import Settings  # noqa: E402

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
OPENING = "The workshop opens at nine in the morning. Tea is served until five."
SALARY = "The salary of the director is ninety thousand pearls a year."


@dataclass
class Running:
    """A running server."""

    url: str
    app: Any
    settings: Settings
    loop: asyncio.AbstractEventLoop

    @property
    def state(self) -> Any:
        return self.app.state.nacre

    def openai(self, key: str = "none", **options: Any) -> Any:
        import openai

        return openai.OpenAI(base_url=f"{self.url}/v1", api_key=key, max_retries=0, **options)


def fill(folder: Path) -> None:
    """A public document and one for hr alone; words only, so that no encoder is loaded."""
    with KnowledgeBase.open(folder, "none") as base:
        base.sync(TextSource("memory:a/", [("memory:a/hours.md", OPENING, "Opening hours")]))
        base.sync(TextSource("memory:b/", [("memory:b/pay.md", SALARY, "Salaries")]), principals=["hr"])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A filled knowledge base."""
    fill(tmp_path / "kb")
    return tmp_path / "kb"


def cited(messages: list[Any], n: int) -> str:
    """A model that cites its first source."""
    return "The workshop opens at nine in the morning [1]."


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., Running]]:
    """Start servers; all are stopped, and waited for, at the end."""
    running: list[tuple[Any, threading.Thread]] = []

    def start(replies: Any = cited, *, folder: Path | None = None, delay_s: float = 0.0, **server: Any) -> Running:
        kb = folder or tmp_path / "kb"
        if not (kb / "manifest.json").exists():
            fill(kb)
        more = {name: server.pop(name) for name in ("stacks", "prices", "audio") if name in server}
        settings = Settings.model_validate({"kb": kb, "server": server, **more})
        app = create_app(
            settings, replies if isinstance(replies, BaseChatModel) else ScriptedChatModel(replies, delay_s=delay_s)
        )
        listening = socket.create_server(("127.0.0.1", 0))
        instance = uvicorn.Server(
            uvicorn.Config(
                app,
                http=protocol(settings.server),
                ws="none",
                log_config=None,
                access_log=False,
                timeout_graceful_shutdown=2,
                limit_concurrency=settings.server.max_connections,
            )
        )
        loops: list[asyncio.AbstractEventLoop] = []

        async def run() -> None:
            loops.append(asyncio.get_running_loop())
            await instance.serve(sockets=[listening])

        thread = threading.Thread(target=lambda: asyncio.run(run()), daemon=True)
        thread.start()
        running.append((instance, thread))
        while not instance.started:
            assert thread.is_alive()
            time.sleep(0.01)
        return Running(f"http://127.0.0.1:{listening.getsockname()[1]}", app, settings, loops[0])

    yield start
    for instance, thread in running:
        instance.should_exit = True
        thread.join(15)
        assert not thread.is_alive()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """A real Chromium."""
    sync = pytest.importorskip("playwright.sync_api", reason="pip install playwright")
    if CHROMIUM is None:
        pytest.skip("no Chromium: apt-get install chromium")
    with sync.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield chromium
        chromium.close()
