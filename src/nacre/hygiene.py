"""Text from outside made fit to be searched, stored and sent."""

from __future__ import annotations

import re

# Controls except tab, line feed and carriage return; lone surrogates (arguments that are not UTF-8 arrive so).
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
_SURROGATE = re.compile(r"[\ud800-\udfff]")
# Keys of common providers, and signed tokens.
_SECRET = re.compile(
    r"\b(?:sk|nk|ghp|gho|xox[abp]|AKIA|hf)[-_]?[A-Za-z0-9_\-]{16,}|\bey[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]+"
)


def clean_text(text: str) -> str:
    """Take out what no text should hold.

    Args:
        text: any string, lone surrogates and control characters among it.

    Returns:
        A string that can be encoded as UTF-8: surrogates become U+FFFD, control characters are dropped.
    """
    return _CONTROL.sub("", _SURROGATE.sub("\ufffd", text))


def masked(text: str) -> str:
    """A text without what looks like a key.

    Args:
        text: any text.

    Returns:
        The text; keys of common providers and signed tokens are replaced by `[secret]`.

    Example:
        >>> masked("use sk-abcdefghijklmnopqrstuvwx")
        'use [secret]'
    """
    return _SECRET.sub("[secret]", text)
