"""Text from outside made fit to be searched, stored and sent."""

from __future__ import annotations

import functools
import re

from nacre.text.vocabulary import compiled, vocabulary

TERMINAL = r"(?:(?<=\x1b)(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)))?"
"""The rest of a sequence that colours a terminal's text or names its window: its letters are no words."""
# Controls except tab, line feed and carriage return; lone surrogates (arguments that are not UTF-8 arrive so).
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]" + TERMINAL)
_SURROGATE = re.compile(r"[\ud800-\udfff]")
LONGEST_SEARCHED = 4000
"""Characters of a question that are looked at to search, to tell its language, to find what is like it."""


def clean_text(text: str) -> str:
    """Take out what no text should hold.

    Args:
        text: any string, lone surrogates and control characters among it.

    Returns:
        A string that can be encoded as UTF-8: surrogates become U+FFFD, control characters are dropped.
    """
    return _CONTROL.sub("", _SURROGATE.sub("\ufffd", text))


def searched(text: str) -> str:
    """What is looked at of a question: all of it, or its beginning and its end where it is longer than
    `LONGEST_SEARCHED`.

    Who pastes a long text asks before it or behind it. A model is still given the whole.

    Returns:
        At most `LONGEST_SEARCHED` characters, cut at white space where there is some near the cut.

    Example:
        >>> len(searched("a lagoon " * 9999)) <= LONGEST_SEARCHED, searched(" short ")
        (True, ' short ')
    """
    if len(text) <= LONGEST_SEARCHED:
        return text
    half = LONGEST_SEARCHED // 2 - 1
    bare = text.strip()
    if len(bare) <= LONGEST_SEARCHED:
        return bare
    start, end = bare[:half], bare[-half:]
    at = max(start.rfind(" ", half - 80), start.rfind("\n", half - 80))
    begin = end.find(" ", 0, 80)
    return f"{start[:at] if at > 0 else start}\n{end[begin + 1 :]}"


def masked(text: str) -> str:
    """A text without what looks like a key.

    Returns:
        The text; keys of common providers and signed tokens are replaced by `[secret]`.

    Example:
        >>> masked("use sk-abcdefghijklmnopqrstuvwx")
        'use [secret]'
    """
    return _secret().sub("[secret]", text)


@functools.cache
def _secret() -> re.Pattern[str]:
    data = vocabulary(__package__, "secrets")
    return compiled(data["secret"], data["lists"], 0)
