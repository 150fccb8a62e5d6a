"""Token counts where a model gives none: an estimate, and marked as one."""

from __future__ import annotations

from collections.abc import Sequence

from langchain_core.messages import BaseMessage
from langchain_core.messages.ai import UsageMetadata

from nacre.text.tokens import estimate, estimate_messages


def estimate_usage(messages: Sequence[BaseMessage], answer: str) -> UsageMetadata:
    """Estimate the usage of one call.

    Returns:
        Usage metadata in tokens.
    """
    asked = estimate_messages(messages)
    said = estimate(answer)
    return UsageMetadata(input_tokens=asked, output_tokens=said, total_tokens=asked + said)
