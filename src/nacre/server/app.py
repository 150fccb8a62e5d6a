"""The application: routes, guard, errors."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext, suppress
from hashlib import sha256
from importlib import resources
from importlib.util import find_spec
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.middleware.cors import CORSMiddleware
from fastapi.responses import JSONResponse, Response
from langchain_core.language_models import BaseChatModel
from starlette.exceptions import HTTPException

from nacre.errors import NacreError
from nacre.server import facts, feedback, sources
from nacre.server.auth import profile
from nacre.server.auth.guard import Guard
from nacre.server.observability import health, trace_api
from nacre.server.observability.telemetry import OFF
from nacre.server.openai import (
    audio,
    chat,
    embeddings,
    files,
    responses,
    stored_responses,
    vector_store_files,
    vector_stores,
)
from nacre.server.openai.errors import Problem, not_found, problem_of
from nacre.server.settings import Settings
from nacre.server.state import State
from nacre.server.wire import Wire
from nacre.text.language import tr

_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
_ALWAYS = (sources, profile, health)
_API = (
    chat, responses, stored_responses, embeddings, audio, files, vector_stores, vector_store_files, feedback, facts,
    trace_api,
)  # fmt: skip
_NAME = re.compile(r"[a-z-]+\.(?:html|css|js|svg)")


def create_app(settings: Settings, leaf: BaseChatModel | None = None, *, only_mcp: bool = False) -> FastAPI:
    """Make the server's ASGI application; `leaf` is the model of all stacks that name none."""
    state = State(settings, leaf)

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
    for part in _ALWAYS if only_mcp else (*_ALWAYS, *_API):
        app.include_router(part.router)
    _add_pages(app, index=not only_mcp)
    if mcp:
        app.add_api_route("/mcp", _no_stream, methods=["GET"], include_in_schema=False)
        app.router.routes.extend(mcp.streamable_http_app(stateless_http=True, transport_security=_guarded()).routes)
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
    """Now and then, go on with files that another server, or the last one here, was stopped before; and close knowledge
    bases that nobody uses.
    """
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


def _guarded() -> Any:
    """The guard has looked at host and origin already."""
    from mcp.server.transport_security import TransportSecuritySettings

    return TransportSecuritySettings(enable_dns_rebinding_protection=False)


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
    where = f"{param}: " if param else ""
    return JSONResponse(Problem(400, f"{where}{first['msg']}", "invalid_value", param or None).body, 400)


async def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if isinstance(error.__cause__, Problem):  # raised while FastAPI read the body
        return await _told(request, error.__cause__)
    if error.status_code == 404:
        problem = Problem(404, tr("There is no such address here."), "not_found")
    else:
        problem = Problem(error.status_code, str(error.detail), "http_error")
    return JSONResponse(problem.body, problem.status, error.headers)
