"""The words by which agents' replies are read, from one file a language, compiled here and nowhere else."""

from __future__ import annotations

import re
from enum import Enum
from importlib.resources import files
from typing import Any

import yaml

_FILES = ("words.en.yaml", "words.zh.yaml")


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


def one_of(words: tuple[str, ...], blank: str = r"[ _\-]{0,2}") -> str:
    """A pattern for any of some words, the longest first; `blank` is what "_" stands for."""
    longest_first = sorted(words, key=len, reverse=True)
    return "|".join(word.replace("_", blank) for word in longest_first)


def _merged(entries: list[Any]) -> Any:
    """The words of all languages, in the order of the files."""
    if isinstance(entries[0], dict):
        names = dict.fromkeys(name for entry in entries for name in entry)
        return {name: _merged([entry.get(name, "") for entry in entries]) for name in names}
    return tuple(word for entry in entries for word in entry.split())


def _by_key(section: str) -> dict[str, Kind]:
    return {label_key(word): Kind(kind) for kind, words in WORDS[section].items() for word in words}


def _all(section: str) -> tuple[str, ...]:
    return tuple(word for words in WORDS[section].values() for word in words)


_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the one in C is five times as fast
_TEXTS = (files(__package__).joinpath(name).read_text("utf-8") for name in _FILES)
WORDS: dict[str, Any] = _merged([yaml.load(text, Loader=_LOADER) for text in _TEXTS])
STRONG = _by_key("labels")
LABELS = {**_by_key("weak_labels"), **STRONG}
STRONG_LABEL, ANY_LABEL = one_of(_all("labels")), one_of((*_all("labels"), *_all("weak_labels")))
KEYS: dict[str, tuple[str, ...]] = WORDS["keys"]
FINISH = frozenset(WORDS["names"]["finish"])
NOTHING = frozenset(WORDS["names"]["nothing"])
NOTHING_MORE: tuple[str, ...] = WORDS["names"]["nothing_more"]
