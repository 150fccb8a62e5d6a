"""The application: routes, guard, errors; addresses and methods as clients write them; and how uvicorn runs it."""

from __future__ import annotations

import asyncio
import logging
import re
import socket
import sys
from collections.abc import AsyncIterator, MutableMapping
from contextlib import asynccontextmanager, nullcontext, suppress
from hashlib import sha256
from importlib import resources
from importlib.util import find_spec
from typing import Any
from urllib.parse import urlsplit

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.middleware.cors import CORSMiddleware
from fastapi.responses import JSONResponse, RedirectResponse, Response
from langchain_core.language_models import BaseChatModel
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException

from nacre.errors import NacreError, UsageError
from nacre.server import routes
from nacre.server.auth.connections import run_by
from nacre.server.auth.guard import Guard
from nacre.server.auth.keys import Keys
from nacre.server.observability.metrics import OFF
from nacre.server.openai import audio, chat, files, responses, stored_responses, vector_stores
from nacre.server.openai.errors import Problem, not_found, problem_of
from nacre.server.settings import Settings
from nacre.server.state import State
from nacre.store.places import shown
from nacre.system.net import is_loopback
from nacre.text.language import os_reason, tr

_TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
_API = (chat, responses, stored_responses, audio, files, vector_stores, routes)
_NAME = re.compile(r"[a-z-]+\.(?:html|css|js|svg)")
# What clients ask for that were given an address without /v1; with one they were given too, and wrote another.
_BARE = re.compile(
    r"/(?:api/)?(?:v1/)*(?=(?:chat/completions|models|embeddings|responses|files|vector_stores|audio|me|feedback|traces)(?:/|\Z))"
)
_METHODS = "GET, HEAD, POST, DELETE, OPTIONS"


def create_app(settings: Settings, leaf: BaseChatModel | None = None, *, only_mcp: bool = False) -> FastAPI:
    """Make the server's ASGI application; `leaf` is the model of all stacks that name none."""
    state = State(settings, leaf)
    state.audio = audio.AudioClient(settings.audio, settings.server) if settings.audio else None
    mcp = _mcp(state)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        await state.blocking(state.records.db.execute, *stored_responses.too_old(state))
        closing = asyncio.create_task(_look_after(state))
        warming = asyncio.create_task(state.blocking(_warm, state))  # the first question need not wait for the encoder
        try:
            async with mcp.session_manager.run() if mcp else nullcontext():
                yield
        finally:
            closing.cancel()
            await warming
            if state.audio:
                await state.audio.close()
            await asyncio.to_thread(state.close)  # it waits for the journal and for ingestion

    # The usual documentation pages load scripts from elsewhere; /openapi.json is there for tools.
    telemetry = state.telemetry.fastapi if state.telemetry else OFF
    app = FastAPI(title="Nacre", version="1", lifespan=lifespan, docs_url=None, redoc_url=None, telemetry=telemetry)
    app.state.nacre = state
    app.include_router(routes.always)
    for part in () if only_mcp else _API:
        app.include_router(part.router)
    _add_pages(app, index=not only_mcp)
    if mcp:
        from mcp.server.transport_security import TransportSecuritySettings

        app.add_api_route("/mcp", _no_stream, methods=["GET"], include_in_schema=False)
        looked = TransportSecuritySettings(enable_dns_rebinding_protection=False)  # the guard has, at host and origin
        app.router.routes.extend(mcp.streamable_http_app(stateless_http=True, transport_security=looked).routes)
    for kind in (Problem, NacreError, TimeoutError, NotImplementedError, UnicodeEncodeError):
        app.add_exception_handler(kind, _told)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_middleware(Guard, state=state)
    if settings.server.allow_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.server.allow_origins,
            allow_methods=["GET", "HEAD", "POST", "DELETE"],
            allow_headers=["*"],  # SDKs send headers of their own: x-stainless-os, openai-organization, …
            expose_headers=["x-request-id", "retry-after"],
        )
    app.add_middleware(Wire, public_url=settings.server.public_url)
    return app


