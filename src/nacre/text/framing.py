"""Marks around text that others wrote: who wrote it cannot know its mark, so it cannot end its own frame.

A mark is an HMAC of the text under a secret of this process. The same text has the same mark here, so that a provider's
cache of prompts still serves; elsewhere, and for any other text, it is another.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import secrets
import threading

MARK = "[0-9a-f]{32}"
"""How a mark looks, as a regular expression."""

_SECRET = secrets.token_bytes(32)
_REMEMBERED = 4096
_MARKED = re.compile(rf'(key=\\?")({MARK})')
_given: dict[str, str] = {}
_lock = threading.Lock()


def mark(*texts: str) -> str:
    """The mark of texts that stand in one frame: 128 bits, as 32 hexadecimal digits."""
    material = json.dumps(texts, ensure_ascii=False).encode("utf-8", "surrogatepass")
    made = hmac.new(_SECRET, material, "sha256").hexdigest()[:32]
    with _lock:
        if made not in _given:
            if len(_given) >= _REMEMBERED:
                del _given[next(iter(_given))]
            _given[made] = hashlib.sha256(material).hexdigest()[:32]
    return made


def settled(text: str) -> str:
    """A text in which each mark that this process really gave is one that every process gives, for keys of caches."""
    return _MARKED.sub(lambda found: found[1] + _given.get(found[2], found[2]), text)
