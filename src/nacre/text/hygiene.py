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
    """Make any string one that UTF-8 can hold: surrogates become U+FFFD, control characters go."""
    return _CONTROL.sub("", _SURROGATE.sub("\ufffd", text))


def searched(text: str) -> str:
    """What is searched of a question: all, or a long one's beginning and end, for who pastes a text asks around it."""
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
    """A text in which keys of common providers and signed tokens are replaced by `[secret]`."""
    return _secret().sub("[secret]", text)


@functools.cache
def _secret() -> re.Pattern[str]:
    data = vocabulary(__package__, "secrets")
    return compiled(data["secret"], data["lists"], 0)
