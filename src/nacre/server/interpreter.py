"""The sandbox as a small HTTP service, for machines whose kernel has none.

    python -P -m nacre.server.interpreter [--host 127.0.0.1] [--port 8100] [--level full]

POST /run {"code", "timeout_s", "inputs"} answers with `Execution.to_data()`; GET /health with {"ok": true}. The key is
taken from $NACRE_INTERPRETER_KEY; without one the service only listens on the loopback address. Its door is the
server's own.
"""

from __future__ import annotations

import argparse
import asyncio
import hmac
import json
import math
import os
import re
import socket
import sys
from typing import Any, Self

from nacre.errors import NacreError, UsageError
from nacre.extras import need
from nacre.reasoning.interpreter import CodeInterpreter
from nacre.reasoning.sandbox import PythonInterpreter
from nacre.reasoning.sandbox.limits import LEVELS
from nacre.text.language import tr

need("uvicorn", extra="serve")
need("fastapi", extra="serve")

from starlette.applications import Starlette  # noqa: E402
from starlette.requests import Request  # noqa: E402
from starlette.responses import JSONResponse, Response  # noqa: E402
from starlette.routing import Route  # noqa: E402

from nacre.server.auth.connections import run_by  # noqa: E402
from nacre.server.auth.guard import Guard  # noqa: E402
from nacre.server.auth.keys import User  # noqa: E402
from nacre.server.observability.metrics import Metrics  # noqa: E402
from nacre.server.openai.errors import Problem, problem_of  # noqa: E402
from nacre.server.settings import ServerSettings, Settings  # noqa: E402
from nacre.system.net import is_loopback  # noqa: E402

_LARGEST_REQUEST_MB = 32
_LONGEST_S = 300.0
_PUBLIC = re.compile("/health")


class InterpreterServer:
    """Serves one interpreter."""

    def __init__(self, address: tuple[str, int], interpreter: CodeInterpreter, key: str = "") -> None:
        if not key and not is_loopback(address[0]):
            raise UsageError(
                tr("Others can reach {address}: set NACRE_INTERPRETER_KEY, or listen on 127.0.0.1.", address=address[0])
            )
        settings = ServerSettings(host=address[0], max_body_mb=_LARGEST_REQUEST_MB)
        family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        self._listening = socket.create_server(address, family=family, backlog=2048)
        self.server_address: tuple[str, int] = self._listening.getsockname()[:2]
        app = Guard(_app(interpreter), _Door(settings, key), _PUBLIC, math.inf)  # tables hold many values
        self._server = run_by(app, settings, lifespan="off", log_config=None, timeout_graceful_shutdown=5)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._listening.close()

    def serve_forever(self) -> None:
        """Serve until interrupted, or until `shutdown`."""
        asyncio.run(self._server.serve(sockets=[self._listening]))

    def shutdown(self) -> None:
        """End `serve_forever`, which another thread is in."""
        self._server.should_exit = True


class _Door:
    """What the guard asks: one key or none, no limits, nothing counted or logged: programs are nobody's business."""

    telemetry = None

    def __init__(self, server: ServerSettings, key: str) -> None:
        self.settings = Settings(kb="", server=server)
        self.guarded = bool(key)
        self.local = User("local", "local")
        self.metrics = Metrics()
        self._key = key.encode("utf-8", "replace")

    async def find(self, key: str) -> User:
        """Who shows the key."""
        if not hmac.compare_digest(key.encode("utf-8", "replace"), self._key):
            raise Problem(401, tr("wrong key: see NACRE_INTERPRETER_KEY"), "invalid_api_key")
        return self.local

    async def renew_keys(self) -> None:
        """The key stays."""

    async def count(self, user: User) -> None:
        """No limit."""


def _app(interpreter: CodeInterpreter) -> Starlette:
    async def health(request: Request) -> Response:
        return JSONResponse({"ok": True})

    async def run(request: Request) -> Response:
        if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
            return JSONResponse({"error": "Content-Type must be application/json"}, 415)
        try:
            code, inputs, timeout_s = _asked(await request.body())
            ran = await asyncio.to_thread(interpreter.run, code, min(timeout_s, _LONGEST_S), inputs=inputs)
            return JSONResponse(ran.to_data())
        except UsageError as error:
            return JSONResponse({"error": error.message}, 400)
        except NacreError as error:
            return JSONResponse({"error": error.message}, 503)

    async def told(request: Request, error: Exception) -> Response:
        problem = problem_of(error)
        return JSONResponse(problem.body, problem.status)

    routes = [Route("/health", health), Route("/run", run, methods=["POST"])]
    return Starlette(routes=routes, exception_handlers={Problem: told})


def _asked(body: bytes) -> tuple[str, dict[str, Any], float]:
    try:
        asked = json.loads(body)
        code, inputs, timeout_s = asked["code"], asked.get("inputs") or {}, float(asked.get("timeout_s", 5.0))
        if not isinstance(code, str) or not isinstance(inputs, dict) or not math.isfinite(timeout_s):
            raise ValueError("code, inputs or timeout_s")
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise UsageError(tr("not a request: {error}", error=error)) from error
    return code, inputs, timeout_s


def main(arguments: list[str] | None = None) -> int:
    """Serve until interrupted; 2 where it may not listen, or the sandbox lacks something."""
    parser = argparse.ArgumentParser(
        prog="python -P -m nacre.server.interpreter", description=tr("Run programs for others.")
    )
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8100)
    parser.add_argument("--level", choices=LEVELS, default=None)
    options = parser.parse_args(arguments)
    try:
        with PythonInterpreter(level=options.level) as python:
            python.start()
            with InterpreterServer(
                (options.host, options.port), python, os.environ.get("NACRE_INTERPRETER_KEY", "")
            ) as server:
                print(f"http://{options.host}:{server.server_address[1]}", file=sys.stderr, flush=True)
                server.serve_forever()
    except NacreError as error:
        print(error.message, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        pass
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
