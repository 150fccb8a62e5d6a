"""What every request passes before it reaches the application: a key, limits, and headers for the way back."""

from __future__ import annotations

import asyncio
import json
import logging
import re
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Protocol
from urllib.parse import urlsplit

from nacre.server.auth.connections import SLOWEST
from nacre.server.auth.keys import User
from nacre.server.openai.errors import Problem, problem_of
from nacre.server.records import new_id
from nacre.server.settings import ServerSettings, Settings
from nacre.system.net import is_loopback
from nacre.text.language import Language, asked_for, tr

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Origin = tuple[str, str, int | None]

MOST_VALUES = 250_000
"""A body of so many is read in a tenth of a second."""

_log = logging.getLogger("nacre.server.requests")
_ID = re.compile(r"[\w.-]{1,64}", re.ASCII)
# Pages and their parts hold nothing of anyone: data comes from /v1, with a key. Everything else needs one.
_PUBLIC = re.compile(r"/|/page/[\w.-]+|/sources/\d+|/healthz|/readyz|/favicon\.ico", re.ASCII)
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_PORTS = {"http": 80, "https": 443}
_ESCAPE = re.compile(rb"\\.", re.DOTALL)
_MARKS = (b",", b":", b"[", b"{")
_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (
        b"content-security-policy",
        b"default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
        b"img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
)


class _Guarded(Protocol):
    """What a server tells its guard; `guarded`: whether every request must say who asks, `local`: who asks else."""

    settings: Settings
    local: User
    metrics: Any
    telemetry: Any

    @property
    def guarded(self) -> bool: ...
    async def renew_keys(self) -> None: ...
    async def count(self, user: User) -> None: ...
    async def find(self, key: str) -> User | None: ...


class Guard:
    """An ASGI middleware, of the server and of the interpreter's service."""

    def __init__(
        self, app: Any, state: _Guarded, public: re.Pattern[str] = _PUBLIC, most_values: float = MOST_VALUES
    ) -> None:
        self.app, self.state, self.public, self.most_values = app, state, public, most_values

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through, or refuse it."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        began, headers = time.perf_counter(), _headers(scope)
        asked_for.set(_language(headers))
        given = headers.get("x-request-id", "")
        request = given if _ID.fullmatch(given) else new_id("req")
        if self.state.telemetry:
            self.state.telemetry.name_request(request)
        status = 0

        async def answer(message: MutableMapping[str, Any]) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", ()), *_HEADERS, (b"x-request-id", request.encode())]
            await send(message)

        user: User | None = None
        try:
            _refuse_two_lengths(headers)
            user = await self._admit(scope, headers)
            scope.setdefault("state", {}).update(user=user, request_id=request)
            self._check_body(scope, headers)
            await self.app(scope, self._patient(receive, headers), answer)
        except Exception as error:  # what no route handles is told here, where it gets its request id
            if not status:
                await refuse(problem_of(error), answer)
            elif not isinstance(error, Problem):
                raise
        finally:
            self._note(scope, status or 499, time.perf_counter() - began, request, user)

    async def _admit(self, scope: Scope, headers: dict[str, str]) -> User:
        """Who asks; refuses strangers, those who have asked enough, and those who may not change anything."""
        method, path = scope["method"], scope["path"]
        page = bool(self.public.fullmatch(path)) and method in ("GET", "HEAD")
        if not (page and self.state.guarded):  # these are for anyone: a process that lives says so, store or none
            await self.state.renew_keys()
        if not self.state.guarded:
            check_door(scope, headers, self.state.settings.server, page)
            return self.state.local
        if page:
            return User("", "")
        scheme, _, key = headers.get("authorization", "").partition(" ")
        if not scheme:  # as clients of Azure and of Anthropic show it
            scheme, key = "bearer", headers.get("api-key") or headers.get("x-api-key") or ""
        user = await self.state.find(key.strip()) if scheme.lower() == "bearer" else None
        if user is None:
            told = tr("A valid API key is needed: send the header Authorization: Bearer nk-…")
            raise Problem(401, told, "invalid_api_key")
        if user.limited:
            await self.state.count(user)
        return user

    def _check_body(self, scope: Scope, headers: dict[str, str]) -> None:
        """Refuse what is too large, and forms whose encoding (punycode) would take the time of their length squared."""
        kinds = [value.lower() for name, value in scope["headers"] if name.lower() == b"content-type"]
        if any(b"multipart" in kind and b"charset" in kind.replace(b"charset=utf-8", b"") for kind in kinds):
            raise Problem(415, tr("Forms are read as UTF-8: leave `charset` out."), "unsupported_encoding")
        length = headers.get("content-length", "0")
        if not length.isascii() or not length.isdigit() or int(length) > self._most:
            raise self._too_large()

    @property
    def _most(self) -> int:
        return self.state.settings.server.max_body_mb << 20

    def _too_large(self) -> Problem:
        most = self.state.settings.server.max_body_mb
        return Problem(413, tr("The body is larger than {most} MiB.", most=most), "request_too_large")

    def _patient(self, receive: Receive, headers: dict[str, str]) -> Receive:
        """The body, as long as it is not too large and comes at a bearable pace: only waiting for the client counts."""
        got, waited, patience = 0, 0.0, self.state.settings.server.patience_s
        values = None if headers.get("content-type", "").lower().lstrip().startswith("multipart/") else Values()
        whole = False

        async def limited() -> MutableMapping[str, Any]:
            nonlocal got, waited, whole
            if whole:
                return await receive()  # waits for the client to leave
            began = time.monotonic()
            try:
                message = await asyncio.wait_for(receive(), max(0.0, patience + got / SLOWEST - waited))
            except TimeoutError:
                raise Problem(408, tr("The body did not come in time."), "timeout") from None
            waited += time.monotonic() - began
            got += len(message.get("body", b""))
            whole = not message.get("more_body", False)
            if got > self._most:
                raise self._too_large()
            if values and values.add(message.get("body", b"")) > self.most_values:
                told = tr("The body holds more than {most} values.", most=self.most_values)
                raise Problem(413, told, "request_too_large")
            return message

        return limited

    def _note(self, scope: Scope, status: int, seconds: float, request: str, user: User | None) -> None:
        route = getattr(scope.get("route"), "path", None) or "-"
        self.state.metrics.count(scope["method"], route, status, seconds)
        line = {
            "request": request,
            "method": scope["method"],
            "route": route,
            "status": status,
            "ms": round(seconds * 1000, 1),
            "key": user.name if user else "",
        }
        _log.info("%s", json.dumps(line, ensure_ascii=True))


