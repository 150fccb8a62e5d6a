"""Examples for a prompt, as messages."""

from __future__ import annotations

from collections.abc import Sequence

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage

from nacre import prompts
from nacre.text.language import Language

Examples = str | list[tuple[str, str] | BaseMessage]
"""The id of a prompt whose messages are the examples, or pairs (question, answer), or messages."""


def example_groups(examples: Examples, language: Language) -> list[list[BaseMessage]]:
    """Examples as messages, grouped so that each group begins with a question."""
    if isinstance(examples, str):
        items: Sequence[tuple[str, str] | BaseMessage] = prompts.load(examples, language).render()
    else:
        items = examples
    groups: list[list[BaseMessage]] = []
    for item in items:
        if not isinstance(item, BaseMessage):
            question, answer = item
            groups.append([HumanMessage(question), AIMessage(answer)])
        elif isinstance(item, HumanMessage) or not groups:
            groups.append([item])
        else:
            groups[-1].append(item)
    return groups


def behind_system(messages: Sequence[BaseMessage], new: Sequence[BaseMessage]) -> list[BaseMessage]:
    """Put messages before a conversation, but behind its system message."""
    at = 1 if messages and messages[0].type == "system" else 0
    return [*messages[:at], *new, *messages[at:]]
