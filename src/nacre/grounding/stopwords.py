"""Words that carry no topic, as index terms: function words, and the words that make a question a question."""

from __future__ import annotations

import functools

from nacre.text.vocabulary import word_list
from nacre.text.words import words

_SAID = word_list(__package__, "stopwords")


@functools.cache
def stopwords() -> frozenset[str]:
    """The stop words of both languages; the Chinese ones stand in their file as they are cut."""
    return frozenset(term for word in _SAID for term in (words(word) if word.isascii() else [word]))
