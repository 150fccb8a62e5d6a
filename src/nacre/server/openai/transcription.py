"""What an audio server's refusal means to our own caller."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING

from nacre.server.openai.errors import Problem
from nacre.system.net import seconds_to_wait
from nacre.text.hygiene import clean_text, masked
from nacre.text.language import tr

if TYPE_CHECKING:
    import httpx

_READ = 64 << 10
_TOLD = 500
_LONGEST_WAIT_S = 999_999
# The caller's own mistakes stay theirs. That our key or our address is wrong is not one of them.
_CALLERS = frozenset({400, 413, 415, 422, 429})


async def refusal_of(answer: httpx.Response) -> Problem:
    """Turn the refusal of an audio server into ours."""
    body = bytearray()
    async for piece in answer.aiter_bytes():
        body += piece
        if len(body) > _READ:
            break
    status = answer.status_code
    if status in _CALLERS:
        said = _message(bytes(body)) or tr("The audio server refused the file ({status}).", status=status)
        wait = seconds_to_wait(answer.headers.get("retry-after"))
        retry = None if wait is None else math.ceil(min(wait, _LONGEST_WAIT_S))
        return Problem(status, said, "rate_limit_exceeded" if status == 429 else "invalid_audio", retry_after_s=retry)
    return Problem(
        502,
        tr(
            "The audio server failed with status {status}. Its address, model and key are the server owner's to check.",
            status=status,
        ),
        "audio_error",
    )


def _message(body: bytes) -> str:
    """What its error object says, plain and short; its other words are not for strangers."""
    try:
        message = json.loads(body)["error"]["message"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return ""
    return masked(clean_text(str(message)))[:_TOLD]
