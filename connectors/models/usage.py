"""Token counts where a model gives none: an estimate, and marked as one."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

from langchain_core.messages import BaseMessage
from langchain_core.messages.ai import UsageMetadata

_WIDE = re.compile(r"[\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003ffff]")
_MESSAGE_OVERHEAD = 4  # role and separators, as OpenAI's cookbook counts them


def estimate_tokens(text: str) -> int:
    """Estimate how many tokens a text has, without any tokeniser's files.

    A Han, kana or hangul character counts as one token, four other characters as one.

    Args:
        text: any text.

    Returns:
        The number of tokens, 0 for an empty text.
    """
    wide = len(_WIDE.findall(text))
    return wide + math.ceil((len(text) - wide) / 4)


def estimate_usage(messages: Sequence[BaseMessage], answer: str) -> UsageMetadata:
    """Estimate the usage of one call.

    Args:
        messages: what was asked.
        answer: what was answered, tool calls and reasoning included.

    Returns:
        Usage metadata in tokens.
    """
    asked = sum(estimate_tokens(message.text) + _MESSAGE_OVERHEAD for message in messages)
    said = estimate_tokens(answer)
    return UsageMetadata(input_tokens=asked, output_tokens=said, total_tokens=asked + said)
