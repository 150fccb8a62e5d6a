"""Addresses and methods as clients write them: with and without /v1, with a slash behind, below a prefix, HEAD."""

from __future__ import annotations

import re
from collections.abc import MutableMapping
from typing import Any
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.responses import RedirectResponse, Response

# What clients ask for that were given an address without /v1; with one they were given too, and wrote another.
_API = re.compile(
    r"/(?:api/)?(?:v1/)*(?=(?:chat/completions|models|embeddings|responses|files|vector_stores|audio|me|feedback|traces)(?:/|\Z))"
)
_METHODS = "GET, HEAD, POST, DELETE, OPTIONS"


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
        return _API.sub("/v1/", path, count=1) if _API.match(path) else path
