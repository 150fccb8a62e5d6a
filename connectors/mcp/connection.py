"""A connection to an MCP server that lives on a thread of its own, so that any thread and any event loop may use it."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping, Sequence
from concurrent.futures import Future
from contextlib import asynccontextmanager
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

from nacre.errors import ToolError
from nacre.extras import need
from nacre.system import child_process
from nacre.text.language import tr

T = TypeVar("T")
Ask = Callable[[Any], Awaitable[Any]]


class _Link:
    """A connected client. Its task both opens and closes it, as the SDK's cancel scopes demand."""

    def __init__(self, target: Any) -> None:
        self.client: Any = None
        self.ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._end = asyncio.Event()
        self._task = asyncio.ensure_future(self._live(target))

    @property
    def broken(self) -> bool:
        return self._task.done()

    async def _live(self, target: Any) -> None:
        try:
            async with need("mcp", extra="mcp").Client(target) as client:
                self.client = client
                self.ready.set_result(None)
                await self._end.wait()
        except BaseException as error:
            if not self.ready.done():
                self.ready.set_exception(error if isinstance(error, Exception) else ConnectionError(str(error)))
            elif not isinstance(error, Exception):
                raise

    async def run(self, ask: Ask) -> Any:
        """One request; it ends at once when the connection breaks."""
        call = asyncio.ensure_future(ask(self.client))
        try:
            await asyncio.wait({call, self._task}, return_when=asyncio.FIRST_COMPLETED)
            if not call.done() or call.cancelled():
                raise ConnectionError("the connection broke")
            return call.result()
        finally:
            if not call.done():
                call.cancel()

    async def close(self) -> None:
        self._end.set()
        _, pending = await asyncio.wait({self._task}, timeout=5)
        for task in pending:
            task.cancel()
        if self.ready.done() and not self.ready.cancelled():
            self.ready.exception()  # retrieved, so that nobody is warned of it


class Connection:
    """A client of one MCP server (protocol 2026-07-28 and the older handshake, by the official SDK). It connects when
    it is first used, and again after the server has gone away; see `MCPServer`.
    """

    def __init__(
        self, server: Any, env: Mapping[str, str], cwd: str | Path, headers: Mapping[str, str], timeout_s: float
    ) -> None:
        self.server = server
        self.env, self.cwd = dict(env), Path(cwd).absolute()
        self.headers, self.timeout_s = dict(headers), timeout_s
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._link: _Link | None = None

    @property
    def label(self) -> str:
        """The server's name in messages."""
        if isinstance(self.server, (list, tuple)):
            return " ".join(self.server)
        return self.server if isinstance(self.server, str) else type(self.server).__name__

    def request(self, ask: Ask) -> Any:
        """Ask the server something and wait for its answer."""
        return self._submit(self._request(ask)).result()

    async def arequest(self, ask: Ask) -> Any:
        """Ask the server something without blocking the event loop."""
        return await asyncio.wrap_future(self._submit(self._request(ask)))

    def close(self) -> None:
        """Disconnect and end the thread. A later request connects anew."""
        with self._lock:
            loop, thread = self._loop, self._thread
            self._loop = self._thread = None
        if loop is None or thread is None:
            return
        asyncio.run_coroutine_threadsafe(self._drop(), loop).result(self.timeout_s)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(self.timeout_s)
        loop.close()

    def _submit(self, work: Coroutine[Any, Any, T]) -> Future[T]:
        with self._lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                self._thread = threading.Thread(target=self._loop.run_forever, daemon=True, name="nacre-mcp")
                self._thread.start()
            return asyncio.run_coroutine_threadsafe(work, self._loop)

    async def _request(self, ask: Ask) -> Any:
        link = await self._linked()
        try:
            return await asyncio.wait_for(link.run(ask), self.timeout_s)
        except Exception as error:
            code = getattr(error, "code", None)
            if isinstance(code, int) and code not in _CONNECTION_ERRORS:
                told = tr("The MCP server {label} says: {error}", label=self.label, error=error)
                raise ToolError(told, tool=self.label) from error
            await self._drop()
            why = str(error) or type(error).__name__
            said = tr("The MCP server {label} gave no answer: {why}.", label=self.label, why=why)
            raise ToolError(said, tool=self.label) from error

    async def _linked(self) -> _Link:
        if self._link is None or self._link.broken:
            await self._drop()
            link = _Link(self._target())
            self._link = link
            try:
                await asyncio.wait_for(asyncio.shield(link.ready), self.timeout_s)
            except Exception as error:
                await self._drop()
                why = _cause(error)
                told = tr("The MCP server {label} cannot be reached: {why}.", label=self.label, why=why)
                raise ToolError(told, tool=self.label) from error
        await asyncio.wait_for(asyncio.shield(self._link.ready), self.timeout_s)
        return self._link

    async def _drop(self) -> None:
        link, self._link = self._link, None
        if link is not None:
            await link.close()

    @cached_property
    def _command(self) -> list[str]:
        return child_process.program([self.server] if isinstance(self.server, str) else [*map(str, self.server)])

    def _target(self) -> Any:
        """What `mcp.Client` connects to."""
        if isinstance(self.server, str) and self.server.startswith(("http://", "https://")):
            if not self.headers:
                return self.server
            client = need("httpx2", extra="mcp").AsyncClient(headers=self.headers, timeout=self.timeout_s)
            return need("mcp.client.streamable_http", extra="mcp").streamable_http_client(
                self.server, http_client=client
            )
        if isinstance(self.server, str) or (isinstance(self.server, Sequence) and self.server):
            command, *arguments = self._command
            stdio = need("mcp.client.stdio", extra="mcp")
            env = {"PATH": child_process.search_path(os.environ.get("PATH", "")) or os.defpath, **self.env}
            parameters = stdio.StdioServerParameters(command=command, args=arguments, env=env, cwd=self.cwd)
            # Errors of the server go nowhere near the terminal of the agent.
            return _quiet(stdio.stdio_client, parameters)
        return self.server


# The SDK's own JSON-RPC codes for a closed connection and a timeout; every other code is an answer of the server.
_CONNECTION_ERRORS = {-32000, -32001}


@asynccontextmanager
async def _quiet(connect: Any, parameters: Any) -> AsyncIterator[Any]:
    """A stdio transport whose server's stderr is discarded."""
    with open(os.devnull, "w") as sink:  # noqa: ASYNC230, PTH123
        async with connect(parameters, errlog=sink) as transport:
            yield transport


def _cause(error: BaseException) -> str:
    """The first real error inside groups of errors."""
    while isinstance(error, BaseExceptionGroup) and error.exceptions:
        error = error.exceptions[0]
    return str(error) or type(error).__name__