async def _look_after(state: State) -> None:
    """Now and then, go on with files that a server was stopped before, and close knowledge bases that nobody uses."""
    while True:
        with suppress(NacreError):
            if await state.blocking(state.records.one, "entries", "status = 'in_progress'"):
                await state.blocking(state.ingestion.wake)
            await state.blocking(state.bases.close_idle)
        await asyncio.sleep(30)


def _warm(state: State) -> None:
    with suppress(NacreError):  # whatever is wrong is told to those who ask
        state.bases.main.search("nacre", 1)


def _mcp(state: State) -> Any:
    """The MCP server at /mcp, where its package is installed."""
    if find_spec("mcp") is None:
        return None
    from nacre.server.mcp import NacreMCP

    return NacreMCP(state, state.local)


def _no_stream() -> None:
    """Refuse a stream of messages that nobody asked for: there are none, and it would hold a connection for ever."""
    raise HTTPException(405, headers={"allow": "POST"})


def _add_pages(app: FastAPI, *, index: bool) -> None:
    if index:

        @app.get("/", include_in_schema=False)
        async def start(request: Request) -> Response:
            return _page(request, "index.html")

    @app.get("/sources/{document}", include_in_schema=False)
    async def source_page(request: Request, document: int) -> Response:
        return _page(request, "source.html")

    @app.get("/page/{name}", include_in_schema=False)
    async def part(request: Request, name: str) -> Response:
        return _page(request, name)

    @app.get("/favicon.ico", include_in_schema=False)
    async def icon(request: Request) -> Response:
        return _page(request, "icon.svg")


def _page(request: Request, name: str) -> Response:
    if not _NAME.fullmatch(name) or not (file := resources.files("nacre.server").joinpath("page", name)).is_file():
        raise not_found(name)
    content = file.read_bytes()
    # A browser asks each time whether it still has the right one, so that a new version shows at once.
    mark = f'"{sha256(content).hexdigest()[:16]}"'
    headers = {"cache-control": "no-cache", "etag": mark}
    if request.headers.get("if-none-match") == mark:
        return Response(status_code=304, headers=headers)
    return Response(content, media_type=_TYPES[name[name.rindex(".") :]], headers=headers)


async def _told(request: Request, error: Exception) -> Response:
    problem = problem_of(error)
    headers = {"retry-after": str(problem.retry_after_s)} if problem.retry_after_s is not None else None
    return JSONResponse(problem.body, problem.status, headers)


async def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    first: dict[str, Any] = dict(error.errors()[0])
    param = ".".join(str(part) for part in first["loc"] if part not in ("body", "query", "path"))
    if first["type"] == "json_invalid":
        return JSONResponse(Problem(400, tr("The body is no valid JSON."), "invalid_json").body, 400)
    if first["loc"] == ("body",):
        told = tr("The body must be a JSON object, sent with the header Content-Type: application/json.")
        return JSONResponse(Problem(400, told, "invalid_value").body, 400)
    where = f"{param}: " if param else ""
    return JSONResponse(Problem(400, f"{where}{first['msg']}", "invalid_value", param or None).body, 400)


async def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if isinstance(error.__cause__, Problem):  # raised while FastAPI read the body
        return await _told(request, error.__cause__)
    packed = request.headers.get("content-encoding", "identity")[:40]
    if error.status_code == 404:
        problem = Problem(404, tr("There is no such address here."), "not_found")
    elif error.status_code == 400 and packed != "identity":
        told = tr("A body in the content-encoding {packed} is not read: send it as it is.", packed=packed)
        problem = Problem(415, told, "unsupported_input")
    elif error.status_code == 400 and error.__cause__ is not None:  # bytes that are no text
        problem = Problem(400, tr("The body is no valid JSON."), "invalid_json")
    else:
        problem = Problem(error.status_code, str(error.detail), "http_error")
    return JSONResponse(problem.body, problem.status, error.headers)


