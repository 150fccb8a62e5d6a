"""The words by which agents' replies are read, from one file a language, by name."""

from __future__ import annotations

import re
from enum import Enum
from typing import Any

from nacre.text.vocabulary import one_of, vocabulary


class Kind(Enum):
    """What a label announces."""

    THOUGHT = "thought"
    ACTION = "action"
    INPUT = "input"
    OBSERVATION = "observation"
    ANSWER = "answer"
    QUESTION = "question"
    REASONING = "reasoning"  # a tag such as <think>


def label_key(label: str) -> str:
    """A label without case, blanks, "_" and "-"."""
    return re.sub(r"[\s_\-]", "", label).lower()


def _by_key(section: str) -> dict[str, Kind]:
    return {label_key(word): Kind(kind) for kind, words in WORDS[section].items() for word in words}


def _all(section: str) -> tuple[str, ...]:
    return tuple(word for words in WORDS[section].values() for word in words)


WORDS: dict[str, Any] = vocabulary(__package__, "words")
STRONG = _by_key("labels")
LABELS = {**_by_key("weak_labels"), **STRONG}
STRONG_LABEL, ANY_LABEL = one_of(_all("labels")), one_of((*_all("labels"), *_all("weak_labels")))
KEYS: dict[str, tuple[str, ...]] = WORDS["keys"]
FINISH = frozenset(WORDS["names"]["finish"])
NOTHING = frozenset(WORDS["names"]["nothing"])
NOTHING_MORE: tuple[str, ...] = WORDS["names"]["nothing_more"]
