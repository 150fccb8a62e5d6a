"""Words and patterns by which texts of both languages are read: data beside the code, made into patterns here alone.

A file holds one language (`name.en.yaml`, `name.zh.yaml`) or what is alike in all (`name.yaml`). In it a text is words,
parted by white space, with "_" for a blank inside one; a list is patterns, in which `{name}` stands for any word of the
list of that name in the section `lists`, and `{han}` for a Chinese character. What the languages say under one name is
joined in their order.
"""

from __future__ import annotations

import functools
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from nacre.text.han import HAN

_SLOT = re.compile(r"\{([a-z_]+)\}")  # a number in braces counts repetitions


@functools.cache
def vocabulary(package: str, name: str) -> dict[str, Any]:
    """The words and patterns of all languages, from the files of one name in a package."""
    import yaml

    loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the one in C is five times as fast
    merged: dict[str, Any] = _merged([yaml.load(text, Loader=loader) for text in _texts(package, f"{name}{{}}.yaml")])
    return merged


def word_list(package: str, name: str) -> tuple[str, ...]:
    """The words of all languages from files of nothing but words (`name.en.txt`), for what a search reads first."""
    lines = (line for text in _texts(package, f"{name}{{}}.txt") for line in text.splitlines())
    return tuple(word for line in lines if not line.startswith("#") for word in line.split())


def _texts(package: str, name: str) -> list[str]:
    folder = Path(sys.modules[package].__path__[0])
    places = [folder / name.format(language) for language in ("", ".en", ".zh")]
    return [place.read_text("utf-8") for place in places if place.is_file()]


def _merged(entries: list[Any]) -> Any:
    if isinstance(entries[0], dict):
        names = dict.fromkeys(name for entry in entries for name in entry)
        return {name: _merged([entry[name] for entry in entries if name in entry]) for name in names}
    return tuple(word for entry in entries for word in (entry.split() if isinstance(entry, str) else entry))


def one_of(words: Sequence[str], blank: str = r"[ _\-]{0,2}") -> str:
    """A pattern for any of some words, the longest first; `blank` is what "_" stands for."""
    longest_first = sorted(words, key=len, reverse=True)
    return "|".join(re.escape(word).replace("_", blank) for word in longest_first)


def compiled(
    patterns: Sequence[str], lists: Mapping[str, Sequence[str]], flags: int = re.IGNORECASE
) -> re.Pattern[str]:
    """One pattern of several, the first that matches counts."""
    known = {name: f"(?:{one_of(words, ' ')})" for name, words in lists.items()} | {"han": f"[{HAN}]"}
    return re.compile("|".join(_SLOT.sub(lambda slot: known[slot[1]], pattern) for pattern in patterns), flags)
