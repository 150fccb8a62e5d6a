"""Who may ask where there are no keys: this machine, and of the pages in its browsers the server's own."""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any
from urllib.parse import urlsplit

from nacre.server.openai.errors import Problem
from nacre.server.settings import ServerSettings
from nacre.system.net import is_loopback
from nacre.text.language import tr

_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_PORTS = {"http": 80, "https": 443}
Origin = tuple[str, str, int | None]


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
    """Browsers tell which page asks: `Origin` by scheme, host and port, `Sec-Fetch-Site` even where that is left
    out.
    """
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
    return Problem(
        403,
        tr(
            "Without API keys this server answers on this machine only, and no pages but its own. "
            "Make a key: nacre keys add NAME"
        ),
        "host_not_allowed",
    )
