"""Whatever answers questions can be asked: an OpenAI-compatible endpoint, or a function; and when it refused."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from typing import Any

from nacre.errors import ModelUnavailableError, UsageError
from nacre.extras import need
from nacre.text.language import tr
from nacre.text.vocabulary import compiled, vocabulary

_SECONDS = 120.0
_MOST = 1_000_000  # characters of a reply
# How systems that mark no refusal say that they have no answer.
_REFUSAL = compiled(vocabulary("nacre.eval", "sayings")["refusal"], {})


def is_refusal(answer: str) -> bool:
    """Whether an answer says first of all that there is none: a guess, for targets that do not mark it."""
    first = re.split(r"(?<=[.!?。！？])", answer.strip(), maxsplit=1)[0]
    return not first or bool(_REFUSAL.search(first))


def over_http(url: str) -> Callable[[str], Any]:
    """Asks an OpenAI-compatible server (address up to `/v1`, `#MODEL`); the key is that of OPENAI_API_KEY."""
    place, _, model = url.partition("#")
    if not re.match(r"https?://", place):
        raise UsageError(tr("{url!r} is no http address; write like http://127.0.0.1:8080/v1#model.", url=url))
    httpx = need("httpx", extra="serve")
    key = {"Authorization": f"Bearer {os.environ.get('OPENAI_API_KEY', 'none')}"}
    client = httpx.Client(timeout=_SECONDS, headers=key)

    def ask(question: str) -> dict[str, Any]:
        body = {"model": model or "default", "messages": [{"role": "user", "content": question}]}
        answer = client.post(f"{place.rstrip('/')}/chat/completions", json=body)
        if answer.status_code != 200:
            raise ModelUnavailableError(
                tr("{place} answered {status}: {text}", place=place, status=answer.status_code, text=answer.text[:200])
            )
        try:
            message = answer.json()["choices"][0]["message"]
            abstained = (message.get("nacre") or {}).get("abstained")
            return {"answer": str(message["content"] or "")[:_MOST], "abstained": abstained}
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            raise ModelUnavailableError(tr("{place} answered no chat completion.", place=place)) from error

    return ask
