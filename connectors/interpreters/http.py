"""`HttpInterpreter`: programs run on another machine, by `python -m nacre.server.interpreter` there."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from nacre.connectors.timed_http import exchange, server_uri
from nacre.errors import InterpreterError, UsageError
from nacre.reasoning.interpreter import Execution
from nacre.text.language import tr

_ON_THE_WAY_S = 15.0  # beside the run itself: connecting, waiting for a free place, sending
_LARGEST_ANSWER, _LARGEST_PART = 4 << 20, 2 << 20  # bytes; of a part 1 MiB (the sandbox's own limit) and escapes
# What `Execution.to_data` becomes. Anything else is not parsed: JSON of three characters a part takes seventy
# bytes a part.
_PART = rb'"([^"\\]{0,40})"\s*:\s*("(?:[^"\\]++|\\.)*+"|[-+.\w]{1,40})'
_FLAT = re.compile(rb"\s*\{(?:\s*" + _PART + rb"\s*,?){0,32}+\s*\}\s*", re.DOTALL)
_PARTS = re.compile(_PART, re.DOTALL)


def _fields(answer: bytes) -> dict[str, Any]:
    """The parts of an answer, each measured and read alone: one wide character makes all of a text four times as
    large.
    """
    if len(answer) >= _LARGEST_ANSWER:
        raise ValueError(f"it has more than {_LARGEST_ANSWER} bytes")
    if not _FLAT.fullmatch(answer):
        raise ValueError("not an object of texts and numbers")
    spans = {part[1]: part.span(2) for part in _PARTS.finditer(answer)}
    for name, (start, end) in spans.items():
        if end - start > _LARGEST_PART + len('""'):
            raise ValueError(f"{name.decode()} has more than {_LARGEST_PART} bytes")
    return {name.decode(): json.loads(answer[start:end].decode()) for name, (start, end) in spans.items()}


class HttpInterpreter:
    """A `CodeInterpreter` on another machine."""

    def __init__(self, uri: str, key: str = "") -> None:
        self.uri = self.name = server_uri(uri, 8100)  # a stack file names it so; the key is no part of it
        self._headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {key}"} if key else {})

    def run(self, code: str, timeout_s: float = 5.0, *, inputs: Mapping[str, Any] | None = None) -> Execution:
        """Run one program there, for so many seconds at most."""
        try:
            request = {"code": code, "timeout_s": timeout_s, "inputs": dict(inputs or {})}
            body = json.dumps(request, allow_nan=False).encode()
        except (TypeError, ValueError, RecursionError) as error:
            raise UsageError(tr("The inputs are not plain data: {error}", error=error)) from error
        time_s = timeout_s + _ON_THE_WAY_S
        try:
            status, answer = exchange(
                "POST", f"{self.uri}/run", body, self._headers, timeout_s=time_s, most=_LARGEST_ANSWER
            )
        except OSError as error:
            raise self._failed(f"{type(error).__name__}: {error}") from error
        if status != 200:
            raise self._failed(f"{status} {answer[:300].decode('utf-8', 'replace')}")
        try:
            return Execution.from_data(_fields(answer), timeout_s)
        except (ValueError, TypeError) as error:
            raise self._failed(f"the answer is no run ({error})") from error

    def _failed(self, why: str) -> InterpreterError:
        return InterpreterError(
            tr("The interpreter at {uri} did not run the program: {why}. Check address and key.", uri=self.uri, why=why)
        )
