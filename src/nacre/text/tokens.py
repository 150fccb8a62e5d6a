"""How many tokens a text has, without any model's vocabulary: the one estimate by which everything here is packed and
charged.

Close to the tokenisers of today (OpenAI's, Qwen, DeepSeek) on prose, tables and code, and rather above than below where
they differ, since a prompt that is too long is refused: `bench/tokens.py` prints how close. A token is a word's
beginning of nine letters or three more, four capitals, one digit (Qwen's and Llama's; OpenAI takes three), a run of one
sign or two signs, a Han character or another one of its kind, two letters of a small alphabet, or a run of white space.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from langchain_core.messages import BaseMessage

_SMALL, _CAPITAL = "a-zß-öø-ɏ", "A-ZÀ-ÖØ-Þ"
_SIGN = r"!-/:-@\[-`{-~"
_PIECE = re.compile(
    rf" ?(?:(?<=[{_SMALL}])[{_SMALL}]{{1,3}}|[{_CAPITAL}]?[{_SMALL}]{{1,9}}|[{_CAPITAL}]{{1,4}})"
    rf"|[0-9]| ?([{_SIGN}])(?:\1{{1,15}}|[{_SIGN}])?"
    rf"|[\x80-\u06ff]{{1,2}}|[^\x00-\x7f]|[\r\n]+|[ \t]{{1,16}}|[\x00-\x1f\x7f]"
)
_PICTURE = re.compile("[\U00010000-\U0001ffff]")  # emoji and the like take two or three
_RARE = re.compile("[\U00020000-\U0010ffff]")  # every byte is a token of its own
_OF_A_MESSAGE = 4  # role and separators, as OpenAI's cookbook counts them


def estimate(text: str) -> int:
    """About how many tokens a text has; 0 for an empty one."""
    pieces = sum(1 for _ in _PIECE.finditer(text))
    return pieces if text.isascii() else pieces + len(_PICTURE.findall(text)) + 3 * len(_RARE.findall(text))


def estimate_messages(messages: Iterable[BaseMessage]) -> int:
    """About how many tokens a conversation has, with roles and the arguments of tool calls."""
    return sum(_OF_A_MESSAGE + estimate(message.text) + _calls(message) for message in messages)


def _calls(message: BaseMessage) -> int:
    return sum(estimate(f"{call['name']}{call['args']}") for call in getattr(message, "tool_calls", None) or ())


def offsets(text: str) -> list[tuple[int, int]]:
    """(start, end) in characters of each token that shows something."""
    spans = ((piece.end() - len(piece.group().lstrip()), piece.end()) for piece in _PIECE.finditer(text))
    return [(start, end) for start, end in spans if end > start]


def beginning(text: str, tokens: int) -> str:
    """As much of a text's beginning as has at most so many tokens."""
    left = tokens
    for piece in _PIECE.finditer(text):
        left -= estimate(piece.group())
        if left < 0:
            return text[: piece.start()]
    return text
