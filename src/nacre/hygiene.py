"""Text from outside made fit to be searched, stored and sent."""

from __future__ import annotations

import re

# Controls except tab, line feed and carriage return; lone surrogates (arguments that are not UTF-8 arrive so).
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
_SURROGATE = re.compile(r"[\ud800-\udfff]")


def clean_text(text: str) -> str:
    """Take out what no text should hold.

    Args:
        text: any string, lone surrogates and control characters among it.

    Returns:
        A string that can be encoded as UTF-8: surrogates become U+FFFD, control characters are dropped.
    """
    return _CONTROL.sub("", _SURROGATE.sub("\ufffd", text))
