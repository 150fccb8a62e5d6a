"""Starts and wakes the process that reads uploads into knowledge bases, so that chat never waits for a parser."""

from __future__ import annotations

import contextlib
import os
import secrets
import subprocess
import threading
from pathlib import Path
from typing import IO

from nacre.connectors.embeddings import variables
from nacre.store.places import embedder_of, scheme_of
from nacre.system import child_process

# What finds models that are here already, and reaches those who serve one.
_FOLDERS = ("HOME", "XDG_CACHE_HOME", "NACRE_CACHE", "HF_HOME", "HF_HUB_CACHE", "SENTENCE_TRANSFORMERS_HOME")
_NETWORK = ("HF_ENDPOINT", "HF_HUB_OFFLINE", "SSL_CERT_FILE", "SSL_CERT_DIR", "CUDA_VISIBLE_DEVICES", "OMP_NUM_THREADS")
_PROXIES = ("http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")


class Ingestion:
    """One process, `nacre.server.ingestion.worker`, started when there is first something to do.

    Its work list is the table `entries`: what a crash of either process left undone is done after the next wake.
    """

    def __init__(self, kb: str | Path, store: str | Path) -> None:
        self._kb, self._store = (str(one) if scheme_of(one) else str(Path(one).absolute()) for one in (kb, store))
        # One process after the other has this name, and goes on with what its forerunner had taken. A folder has one
        # server: what another of the same name left there is its own too.
        self._name = secrets.token_hex(6) if scheme_of(store) else "local"
        self._command = child_process.module("nacre.server.ingestion.worker")
        self._process: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()

    def wake(self) -> None:
        """There is work, or there may be: a process that has died is started again."""
        with self._lock:
            if self._process is None or self._process.poll() is not None:
                self._end()
                self._process = child_process.start(
                    self._command, self._environment(), stdin=subprocess.PIPE, stdout=subprocess.DEVNULL
                )
                os.set_blocking(self._pipe.fileno(), False)
            # It died just now, and whoever asks for a status wakes it again; or it has been told so often that the pipe
            # is full.
            with contextlib.suppress(BrokenPipeError, BlockingIOError):
                os.write(self._pipe.fileno(), b"\n")  # past the buffer, which would keep what did not go out

    @property
    def _pipe(self) -> IO[bytes]:
        assert self._process is not None and self._process.stdin is not None  # it was started with one
        return self._process.stdin

    def _environment(self) -> dict[str, str]:
        """No key but the embedder's and the store's; a place may hold a password, which no command line shows."""
        elsewhere = scheme_of(self._kb) or scheme_of(self._store)
        store = [name for name in os.environ if name.startswith("PG")] if elsewhere else []
        found = child_process.environment((*_NETWORK, *_PROXIES, *store, *variables(embedder_of(self._kb))))
        found |= {"NACRE_INGESTED": self._kb, "NACRE_INGESTED_FROM": self._store, "NACRE_INGESTED_BY": self._name}
        return found | {name: os.path.abspath(os.environ[name]) for name in _FOLDERS if os.environ.get(name)}  # noqa: PTH100

    def stop(self) -> None:
        """Let it finish what it is at, then end."""
        with self._lock:
            self._end()

    def _end(self) -> None:
        if self._process is None:
            return
        with contextlib.suppress(BrokenPipeError):
            self._pipe.close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:  # a sync that is killed loses nothing
            self._process.kill()
            self._process.wait()
        self._process = None