def serve(settings: Settings, *, only_mcp: bool = False) -> None:
    """Serve until interrupted."""
    server = settings.server
    refuse_open_door(settings)
    _log_to_stderr()
    app = create_app(settings, only_mcp=only_mcp)
    runner = run_by(app, server, log_level="warning", timeout_graceful_shutdown=30)
    listening = _listen(server.host, server.port)
    host = f"[{server.host}]" if ":" in server.host else server.host
    url = f"http://{host}:{listening.getsockname()[1]}"
    if only_mcp:
        told = tr("Nacre serves {kb} to MCP clients on {url}/mcp", kb=shown(settings.kb), url=url)
    else:
        told = tr("Nacre serves {kb} on {url}  (API: {url}/v1, MCP: {url}/mcp)", kb=shown(settings.kb), url=url)
    for line in filter(None, (told, _of_door(app.state.nacre))):
        print(line, file=sys.stderr, flush=True)
    runner.run(sockets=[listening])


def _listen(host: str, port: int) -> socket.socket:
    """A socket that listens; uvicorn would only log why there is none."""
    try:
        return socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except (OSError, UnicodeError) as error:
        reason = os_reason(error) if isinstance(error, OSError) else error
        told = tr(
            "Nacre cannot listen on {host}, port {port} ({reason}). Stop the program that does, or choose "
            "another port: --port 0 takes a free one.",
            host=host,
            port=port,
            reason=reason,
        )
        raise UsageError(told) from error


def _of_door(state: State) -> str:
    """What an operator must know of a server without keys."""
    if not state.guarded:
        return tr("There are no API keys: only this machine may ask. Make one: nacre keys add NAME")
    if state.oidc is None and not state.keys.any():
        return tr(
            "The last API key was revoked: everybody is refused. Make one: nacre keys add NAME; or "
            "let this machine ask without, from the next start: nacre keys open"
        )
    return ""


def refuse_open_door(settings: Settings) -> None:
    """Without keys the server listens on this machine only."""
    keys = Keys(settings.store)
    closed = keys.any() or settings.server.oidc is not None or is_loopback(settings.server.host)
    keys.close()
    if not closed:
        host = settings.server.host
        told = tr(
            "Others can reach {host}, and there are no API keys. Make one: nacre keys add NAME --kb {kb}",
            host=host,
            kb=shown(settings.kb),
        )
        raise UsageError(told)


def _log_to_stderr() -> None:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s %(message)s"))
    logger = logging.getLogger("nacre.server")
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    logger.propagate = False


class Wire:
    """An ASGI middleware before all others.

    Args:
        public_url: where the server is found from outside; a path in it is taken off the addresses that a proxy
            passes on whole.
    """

    def __init__(self, app: Any, public_url: str | None = None) -> None:
        self.app = app
        self.prefix = urlsplit(public_url or "").path.rstrip("/")

    async def __call__(self, scope: MutableMapping[str, Any], receive: Any, send: Any) -> None:
        """Pass a request on, by the address and the method that the routes know."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        if self.prefix and scope["path"] == self.prefix:
            await RedirectResponse(f"{self.prefix}/")(scope, receive, send)
            return
        path = self.address(scope["path"])
        scope = {**scope, "path": path, "raw_path": path.encode("utf-8", "surrogatepass")}
        asks = "access-control-request-method" in Headers(scope=scope)
        if scope["method"] == "OPTIONS" and not (asks and "origin" in Headers(scope=scope)):
            await Response(status_code=204, headers={"allow": _METHODS})(scope, receive, send)
            return
        if scope["method"] != "HEAD":
            await self.app(scope, receive, send)
            return

        async def without_body(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.body":
                message = {**message, "body": b""}
            await send(message)

        await self.app({**scope, "method": "GET"}, receive, without_body)

    def address(self, path: str) -> str:
        """The address of a route."""
        if self.prefix and path.startswith(f"{self.prefix}/"):
            path = path[len(self.prefix) :]
        path = re.sub("/{2,}", "/", path).rstrip("/") or "/"
        return _BARE.sub("/v1/", path, count=1) if _BARE.match(path) else path
