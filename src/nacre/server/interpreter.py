"""The sandbox as a small HTTP service, for machines whose kernel has none.

    python -m nacre.server.interpreter [--host 127.0.0.1] [--port 8100] [--level full]

POST /run {"code", "timeout_s", "inputs"} answers with `Execution.to_data()`; GET /health with {"ok": true}. The key is taken
from $NACRE_INTERPRETER_KEY; without one the service only listens on the loopback address.
"""

from __future__ import annotations

import argparse
import hmac
import json
import math
import os
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from nacre.errors import NacreError, UsageError
from nacre.language import tr
from nacre.net import is_loopback
from nacre.reasoning.interpreter import CodeInterpreter
from nacre.reasoning.sandbox.limits import LEVELS

_LARGEST_REQUEST = 32 << 20
_LONGEST_S = 300.0


class InterpreterServer(ThreadingHTTPServer):
    """Serves one interpreter.

    Args:
        address: host and port; port 0 takes a free one.
        interpreter: runs the programs.
        key: what callers must show, "" for none.

    Raises:
        UsageError: a place that others can reach, and no key.
    """

    daemon_threads = True

    def __init__(self, address: tuple[str, int], interpreter: CodeInterpreter, key: str = "") -> None:
        if not key and not is_loopback(address[0]):
            raise UsageError(
                tr(
                    f"Others can reach {address[0]}: set NACRE_INTERPRETER_KEY, or listen on 127.0.0.1.",
                    f"他人可以访问 {address[0]}：请设置 NACRE_INTERPRETER_KEY，或只监听 127.0.0.1。",
                )
            )
        self.interpreter, self.key = interpreter, key
        super().__init__(address, _Handler)


class _Handler(BaseHTTPRequestHandler):
    server: InterpreterServer
    timeout = 60

    def do_GET(self) -> None:
        self._answer(200, {"ok": True}) if self.path == "/health" else self._answer(404, {"error": "not found"})

    def do_POST(self) -> None:
        shown = self.headers.get("Authorization", "").encode("utf-8", "replace")
        if self.server.key and not hmac.compare_digest(shown, f"Bearer {self.server.key}".encode()):
            self._answer(401, {"error": "wrong key"})
        elif self.path != "/run":
            self._answer(404, {"error": "not found"})
        else:
            self._answer(*self._run())

    def _run(self) -> tuple[int, dict[str, Any]]:
        try:
            length = int(self.headers.get("Content-Length", ""))
            if not 0 < length <= _LARGEST_REQUEST:
                return 413, {"error": "the request is too large"}
            asked = json.loads(self.rfile.read(length))
            code, inputs, timeout_s = asked["code"], asked.get("inputs") or {}, float(asked.get("timeout_s", 5.0))
            if not isinstance(code, str) or not isinstance(inputs, dict) or not math.isfinite(timeout_s):
                raise ValueError("code, inputs or timeout_s")
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            return 400, {"error": f"not a request: {error}"}
        try:
            return 200, self.server.interpreter.run(code, min(timeout_s, _LONGEST_S), inputs=inputs).to_data()
        except UsageError as error:
            return 400, {"error": error.message}
        except NacreError as error:
            return 503, {"error": error.message}

    def _answer(self, status: int, data: dict[str, Any]) -> None:
        body = json.dumps(data).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Programs and addresses are nobody's business: nothing is logged."""


def main(arguments: list[str] | None = None) -> int:
    """Serve until interrupted.

    Args:
        arguments: of the command line; None takes the process's own.

    Returns:
        The exit status: 2 for a place that may not be listened on, or a machine without what the sandbox needs.
    """
    from nacre.reasoning.sandbox import PythonInterpreter

    parser = argparse.ArgumentParser(
        prog="python -m nacre.server.interpreter", description=tr("Run programs for others.", "为他人运行程序。")
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
