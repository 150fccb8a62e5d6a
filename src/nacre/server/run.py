"""Runs the application with uvicorn."""

from __future__ import annotations

import logging
import socket
import sys

import uvicorn

from nacre.errors import UsageError
from nacre.server.app import create_app
from nacre.server.auth.connections import PatientProtocol as PatientProtocol
from nacre.server.auth.connections import protocol
from nacre.server.auth.keys import Keys
from nacre.server.settings import Settings
from nacre.server.state import State
from nacre.store.places import shown
from nacre.system.net import is_loopback
from nacre.text.language import os_reason, tr


def serve(settings: Settings, *, only_mcp: bool = False) -> None:
    """Serve until interrupted."""
    server = settings.server
    refuse_open_door(settings)
    _log_to_stderr()
    app = create_app(settings, only_mcp=only_mcp)
    config = uvicorn.Config(
        app,
        host=server.host,
        port=server.port,
        http=protocol(server),
        ws="none",
        access_log=False,
        log_level="warning",
        server_header=False,
        timeout_keep_alive=30,
        timeout_graceful_shutdown=30,
        limit_concurrency=server.max_connections,
    )
    listening = _listen(server.host, server.port)
    host = f"[{server.host}]" if ":" in server.host else server.host
    url = f"http://{host}:{listening.getsockname()[1]}"
    if only_mcp:
        told = tr("Nacre serves {kb} to MCP clients on {url}/mcp", kb=shown(settings.kb), url=url)
    else:
        told = tr("Nacre serves {kb} on {url}  (API: {url}/v1, MCP: {url}/mcp)", kb=shown(settings.kb), url=url)
    print(told, file=sys.stderr, flush=True)
    if told := _of_door(app.state.nacre):
        print(told, file=sys.stderr, flush=True)
    uvicorn.Server(config).run(sockets=[listening])


def _listen(host: str, port: int) -> socket.socket:
    """A socket that listens; uvicorn would only log why there is none."""
    try:
        return socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except (OSError, UnicodeError) as error:
        reason = os_reason(error) if isinstance(error, OSError) else error
        raise UsageError(
            tr(
                "Nacre cannot listen on {host}, port {port} ({reason}). Stop the program that does, or choose "
                "another port: --port 0 takes a free one.",
                host=host,
                port=port,
                reason=reason,
            )
        ) from error


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
        raise UsageError(
            tr(
                "Others can reach {host}, and there are no API keys. Make one: nacre keys add NAME --kb {kb}",
                host=host,
                kb=shown(settings.kb),
            )
        )


def _log_to_stderr() -> None:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s %(message)s"))
    logger = logging.getLogger("nacre.server")
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    logger.propagate = False
