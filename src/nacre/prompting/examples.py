"""Examples for a prompt, as messages; and which of a few are nearest to a question."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage

from nacre import prompts
from nacre.text.language import Language
from nacre.text.words import words

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


def nearest_by_words(question: str, texts: Sequence[str], k: int) -> list[int]:
    """Indices of the texts (a few hundred, each is read) that share the most telling words with a question, nearest
    first.
    """
    bags = [set(words(text)) for text in texts]
    spread = Counter(word for bag in bags for word in bag)
    weight = {word: math.log(1 + len(bags) / count) for word, count in spread.items()}
    asked = set(words(question))

    def score(bag: set[str]) -> float:
        shared = sum(weight[word] for word in bag & asked)
        return shared / math.sqrt(1 + sum(weight[word] for word in bag))

    return sorted(range(len(texts)), key=lambda i: (-score(bags[i]), i))[:k]


def nearest_by_vector(question: Sequence[float], texts: Sequence[Sequence[float]], k: int) -> list[int]:
    """Indices of the vectors that lie nearest to a question's by cosine, nearest first."""
    import numpy as np

    vectors, asked = np.asarray(texts, dtype=np.float32), np.asarray(question, dtype=np.float32)
    lengths = np.linalg.norm(vectors, axis=1) * float(np.linalg.norm(asked))
    scores = (vectors @ asked) / np.maximum(lengths, 1e-12)
    return [int(i) for i in np.argsort(-scores, kind="stable")[:k]]