def _refuse_two_lengths(headers: dict[str, str]) -> None:
    """A proxy that believes the other length would take the rest of the body for the next client's request."""
    if "transfer-encoding" in headers and "content-length" in headers:
        told = tr("Content-Length and Transfer-Encoding exclude each other. Send one of them.")
        raise Problem(400, told, "two_lengths")


def _language(headers: dict[str, str]) -> Language | None:
    """What the client reads, where it says so; else messages are in the server's own language."""
    first = headers.get("accept-language", "").lower().lstrip()[:2]
    return "zh" if first == "zh" else "en" if first == "en" else None


async def refuse(problem: Problem, send: Send) -> None:
    """Send a refusal."""
    body = json.dumps(problem.body, ensure_ascii=False).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    if problem.status == 401:
        headers.append((b"www-authenticate", b"Bearer"))
    if problem.retry_after_s is not None:
        headers.append((b"retry-after", str(problem.retry_after_s).encode()))
    if problem.status in (408, 413) or problem.code == "two_lengths":
        headers.append((b"connection", b"close"))  # the rest of the body is not read
    await send({"type": "http.response.start", "status": problem.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def _headers(scope: Scope) -> dict[str, str]:
    return {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}


def check_door(scope: MutableMapping[str, Any], headers: dict[str, str], server: ServerSettings, page: bool) -> None:
    """Let this machine in, and nobody who only says that he is it.

    Args:
        scope: of the request; both ends of its connection must be this machine's, whatever its headers say. A socket
            file has no address: whoever is behind it may be a proxy for the world.
    """
    peer, here = scope.get("state", {}).get("peer", scope.get("client")), scope.get("server")
    if not (peer and here and is_loopback(peer[0]) and is_loopback(here[0])):
        raise _refused()
    if _host("//" + headers.get("host", "")) not in _LOOPBACK | {*server.allow_hosts}:
        raise _refused()
    _check_page(headers, _own(scope["scheme"], headers["host"], server), server, page)


def _check_page(headers: dict[str, str], own: set[Origin], server: ServerSettings, page: bool) -> None:
    """Browsers tell which page asks: by `Origin`, and by `Sec-Fetch-Site` even where that is left out."""
    origin = headers.get("origin")
    if origin is not None:
        if origin not in server.allow_origins and _origin(origin) not in own:
            raise _refused()
    elif headers.get("sec-fetch-site", "none") not in ("none", "same-origin") and not page:
        raise _refused()


def _own(scheme: str, host: str, server: ServerSettings) -> set[Origin]:
    urls = [f"{scheme}://{host}", *([server.public_url] if server.public_url else [])]
    return {found for url in urls if (found := _origin(url))}


def _origin(url: str) -> Origin | None:
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port or _PORTS.get(parts.scheme)
    except ValueError:
        return None
    return (parts.scheme, host, port) if host and "@" not in parts.netloc else None


def _host(url: str) -> str:
    try:
        return "" if "@" in url else urlsplit(url).hostname or ""
    except ValueError:
        return ""


def _refused() -> Problem:
    told = tr(
        "Without API keys this server answers on this machine only, and no pages but its own. Make a key: nacre keys "
        "add NAME"
    )
    return Problem(403, told, "host_not_allowed")


class Values:
    """Counts what separates and opens values outside of texts, piece by piece.

    Example:
        >>> values = Values()
        >>> values.add(b'{"a,": [1, "\\\\'), values.add(b'",{"]}')
        (4, 4)
    """

    def __init__(self) -> None:
        self._count = 0
        self._inside = self._escaped = self._wide = False

    def add(self, piece: bytes) -> int:
        """The count with one more piece of the body."""
        self._wide = self._wide or b"\0" in piece  # UTF-16 or -32: where texts end, bytes do not tell
        outside = piece if self._wide else self._outside(piece)
        self._count += sum(map(outside.count, _MARKS))
        return self._count

    def _outside(self, piece: bytes) -> bytes:
        plain = _ESCAPE.sub(b"", piece[self._escaped :])
        self._escaped = plain.endswith(b"\\")
        parts = plain.split(b'"')
        outside = parts[self._inside :: 2]
        self._inside ^= len(parts) % 2 == 0
        return b"".join(outside)
