"""Which language a text is in, as far as its words tell: within Latin letters by function words."""

from __future__ import annotations

import functools
import re
from collections import Counter
from collections.abc import Mapping

from nacre.text.vocabulary import vocabulary
from nacre.text.writing import BEGINNING, writing_of

_WORD = re.compile(r"[^\W\d_]+|¿")
_BEGINNING = 400  # characters that tell
_LEAST = 2  # function words that show a language: of one it may be a name ("La Paz", "de Vries")
_TIMES = 3  # as many as English ones: what is quoted from another language stands in English words


def tongue_of(text: str) -> str:
    """The writing of a text; of one in Latin letters its language, where that is known not to be English.

    Examples:
        >>> tongue_of("Wie hoch ist die Pauschale?"), tongue_of("How high is it?"), tongue_of("年假有几天？")
        ('de', 'latin', 'han')
    """
    return _told(text[:BEGINNING])


def is_in_another_tongue(text: str, than: str) -> bool:
    """Whether two texts in one writing are in two languages, as far as is known."""
    return tongue_of(text) != tongue_of(than) and writing_of(text) == writing_of(than)


@functools.lru_cache(maxsize=512)  # a long case is searched by its parts, which find the same passages
def _told(beginning: str) -> str:
    writing = writing_of(beginning)
    return _latin(beginning[:_BEGINNING]) if writing == "latin" else writing


def _latin(text: str) -> str:
    first, *others = _WORD.findall(text) or [""]
    said = [first.casefold(), *(word for word in others if word.islower())]  # in capitals it may be a name
    told = [_languages().get(word, ()) for word in said]
    counts = Counter(language for languages in told for language in languages)
    del counts["en"]
    best, most = counts.most_common(1)[0] if counts else ("latin", 0)
    english = sum("en" in languages and best not in languages for languages in told)
    own = sum(best in languages and "en" not in languages for languages in told)
    return best if own >= _LEAST and most >= _TIMES * english else "latin"


@functools.cache
def _languages() -> Mapping[str, tuple[str, ...]]:
    """The languages of each function word."""
    known: dict[str, tuple[str, ...]] = {}
    for language, words in vocabulary(__package__, "tongues").items():
        for word in words:
            known[word] = (*known.get(word, ()), language)
    return known
