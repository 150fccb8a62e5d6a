"""Words that carry no topic, as index terms: function words, and the words that make a question a question."""

from __future__ import annotations

import functools

from nacre.text.vocabulary import vocabulary
from nacre.text.words import words


@functools.cache
def stopwords() -> frozenset[str]:
    """The stop words of both languages; the Chinese ones stand in their file as they are cut."""
    said = vocabulary(__package__, "stopwords")["words"]
    return frozenset(term for word in said for term in (words(word) if word.isascii() else [word]))
