"""Where the heavy work of a sync is done: in this process and its parser workers, or on the nodes of a Ray cluster.

Reading and embedding are functions of what they are given, so a node that dies costs nothing twice: Ray does its task
again elsewhere, and only the one who syncs writes.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict
from functools import cache
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from nacre.documents import Options, ParsedDocument, ParserPool
from nacre.documents.document import from_data, to_data
from nacre.errors import EmbedderMismatchError, KnowledgeBaseError, NacreError, ParseError, UsageError
from nacre.extras import need
from nacre.store.encoder import Encoder
from nacre.text.language import tr

Vectors = Callable[[], NDArray[np.float32]]
"""What gives the vectors of some texts, a row each."""
_TASK = 32  # texts of a task: worth sending, and short enough that documents are parsed in between


class NoWorkersError(KnowledgeBaseError):
    """Nobody is left to parse and to embed: a sync ends."""


class Parsers(Protocol):
    """What reads documents; `workers` at a time are worth giving."""

    workers: int

    def parse(
        self, data: bytes, *, name: str, mime: str | None = None, on_page: Callable[[int, int], None] | None = None
    ) -> ParsedDocument:
        """Parse one document."""


class Runner(Protocol):
    """Who parses and embeds."""

    width: int

    def parsers(self, options: Options) -> AbstractContextManager[Parsers]:
        """What reads documents until the end of the context."""

    def embed(self, encoder: Encoder, texts: Sequence[str]) -> Vectors:
        """Begin to embed some texts; what is returned waits for their vectors."""

    def close(self) -> None:
        """Wait for what was begun."""


def later(runner: Runner, encoder: Encoder, texts: Sequence[str]) -> Vectors:
    """The same, begun only when it is waited for."""
    return lambda: runner.embed(encoder, texts)()


class Here(Runner):
    """This machine: worker processes parse, and a thread of this one embeds while documents are cut and stored."""

    width = 1

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="nacre-embed")

    def parsers(self, options: Options) -> AbstractContextManager[Parsers]:
        return ParserPool(options=options)

    def embed(self, encoder: Encoder, texts: Sequence[str]) -> Vectors:
        return self._thread.submit(encoder.documents, texts).result

    def close(self) -> None:
        self._thread.shutdown(cancel_futures=True)


def runner_of(workers: str | None) -> Runner:
    """Who works: None is this machine, "ray" the cluster that this machine is of, "ray://host:port" another."""
    if workers is None:
        return Here()
    if workers != "ray" and not workers.startswith("ray://"):
        raise UsageError(tr("workers is {workers!r}: write ray or ray://HOST:PORT, or leave it out.", workers=workers))
    return OnRay(workers)


class OnRay(Runner, Parsers):
    """A Ray cluster whose nodes have this Nacre and, by its name, the base's embedder; it tells no single pages."""

    def __init__(self, address: str) -> None:
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is sent home
        os.environ.setdefault("RAY_ENABLE_AUTO_CONNECT", "0")  # a cluster that is gone is not replaced by any other
        self.ray: Any = need("ray", extra="ray")
        if not self.ray.is_initialized():
            try:
                self.ray.init(address=None if address == "ray" else address, log_to_driver=False, logging_level="error")
            except (ConnectionError, RuntimeError, ValueError) as error:
                told = tr(
                    "{address} cannot be reached ({error}). Start it (ray start --head), or leave workers out.",
                    address=address,
                    error=error,
                )
                raise KnowledgeBaseError(told, path=address) from error
        self.width = max(1, int(self.ray.cluster_resources().get("CPU", 1)))
        self.workers = 2 * self.width  # so that the next document is there before a node asks for it
        self._address = address
        self._parse, self._embed = self.ray.remote(_parse), self.ray.remote(_embed)

    def parsers(self, options: Options) -> AbstractContextManager[Parsers]:
        self._options = asdict(options)
        return nullcontext(self)

    def parse(
        self, data: bytes, *, name: str, mime: str | None = None, on_page: Callable[[int, int], None] | None = None
    ) -> ParsedDocument:
        told = self._asked(self.ray.get, self._asked(self._parse.remote, data, name, mime, self._options))
        if isinstance(told, str):
            raise ParseError(told, uri=name)
        return from_data(told)

    def close(self) -> None:
        """What was begun is Ray's."""

    def embed(self, encoder: Encoder, texts: Sequence[str]) -> Vectors:
        if not encoder.identity.get("named", True):
            raise UsageError(tr("An embedder that has no name cannot be sent to other machines; leave workers out."))
        parts = [list(texts[at : at + _TASK]) for at in range(0, len(texts), _TASK)]
        tasks = [self._asked(self._embed.remote, json.dumps(encoder.identity), part) for part in parts]
        return lambda: np.concatenate([self._asked(self.ray.get, task) for task in tasks])

    def _asked(self, call: Callable[..., Any], *arguments: Any) -> Any:
        """What Ray answers, or in our words why it does not."""
        try:
            if self.ray.is_initialized():  # else Ray would start a cluster of its own, or join any that it finds
                return call(*arguments)
        except ConnectionError:
            pass
        except self.ray.exceptions.RayError as error:
            if isinstance(reason := getattr(error, "cause", None), NacreError):
                raise reason from None
            said = " ".join(str(reason or error).split())[:300]
            told = tr("A node of the cluster failed ({error}). What was stored is safe; sync again.", error=said)
            raise KnowledgeBaseError(told, path="ray") from error
        told = tr("{address} is gone. What was stored is safe; start it again, and sync again.", address=self._address)
        raise NoWorkersError(told, path=self._address)


@cache
def _pool(**options: Any) -> ParserPool:
    return ParserPool(workers=1, options=Options(**options))  # of a node's worker, which Ray uses again


@cache
def _encoder(identity: str) -> Encoder:
    from nacre.store.embedders import embedder_named, same_embedder

    asked = json.loads(identity)
    encoder = Encoder(embedder_named(asked["id"]))
    if not same_embedder(encoder.identity, asked):
        raise EmbedderMismatchError(
            tr(
                "A node of the cluster has another {name} than this machine. Install the same Nacre there.",
                name=asked["id"],
            )
        )
    return encoder


def _parse(data: bytes, name: str, mime: str | None, options: dict[str, Any]) -> Any:
    """On a node: the document as data, or why there is none."""
    try:
        return to_data(_pool(**options).parse(data, name=name, mime=mime))
    except NacreError as error:
        return error.message


def _embed(identity: str, texts: list[str]) -> NDArray[np.float32]:
    """On a node."""
    return _encoder(identity).documents(texts)
